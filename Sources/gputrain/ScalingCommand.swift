import ArgumentParser
import Experiments
import Foundation
import Spectral
import Training

/// `gputrain scaling`: what every parametrization gives every tensor; touches no device.
struct ScalingCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "scaling",
    abstract: "Print σ, η, ε, decay and multiplier of every tensor under each parametrization.",
    discussion: """
      Effective values: a tensor starts as N(0, σ²) and trains with η, ε and λ as printed. With \
      --base-width, values are relative to the standard parametrization at that width, where all \
      parametrizations are the same; without it they are the rules as such.
      """)

  @Option(help: "Number of inputs.")
  var inputs = 64

  @Option(help: "Number of outputs.")
  var outputs = 10

  @Option(help: "Width of the network.")
  var width = 1024

  @Option(help: ArgumentHelp("Number of hidden layers.", valueName: "layers"))
  var depth = 2

  @Option(help: "Hidden widths as multiples of the width, repeated over the depth.")
  var hiddenPattern = "1"

  @Option(
    help: ArgumentHelp(
      "Width at which every parametrization equals the standard one.", valueName: "width"))
  var baseWidth: Int?

  @Option(help: ArgumentHelp("The update rule.", valueName: "name"))
  var optimizer: OptimizerKind = .adam

  @Option(help: "Learning rate η.")
  var learningRate = 1.0

  @Option(help: "Adam's ε.")
  var epsilon = 1e-8

  @Option(
    help: "Weight decay λ, with its kind where it is not the optimizer's own: 0.1:independent.")
  var weightDecay = WeightDecayArgument.none

  @Option(help: "Comma-separated names; all where left out.")
  var parametrization: String?

  @Flag(help: "Show biases.")
  var bias = false

  @Flag(help: "Print an array of objects.")
  var json = false

  private struct Row: Encodable {
    let parametrization, tensor: String
    let fanIn, fanOut: Int
    let initialStd, learningRate, epsilon, weightDecay, multiplier: Double
  }

  func run() throws {
    let rows = try rows()
    if json {
      print(try jsonText(rows))
    } else {
      print(table(rows))
    }
  }

  private func rows() throws -> [Row] {
    let pattern = try SweepGrid.parsePattern(hiddenPattern)
    let decayKind = weightDecay.kind ?? optimizer.defaultWeightDecayKind
    let rules = try parametrization.map {
      try $0.split(separator: ",").map { try Parametrizations.named(String($0)) }
    }
    let parameters = try shape(width: width, pattern: pattern).parameters
    let base = try baseWidth.map { try shape(width: $0, pattern: pattern).parameters }
    return (rules ?? Parametrizations.all).flatMap { rule in
      parameters.indices.map { index in
        let (name, shape) = parameters[index]
        let scaling = rule.scaling(
          of: shape, relativeTo: base?[index].shape, family: optimizer.family, decay: decayKind)
        return Row(
          parametrization: rule.name, tensor: name, fanIn: shape.fanIn, fanOut: shape.fanOut,
          initialStd: scaling.initialStd, learningRate: learningRate * scaling.learningRateFactor,
          epsilon: epsilon * scaling.epsilonFactor,
          weightDecay: weightDecay.strength * scaling.weightDecayFactor,
          multiplier: scaling.multiplier)
      }
    }
  }

  private func shape(width: Int, pattern: [Int]) throws -> MLPShape {
    let sizes = [("inputs", inputs), ("outputs", outputs), ("width", width), ("depth", depth)]
    for (name, value) in sizes where value < 1 || value > 1 << 24 {
      throw ValidationError("\(name) must be from 1 to \(1 << 24), got \(value)")
    }
    let hidden = (0..<depth).map { width * pattern[$0 % pattern.count] }
    return MLPShape(inputs: inputs, hidden: hidden, outputs: outputs, bias: bias)
  }

  private func table(_ rows: [Row]) -> String {
    var lines: [String] = []
    var previous: String?
    let tensorWidth = rows.map(\.tensor.count).max() ?? 0
    for row in rows {
      if row.parametrization != previous {
        if previous != nil { lines.append("") }
        lines.append(row.parametrization)
        lines.append(
          "  " + "tensor".padding(toLength: tensorWidth, withPad: " ", startingAt: 0)
            + column("out×in", 12) + ["σ", "η", "ε", "λ", "mult"].map { column($0, 9) }.joined())
        previous = row.parametrization
      }
      let values = [
        row.initialStd, row.learningRate, row.epsilon, row.weightDecay, row.multiplier,
      ]
      lines.append(
        "  " + row.tensor.padding(toLength: tensorWidth, withPad: " ", startingAt: 0)
          + column("\(row.fanOut)×\(row.fanIn)", 12)
          + values.map { column(String(format: "%.3g", $0), 9) }.joined())
    }
    return lines.joined(separator: "\n")
  }

  /// `text` set to the right in `width` columns.
  private func column(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(1, width - text.count)) + text
  }
}
