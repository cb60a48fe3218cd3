import Experiments
import Foundation

/// Shows how far something is: a line that is rewritten on a terminal, else a line now and then.
final class ProgressDisplay {
  private let clock = ContinuousClock()
  private let start = ContinuousClock.now
  private var lastShown: ContinuousClock.Instant?
  private var lastNoted: (time: ContinuousClock.Instant, key: String)?

  /// Seconds since the display was made.
  var elapsed: Double { (clock.now - start) / .seconds(1) }

  /// Shows a line, if it is time to.
  ///
  /// - key: what a file gets a line for each time that it changes; nil where there is nothing to
  ///   say yet.
  func show(key: String?, share: Double, parts: () -> [ProgressLine.Part]) {
    let now = clock.now
    if Terminal.isInteractive {
      if let lastShown, now - lastShown < .milliseconds(100) { return }
      lastShown = now
      Terminal.rewrite(
        line(share, parts()).text(columns: Terminal.columns, colours: .errors))
    } else if let key {
      if let lastNoted, lastNoted.key == key, now - lastNoted.time < Self.silence { return }
      lastNoted = (now, key)
      Terminal.note(line(share, parts()).plain)
    }
  }

  /// Takes the line away.
  func end() { Terminal.rewrite("") }

  private func line(_ share: Double, _ parts: [ProgressLine.Part]) -> ProgressLine {
    let left = timeLeft(share: share).map { [ProgressLine.Part("\(Self.duration($0)) left")] }
    return ProgressLine(share: share, parts: (left ?? []) + parts)
  }

  /// Seconds left as work so far would have it; nil at the start, where it says nothing.
  private func timeLeft(share: Double) -> Double? {
    share > 0.02 && share < 1 ? elapsed * (1 / share - 1) : nil
  }

  /// A file that nothing changes in gets a line this often.
  private static let silence = Duration.seconds(60)

  /// Seconds as 42 s, 3:05 or 1:02:03.
  static func duration(_ seconds: Double) -> String {
    let whole = Int(seconds.rounded())
    if whole < 60 { return "\(whole) s" }
    if whole < 3600 { return String(format: "%d:%02d", whole / 60, whole % 60) }
    return String(format: "%d:%02d:%02d", whole / 3600, whole / 60 % 60, whole % 60)
  }
}

/// How far something is, in a line: a bar, and as many parts as there is room for.
struct ProgressLine {
  /// Something that the line may say.
  struct Part {
    let text: String
    var tone: Tone?

    init(_ text: String, _ tone: Tone? = nil) {
      (self.text, self.tone) = (text.printable(), tone)
    }
  }

  /// Done, in [0, 1].
  let share: Double
  /// What to say, the most important first.
  let parts: [Part]

  private var percent: String { "\(Int(share * 100)) %" }

  /// For a terminal of so many columns; a part that does not fit is left out.
  func text(columns: Int, colours: Colours) -> String {
    let cells = columns < 60 ? 0 : 12
    let filled = Int((share * Double(cells)).rounded(.down))
    var room = columns - 1 - cells - (cells > 0 ? 1 : 0) - 5
    var text = cells > 0 ? colours.paint(String(repeating: "━", count: filled), .good) : ""
    text += String(repeating: "─", count: cells - filled)
    text += (cells > 0 ? " " : "") + String(repeating: " ", count: 5 - percent.count) + percent
    for part in parts where part.text.count + 2 <= room {
      room -= part.text.count + 2
      text += "  " + (part.tone.map { colours.paint(part.text, $0) } ?? part.text)
    }
    return text
  }

  /// For a file: everything, without a bar.
  var plain: String { ([percent] + parts.map(\.text)).joined(separator: "  ") }
}

/// How fast something goes: over the last seconds, so that it follows what is going on.
struct Pace {
  private var marks: [(seconds: Double, count: Int)] = []
  private static let window = 5.0

  /// Notes that `count` have been done after `seconds`; steps of several seconds are marked as they end.
  mutating func mark(_ count: Int, at seconds: Double) {
    if marks.last?.count == count { return }
    marks.append((seconds, count))
    while marks.count > 2 && seconds - marks[1].seconds > Self.window { marks.removeFirst() }
  }

  /// Such as 812, 12.4k or 3.1M a second; nil before there is a span to speak of.
  var text: String? {
    guard let first = marks.first, let last = marks.last, last.seconds - first.seconds > 0.2
    else { return nil }
    let rate = Double(last.count - first.count) / (last.seconds - first.seconds)
    if rate >= 1e6 { return String(format: "%.1fM", rate / 1e6) }
    return rate >= 10_000
      ? String(format: "%.0fk", rate / 1000)
      : rate >= 1000 ? String(format: "%.1fk", rate / 1000) : String(format: "%.3g", rate)
  }
}
