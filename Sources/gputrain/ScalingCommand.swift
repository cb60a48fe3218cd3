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
      """)

  @Option(parsing: .unconditional, help: ArgumentHelp("Number of inputs.", valueName: "count"))
  var inputs = 64

  @Option(parsing: .unconditional, help: ArgumentHelp("Number of outputs.", valueName: "count"))
  var outputs = 10

  @Option(parsing: .unconditional, help: ArgumentHelp("Width of the network.", valueName: "count"))
  var width = 1024

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Number of hidden layers.", valueName: "layers"))
  var depth = 4

  @Option(
    help: ArgumentHelp(
      "Hidden widths as multiples of the width, repeated over the depth: 1:4:1.",
      valueName: "factors"))
  var hiddenPattern: HiddenPattern = [1]

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Width at which every parametrization equals the standard one.", valueName: "width"))
  var baseWidth: Int?

  @Option(help: ArgumentHelp("The update rule.", valueName: "name"))
  var optimizer: OptimizerKind = .adam

  @Option(parsing: .unconditional, help: ArgumentHelp("Learning rate.", valueName: "η"))
  var learningRate = 1.0

  @Option(parsing: .unconditional, help: ArgumentHelp("Adam's ε.", valueName: "ε"))
  var epsilon = 1e-8

  @Option(
    help: ArgumentHelp(
      "Weight decay, with its kind where it is not the optimizer's own: 0.1:independent.",
      valueName: "λ[:kind]"))
  var weightDecay = WeightDecayChoice()

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

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The first weight starts 1/√a as large, its product is multiplied by √a.", valueName: "a"))
  var inputMultiplier = 1.0

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Multiplies the logits.", valueName: "factor"))
  var outputMultiplier = 1.0

  @Flag(help: "Start the readout at 0.")
  var zeroReadout = false

  @Flag(help: "Show biases.")
  var bias = false

  @OptionGroup var output: OutputOptions

  private struct Row: Encodable {
    let parametrization, tensor: String
    let fanIn, fanOut: Int
    let initialStd, learningRate, epsilon, weightDecay, multiplier: Double
  }

  func validate() throws {
    for (name, value) in [("--inputs", inputs), ("--outputs", outputs), ("--width", width)] {
      try Limits.check(name, value)
    }
    try Limits.check("--base-width", baseWidth ?? 1)
    try Limits.check("--depth", depth, atMost: Limits.depth)
    for (name, value) in [
      ("--input-multiplier", inputMultiplier), ("--output-multiplier", outputMultiplier),
      ("--learning-rate", learningRate), ("--epsilon", epsilon),
    ] {
      try Limits.check(name, positive: value)
    }
  }

  func run() throws {
    let rows = try rows()
    if output.json {
      print(try jsonText(rows))
    } else {
      print(table(rows))
    }
  }

  private func rows() throws -> [Row] {
    let (pattern, widest) = (hiddenPattern.factors, max(width, baseWidth ?? 1))
    if let factor = pattern.first(where: { $0 > Limits.size / widest }) {
      throw InvalidOption(
        "--hidden-pattern: factor \(factor) at width \(widest) gives more than \(Limits.size) units"
      )
    }
    let decayKind = weightDecay.kind ?? optimizer.defaultWeightDecayKind
    let names: [String]? = try parametrization.map {
      try SweepGrid.parseList($0, what: "--parametrization", "names a,b,c")
    }
    let definitions = try ParametrizationFile.read(parametrizationFiles)
    let fitting = definitions.filter { $0.family ?? optimizer.family == optimizer.family }
    let rules =
      try names?.map { try Parametrizations.named($0, or: fitting) } ?? Parametrizations.all
      + fitting
    let network = network(width: width, pattern: pattern)
    Terminal.detail(
      "network: \(([inputs] + network.hidden + [outputs]).map(String.init).joined(separator: "–"))"
        + ", rules: \(rules.map(\.name).joined(separator: ", "))")
    func base(_ rule: any Parametrization) -> NetworkGraph? {
      let own = definitions.first { $0.name == rule.name }?.baseWidth
      return (own ?? baseWidth).map { self.network(width: $0, pattern: pattern).graph }
    }
    let bases = rules.map(base)
    return network.graph.parameters.flatMap { parameter in
      zip(rules, bases).map { rule, base in
        let shape = parameter.shape
        let scaling = rule.scaling(
          of: shape, relativeTo: base?.parameter(parameter.path)?.shape, family: optimizer.family,
          decay: decayKind)
        return Row(
          parametrization: rule.name, tensor: parameter.path, fanIn: shape.fanIn,
          fanOut: shape.fanOut, initialStd: scaling.initialStd * parameter.initialFactor,
          learningRate: learningRate * scaling.learningRateFactor,
          epsilon: epsilon * scaling.epsilonFactor,
          weightDecay: weightDecay.strength * scaling.weightDecayFactor,
          multiplier: scaling.multiplier * parameter.multiplier)
      }
    }
  }

  private func network(width: Int, pattern: [Int]) -> MLP {
    MLP(
      inputs: inputs, hidden: (0..<depth).map { width * pattern[$0 % pattern.count] },
      outputs: outputs, bias: bias, inputMultiplier: inputMultiplier,
      outputMultiplier: outputMultiplier, zeroReadout: zeroReadout)
  }

  /// A block a tensor, a line a parametrization.
  private func table(_ rows: [Row]) -> String {
    var lines = [
      baseWidth.map { "relative to width \($0), where every rule equals sp" }
        ?? "absolute: the rules as such"
    ]
    let nameWidth = rows.map(\.parametrization.count).max() ?? 0
    for tensor in rows.map(\.tensor).uniqued() {
      let block = rows.filter { $0.tensor == tensor }
      let title = "\(tensor)  \(block[0].fanOut)×\(block[0].fanIn)"
      lines.append("")
      lines.append(title)
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
