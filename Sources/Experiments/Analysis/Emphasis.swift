/// How a passage of a report strikes its reader.
public enum Tone: Sendable {
  /// As it should be.
  case good
  /// Not as it should be.
  case bad
  /// It is not known.
  case unsure
}

/// Sets a passage off by its tone, by colour on a terminal; where nothing is set off, the passage
/// itself. It must not change how many columns the passage takes.
public typealias Emphasis = (_ passage: String, _ tone: Tone) -> String

extension ReportText {
  /// Each line of `text` set off on its own, so that no line end falls between.
  static func emphasized(_ text: String, _ tone: Tone, by emphasis: Emphasis) -> String {
    text.split(separator: "\n", omittingEmptySubsequences: false)
      .map { $0.isEmpty ? "" : emphasis(String($0), tone) }.joined(separator: "\n")
  }
}
