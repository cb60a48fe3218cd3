import Spectral
import Testing

@Suite struct CustomParametrizationTests {
  static let networks = [
    mlpShapes(inputs: 3072, hidden: [1, 1], width: 256, outputs: 10),
    mlpShapes(inputs: 20, hidden: [1, 4, 1], width: 33, outputs: 5),
  ]

  /// mup, written out for a family.
  static func mup(_ family: UpdateFamily) throws -> CustomParametrization {
    let adam = family == .adam
    let epsilon = adam ? PowerLaw(fanOut: -1) : PowerLaw()
    let sigma = PowerLaw(fanIn: -0.5)
    return try CustomParametrization(
      name: "my-mup", family: family,
      input: .init(
        initialStd: sigma, learningRate: adam ? PowerLaw() : PowerLaw(fanOut: 1), epsilon: epsilon),
      hidden: .init(
        initialStd: sigma, learningRate: adam ? PowerLaw(fanIn: -1) : PowerLaw(), epsilon: epsilon,
        weightDecay: adam ? PowerLaw(fanIn: 1) : nil),
      readout: .init(
        initialStd: PowerLaw(fanIn: -1), learningRate: PowerLaw(fanIn: -1), epsilon: epsilon,
        weightDecay: adam ? PowerLaw(fanIn: 2) : nil),
      bias: .init(
        initialStd: PowerLaw(multiplier: 0), learningRate: adam ? PowerLaw() : PowerLaw(fanOut: 1),
        epsilon: epsilon))
  }

  @Test(arguments: [UpdateFamily.sgd, .adam], WeightDecayKind.allCases)
  func mupWrittenOut_isMupBitForBit(family: UpdateFamily, decay: WeightDecayKind) throws {
    let own = try Self.mup(family)
    for network in Self.networks {
      for (shape, base) in zip(network, Self.networks.last!) where shape.role == base.role {
        for base in [nil, shape.kind == base.kind ? base : nil] {
          #expect(
            own.scaling(of: shape, relativeTo: base, family: family, decay: decay)
              == MaximalUpdateParametrization().scaling(
                of: shape, relativeTo: base, family: family, decay: decay))
        }
      }
    }
  }

  @Test func nothingWrittenOut_isStandard() throws {
    let own = try CustomParametrization(name: "plain")
    for shape in Self.networks.joined() {
      #expect(
        own.scaling(of: shape, family: .adam, decay: .coupled)
          == StandardParametrization().scaling(of: shape, family: .adam, decay: .coupled))
    }
  }

  @Test func multipliers_stayRelativeToABase() throws {
    let own = try CustomParametrization(
      name: "own",
      hidden: .init(
        initialStd: PowerLaw(multiplier: 3, fanIn: -0.5),
        learningRate: PowerLaw(multiplier: 0.5, fanIn: -1)),
      bias: .init(initialStd: PowerLaw(multiplier: 0.25, fanOut: -1)))
    let base = ParameterShape.weight(role: .hidden, fanIn: 64, fanOut: 64)
    let wide = ParameterShape.weight(role: .hidden, fanIn: 256, fanOut: 256)
    func scaling(_ shape: ParameterShape, _ base: ParameterShape) -> WidthScaling {
      own.scaling(of: shape, relativeTo: base, family: .adam, decay: .coupled)
    }
    #expect(scaling(base, base).initialStd == 3.0 / 8)
    #expect(scaling(base, base).learningRateFactor == 0.5)
    #expect(scaling(wide, base).initialStd == 3.0 / 16)
    #expect(scaling(wide, base).learningRateFactor == 0.125)
    #expect(scaling(wide, base).weightDecayFactor == 8)
    let bias = ParameterShape.bias(role: .hidden, fanOut: 64)
    #expect(scaling(bias, bias).initialStd == 0.25)
    #expect(scaling(.bias(role: .hidden, fanOut: 128), bias).initialStd == 0.125)
  }

  @Test func powerLaw_isThePower() {
    let shape = ParameterShape.weight(role: .hidden, fanIn: 7, fanOut: 11)
    for exponent in [-2.0, -1.5, -1, -0.5, 0, 0.25, 0.5, 1, 1.7, 3] {
      let law = PowerLaw(multiplier: 3, fanIn: exponent, fanOut: -exponent)
      let want = 3 * exponentiated(7.0 / 11, exponent)
      #expect(abs(law.value(for: shape) - want) <= 1e-14 * want)
    }
  }

  /// By the standard library alone: x^e = 2^(e·log₂ x) through repeated square roots of x.
  private func exponentiated(_ x: Double, _ exponent: Double) -> Double {
    var (result, root, rest) = (1.0, x, abs(exponent))
    while rest >= 1 { (result, rest) = (result * x, rest - 1) }
    for _ in 0..<60 {
      root = root.squareRoot()
      rest *= 2
      if rest >= 1 { (result, rest) = (result * root, rest - 1) }
    }
    return exponent < 0 ? 1 / result : result
  }

  @Test func contradictions_areAllTold() {
    let error = #expect(throws: CustomParametrizationError.self) {
      try CustomParametrization(
        name: "Not OK", family: .sgd, baseWidth: 0,
        input: .init(initialStd: PowerLaw(multiplier: 0)),
        hidden: .init(
          initialStd: PowerLaw(multiplier: .nan), learningRate: PowerLaw(multiplier: 0),
          epsilon: PowerLaw(fanOut: -1)),
        readout: .init(initialStd: PowerLaw(multiplier: 0), weightDecay: PowerLaw(fanOut: 9)),
        bias: .init(initialStd: PowerLaw(fanIn: 1)))
    }
    #expect(
      error?.problems.map(\.path) == [
        "", "base-width", "input.sigma.multiplier", "hidden.sigma.multiplier",
        "hidden.learning-rate.multiplier", "hidden.epsilon", "readout.weight-decay.fan-out",
        "bias.sigma.fan-in",
      ])
    #expect(throws: CustomParametrizationError.self) { try CustomParametrization(name: "mup") }
  }

  @Test func named_findsOnesOwn_andSuggestsIt() throws {
    let own = try Self.mup(.adam)
    #expect(try Parametrizations.named("my-mup", or: [own]).name == "my-mup")
    do throws(UnknownParametrizationError) {
      _ = try Parametrizations.named("my-mupp", or: [own])
      Issue.record("found")
    } catch {
      #expect(error.suggestion == "my-mup")
    }
  }
}
