import Foundation
import Spectral
import Testing

@Suite struct WidthScalingTests {
  static let start = WidthScaling(
    multiplier: 0.5, initialStd: 0.3, learningRateFactor: 0.75, epsilonFactor: 2,
    weightDecayFactor: 3)

  @Test(arguments: Every.settings)
  func equivalent_thereAndBackIsUnchanged(_ setting: Setting) {
    for a in [1, 0.125, 32, 3, 0.1, 1e-5] {
      let moved = Self.start.equivalent(
        multiplier: a, family: setting.family, decay: setting.decay)
      #expect(moved.multiplier == 0.5 * a)
      #expect((moved == Self.start) == (a == 1))
      let back = moved.equivalent(
        multiplier: 1 / a, family: setting.family, decay: setting.decay)
      #expect(agree(back, Self.start, relative: 1e-14))
    }
  }

  @Test(arguments: Every.settings)
  func equivalent_sgdHasNoEpsilonToMove(_ setting: Setting) {
    let moved = Self.start.equivalent(multiplier: 4, family: setting.family, decay: setting.decay)
    #expect(moved.epsilonFactor == (setting.family == .adam ? 8 : 2))
  }

  /// The definition itself: two forms train one function. ε and λ are large, so that a wrong power
  /// of `a` in any of the five values shows.
  @Test(arguments: Every.settings)
  func equivalent_trainsTheSameFunction(_ setting: Setting) {
    for a in [0.25, 3] {
      let moved = Self.start.equivalent(
        multiplier: a, family: setting.family, decay: setting.decay)
      let expected = products(training: Self.start, setting)
      let got = products(training: moved, setting)
      #expect(Set(expected).count == expected.count, "the reference has to move")
      for (got, expected) in zip(got, expected) {
        #expect(abs(got - expected) <= 1e-12 * abs(expected))
      }
    }
  }

  /// Products `multiplier`·w of a scalar weight over ten steps on ½(product − 2)², in plain Double.
  private func products(training scaling: WidthScaling, _ setting: Setting) -> [Double] {
    let learningRate = 0.1 * scaling.learningRateFactor
    let epsilon = 0.5 * scaling.epsilonFactor
    let lambda = 0.2 * scaling.weightDecayFactor
    var w = scaling.initialStd
    var (m, v) = (0.0, 0.0)
    return (1...10).map { step in
      var gradient = scaling.multiplier * (scaling.multiplier * w - 2)
      if setting.decay == .coupled {
        gradient += lambda * w
      } else {
        w *= 1 - (setting.decay == .independent ? lambda : learningRate * lambda)
      }
      switch setting.family {
      case .sgd:
        m = 0.9 * m + gradient
        w -= learningRate * m
      case .adam:
        m = 0.9 * m + 0.1 * gradient
        v = 0.99 * v + 0.01 * gradient * gradient
        let correction = (1 - pow(0.9, Double(step)), 1 - pow(0.99, Double(step)))
        w -= learningRate * (m / correction.0) / ((v / correction.1).squareRoot() + epsilon)
      case .normalized:
        w -= learningRate * gradient / abs(gradient)
      }
      return scaling.multiplier * w
    }
  }

  @Test func equivalent_ofNothingTraps() async {
    await #expect(processExitsWith: .failure) {
      let scaling = WidthScaling(initialStd: 1, learningRateFactor: 1)
      _ = scaling.equivalent(multiplier: 0, family: .sgd, decay: .coupled)
    }
  }

  @Test func valueTypes_surviveJSON() throws {
    for role in LayerRole.allCases {
      try expectSurvivesJSON(ParameterShape.weight(role: role, fanIn: 7, fanOut: 3))
      try expectSurvivesJSON(ParameterShape.bias(role: role, fanOut: 3))
    }
    try expectSurvivesJSON(Self.start)
    try expectSurvivesJSON(UpdateFamily.allCases)
    try expectSurvivesJSON(WeightDecayKind.allCases)
  }

  private func expectSurvivesJSON<Value: Codable & Equatable>(_ value: Value) throws {
    let data = try JSONEncoder().encode(value)
    #expect(try JSONDecoder().decode(Value.self, from: data) == value)
  }

  @Test func parameterShape_ofABiasIsAColumn() {
    let bias = ParameterShape.bias(role: .hidden, fanOut: 5)
    #expect(bias.kind == .bias && bias.fanIn == 1 && bias.fanOut == 5)
    #expect(bias != .weight(role: .hidden, fanIn: 1, fanOut: 5))
  }

  @Test func parameterShape_withoutInputsTraps() async {
    await #expect(processExitsWith: .failure) {
      _ = ParameterShape.weight(role: .input, fanIn: 0, fanOut: 3)
    }
  }
}
