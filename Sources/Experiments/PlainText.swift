import Foundation

extension String {
  /// The text without characters that a terminal or a page would obey: control characters, marks that
  /// turn the direction of writing, line separators. Spaces take their place.
  ///
  /// - kept: characters that stay, such as line ends.
  package func printable(keeping kept: String = "") -> String {
    if unicodeScalars.allSatisfy({ !$0.isObeyed || kept.unicodeScalars.contains($0) }) {
      return self
    }
    return String(
      UnicodeScalarView(
        unicodeScalars.map { !$0.isObeyed || kept.unicodeScalars.contains($0) ? $0 : " " }))
  }

  /// The text as a cell of comma-separated values, in quotes where it holds a comma, a quote or a line
  /// end (RFC 4180, section 2).
  ///
  /// A spreadsheet computes what begins with = + - or @: such a text that is no number has an apostrophe
  /// before it.
  package var csvCell: String {
    var text = printable(keeping: "\n")
    if let first = text.first, "=+-@".contains(first), Double(text) == nil { text = "'" + text }
    guard text.contains(where: { ",\"\n".contains($0) }) else { return text }
    return "\"" + text.replacing("\"", with: "\"\"") + "\""
  }
}

extension Unicode.Scalar {
  /// Whether it is no text, but an order to what shows it.
  package var isObeyed: Bool {
    switch properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator: true
    default: false
    }
  }
}
