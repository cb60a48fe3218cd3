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
