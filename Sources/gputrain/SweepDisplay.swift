import Experiments
import Foundation

/// Shows a sweep's progress: a line that is rewritten on a terminal, else a line a group.
final class SweepDisplay {
  private let start = ContinuousClock.now
  private var lastShown: ContinuousClock.Instant?
  private var lastGroup: (width: Int, finished: Int)?

  /// Takes note of `progress`, and shows it where it is time to.
  func show(_ progress: Sweep.Progress) {
    if Terminal.isInteractive {
      let now = ContinuousClock.now
      if let lastShown, now - lastShown < .milliseconds(100), progress.group != nil { return }
      lastShown = now
      Terminal.rewrite(progress.group == nil ? "" : line(progress))
    } else if let group = progress.group {
      if lastGroup?.width == group.width && lastGroup?.finished == progress.finished { return }
      lastGroup = (group.width, progress.finished)
      Terminal.note(line(progress))
    }
  }

  private func line(_ progress: Sweep.Progress) -> String {
    var parts = [
      "\(Int(progress.share * 100)) %",
      "\(progress.reused + progress.finished)/\(progress.total) runs",
    ]
    if let group = progress.group { parts.append("width \(group.width)") }
    if progress.diverged > 0 { parts.append("\(progress.diverged) diverged") }
    if progress.failed > 0 { parts.append("\(progress.failed) failed") }
    if let best = progress.best {
      parts.append(
        String(
          format: "best %.4g (%@, 2^%.4g, width %d)", best.loss, best.cell.parametrization,
          best.cell.log2LearningRate, best.cell.width))
    }
    let elapsed = (ContinuousClock.now - start) / .seconds(1)
    if progress.share > 0.02 {
      parts.append(Self.duration(elapsed * (1 / progress.share - 1)) + " left")
    }
    return parts.joined(separator: "  ")
  }

  /// Seconds as 42 s, 3:05 or 1:02:03.
  static func duration(_ seconds: Double) -> String {
    let whole = Int(seconds.rounded())
    if whole < 60 { return "\(whole) s" }
    let text = String(format: "%02d:%02d", whole / 60 % 60, whole % 60)
    return whole < 3600 ? text : "\(whole / 3600):\(text)"
  }
}
