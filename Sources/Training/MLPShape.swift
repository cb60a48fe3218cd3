import Spectral

/// The sizes of a multilayer perceptron: inputs, hidden widths in order, outputs.
public struct MLPShape: Codable, Hashable, Sendable {
  /// Number of inputs, ≥ 1.
  public let inputs: Int
  /// At least one.
  public let hidden: [Int]
  /// Number of outputs, ≥ 1.
  public let outputs: Int
  /// Whether every layer has a bias.
  public let bias: Bool

  /// A shape with the sizes given.
  ///
  /// - hidden: the width of every hidden layer, all ≥ 1.
  public init(inputs: Int, hidden: [Int], outputs: Int, bias: Bool = false) {
    precondition(
      inputs >= 1 && outputs >= 1 && !hidden.isEmpty && hidden.allSatisfy { $0 >= 1 },
      "sizes must be ≥ 1 with a hidden layer, got \(inputs), \(hidden), \(outputs)")
    self.inputs = inputs
    self.hidden = hidden
    self.outputs = outputs
    self.bias = bias
  }

  /// Every parameter with its name (`layers.0.weight`), from input to readout; a layer's weight
  /// [fanOut, fanIn] comes before its bias [fanOut].
  public var parameters: [(name: String, shape: ParameterShape)] {
    let sizes = [inputs] + hidden + [outputs]
    var result: [(name: String, shape: ParameterShape)] = []
    for layer in 0...hidden.count {
      let role: LayerRole = layer == 0 ? .input : layer == hidden.count ? .readout : .hidden
      result.append(
        (
          "layers.\(layer).weight",
          .weight(role: role, fanIn: sizes[layer], fanOut: sizes[layer + 1])
        ))
      if bias {
        result.append(("layers.\(layer).bias", .bias(role: role, fanOut: sizes[layer + 1])))
      }
    }
    return result
  }
}
