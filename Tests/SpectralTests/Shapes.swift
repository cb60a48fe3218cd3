import Spectral

/// Every case there is, for tests that hold for all.
enum Every {
  static let names = Parametrizations.all.map(\.name)
  static let settings = UpdateFamily.allCases.flatMap { family in
    WeightDecayKind.allCases.map { Setting(family: family, decay: $0) }
  }
}

/// An update family with a kind of weight decay.
struct Setting: Sendable, CustomStringConvertible {
  let family: UpdateFamily
  let decay: WeightDecayKind
  var description: String { "\(family) \(decay)" }
}

/// Weights and biases of the MLP inputs – hidden[0]·width – hidden[1]·width – … – outputs.
func mlpShapes(inputs: Int, hidden: [Int], width: Int, outputs: Int) -> [ParameterShape] {
  let sizes = [inputs] + hidden.map { $0 * width } + [outputs]
  return zip(sizes, sizes.dropFirst()).enumerated().flatMap { index, sizes in
    let role: LayerRole = index == 0 ? .input : index == hidden.count ? .readout : .hidden
    return [
      .weight(role: role, fanIn: sizes.0, fanOut: sizes.1),
      ParameterShape.bias(role: role, fanOut: sizes.1),
    ]
  }
}

/// Whether all five values agree to `relative` of the expected ones; NaN does not.
func agree(_ got: WidthScaling, _ expected: WidthScaling, relative: Double = 1e-12) -> Bool {
  let fields: [KeyPath<WidthScaling, Double>] = [
    \.multiplier, \.initialStd, \.learningRateFactor, \.epsilonFactor, \.weightDecayFactor,
  ]
  return fields.allSatisfy {
    abs(got[keyPath: $0] - expected[keyPath: $0]) <= relative * abs(expected[keyPath: $0])
  }
}
