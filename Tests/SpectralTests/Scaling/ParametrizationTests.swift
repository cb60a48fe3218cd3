import Spectral
import Testing

@Suite struct ParametrizationTests {
  static let networks = [
    mlpShapes(inputs: 3072, hidden: [1, 1], width: 256, outputs: 10),
    mlpShapes(inputs: 20, hidden: [1, 4, 1], width: 33, outputs: 5),
    mlpShapes(inputs: 1, hidden: [3, 1], width: 1, outputs: 7),
  ]

  @Test(arguments: Every.names, Every.settings)
  func everyRule_isEffectiveFiniteAndPositive(_ name: String, _ setting: Setting) throws {
    let rule = try Parametrizations.named(name)
    for shape in Self.networks.joined() {
      let scaling = rule.scaling(of: shape, family: setting.family, decay: setting.decay)
      #expect(scaling.multiplier == 1)
      #expect(shape.kind == .bias ? scaling.initialStd == 0 : scaling.initialStd > 0)
      for factor in [
        scaling.learningRateFactor, scaling.epsilonFactor, scaling.weightDecayFactor,
      ] { #expect(factor > 0 && factor.isFinite) }
      if setting.family != .adam { #expect(scaling.epsilonFactor == 1) }
      switch setting.decay {
      case .coupled: break
      case .decoupled, .independent: #expect(scaling.weightDecayFactor == 1)
      case .decoupledScaled:
        #expect(abs(scaling.weightDecayFactor * scaling.learningRateFactor - 1) <= 1e-15)
      }
    }
  }

  /// Decay decides over λ alone.
  @Test(arguments: Every.names, UpdateFamily.allCases)
  func everyRule_decayChangesNothingElse(_ name: String, _ family: UpdateFamily) throws {
    let rule = try Parametrizations.named(name)
    for shape in Self.networks.joined() {
      let scalings = WeightDecayKind.allCases.map { decay in
        var scaling = rule.scaling(of: shape, family: family, decay: decay)
        scaling.weightDecayFactor = 1
        return scaling
      }
      #expect(Set(scalings).count == 1)
    }
  }

  @Test(arguments: Every.names, Every.settings)
  func relativeForm_atTheBaseIsStandardBitForBit(_ name: String, _ setting: Setting) throws {
    let rule = try Parametrizations.named(name)
    // Many widths, because (σ·x)/x in place of σ·(x/x) is right at most of them.
    for shape in (1...600).flatMap({
      mlpShapes(inputs: 3072, hidden: [1, 4, 1], width: $0, outputs: 10)
    }) {
      let got = rule.scaling(
        of: shape, relativeTo: shape, family: setting.family, decay: setting.decay)
      let expected = StandardParametrization().scaling(
        of: shape, family: setting.family, decay: setting.decay)
      #expect(got == expected, "\(shape)")
    }
  }

  @Test(arguments: Every.settings)
  func relativeForm_spectralIsMupWhenHiddenWidthsShareAFactor(_ setting: Setting) {
    for hidden in [[1, 1], [1, 4, 1], [3, 1, 2, 7]] {
      for factor in [2, 3, 16] {
        // Wider and narrower than the base, both above and below the 500 inputs.
        let narrow = mlpShapes(inputs: 500, hidden: hidden, width: 96, outputs: 10)
        let wide = mlpShapes(inputs: 500, hidden: hidden, width: 96 * factor, outputs: 10)
        for (shape, base) in zip(wide + narrow, narrow + wide) {
          let spectral = SpectralParametrization().scaling(
            of: shape, relativeTo: base, family: setting.family, decay: setting.decay)
          let mup = MaximalUpdateParametrization().scaling(
            of: shape, relativeTo: base, family: setting.family, decay: setting.decay)
          #expect(agree(spectral, mup), "\(shape) from \(base)")
        }
      }
    }
  }

  /// Without a common factor they part: the spectral rule knows both dimensions.
  @Test func relativeForm_spectralIsNotMupWhenOneWidthGrows() {
    let base = ParameterShape.weight(role: .hidden, fanIn: 64, fanOut: 64)
    let shape = ParameterShape.weight(role: .hidden, fanIn: 64, fanOut: 256)
    let spectral = SpectralParametrization().scaling(
      of: shape, relativeTo: base, family: .sgd, decay: .decoupled)
    let mup = MaximalUpdateParametrization().scaling(
      of: shape, relativeTo: base, family: .sgd, decay: .decoupled)
    #expect(spectral.learningRateFactor == 4)
    #expect(mup.learningRateFactor == 1)
  }

  @Test func relativeForm_ofAnotherRoleTraps() async {
    await #expect(processExitsWith: .failure) {
      _ = StandardParametrization().scaling(
        of: .weight(role: .hidden, fanIn: 4, fanOut: 4),
        relativeTo: .weight(role: .readout, fanIn: 4, fanOut: 4), family: .sgd, decay: .coupled)
    }
  }

  @Test func relativeForm_ofAnotherKindTraps() async {
    await #expect(processExitsWith: .failure) {
      _ = StandardParametrization().scaling(
        of: .weight(role: .hidden, fanIn: 1, fanOut: 4),
        relativeTo: .bias(role: .hidden, fanOut: 4), family: .sgd, decay: .coupled)
    }
  }

  /// NTP's own form has σ 1 and every factor 1, and multiplies each product by 1/√fanIn.
  @Test(arguments: UpdateFamily.allCases)
  func ntp_isItsOwnFormMovedToMultiplierOne(_ family: UpdateFamily) {
    for shape in Self.networks.joined() where shape.kind == .weight {
      let root = Double(shape.fanIn).squareRoot()
      let own = WidthScaling(multiplier: 1 / root, initialStd: 1, learningRateFactor: 1)
      let got = NeuralTangentParametrization().scaling(of: shape, family: family, decay: .coupled)
      #expect(agree(got, own.equivalent(multiplier: root, family: family, decay: .coupled)))
    }
  }

  @Test func literal_differsBelowTheInputSizeInStdAlone() {
    for width in [128, 3071, 3072, 8192] {
      let shapes = mlpShapes(inputs: 3072, hidden: [1, 4, 1], width: width, outputs: 10)
      for shape in shapes {
        let printed = LiteralSpectralParametrization().scaling(
          of: shape, family: .sgd, decay: .coupled)
        var expected = SpectralParametrization().scaling(of: shape, family: .sgd, decay: .coupled)
        if shape.kind == .weight && shape.role == .input && width < 3072 {
          #expect(printed.initialStd < expected.initialStd)
          expected.initialStd = Double(width).squareRoot() / 3072
        }
        #expect(agree(printed, expected), "\(shape)")
      }
    }
  }
}
