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
      parametrizations are the same; without it they are the rules as such.

      Examples:
          gputrain scaling --base-width 64 --width 1024
          gputrain scaling --parametrization mup,spectral --optimizer sgd
          gputrain scaling --parametrization mup --base-width 64 --learning-rate 0.008 \
            --format torch > scales.py
      """)

  @Option(parsing: .unconditional, help: ArgumentHelp("Number of inputs.", valueName: "count"))
  var inputs = 64

  @Option(parsing: .unconditional, help: ArgumentHelp("Number of outputs.", valueName: "count"))
  var outputs = 10

  @Option(parsing: .unconditional, help: ArgumentHelp("Width of the network.", valueName: "count"))
  var width = 1024

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Width at which every parametrization equals the standard one.", valueName: "width"))
  var baseWidth: Int?

  @Option(help: ArgumentHelp("The update rule.", valueName: "name"))
  var optimizer: OptimizerKind = .adam

  @Option(
    name: [.customLong("learning-rate"), .customLong("lr")], parsing: .unconditional,
    help: ArgumentHelp("Learning rate.", valueName: "η"))
  var learningRate = 1.0

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
      "rate-rule", "depth-rate-rule", "lr-multiplier", "weight-decay", "decay-vectors", "epsilon",
      "group", "muon-scale", "muon-per-head", "adamw-lr-multiplier", "newton-schulz-steps",
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
      try Limits.check(name, value)
    }
    try Limits.check("--base-width", baseWidth ?? 1)
    try Limits.check("--learning-rate", positive: learningRate)
    if let log2LearningRate {
      guard learningRate == 1 else {
        throw InvalidOption("give one of --learning-rate, --log2-lr")
      }
      guard (-126...16).contains(log2LearningRate) else {
        throw InvalidOption("--log2-lr must be from -126 to 16, got \(log2LearningRate)")
      }
    }
    if output.json && format == .torch { throw InvalidOption("give --json or --format, not both") }
  }

  func run() throws {
    let (scales, training) = try scales()
    switch output.json ? .json : format {
    case .json: Terminal.print(try jsonText(scales))
    case .table: Terminal.print(table(scales))
    case .torch: Terminal.print(try torch(scales, training), terminator: "")
    }
  }

  private var rate: Double { log2LearningRate.map { exp2($0) } ?? learningRate }

  private func torch(_ scales: [TensorScale], _ training: TrainingConfiguration) throws -> String {
    let names = scales.map(\.parametrization).uniqued()
    guard names.count == 1 else {
      throw InvalidOption("--format torch writes one parametrization: give it as --parametrization")
    }
    let base = baseWidth.map { ", base width \($0)" } ?? ""
    do {
      return try TorchScales(
        scales,
        rules: training.network.graph.parameters.map {
          training.optimization.settings(for: $0).rule(or: nil)
        },
        title: "\(names[0]) under \(optimizer.rawValue): width \(width)\(base), learning rate "
          + "\(rate)"
      ).text
    } catch let error as TorchScalesError {
      throw InvalidOption("--format torch: \(error); use --format json")
    }
  }

  private func scales() throws -> ([TensorScale], TrainingConfiguration) {
    var settings = try configuration.settings
    settings.parametrizations = try ParametrizationFile.read(parametrizationFiles)
    let names: [String]? = try parametrization.map {
      try SweepGrid.parseList($0, what: "--parametrization", "names a,b,c")
    }
    (settings.absolute, settings.baseWidth) = (baseWidth == nil, baseWidth ?? width)
    try settings.throwProblems(
      parametrizations: names ?? [], optimizers: [optimizer], widths: [width])
    let fitting = settings.parametrizations.filter {
      $0.family ?? optimizer.parametrizedFamily == optimizer.parametrizedFamily
    }
    let rules =
      try names?.map { try Parametrizations.named($0, or: fitting) } ?? Parametrizations.all
      + fitting
    func network(_ width: Int) -> any Architecture {
      settings.network(width: width, inputs: inputs, outputs: outputs)
    }
    let training = TrainingConfiguration(
      network: network(width), baseNetwork: baseWidth.map(network),
      parametrizations: settings.parametrizations,
      ownBaseNetworks: Dictionary(
        settings.parametrizations.compactMap { own in own.baseWidth.map { (own.name, network($0)) }
        }
      ) { first, _ in first },
      rateRules: settings.rateRules, depthRateRules: settings.depthRateRules,
      optimization: settings.optimization(optimizer, totalSteps: .max))
    Terminal.detail(
      "network: \(settings.networkInWords), rules: \(rules.map(\.name).joined(separator: ", "))")
    let byRule = rules.map {
      TensorScale.all(of: training, under: $0, learningRate: rate)
    }
    // Rules side by side, a tensor after another.
    return (
      training.network.graph.parameters.indices.flatMap { index in byRule.map { $0[index] } },
      training
    )
  }

  /// A block a tensor, a line a parametrization.
  private func table(_ rows: [TensorScale]) -> String {
    var lines = [
      baseWidth.map { "relative to width \($0), where every rule equals sp" }
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
