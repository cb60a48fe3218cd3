import Spectral
import Tensors

/// A multilayer perceptron: linear layers called `layers.0`, `layers.1` …, with φ after every one but the
/// last.
public struct MLP: Architecture, Codable, Hashable {
  /// Number of inputs, ≥ 1.
  public var inputs: Int
  /// The width of every hidden layer, from first to last; at least one, all ≥ 1.
  public var hidden: [Int]
  /// Number of outputs, ≥ 1.
  public var outputs: Int
  /// Whether every layer has a bias.
  public var bias: Bool
  /// φ after every layer but the readout.
  public var activation: Activation
  /// a: the first layer's weight starts 1/√a as large and its product is multiplied by √a.
  public var inputMultiplier: Double
  /// Multiplies the readout's product; initial values stay as they are.
  public var outputMultiplier: Double
  /// Whether the readout's weight starts at 0.
  public var zeroReadout: Bool

  /// A perceptron of the sizes given. Traps unless all are ≥ 1.
  public init(
    inputs: Int, hidden: [Int], outputs: Int, bias: Bool = false, activation: Activation = .relu,
    inputMultiplier: Double = 1, outputMultiplier: Double = 1, zeroReadout: Bool = false
  ) {
    precondition(
      inputs >= 1 && outputs >= 1 && !hidden.isEmpty && hidden.allSatisfy { $0 >= 1 },
      "sizes must be ≥ 1 with a hidden layer, got \(inputs), \(hidden), \(outputs)")
    (self.inputs, self.hidden, self.outputs) = (inputs, hidden, outputs)
    (self.bias, self.activation) = (bias, activation)
    (self.inputMultiplier, self.outputMultiplier) = (inputMultiplier, outputMultiplier)
    self.zeroReadout = zeroReadout
  }

  /// The layers one after another.
  public func build(_ g: inout GraphBuilder, _ input: Node) -> Node {
    var x = input
    for (index, width) in hidden.enumerated() {
      let a = index == 0 ? inputMultiplier : 1
      x = g.linear(
        x, "layers.\(index)", .growing(width), bias: bias, multiplier: a.squareRoot(),
        initialFactor: 1 / a.squareRoot())
      x = g.activation(x, activation)
    }
    return g.linear(
      x, "layers.\(hidden.count)", .fixed(outputs), bias: bias, multiplier: outputMultiplier,
      initialFactor: zeroReadout ? 0 : 1)
  }
}
