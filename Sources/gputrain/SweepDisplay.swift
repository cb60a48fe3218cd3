import ArgumentParser
import Experiments
import Foundation

/// Shows a sweep's, or one run's, progress.
final class SweepDisplay {
  private let display = ProgressDisplay()
  private var (pace, tokenPace) = (Pace(), Pace())
  private var isOfText = false
  private var lastGroup: Int?
  private var halvings = 0
  private var told: Set<ProcessIdentity> = []
  private var shortMemory = ShortMemoryNote()

  /// Takes note of `progress`, and shows it where it is time to.
  func show(_ progress: Sweep.Progress) {
    pace.mark(progress.steps, at: display.elapsed)
    tokenPace.mark(progress.tokens, at: display.elapsed)
    isOfText = progress.tokens > 0
    shortMemory.say(where: progress.waits > 0)
    sayWhoHelps(progress.others)
    if progress.awaited > 0 {
      return display.show(key: "waiting", share: progress.share) {
        [
          .init(done(progress)),
          .init("waiting for \(progress.awaited) under way elsewhere"),
        ] + progress.others.prefix(1).map { .init($0.holder.inWords) }
      }
    }
    guard let group = progress.group else { return display.end() }
    if progress.halvings > halvings {
      halvings = progress.halvings
      Terminal.note(
        "the device's memory is short: its runs are trained in smaller groups, now of "
          + "\(group.cells.count)")
    }
    if lastGroup != progress.groupNumber {
      lastGroup = progress.groupNumber
      Terminal.detail(text(of: group, progress))
    }
    display.show(key: "\(progress.groupNumber) \(progress.finished)", share: progress.share) {
      progress.total == 1 ? run(progress, group) : runs(progress, group)
    }
  }

  /// Takes the line away.
  func end() { display.end() }

  /// Says once of each process that trains runs of the same store that it does.
  private func sayWhoHelps(_ others: [Claim]) {
    for claim in others where told.insert(claim.holder).inserted {
      Terminal.note(
        claim.program == Build.version
          ? "\(claim.holder.inWords) is at work on these runs too, on \(claim.device); each does what no "
            + "other has claimed"
          : "\(claim.holder.inWords) has claimed some of these runs for another gputrain, "
            + "\(claim.program); waiting until it is known whether it is still at work")
    }
  }

  private func text(of group: RunGroup, _ progress: Sweep.Progress) -> String {
    let size = progress.bytesPerRun / 0x1p20
    let from = progress.groupStep > 0 ? ", from step \(progress.groupStep)" : ""
    return
      "group \(progress.groupNumber) of \(progress.groupCount): width \(group.width), "
      + (group.shapeInWords.map { "\($0), " } ?? "")
      + "\(group.optimizer.rawValue), \(group.cells.count) runs of \(group.totalSteps) steps "
      + String(format: "and %.1f MiB", size) + from
  }

  private func done(_ progress: Sweep.Progress) -> String {
    "\(progress.reused + progress.finished + progress.elsewhere)/\(progress.total) runs"
  }

  private func runs(_ progress: Sweep.Progress, _ group: RunGroup) -> [ProgressLine.Part] {
    var parts = [ProgressLine.Part(done(progress))]
    if progress.failed > 0 { parts.append(.init("\(progress.failed) failed", .bad)) }
    if progress.diverged > 0 { parts.append(.init("\(progress.diverged) diverged", .unsure)) }
    if let best = progress.best { parts.append(.init(String(format: "best %.4g", best.loss))) }
    parts.append(.init("width \(group.width)" + (group.shapeInWords.map { ", \($0)" } ?? "")))
    parts += speed
    if let best = progress.best {
      let rate = String(format: "2^%.4g", best.cell.log2LearningRate)
      let overrides = best.cell.overridesInWords.map { ", \($0)" } ?? ""
      parts.append(
        .init("(best: \(best.cell.parametrization), \(rate), \(best.cell.width) wide\(overrides))"))
    }
    return parts
  }

  private func run(_ progress: Sweep.Progress, _ group: RunGroup) -> [ProgressLine.Part] {
    let epochs = (group.totalSteps + group.stepsPerEpoch - 1) / group.stepsPerEpoch
    let epoch = max(1, (progress.groupStep + group.stepsPerEpoch - 1) / group.stepsPerEpoch)
    let loss = progress.loss.map { [ProgressLine.Part(String(format: "loss %.4g", $0))] } ?? []
    return [.init("step \(progress.groupStep)/\(group.totalSteps)")] + loss + speed
      + [.init("epoch \(epoch)/\(epochs)")]
  }

  private var speed: [ProgressLine.Part] {
    [(pace, "steps"), (tokenPace, "tokens")].prefix(isOfText ? 2 : 1).compactMap { pace, name in
      pace.text.map { .init("\($0) \(name)/s") }
    }
  }
}

/// Shows how far networks of several widths or depths are: of a check, of the second figure. Ctrl-C ends them and
/// keeps what is done.
final class ScaleDisplay {
  private let display = ProgressDisplay()
  private let directory: URL?
  private var shortMemory = ShortMemoryNote()

  /// - directory: where the results go; nil: nowhere.
  init(directory: URL?) {
    self.directory = directory
    Interrupt.begin()
  }

  /// Shows `progress` where it is time to.
  ///
  /// - Throws: `ExitCode` of the signal where an end was asked for.
  func show(_ progress: ScaleProgress) throws {
    if Interrupt.isRequested {
      display.end()
      Terminal.problem(
        directory.map {
          "stopped; what is done is kept in \($0.relativePath). The same command with --out "
            + "\($0.relativePath) runs the rest"
        } ?? "stopped; nothing is kept")
      throw Interrupt.exitCode
    }
    shortMemory.say(where: progress.hasWaited)
    display.show(
      key: "\(progress.parametrization) \(progress.size)", share: progress.share
    ) {
      [.init("\(progress.parametrization), \(progress.scale.rawValue) \(progress.size)")]
    }
  }

  /// Takes the line away.
  func end() { display.end() }
}
