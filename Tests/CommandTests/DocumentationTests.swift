import Foundation
import Testing

/// The code on the documentation's pages is the examples' own; files and links on them exist.
@Suite(.runsPrograms) struct DocumentationTests {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  func files(under folder: String, ending: String) throws -> [URL] {
    let folder = Self.root.appendingPathComponent(folder)
    let names = try FileManager.default.subpathsOfDirectory(atPath: folder.path)
    return names.filter { $0.hasSuffix(ending) }.map(folder.appendingPathComponent)
  }

  /// Lines without indentation.
  func lines(_ text: Substring) -> String {
    text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
      .joined(separator: "\n")
  }

  @Test func snippets_areLinesOfExamples() throws {
    let sources = try ["Examples", "Tests/Interop/Import"].flatMap {
      try files(under: $0, ending: ".swift")
    }.map { lines(try String(contentsOf: $0, encoding: .utf8)[...]) }
    var count = 0
    let pages =
      try [Self.root.appendingPathComponent("README.md")] + files(under: "docs", ending: ".md")
    for article in try files(under: "Sources", ending: ".md") + pages {
      let text = try String(contentsOf: article, encoding: .utf8)
      for match in text.matches(of: /```swift\n(.*?)```/.dotMatchesNewlines()) {
        let snippet = lines(match.1)
        #expect(
          !snippet.isEmpty && sources.contains { ("\n" + $0 + "\n").contains("\n\(snippet)\n") },
          "\(article.lastPathComponent): no example has\n\(match.1)")
        count += 1
      }
    }
    #expect(count >= 12)
  }

  /// Pages of this package, but for the articles of `make docs`.
  static let pages: [String] = {
    let subpaths = FileManager.default.subpaths(atPath: root.appendingPathComponent("docs").path)
    let docs = (subpaths ?? []).filter { $0.hasSuffix(".md") }.sorted().map { "docs/\($0)" }
    return ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"] + docs
  }()

  /// Links lead to files, and to headings that they have.
  @Test(arguments: pages) func links_resolve(page: String) throws {
    let file = Self.root.appendingPathComponent(page)
    let text = try String(contentsOf: file, encoding: .utf8)
    for match in text.matches(of: /\]\(([^)\s]+)\)/) where !match.1.contains("://") {
      let parts = match.1.split(separator: "#", omittingEmptySubsequences: false).map(String.init)
      let target =
        parts[0].isEmpty
        ? file : URL(fileURLWithPath: parts[0], relativeTo: file.deletingLastPathComponent())
      #expect(
        FileManager.default.fileExists(atPath: target.path), "\(page) links to \(match.1)")
      guard parts.count == 2 else { continue }
      let headings = try String(contentsOf: target, encoding: .utf8).split(separator: "\n")
        .filter { $0.hasPrefix("#") }.map(Self.anchor)
      #expect(headings.contains(parts[1]), "\(page) links to \(match.1)")
    }
  }

  /// A heading's anchor, as GitHub makes it.
  static func anchor(_ heading: Substring) -> String {
    String(
      heading.drop { $0 == "#" }.trimmingCharacters(in: .whitespaces).lowercased()
        .filter { $0.isLetter || $0.isNumber || "- _".contains($0) }.map { $0 == " " ? "-" : $0 })
  }

  /// Pages for those who carry on name files that are there.
  @Test(
    arguments: pages.filter { ($0 + "/").contains(/^(ARCHITECTURE|CONTRIBUTING|docs\/design)/) })
  func namedFiles_exist(page: String) throws {
    let folders = ["Sources", "Tests", "Kernels", "Examples", "Scripts", "Benchmarks", "Protos"]
    let paths = try folders.flatMap { folder in
      try files(under: folder, ending: "").map { "/" + $0.path }
    }
    let text = try String(
      contentsOf: Self.root.appendingPathComponent(page), encoding: .utf8)
    let names = text.matches(of: /`([\w\/+.]+\.(?:swift|cl|c|h|py|proto))`/).map { $0.1 }
    #expect(names.count > 10 || page.hasPrefix("docs/"))
    for name in names {
      #expect(paths.contains { $0.hasSuffix("/\(name)") }, "\(page) names \(name)")
    }
  }
}
