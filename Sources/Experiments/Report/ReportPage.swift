import Foundation

/// A self-contained page: opened from disk it loads nothing else.
struct ReportPage {
  /// The browser's title.
  let title: String
  /// What is between `<main>` and `</main>`.
  let content: [HTMLNode]

  /// The file's text.
  var html: String {
    let head: [HTMLNode] = [
      .element("meta", [("charset", "utf-8")], []),
      .element(
        "meta", [("name", "viewport"), ("content", "width=device-width, initial-scale=1")], []),
      .element("meta", [("name", "color-scheme"), ("content", "light dark")], []),
      // An icon of its own, or browsers look for one.
      .element("link", [("rel", "icon"), ("href", "data:,")], []),
      .tag("title", title),
      .element("style", [], [.markup(ReportStyle.css)]),
    ]
    let page: HTMLNode = .element(
      "html", [("lang", "en")],
      [.tag("head", head), .tag("body", [.tag("main", content), Self.footer])])
    return "<!DOCTYPE html>\n" + page.rendered + "\n"
  }

  private static let footer: HTMLNode = .tag(
    "footer",
    [
      .text("Made by gputrain. The theory: Yang, Simon, Bernstein, "),
      .link("https://arxiv.org/abs/2310.17813", "A Spectral Condition for Feature Learning"),
      .text(", arXiv:2310.17813."),
    ])
}

/// Parts that pages have in common.
enum ReportParts {
  /// A paragraph in which powers stand as such.
  static func paragraph(_ text: String, class style: String? = nil) -> HTMLNode {
    .tag("p", class: style, rich(text))
  }

  /// A text in which `2^−7` is a power.
  static func rich(_ text: String) -> [HTMLNode] {
    var nodes: [HTMLNode] = []
    // A number and its per cent stay on one line.
    let text = text.replacing(" %", with: "\u{A0}%")
    // A table has thousands of texts, and most have neither a power nor an interval.
    if !text.utf8.contains(0x5E) && !text.contains("…") { return [.text(text)] }
    var rest = text[...]
    while let match = rest.firstMatch(of: Self.special) {
      nodes.append(.text(String(rest[..<match.range.lowerBound])))
      nodes.append(
        match.2.map {
          .tag("span", class: "whole", [.text(String(match.0.prefix(1))), .tag("sup", String($0))])
        } ?? .tag("span", class: "whole", String(match.0)))
      rest = rest[match.range.upperBound...]
    }
    return nodes + [.text(String(rest))]
  }

  /// A power of 2 or n, or an interval, which stays on one line.
  private static var special: Regex<(Substring, Substring?, Substring?)> {
    /([2n])\^(−?[0-9]+(?:\.[0-9]+)?)|(?:95\u{A0}% )?−?[0-9.]+…−?[0-9.]+/
  }

  /// Where the words are explained.
  static let linkToTerms: HTMLNode = .tag(
    "p", class: "soft", [.link("#terms", "The words used here"), .text(" are below.")])

  /// A section with a heading that links can name.
  static func section(_ id: String, _ title: String, _ content: [HTMLNode]) -> HTMLNode {
    .element("section", [("id", id)], [.tag("h2", title)] + content)
  }

  /// A table, which becomes a list of its rows where there is no room for its columns.
  ///
  /// - rows: of cells with their widths, as multiples of the font's size; the first cell of a row
  ///   names it.
  static func table(
    _ header: [String], _ rows: [[(node: HTMLNode, width: Double)]], label: String
  ) -> HTMLNode {
    let head = HTMLNode.tag(
      "tr",
      header.map { name in
        HTMLNode.tag("th", class: name.count > 14 ? "long" : nil, rich(name)).with("scope", "col")
      })
    let body = rows.map { row in
      HTMLNode.tag(
        "tr",
        zip(header, row).enumerated().map { index, cell in
          index == 0
            ? HTMLNode.tag("th", [cell.1.node]).with("scope", "row")
            : HTMLNode.tag("td", [cell.1.node]).with("data-label", cell.0)
        })
    }
    let columns = header.indices.map { column in
      let longest = rows.compactMap { $0.dropFirst(column).first?.width }.max() ?? 0
      // A heading wraps at spaces.
      let word = header[column].split(separator: " ").map { PlotText(String($0)).width(size: 1) }
      return max(longest, word.max() ?? 0)
    }
    return .element(
      "div", [("class", "scroll"), ("role", "region"), ("aria-label", label), ("tabindex", "0")],
      [
        .tag(
          "table", class: ReportStyle.tableClass(columns: columns),
          [.tag("thead", [head]), .tag("tbody", body)])
      ])
  }

  /// The same of texts.
  static func table(_ header: [String], texts: [[String]], label: String) -> HTMLNode {
    table(header, texts.map { $0.map(cell) }, label: label)
  }

  /// A cell that holds a text.
  static func cell(_ text: String) -> (node: HTMLNode, width: Double) {
    (.tag("span", rich(text)), PlotText(text).width(size: 1))
  }

  /// What can be opened; open from the start where nothing else shows it.
  static func details(_ summary: String, isOpen: Bool = false, _ content: [HTMLNode]) -> HTMLNode {
    .element("details", isOpen ? [("open", "open")] : [], [.tag("summary", summary)] + content)
  }

  /// Terms with what they mean.
  static func terms(_ terms: [(String, String)]) -> HTMLNode {
    .tag("dl", terms.flatMap { [HTMLNode.tag("dt", $0.0), HTMLNode.tag("dd", rich($0.1))] })
  }

  /// Panels side by side where there is room.
  static func panels(_ figures: [HTMLNode]) -> HTMLNode { .tag("div", class: "panels", figures) }

  /// Values by name, each with as many lines as it needs.
  ///
  /// - header: of the columns; nil: none is shown.
  /// - words: what each name means, below it; by name.
  static func facts(
    _ facts: [[String]], header: [String]? = nil, words: [String: String] = [:], label: String
  ) -> HTMLNode {
    let head = header.map { names in
      HTMLNode.tag(
        "thead", [.tag("tr", names.map { HTMLNode.tag("th", $0).with("scope", "col") })])
    }
    let rows = facts.map { fact in
      HTMLNode.tag(
        "tr",
        fact.enumerated().map { index, text in
          guard index == 0 else { return .tag("td", rich(text)) }
          let meaning = words[text].map { HTMLNode.tag("span", class: "ends", $0) }
          return HTMLNode.tag("th", rich(text) + [meaning].compactMap { $0 })
            .with("scope", "row")
        })
    }
    return .element(
      "table", [("class", "facts"), ("aria-label", label)],
      [head, .tag("tbody", rows)].compactMap { $0 })
  }

  /// Letters, digits and hyphens of a text, to name elements and files.
  static func identifier(_ text: String) -> String {
    let words = text.lowercased().split { !($0.isASCII && ($0.isLetter || $0.isNumber)) }
    return words.isEmpty ? "unnamed" : String(words.joined(separator: "-").prefix(100))
  }

  /// An identifier of each text; of texts that have the same all but the first have a number behind it.
  static func identifiers(_ texts: [String]) -> [String] {
    let plain = texts.map(identifier)
    // A first one keeps its own: a number behind another must not make it that.
    var taken = Set(plain)
    var seen: Set<String> = []
    return plain.map { id in
      if seen.insert(id).inserted { return id }
      var number = 2
      while !taken.insert("\(id)-\(number)").inserted { number += 1 }
      return "\(id)-\(number)"
    }
  }

  /// `a, b and c`.
  static func list(_ words: [String]) -> String {
    guard let last = words.last, words.count > 1 else { return words.joined() }
    return words.dropLast().joined(separator: ", ") + " and " + last
  }

  /// `1 run`, `2 runs`.
  static func count(_ number: Int, _ noun: String) -> String {
    "\(number) \(noun)\(number == 1 ? "" : "s")"
  }

  /// A rate as a power of two.
  static func power(_ log2: Double, digits: Int = 2) -> String {
    "2^\(DecimalText.trimmed(log2, digits: digits).replacing("-", with: "−"))"
  }

  /// The address of `file` from a page in `directory`.
  static func address(of file: URL, from directory: URL) -> String {
    let target = file.standardizedFileURL.pathComponents
    let base = directory.standardizedFileURL.pathComponents
    var common = 0
    while common < min(target.count, base.count), target[common] == base[common] { common += 1 }
    let parts = Array(repeating: "..", count: base.count - common) + target[common...]
    let allowed = CharacterSet.urlPathAllowed.subtracting(CharacterSet(charactersIn: ":/"))
    return parts.isEmpty
      ? "."
      : parts.map { $0.addingPercentEncoding(withAllowedCharacters: allowed) ?? $0 }
        .joined(separator: "/")
  }
}
