import ArgumentParser
import Experiments
import Foundation
import Networks
import OpenCL
import Spectral
import Tensors
import Training

/// Data, network and device: what every command that trains has in common.
struct ModelOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "CIFAR-10 binary, IDX (.gz too), NPY pair or CSV; built-in glyphs where left out.",
      valueName: "path"), completion: .file())
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
    help: ArgumentHelp(
      "The network: layers one after another, or blocks of two whose results are added to a stream.",
      valueName: "name"))
  var network: NetworkArgument = .mlp

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Number of hidden layers, of residual-mlp of blocks. (default: 4; in figures 2)",
      valueName: "layers"))
  var depth: Int?

  @Option(
    help: ArgumentHelp(
      "Of residual-mlp: what normalises each block's input and the last block's result. (default: rms)",
      valueName: "kind"))
  var norm: NormArgument?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Of residual-mlp: a block's inner width as a multiple of the width. (default: 1)",
      valueName: "factor"))
  var expansion: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Of residual-mlp: multiplies what a block adds, at the base depth. (default: 1)",
      valueName: "factor"))
  var branchMultiplier: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Of residual-mlp: what a block adds is multiplied by (depth/base depth)^−α. (default: 1)",
      valueName: "layers"))
  var baseDepth: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Of residual-mlp: the α of --base-depth. (default: 0.5)", valueName: "α"))
  var depthExponent: Double?

  @Option(
    help: ArgumentHelp(
      "Of mlp: hidden widths as multiples of the width, repeated over the depth: 1:4:1.",
      valueName: "factors"))
  var hiddenPattern = "1"

  @Option(parsing: .unconditional, help: ArgumentHelp("Rows a step.", valueName: "rows"))
  var batchSize = 64

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Width at which every parametrization equals the standard one.", valueName: "width"))
  var baseWidth = 64

  @Flag(
    inversion: .prefixedNo, help: "Use the rules as such, relative to no base width.")
  var absolute = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The first weight starts 1/√a as large, its product is multiplied by √a.", valueName: "a"))
  var inputMultiplier = 1.0

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Multiplies the logits.", valueName: "factor"))
  var outputMultiplier = 1.0

  @Flag(
    inversion: .prefixedNo,
    help: "Start the readout at 0. (default: yes; in check and figures no)")
  var zeroReadout: Bool?

  @Flag(
    inversion: .prefixedNo,
    help:
      "Scale each initial weight to the spectral norm that its σ implies, σ(√fan-in + √fan-out).")
  var spectralInit = false

  @Flag(inversion: .prefixedNo, help: "Give every layer a bias.")
  var bias = false

  @Option(help: ArgumentHelp("After every layer but the readout.", valueName: "name"))
  var activation: Activation = .relu

  @Option(
    help: ArgumentHelp(
      "What is minimised; mse is to the one-hot label less 1/classes.", valueName: "name"))
  var loss: LossFunction = .crossEntropy

  @Option(
    name: .customLong("rate-rule"),
    help: ArgumentHelp(
      "Take the learning-rate rule of some tensors from elsewhere: readout=sp, layers.1=ntp, "
        + "all=spectral:sgd. May be repeated.", valueName: "place=rule[:family]"))
  var rateRules: [RateRuleArgument] = []

  @Option(
    name: .customLong("lr-multiplier"),
    help: ArgumentHelp(
      "Multiply the learning rate of some tensors: layers.0=2, readout=0.5. May be repeated; later "
        + "ones win.", valueName: "place=factor"))
  var rateMultipliers: [RateMultiplierArgument] = []

  @Option(
    name: .customLong("parametrization-file"),
    help: ArgumentHelp(
      "YAML file whose section parametrizations defines more of them, such as a sweep's. May be "
        + "repeated.", valueName: "file"), completion: Completions.yaml)
  var parametrizationFiles: [String] = []

  @OptionGroup var computing: ComputeOptions

  @Option(
    help: ArgumentHelp(
      "Device memory to use: 512M, 8G. (default: half of a CPU's free memory, 80 % of a GPU's)",
      valueName: "bytes"))
  var memory: ByteCount?

  static let defaultDepth = 4

  func validate() throws {
    try Limits.check("--batch-size", batchSize)
    try Limits.check("--base-width", baseWidth)
    try Limits.check("--depth", depth ?? 1, atMost: Limits.depth)
    try validateResidual()
    try Limits.check("--input-multiplier", positive: inputMultiplier)
    try Limits.check("--output-multiplier", positive: outputMultiplier)
    guard validationFraction > 0 && validationFraction < 1 else {
      throw InvalidOption(
        "--validation-fraction must lie between 0 and 1, got \(validationFraction)")
    }
  }

  /// Parametrizations of `--parametrization-file`.
  ///
  /// - Throws: `FileMistakes`, `DataError`.
  func definitions() throws -> [CustomParametrization] {
    try ParametrizationFile.read(parametrizationFiles)
  }

  /// Refuses options that make no sense together, before data and device are looked at.
  ///
  /// - Throws: `InvalidOption`, `UnknownParametrizationError`, `FileMistakes`.
  /// - defaultDepth: of networks whose depth is not given.
  func check(
    parametrizations names: [String], optimizers: [OptimizerKind], widest: Int,
    defaultDepth: Int = ModelOptions.defaultDepth
  ) throws {
    let definitions = try definitions()
    for name in names {
      _ = try Parametrizations.named(name, or: definitions)
      let family = definitions.first { $0.name == name }?.family
      if let family, let other = optimizers.first(where: { $0.family != family }) {
        throw InvalidOption(
          "parametrization \(name) is for updates of family \(family.rawValue), got \(other.rawValue) "
            + "of family \(other.family.rawValue)")
      }
    }
    _ = try rules(definitions)
    _ = try Limits.pattern(hiddenPattern, width: max(baseWidth, widest))
    if let expansion, expansion > Limits.size / max(baseWidth, widest) {
      throw InvalidOption(
        "--expansion \(expansion) at width \(max(baseWidth, widest)) gives more than \(Limits.size) units"
      )
    }
    try checkSelectors(depth: depth ?? defaultDepth)
  }

  /// Refuses selectors of tensors that select none of the network's.
  private func checkSelectors(depth: Int) throws {
    let given =
      rateRules.map { ("--rate-rule", $0.place) }
      + rateMultipliers.map { ("--lr-multiplier", $0.multiplier.place) }
    if given.isEmpty { return }
    // Names and roles depend neither on the data nor on the width.
    let settings = RunSettings(
      data: DataDescription(
        name: "", fingerprint: "", inputs: 1, classes: 1, trainCount: 0, validationCount: 0,
        normalization: ""),
      depth: depth, residual: residual, bias: bias, length: .steps(1), batchSize: 1,
      matrixMultiplication: "")
    let parameters = settings.network(width: 1).graph.parameters
    for (option, place) in given
    where !parameters.contains(where: {
      RateRule.applies(place, to: $0.path, role: $0.shape.role)
    }) {
      let names = settings.layerNames
      throw InvalidOption(
        "\(option): expected all, input, hidden, readout or \(names[0]) … \(names.last!), "
          + "got '\(place)'\(place.hasSuffix(".bias") && !bias ? " without --bias" : "")")
    }
  }

  /// What sets the residual network apart; nil of a plain one.
  private var residual: ResidualSettings? {
    guard network == .residualMLP else { return nil }
    return ResidualSettings(
      expansion: expansion ?? 1, normalization: (norm ?? .rms).kind,
      branchMultiplier: branchMultiplier ?? 1, baseDepth: baseDepth ?? 1,
      depthExponent: depthExponent ?? 0.5)
  }

  private func validateResidual() throws {
    try Limits.check("--expansion", expansion ?? 1, atMost: Limits.depth)
    try Limits.check("--base-depth", baseDepth ?? 1, atMost: Limits.depth)
    try Limits.check("--branch-multiplier", positive: branchMultiplier ?? 1)
    if let depthExponent, !(0...8).contains(depthExponent) {
      throw InvalidOption("--depth-exponent must be from 0 to 8, got \(depthExponent)")
    }
    let own: [(String, Bool)] = [
      ("--norm", norm != nil), ("--expansion", expansion != nil),
      ("--branch-multiplier", branchMultiplier != nil), ("--base-depth", baseDepth != nil),
      ("--depth-exponent", depthExponent != nil),
    ]
    switch network {
    case .mlp:
      if let option = own.first(where: \.1)?.0 {
        throw InvalidOption("\(option) is for --network residual-mlp")
      }
    case .residualMLP:
      if hiddenPattern != "1" {
        throw InvalidOption("--hidden-pattern is for --network mlp; --expansion widens a block")
      }
    }
  }

  private func rules(_ definitions: [CustomParametrization]) throws -> [RateRule] {
    var rules: [RateRule] = []
    for given in rateRules {
      do {
        rules.append(
          try RateRule(
            place: given.place, parametrization: given.parametrization, family: given.family,
            or: definitions))
      } catch {
        throw InvalidOption("--rate-rule \(given.text): \(error)")
      }
    }
    return rules
  }

  /// The device, its computation and the data, announced on standard error.
  func prepare() throws -> (compute: Compute, data: TrainingData) {
    let compute = try computing.compute()
    let device = compute.queue.device
    let source = try data.map(DataSet.load) ?? LoadedData(train: .glyphs())
    let prepared = try TrainingData(
      source, validationFraction: validationFraction, normalization: normalization.normalization)
    Terminal.note(
      "device: \(device.index) \(device.name) (\(device.kind.rawValue)), "
        + "matrix products by \(compute.multiplier.name)"
        + (compute.multiplier.precision == .fp32 ? "" : ", \(compute.multiplier.precision)")
        + (compute.productTuning.map { ", tuned \($0.day)" } ?? ""))
    Terminal.note(
      "data: \(prepared.description.name), \(prepared.description.trainCount) training and "
        + "\(prepared.description.validationCount) validation rows of "
        + "\(prepared.description.inputs) inputs, \(prepared.description.classes) classes")
    return (compute, prepared)
  }

  /// How much device memory may be taken.
  func memoryPlan(_ compute: Compute) -> MemoryPlan {
    let plan = MemoryPlan(device: compute.queue.device, budget: memory?.bytes)
    let origin = memory == nil ? "by itself" : "by --memory"
    Terminal.detail("memory: \(plan.budget / (1 << 20)) MiB for runs, \(origin)")
    return plan
  }

  /// What runs of these options share.
  ///
  /// - widest: the greatest width that will be asked for.
  /// - Throws: `InvalidOption` where a layer would be too wide.
  func settings(
    data: TrainingData, length: TrainingLength, widest: Int, schedule: Schedule = Schedule(),
    weightDecay: WeightDecay? = nil, zeroReadoutByDefault: Bool,
    defaultDepth: Int = ModelOptions.defaultDepth, compute: Compute
  ) throws -> RunSettings {
    let definitions = try definitions()
    return RunSettings(
      data: data.description, depth: depth ?? defaultDepth, residual: residual,
      hiddenPattern: try Limits.pattern(hiddenPattern, width: max(baseWidth, widest)), bias: bias,
      activation: activation, loss: loss, length: length, batchSize: batchSize,
      baseWidth: absolute ? nil : baseWidth, parametrizations: definitions,
      rateRules: try rules(definitions), rateMultipliers: rateMultipliers.map(\.multiplier),
      inputMultiplier: inputMultiplier, outputMultiplier: outputMultiplier,
      zeroReadout: zeroReadout ?? zeroReadoutByDefault, spectralInit: spectralInit,
      schedule: schedule, weightDecay: weightDecay, matrixMultiplication: compute.multiplier.name,
      precision: compute.multiplier.precision)
  }

  /// Says what `spectral-literal` does below the input size, where it is among the rules.
  func note(parametrizations: [String], widths: [Int], settings: RunSettings) {
    let inputs = settings.data.inputs
    let below = widths.filter { settings.hiddenWidths(width: $0)[0] < inputs }
    guard parametrizations.contains("spectral-literal"), let width = below.min() else { return }
    Terminal.note(
      "spectral-literal at width \(width), below the \(inputs) inputs: first-layer features start "
        + "small and grow with width, so rates need not carry over; spectral takes the limit there")
  }
}
