import ArgumentParser
import Experiments
import Foundation
import Spectral
import Training

/// What `sweep` and `train` have in common.
struct RunOptions: ParsableArguments {
  @OptionGroup var model: ModelOptions

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Passes over the training rows.", valueName: "count"))
  var epochs: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Steps in place of epochs. (default: 150 where neither is given)", valueName: "count"))
  var steps: Int?

  @Option(
    help: ArgumentHelp(
      "constant, warmup, cosine, linear or wsd, with the warm-up's share of all steps: cosine:0.1.",
      valueName: "name[:warmup]"))
  var schedule = ScheduleArgument.constant

  @Option(
    help: ArgumentHelp(
      "Weight decay; its kind is coupled, decoupled (AdamW's own) or independent of width.",
      valueName: "λ[:kind]"))
  var weightDecay = WeightDecayArgument.none

  @Option(
    help: ArgumentHelp(
      "Where results go; the same command again runs only what is missing. (default: the newest "
        + "unfinished sweep of these settings under runs/, else runs/<time>-<data>)",
      valueName: "directory"))
  var out: String?

  @Flag(help: "Print one JSON object in place of the table.")
  var json = false

  @Option(
    help: ArgumentHelp(
      "Measure every layer each so many steps, into metrics.jsonl: norms of W and ΔW (norms), also "
        + "gradients, features and alignment (all).", valueName: "steps[:norms|all]"))
  var diagnose: DiagnosisArgument?

  func validate() throws {
    if epochs != nil && steps != nil { throw InvalidOption("give --epochs or --steps, not both") }
    try Limits.check("--epochs", epochs ?? 1)
    try Limits.check("--steps", steps ?? 1)
    if out == "" { throw InvalidOption("--out: expected a directory, got an empty name") }
  }

  /// The sweep of `grid` with these options, its data loaded and its store opened.
  func sweep(_ grid: SweepGrid) throws -> Sweep {
    for name in grid.parametrizations { _ = try Parametrizations.named(name) }
    for width in grid.widths { try Limits.check("widths", width) }
    let decay = try weightDecay.resolved(for: grid.optimizers)
    let (compute, data) = try model.prepare()
    let settings = try model.settings(
      data: data, length: epochs.map(TrainingLength.epochs) ?? .steps(steps ?? 150),
      widest: grid.widths.max() ?? 1, schedule: schedule.schedule, weightDecay: decay,
      zeroReadoutByDefault: true, compute: compute)
    model.note(parametrizations: grid.parametrizations, widths: grid.widths, settings: settings)
    if grid.optimizers.contains(.adamw) && settings.weightDecay == nil {
      Terminal.note("adamw without --weight-decay trains as adam")
    }
    return try Sweep(
      settings: settings, grid: grid, data: data,
      directory: try directory(settings: settings, grid: grid), compute: compute,
      memory: model.memoryPlan(compute), diagnosis: diagnose?.plan)
  }

  /// Where results go: `--out`, else the newest sweep under runs/ of these settings that is not
  /// done, else a new directory there.
  private func directory(settings: RunSettings, grid: SweepGrid) throws -> URL {
    if let out { return URL(fileURLWithPath: out) }
    let runs = URL(fileURLWithPath: "runs")
    if let begun = RunStore.unfinished(under: runs, settings: settings, grid: grid) {
      Terminal.note("continuing \(begun.relativePath)")
      return begun
    }
    let formatter = DateFormatter()
    formatter.locale = Locale(identifier: "en_US_POSIX")
    formatter.dateFormat = "yyyyMMdd-HHmmss"
    let name = settings.data.name.map { $0.isLetter || $0.isNumber || $0 == "-" ? $0 : "-" }
    return runs.appendingPathComponent("\(formatter.string(from: Date()))-\(String(name))")
  }
}
