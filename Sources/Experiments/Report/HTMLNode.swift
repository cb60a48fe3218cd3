/// A piece of a page. Rendered it is HTML and well-formed XML at once, so that either kind of
/// reader takes it.
indirect enum HTMLNode: Sendable {
  /// An element with its attributes, in their order, and its content.
  case element(String, [(name: String, value: String)], [HTMLNode])
  /// Text, escaped when rendered.
  case text(String)
  /// Markup that is well-formed already, such as a drawn picture.
  case markup(String)

  /// An element of class `style`, of none where that is nil.
  static func tag(
    _ name: String, class style: String? = nil, _ content: [HTMLNode] = []
  ) -> HTMLNode {
    .element(name, style.map { [("class", $0)] } ?? [], content)
  }

  /// An element that holds a text alone.
  static func tag(_ name: String, class style: String? = nil, _ text: String) -> HTMLNode {
    tag(name, class: style, [.text(text)])
  }

  /// A link to `address`.
  static func link(_ address: String, _ text: String) -> HTMLNode {
    .element("a", [("href", address)], [.text(text)])
  }

  /// The element with one attribute more; other nodes as they are.
  func with(_ name: String, _ value: String) -> HTMLNode {
    guard case .element(let tag, let attributes, let content) = self else { return self }
    return .element(tag, attributes + [(name, value)], content)
  }

  /// Elements that have no content, and no end tag in HTML.
  private static let void: Set<String> = ["br", "hr", "img", "link", "meta"]

  /// The markup.
  var rendered: String {
    var text = ""
    render(into: &text)
    return text
  }

  private func render(into result: inout String) {
    switch self {
    case .text(let text): result += Self.escaped(text)
    case .markup(let markup): result += markup
    case .element(let name, let attributes, let content):
      result += "<" + name
      for attribute in attributes {
        result += " \(attribute.name)=\"\(Self.escaped(attribute.value))\""
      }
      if Self.void.contains(name) {
        precondition(content.isEmpty, "\(name) has no content")
        result += "/>"
        return
      }
      result += ">"
      for node in content { node.render(into: &result) }
      result += "</\(name)>"
      if Self.blocks.contains(name) { result += "\n" }
    }
  }

  /// Elements that a line ends after, so that the source can be read.
  private static let blocks: Set<String> = [
    "p", "tr", "h1", "h2", "h3", "section", "figure", "dl", "dd", "table", "li", "div", "head",
  ]

  /// `text` as character data and attribute value: nothing in it is markup. Characters that XML
  /// has not, such as control characters, become U+FFFD.
  static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      case "\t", "\n", "\r": result.unicodeScalars.append(scalar)
      case "\u{FFFE}", "\u{FFFF}": result += "\u{FFFD}"
      case _ where scalar.isObeyed: result += "\u{FFFD}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
