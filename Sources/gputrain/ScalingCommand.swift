import ArgumentParser
import Experiments
import Foundation
import Networks
import Spectral
import Training

/// `gputrain scaling`: what every parametrization gives every tensor; touches no device.
struct ScalingCommand: PrintingCommand {
  static let configuration = CommandConfiguration(
    commandName: "scaling",
    abstract: "Print σ, η, ε, decay and multiplier of every tensor under each parametrization.",
    discussion: """
      Effective values: a tensor starts as N(0, σ²) and trains with η, ε and λ as printed. With \
      --base-width, values are relative to the standard parametrization at that width, where all \
      parametrizations are the same; without it they are the rules as such. Of a sweep (--from) \
      network, optimizer and settings are the sweep's, and the learning rate is the one that it \
      recommends for the width.

      Examples:
          gputrain scaling --base-width 64 --width 1024
          gputrain scaling --from runs/mine --width 4096
          gputrain scaling --parametrization mup,spectral --optimizer sgd
          gputrain scaling --parametrization mup --base-width 64 --learning-rate 0.008 \
            --format torch > scales.py
      """)

  @Option(
    help: ArgumentHelp(
      "The directory of a sweep, to take network, settings and learning rate from.",
      valueName: "directory"),
    completion: .directory)
  var from: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Number of inputs. (default: 64)", valueName: "count"))
  var inputs: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Number of outputs. (default: 10)", valueName: "count"))
  var outputs: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Width of the network. (default: 1024, of a sweep its widest)", valueName: "count"))
  var width: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Width at which every parametrization equals the standard one.", valueName: "width"))
  var baseWidth: Int?

  @Option(help: ArgumentHelp("The update rule, adam where left out.", valueName: "name"))
  var optimizer: OptimizerKind?

  @Option(
    name: [.customLong("learning-rate"), .customLong("lr")], parsing: .unconditional,
    help: ArgumentHelp(
      "Learning rate. (default: 1, of a sweep the one that it recommends)", valueName: "η"))
  var learningRate: Double?

  @Option(
    name: .customLong("log2-lr"), parsing: .unconditional,
    help: ArgumentHelp("log2 of the learning rate, in its place.", valueName: "rate"))
  var log2LearningRate: Double?

  @Option(
    help: ArgumentHelp("Names with commas; all where left out.", valueName: "list"),
    completion: Completions.parametrizations)
  var parametrization: String?

  @Option(
    name: .customLong("parametrization-file"),
    help: ArgumentHelp(
      "YAML file whose section parametrizations defines more of them. May be repeated.",
      valueName: "file"), completion: Completions.yaml)
  var parametrizationFiles: [String] = []

  @OptionGroup var configuration: SettingOptions<Scaled>

  /// The settings that decide what a tensor gets.
  enum Scaled: SettingSelection {
    static let defaults = Configuration { $0.zeroReadout = false }
    static let omitted = Configuration.names.subtracting([
      "network", "depth", "norm", "expansion", "branch-multiplier", "base-depth", "depth-rule",
      "hidden-pattern", "bias", "input-multiplier", "output-multiplier", "zero-readout",
      "init-multiplier", "rate-rule", "depth-rate-rule", "lr-multiplier", "weight-decay",
      "decay-vectors", "epsilon", "group", "muon-scale", "muon-per-head", "adamw-lr-multiplier",
      "newton-schulz-steps",
      "muon-nesterov", "momentum", "beta1", "beta2", "spectral-sphere", "spectral-cap",
      "spectral-clip",
    ])
  }

  @OptionGroup var output: OutputOptions

  /// How the scales are written.
  enum Format: String, CaseIterable, ExpressibleByArgument {
    case table, json, torch
  }

  @Option(
    help: ArgumentHelp(
      "As a table, as JSON, or as Python to paste: initial values and parameter groups of PyTorch, "
        + "of one parametrization.", valueName: "format"))
  var format: Format = .table

  func validate() throws {
    for (name, value) in [("--inputs", inputs), ("--outputs", outputs), ("--width", width)] {
      try Limits.check(name, value ?? 1)
    }
    try Limits.check("--base-width", baseWidth ?? 1)
    try Limits.check("--learning-rate", positive: learningRate ?? 1)
    if let log2LearningRate {
      guard learningRate == nil else {
        throw InvalidOption("give one of --learning-rate, --log2-lr")
      }
      guard (-126...16).contains(log2LearningRate) else {
        throw InvalidOption("--log2-lr must be from -126 to 16, got \(log2LearningRate)")
      }
    }
    if output.json && format == .torch { throw InvalidOption("give --json or --format, not both") }
    if from == "" { throw InvalidOption("--from: expected a directory, got an empty name") }
    if from != nil, let name = givenOfSweep {
      throw InvalidOption("--\(name) is the sweep's own; leave it out beside --from")
    }
  }

  /// What was given though a sweep decides it.
  private var givenOfSweep: String? {
    let given: [(name: String, isGiven: Bool)] = [
      ("inputs", inputs != nil), ("outputs", outputs != nil), ("base-width", baseWidth != nil),
      ("parametrization-file", !parametrizationFiles.isEmpty),
    ]
    return given.first(where: \.isGiven)?.name ?? configuration.given.keys.sorted().first
  }

  func run() throws {
    let scaled = try from.map { try ofSweep(at: URL(fileURLWithPath: $0)) } ?? ofSettings()
    switch output.json ? .json : format {
    case .json: Terminal.print(try jsonText(scaled.scales))
    case .table: Terminal.print(table(scaled))
    case .torch: Terminal.print(try torch(scaled), terminator: "")
    }
  }

  /// The rate that was given; nil: none was.
  private var givenRate: Double? { log2LearningRate.map { exp2($0) } ?? learningRate }

  /// The scales of one network, and what they are of.
  private struct ScaledNetwork {
    let training: TrainingConfiguration
    let optimizer: OptimizerKind
    let width: Int
    /// nil: the rules are absolute.
    let baseWidth: Int?
    /// The rules side by side, each with its learning rate.
    let rules: [(parametrization: any Parametrization, learningRate: Double)]

    /// A tensor after another, of each a value a rule.
    var scales: [TensorScale] {
      let byRule = rules.map {
        TensorScale.all(of: training, under: $0.parametrization, learningRate: $0.learningRate)
      }
      return training.network.graph.parameters.indices.flatMap { index in byRule.map { $0[index] } }
    }
  }

  private func torch(_ scaled: ScaledNetwork) throws -> String {
    guard scaled.rules.count == 1 else {
      throw InvalidOption("--format torch writes one parametrization: give it as --parametrization")
    }
    let (rule, rate) = scaled.rules[0]
    let base = scaled.baseWidth.map { ", base width \($0)" } ?? ""
    do {
      return try TorchScales(
        scaled.scales,
        rules: scaled.training.network.graph.parameters.map {
          scaled.training.optimization.settings(for: $0).rule(or: nil)
        },
        title: "\(rule.name) under \(scaled.optimizer.rawValue): width \(scaled.width)\(base), "
          + "learning rate \(rate)"
      ).text
    } catch let error as TorchScalesError {
      throw InvalidOption("--format torch: \(error); use --format json")
    }
  }

  /// What the command line describes.
  private func ofSettings() throws -> ScaledNetwork {
    let (width, optimizer) = (width ?? 1024, optimizer ?? .adam)
    var settings = try configuration.settings
    settings.parametrizations = try ParametrizationFile.read(parametrizationFiles)
    let names = try parametrizationNames
    (settings.absolute, settings.baseWidth) = (baseWidth == nil, baseWidth ?? width)
    try settings.throwProblems(
      parametrizations: names ?? [], optimizers: [optimizer], widths: [width])
    let fitting = settings.parametrizations.filter {
      $0.family ?? optimizer.parametrizedFamily == optimizer.parametrizedFamily
    }
    let rules =
      try names?.map { try Parametrizations.named($0, or: fitting) } ?? Parametrizations.all
      + fitting
    let training = settings.training(
      optimizer, width: width, inputs: inputs ?? 64, outputs: outputs ?? 10, totalSteps: .max)
    Terminal.detail(
      "network: \(settings.networkInWords), rules: \(rules.map(\.name).joined(separator: ", "))")
    return ScaledNetwork(
      training: training, optimizer: optimizer, width: width, baseWidth: baseWidth,
      rules: rules.map { ($0, givenRate ?? 1) })
  }

  /// What a sweep trained, at the width asked for and the rates that it recommends there.
  private func ofSweep(at directory: URL) throws -> ScaledNetwork {
    let sweep = try StoredSweep(directory: directory)
    func refusal(_ text: String) -> InvalidOption {
      InvalidOption("--from \(directory.relativePath): \(text)")
    }
    guard sweep.axes == SweepAxes() else {
      throw refusal(
        "expected a sweep of learning rates over widths, got one of \(sweep.axes.inWords)")
    }
    let rows = try asked(sweep.rows, refusal)
    guard let width = width ?? sweep.target ?? rows.map(\.width).max(),
      let optimizer = rows.first?.optimizer
    else { throw refusal("the sweep has no finished run yet") }
    let settings = sweep.experiment.settings
    let groups = sweep.report(of: rows, target: width).groups
    try settings.throwProblems(
      parametrizations: groups.map(\.parametrization), optimizers: [optimizer], widths: [width])
    let rules = try groups.map { group -> (any Parametrization, Double) in
      let rule = try settings.parametrization(named: group.parametrization)
      if let givenRate { return (rule, givenRate) }
      guard let use = group.recommendation else {
        throw refusal(
          "\(group.title): \(Recommendation.none(for: width, sweep.axes)), \(group.verdict.text); give one "
            + "with --learning-rate, or choose with --parametrization")
      }
      Terminal.note("\(group.title): \(use.sentence(sweep.axes))")
      return (rule, exp2(use.log2LearningRate))
    }
    return ScaledNetwork(
      training: sweep.experiment.training(optimizer, width: width), optimizer: optimizer,
      width: width, baseWidth: settings.absolute ? nil : settings.baseWidth, rules: rules)
  }

  /// Those of a sweep's runs that were asked for, all of one optimizer.
  private func asked(
    _ rows: [SummaryRow], _ refusal: (String) -> InvalidOption
  ) throws -> [SummaryRow] {
    let names = try parametrizationNames
    let known = rows.map(\.parametrization).uniqued()
    for name in names ?? [] where !known.contains(name) {
      throw refusal(
        "the sweep has no runs under \(name); it has \(known.joined(separator: ", "))")
    }
    let optimizers = rows.map(\.optimizer).uniqued()
    let list = optimizers.map(\.rawValue).joined(separator: ", ")
    if let optimizer, !optimizers.contains(optimizer) {
      throw refusal("the sweep has no runs of \(optimizer.rawValue); it has \(list)")
    }
    guard optimizer != nil || optimizers.count < 2 else {
      throw refusal("the sweep is of several optimizers: choose one of \(list) with --optimizer")
    }
    return rows.filter { row in
      names?.contains(row.parametrization) ?? true && row.optimizer == optimizer ?? optimizers[0]
    }
  }

  private var parametrizationNames: [String]? {
    get throws {
      try parametrization.map {
        let names: [String] = try SweepGrid.parseList(
          $0, what: "--parametrization", "names a,b,c")
        guard Set(names).count == names.count else {
          throw InvalidOption("--parametrization: expected each name once, got '\($0)'")
        }
        return names
      }
    }
  }

  /// A block a tensor, a line a parametrization.
  private func table(_ scaled: ScaledNetwork) -> String {
    let rows = scaled.scales
    var lines = [
      scaled.baseWidth.map { "relative to width \($0), where every rule equals sp" }
        ?? "absolute: the rules as such"
    ]
    let nameWidth = rows.map(\.parametrization.count).max() ?? 0
    let hasRules = Set(rows.map(\.optimizer)).count > 1
    for tensor in rows.map(\.tensor).uniqued() {
      let block = rows.filter { $0.tensor == tensor }
      let rule = hasRules ? "  \(block[0].optimizer.rawValue)" : ""
      lines.append("")
      let held = block[0].heldNorm.map { "  ‖W‖* \($0)" } ?? ""
      let place = block[0].blockInWords.map { "  \($0)" } ?? ""
      lines.append("\(tensor)  \(block[0].sizeInWords)\(rule)\(held)\(place)")
      lines.append(
        String(repeating: " ", count: nameWidth + 2)
          + ["σ", "η", "ε", "λ", "multiplier"].map { column($0, 11) }.joined())
      for row in block {
        let values = [
          row.initialStd, row.learningRate, row.epsilon, row.weightDecay, row.multiplier,
        ]
        lines.append(
          "  " + row.parametrization.padding(toLength: nameWidth, withPad: " ", startingAt: 0)
            + values.map { column(String(format: "%.4g", $0), 11) }.joined())
      }
    }
    return lines.joined(separator: "\n")
  }

  /// `text` set to the right in `width` columns.
  private func column(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(1, width - text.count)) + text
  }
}
