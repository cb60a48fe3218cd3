import Spectral
import Tensors

/// A multilayer perceptron as a value: sizes, nonlinearity, multipliers.
public struct NetworkConfiguration: Codable, Hashable, Sendable {
  /// Inputs, hidden widths, outputs, biases.
  public var shape: MLPShape
  /// φ after every layer but the readout.
  public var activation: Activation
  /// a: the first layer's weight starts 1/√a as large and its product is multiplied by √a.
  public var inputMultiplier: Double
  /// Multiplies the readout's product; initial values stay as they are.
  public var outputMultiplier: Double
  /// Whether the readout's weight starts at 0.
  public var zeroReadout: Bool
  /// Whether each weight is scaled, once drawn, to the spectral norm that its σ implies.
  public var spectralInit: Bool

  /// A network of `shape`.
  public init(
    _ shape: MLPShape, activation: Activation = .relu, inputMultiplier: Double = 1,
    outputMultiplier: Double = 1, zeroReadout: Bool = false, spectralInit: Bool = false
  ) {
    self.shape = shape
    self.activation = activation
    self.inputMultiplier = inputMultiplier
    self.outputMultiplier = outputMultiplier
    self.zeroReadout = zeroReadout
    self.spectralInit = spectralInit
  }

  /// The factor of a weight's product, beside the parametrization's own; 1 for a bias.
  public func multiplier(of shape: ParameterShape) -> Double {
    guard shape.kind == .weight else { return 1 }
    switch shape.role {
    case .input: return inputMultiplier.squareRoot()
    case .hidden: return 1
    case .readout: return outputMultiplier
    }
  }

  /// The factor of a parameter's initial standard deviation, beside the parametrization's.
  public func initialFactor(of shape: ParameterShape) -> Double {
    guard shape.kind == .weight else { return 1 }
    switch shape.role {
    case .input: return 1 / inputMultiplier.squareRoot()
    case .hidden: return 1
    case .readout: return zeroReadout ? 0 : 1
    }
  }

  /// The network with parameters drawn from each replica's seed.
  ///
  /// A parameter's numbers depend on its place and the seed alone, so parametrizations start from
  /// the same draws, scaled.
  /// - scalings: for each parameter of `shape.parameters`, each replica's.
  /// - layers: makes the network's layers of the dense ones, which it must keep in order.
  /// - Throws: `OpenCLError` where memory is short.
  func build(
    scalings: [[WidthScaling]], seeds: [UInt64], layers arrange: ([Dense]) throws -> [any Layer],
    compute: Compute
  ) throws -> Sequential {
    var parameters: [Parameter] = []
    for (index, (name, shape)) in shape.parameters.enumerated() {
      let factor = initialFactor(of: shape)
      let bias = shape.kind == .bias
      func draw(_ stds: [Double]) throws -> Tensor {
        try compute.normal(
          seeds: seeds, std: stds.map { Float($0) }, stream: UInt32(index),
          rows: bias ? 1 : shape.fanOut, columns: bias ? shape.fanOut : shape.fanIn)
      }
      let stds = scalings[index].map { $0.initialStd * factor }
      var value = try draw(stds)
      if spectralInit && !bias {
        let norms = try spectralNorms(of: [value], compute: compute)[0].map(\.norm)
        value = try draw(zip(stds, norms).map { $1 == 0 ? 0 : $0 * $0 * shape.normRatio / $1 })
      }
      parameters.append(Parameter(name: name, shape: shape, value: value))
    }
    let perLayer = shape.bias ? 2 : 1
    let layers = stride(from: 0, to: parameters.count, by: perLayer).map { first in
      let weight = parameters[first]
      let own = scalings[first][0].multiplier
      precondition(
        scalings[first].allSatisfy { $0.multiplier == own },
        "\(weight.name): replicas of one group must have one multiplier")
      return Dense(
        weight: weight, bias: shape.bias ? parameters[first + 1] : nil,
        activation: weight.shape.role == .readout ? .identity : activation,
        multiplier: Float(own * multiplier(of: weight.shape)))
    }
    let network = Sequential(try arrange(layers))
    precondition(
      network.parameters.map(ObjectIdentifier.init) == parameters.map(ObjectIdentifier.init),
      "layers with the parameters \(network.parameters.map(\.name)), expected those of the dense "
        + "layers, \(parameters.map(\.name))")
    return network
  }
}
