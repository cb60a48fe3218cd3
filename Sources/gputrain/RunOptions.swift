import ArgumentParser
import Experiments
import Foundation
import OpenCL
import Spectral
import Tensors
import Training

/// What `sweep` and `train` have in common.
struct RunOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "CIFAR-10 binary, IDX (.gz too), NPY pair or CSV; built-in glyphs where left out.",
      valueName: "path"))
  var data: String?

  @Option(
    help: ArgumentHelp(
      "Normalisation; fixed is x·2/255 − 1, auto that for bytes and per feature for the rest.",
      valueName: "kind"))
  var normalization: NormalizationArgument = .auto

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Share of the rows held out where the data has no validation part.", valueName: "share"))
  var validationFraction = 0.1

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Number of hidden layers.", valueName: "layers"))
  var depth = 4

  @Option(
    help: ArgumentHelp(
      "Hidden widths as multiples of the width, repeated over the depth: 1:4:1.",
      valueName: "factors"))
  var hiddenPattern = "1"

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Passes over the training rows.", valueName: "count"))
  var epochs: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Steps in place of epochs. (default: 150 where neither is given)", valueName: "count"))
  var steps: Int?

  @Option(parsing: .unconditional, help: ArgumentHelp("Rows a step.", valueName: "rows"))
  var batchSize = 64

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Width at which every parametrization equals the standard one.", valueName: "width"))
  var baseWidth = 64

  @Flag(help: "Use the rules as such, relative to no base width.")
  var absolute = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The first weight starts 1/√a as large, its product is multiplied by √a.", valueName: "a"))
  var inputMultiplier = 1.0

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Multiplies the logits.", valueName: "factor"))
  var outputMultiplier = 1.0

  @Flag(inversion: .prefixedNo, help: "Start the readout at 0.")
  var zeroReadout = true

  @Flag(help: "Give every layer a bias.")
  var bias = false

  @Option(help: ArgumentHelp("After every layer but the readout.", valueName: "name"))
  var activation: Activation = .relu

  @Option(
    help: ArgumentHelp(
      "What is minimised; mse is to the one-hot label less 1/classes.", valueName: "name"))
  var loss: LossFunction = .crossEntropy

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
      "gpu, cpu, an index of `gputrain devices` or part of a name. (default: the GPU with the "
        + "most memory, else the CPU)", valueName: "device"))
  var device = ""

  @Option(
    help: ArgumentHelp(
      "Matrix products; auto is openblas on CPU devices, else clblast.", valueName: "name"))
  var gemm: Compute.MultiplierChoice = .automatic

  @Option(
    help: ArgumentHelp(
      "Device memory to use: 512M, 8G. (default: half of a CPU's free memory, 80 % of a GPU's)",
      valueName: "bytes"))
  var memory: ByteCount?

  @Option(
    help: ArgumentHelp(
      "Where results go; the same command again runs only what is missing. (default: the newest "
        + "unfinished sweep of these settings under runs/, else runs/<time>-<data>)",
      valueName: "directory"))
  var out: String?

  @Flag(help: "Print one JSON object in place of the table.")
  var json = false

  func validate() throws {
    if epochs != nil && steps != nil { throw InvalidOption("give --epochs or --steps, not both") }
    try Limits.check("--epochs", epochs ?? 1)
    try Limits.check("--steps", steps ?? 1)
    try Limits.check("--batch-size", batchSize)
    try Limits.check("--base-width", baseWidth)
    try Limits.check("--depth", depth, atMost: Limits.depth)
    try Limits.check("--input-multiplier", positive: inputMultiplier)
    try Limits.check("--output-multiplier", positive: outputMultiplier)
    guard validationFraction > 0 && validationFraction < 1 else {
      throw InvalidOption(
        "--validation-fraction must lie between 0 and 1, got \(validationFraction)")
    }
    if out == "" { throw InvalidOption("--out: expected a directory, got an empty name") }
  }

  /// The sweep of `grid` with these options, its data loaded and its store opened.
  func sweep(_ grid: SweepGrid) throws -> Sweep {
    for name in grid.parametrizations { _ = try Parametrizations.named(name) }
    for width in grid.widths { try Limits.check("widths", width) }
    let pattern = try Limits.pattern(hiddenPattern, width: max(baseWidth, grid.widths.max() ?? 1))
    let device = try Device.find(DeviceRequest(device))
    let compute = try Compute(device: device, multiplier: gemm)
    let source = try data.map(DataSet.load) ?? LoadedData(train: .glyphs())
    let prepared = try TrainingData(
      source, validationFraction: validationFraction, normalization: normalization.normalization)
    let settings = RunSettings(
      data: prepared.description, depth: depth, hiddenPattern: pattern, bias: bias,
      activation: activation, loss: loss,
      length: epochs.map(TrainingLength.epochs) ?? .steps(steps ?? 150), batchSize: batchSize,
      baseWidth: absolute ? nil : baseWidth, inputMultiplier: inputMultiplier,
      outputMultiplier: outputMultiplier, zeroReadout: zeroReadout, schedule: schedule.schedule,
      weightDecay: try weightDecay.resolved(for: grid.optimizers),
      matrixMultiplication: compute.multiplier.name)
    Terminal.note(
      "device: \(device.index) \(device.name) (\(device.kind.rawValue)), "
        + "matrix products by \(compute.multiplier.name)")
    Terminal.note(
      "data: \(prepared.description.name), \(prepared.description.trainCount) training and "
        + "\(prepared.description.validationCount) validation rows of "
        + "\(prepared.description.inputs) inputs, \(prepared.description.classes) classes")
    if grid.optimizers.contains(.adamw) && settings.weightDecay == nil {
      Terminal.note("adamw without --weight-decay trains as adam")
    }
    return try Sweep(
      settings: settings, grid: grid, data: prepared,
      directory: try directory(settings: settings, grid: grid), compute: compute,
      memory: MemoryPlan(device: device, budget: memory?.bytes))
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
