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
      valueName: "name[:warmup]"), completion: Completions.schedules)
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
      valueName: "directory"), completion: .directory)
  var out: String?

  @Option(
    help: ArgumentHelp(
      "Measure every layer each so many steps, into metrics.jsonl: norms of W and ΔW (norms), also "
        + "gradients, features and alignment (all).", valueName: "steps[:norms|all]"))
  var diagnose: DiagnosisArgument?

  @Flag(
    inversion: .prefixedNo,
    help: "Also write each run's losses and measurements for TensorBoard, into OUT/tensorboard.")
  var tensorboard = false

  static let defaultSteps = 150
  /// Where results go by themselves.
  static let runs = URL(fileURLWithPath: "runs")

  func validate() throws {
    if epochs != nil && steps != nil { throw InvalidOption("give --epochs or --steps, not both") }
    try Limits.check("--epochs", epochs ?? 1)
    try Limits.check("--steps", steps ?? 1)
    if out == "" { throw InvalidOption("--out: expected a directory, got an empty name") }
  }

  /// Refuses what makes no sense together, before data and device are looked at.
  ///
  /// - Throws: as `ModelOptions.check`.
  func check(_ grid: SweepGrid) throws {
    for width in grid.widths { try Limits.check("widths", width) }
    _ = try weightDecay.resolved(for: grid.optimizers)
    try model.check(
      parametrizations: grid.parametrizations, optimizers: grid.optimizers,
      widest: grid.widths.max() ?? 1)
  }

  /// The sweep of `grid` with these options, its data loaded and its store opened.
  ///
  /// - keeping: what is kept of a single run. checkpointEvery: steps after which those of a sweep are
  ///   kept. store: where results go where `--out` does not say.
  func sweep(
    _ grid: SweepGrid, keeping: RunKeeping? = nil, checkpointEvery: Int? = nil, store: URL? = nil
  ) throws -> Sweep {
    try check(grid)
    let decay = try weightDecay.resolved(for: grid.optimizers)
    let (compute, data) = try model.prepare()
    var settings = try model.settings(
      data: data, length: epochs.map(TrainingLength.epochs) ?? .steps(steps ?? Self.defaultSteps),
      widest: grid.widths.max() ?? 1, schedule: schedule.schedule, weightDecay: decay,
      zeroReadoutByDefault: true, compute: compute)
    model.note(parametrizations: grid.parametrizations, widths: grid.widths, settings: settings)
    if grid.optimizers.contains(.adamw) && settings.weightDecay == nil {
      Terminal.note("adamw without --weight-decay trains as adam")
    }
    switch keeping?.start {
    case .weights(let weights): settings.initialWeights = weights.fingerprint
    case .checkpoint(let checkpoint, let path):
      settings.initialWeights = checkpoint.configuration.settings.initialWeights
      try checkpoint.check(
        against: RunConfiguration(settings: settings, cell: grid.cells[0]),
        diagnosis: diagnose?.plan, path: path)
      if checkpoint.device != compute.deviceDescription {
        Terminal.note(
          "the checkpoint is of another device, \(checkpoint.device): from here on numbers may "
            + "be rounded in other ways")
      }
    case .drawn, nil: break
    }
    let directory =
      try out.map { URL(fileURLWithPath: $0) } ?? store ?? directory(settings: settings, grid: grid)
    return try Sweep(
      settings: settings, grid: grid, data: data, directory: directory, compute: compute,
      memory: model.memoryPlan(compute), diagnosis: diagnose?.plan, keeping: keeping,
      checkpointEvery: checkpointEvery,
      events: tensorboard
        ? EventFolder(directory: directory.appendingPathComponent("tensorboard")) { Date() } : nil)
  }

  /// Where results go that have no place of their own: the newest sweep under runs/ of these
  /// settings that is not done, else a new directory there.
  private func directory(settings: RunSettings, grid: SweepGrid) throws -> URL {
    let runs = Self.runs
    if let begun = RunStore.unfinished(under: runs, settings: settings, grid: grid) {
      Terminal.note("continuing \(begun.relativePath)")
      return begun
    }
    return RunDirectory.new(named: settings.data.name)
  }
}
