import Foundation
import Testing

/// The code in the documentation's articles is the examples' own.
@Suite struct DocumentationTests {
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
    for article in try files(under: "Sources", ending: ".md") {
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

  /// Pages for those who carry on name files that are there.
  @Test(arguments: ["ARCHITECTURE.md", "CONTRIBUTING.md"]) func namedFiles_exist(page: String)
    throws
  {
    let folders = ["Sources", "Tests", "Kernels", "Examples", "Scripts", "Benchmarks", "Protos"]
    let paths = try folders.flatMap { folder in
      try files(under: folder, ending: "").map { "/" + $0.path }
    }
    let text = try String(
      contentsOf: Self.root.appendingPathComponent(page), encoding: .utf8)
    let names = text.matches(of: /`([\w\/+.]+\.(?:swift|cl|c|h|py|proto))`/).map { $0.1 }
    #expect(names.count > 10)
    for name in names {
      #expect(paths.contains { $0.hasSuffix("/\(name)") }, "\(page) names \(name)")
    }
  }
}
