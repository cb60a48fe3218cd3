import Foundation
import Networks
import Spectral
import Tensors
import Testing

/// Predicted quantities against the known exponents, in the limit and at finite widths.
@Suite struct SignalPropagationTests {
  /// inputs – n – n – 10 under `name`, η 1.
  static func network(
    _ name: String, family: UpdateFamily, inputs: Int = 3072, width: Int,
    zeroReadout: Bool = false, activation: Activation = .identity
  ) throws -> SignalPropagation {
    let rule = try Parametrizations.named(name)
    let graph = MLP(
      inputs: inputs, hidden: [width, width], outputs: 10, activation: activation,
      zeroReadout: zeroReadout
    ).graph
    let parameters = graph.parameters.map { parameter in
      let scaling = rule.scaling(of: parameter.shape, family: family, decay: .coupled)
      return SignalParameter(
        shape: parameter.shape, initialStd: scaling.initialStd * parameter.initialFactor,
        learningRate: scaling.learningRateFactor, multiplier: 1, family: family)
    }
    return try #require(SignalPropagation(graph, parameters: parameters))
  }

  /// Slopes of a quantity, by layer.
  static func slopes(
    _ quantity: SpectralQuantity, widths: [Int], _ network: (Int) throws -> SignalPropagation
  ) throws -> [Double?] {
    let networks = try widths.map(network)
    return (0..<3).map { layer in
      let values = networks.compactMap { $0.layers[layer][quantity] }
      guard values.count == widths.count else { return nil }
      return ScalingExponent.slope(over: widths.map(Double.init), values: values)
    }
  }

  struct Limits: Sendable {
    let name: String
    let family: UpdateFamily
    let expected: [SpectralQuantity: [Double]]
  }

  /// The table of one-step exponents as n → ∞.
  @Test(arguments: [
    Limits(
      name: "spectral", family: .sgd,
      expected: [
        .weightNorm: [0, 0, 0], .updateNorm: [0, 0, 0], .featureChange: [0, 0, 0],
        .relativeUpdate: [0, 0, 0], .relativeUpdateFrobenius: [0, -0.5, 0],
        .featureSize: [0, 0, -0.5],
      ]),
    Limits(
      name: "ntp", family: .sgd,
      expected: [
        .weightNorm: [0, 0, 0.5], .updateNorm: [-0.5, -0.5, 0], .featureChange: [-0.5, -0.5, 0],
        .relativeUpdate: [-0.5, -0.5, -0.5], .featureSize: [0, 0, 0],
      ]),
    Limits(
      name: "sp", family: .sgd,
      expected: [
        .weightNorm: [0, 0, 0.5], .updateNorm: [-0.5, 0.5, 1], .featureChange: [-0.5, 0.5, 1],
        .relativeUpdate: [-0.5, 0.5, 0.5], .featureSize: [0, 0, 0],
      ]),
    Limits(
      name: "sp", family: .adam, expected: [.updateNorm: [0, 1, 1], .weightNorm: [0, 0, 0.5]]),
    Limits(
      name: "mup", family: .adam, expected: [.updateNorm: [0, 0, 0], .featureChange: [0, 0, 0]]),
    Limits(
      name: "spectral", family: .normalized,
      expected: [.updateNorm: [0, 0, 0], .featureChange: [0, 0, 0]]),
  ])
  func limits_areTheKnownOnes(_ limits: Limits) throws {
    for (quantity, expected) in limits.expected {
      let got = try Self.slopes(quantity, widths: [1 << 44, 1 << 46]) {
        try Self.network(limits.name, family: limits.family, width: $0)
      }
      for layer in 0..<3 {
        let slope = try #require(got[layer])
        #expect(abs(slope - expected[layer]) <= 1e-3, "\(quantity) of layer \(layer): \(slope)")
      }
    }
  }

  /// Measured in float64 elsewhere: ‖W_1‖_*/√(n/n_0) has slope −0.35 at widths 128–2048.
  @Test func inputBelowItsSize_hasItsFiniteSlope() throws {
    let widths = [128, 256, 512, 1024, 2048]
    let slope = try Self.slopes(.weightNorm, widths: widths) {
      try Self.network("spectral", family: .sgd, width: $0)
    }[0]
    #expect(abs(try #require(slope) + 0.35) <= 0.01)
    let literal = try Self.slopes(.featureSize, widths: widths) {
      try Self.network("spectral-literal", family: .sgd, width: $0)
    }[0]
    #expect(abs(try #require(literal) - 0.5) <= 1e-9)
  }

  /// From zero, a readout's first update carries the gradient: under SP it and what is before it
  /// grow by a further half.
  @Test func zeroReadout_isPredictedAtTheSecondStep() throws {
    func slopes(_ name: String) throws -> [Double?] {
      try Self.slopes(.updateNorm, widths: [1 << 44, 1 << 46]) {
        try Self.network(name, family: .sgd, width: $0, zeroReadout: true)
      }
    }
    for (got, expected) in zip(try slopes("sp"), [0, 1, 1.0]) {
      #expect(abs(try #require(got) - expected) <= 1e-3)
    }
    for got in try slopes("spectral") { #expect(abs(try #require(got)) <= 1e-3) }
    let network = try Self.network("spectral", family: .sgd, width: 8, zeroReadout: true)
    #expect(network.layers[2][.weightNorm] == nil && network.layers[1][.weightNorm] != nil)
  }

  /// Moments against sums over a fine grid of another kind: the midpoints of 10⁵ quantiles.
  @Test(arguments: Activation.allCases, [0.01, 0.7, 3.0])
  func moments_matchQuantileSums(_ activation: Activation, q: Double) {
    func value(_ z: Double) -> Double {
      switch activation {
      case .identity: z
      case .relu: max(z, 0)
      case .tanh: Foundation.tanh(z)
      case .gelu:
        0.5 * z * (1 + Foundation.tanh((2 / Double.pi).squareRoot() * (z + 0.044715 * z * z * z)))
      case .silu: z / (1 + exp(-z))
      }
    }
    // Box–Muller over a lattice gives normal numbers without a random source.
    var (forward, backward, count) = (0.0, 0.0, 0.0)
    for i in 0..<400 {
      for j in 0..<100 {
        let radius = (-2 * log((Double(i) + 0.5) / 400)).squareRoot()
        let z = q * radius * cos(2 * Double.pi * (Double(j) + 0.5) / 100)
        forward += value(z) * value(z)
        let slope = (value(z + 1e-6) - value(z - 1e-6)) / 2e-6
        backward += slope * slope
        count += 1
      }
    }
    let moments = ActivationMoments(activation)
    #expect(abs(moments.forward(q) - (forward / count).squareRoot()) <= 4e-3 * q)
    #expect(abs(moments.backward(q) - (backward / count).squareRoot()) <= 4e-3)
  }

  @Test func slope_isThatOfAPowerLaw_andNilWithoutLogarithms() {
    let widths = [64.0, 100, 1024]
    let slope = ScalingExponent.slope(over: widths, values: widths.map { 3 * pow($0, -0.7) })
    #expect(abs((slope ?? .nan) + 0.7) <= 1e-12)
    for bad in [0, -1, .infinity, .nan] {
      #expect(ScalingExponent.slope(over: widths, values: [1, bad, 1]) == nil)
    }
  }

  // MARK: Residual branches

  /// A stream of width n with L blocks of one linear matrix, σ = g/√n, no activation.
  private struct Stream: Architecture {
    var inputs: Int { 16 }
    let depth: Int
    let scaling: DepthScaling

    func build(_ g: inout GraphBuilder, _ input: Node) -> Node {
      var x = g.linear(input, "readin", .growing(256))
      for block in 0..<depth {
        x = g.residual(x, scaling) { g, x in g.linear(x, "blocks.\(block)", .growing(256)) }
      }
      return g.linear(x, "readout", .fixed(4))
    }
  }

  /// Sizes multiply by √(a² + s²g²) a block; a stream's change does so too and gains s·rms ΔW h by each.
  @Test(arguments: DepthRule.allCases, [1, 3, 12]) func branches_addToTheirStream(
    rule: DepthRule, depth: Int
  ) throws {
    let (gain, rate) = (0.7, 1e-3)
    let scaling = DepthScaling(rule, depth: depth, baseDepth: 2)
    let graph = Stream(depth: depth, scaling: scaling).graph
    let parameters = graph.parameters.map { parameter in
      let inBlock = parameter.path.hasPrefix("blocks.")
      return SignalParameter(
        shape: parameter.shape,
        initialStd: (inBlock ? gain : 1) / Double(parameter.shape.fanIn).squareRoot(),
        learningRate: inBlock ? rate : 1e-30, multiplier: 1, family: .normalized)
    }
    let layers = try #require(SignalPropagation(graph, parameters: parameters)).layers
    let (a, s) = (scaling.streamScale, scaling.branchScale)
    let growth = hypot(a, s * gain)
    var (size, change) = (1.0, 0.0)
    for block in 1...depth {
      // ‖ΔW‖_* is η, so rms ΔW h is η·rms h of square matrices.
      change = change * growth + s * rate * size
      size *= growth
      let found = layers[block]
      #expect(abs(try #require(found[.featureSize]) / size - 1) <= 1e-9)
      #expect(abs(try #require(found[.featureChange]) / change - 1) <= 1e-6)
    }
  }
}
