import Foundation
import Spectral
import Testing

/// The rules against the condition itself, by the algebra of random and low-rank matrices:
/// ‖W‖_* = σ(√fanOut + √fanIn), and ‖ΔW‖_* per unit of learning rate by update family.
@Suite struct SpectralConditionTests {
  static let sizes = [1, 10, 127, 128, 129, 3072, 40_000]

  /// √(fanOut/fanIn), where the condition puts the norms of W and ΔW.
  private func target(_ shape: ParameterShape) -> Double {
    (Double(shape.fanOut) / Double(shape.fanIn)).squareRoot()
  }

  private func weightNorm(_ shape: ParameterShape, std: Double) -> Double {
    std * (Double(shape.fanOut).squareRoot() + Double(shape.fanIn).squareRoot())
  }

  /// Between one and two times the target at every shape, so Θ with known constants: the smaller
  /// root of σ's formula makes 1 + √(smaller/larger) of it.
  @Test(arguments: sizes, sizes)
  func spectral_hiddenNormMeetsTheConditionAtEveryShape(_ fanIn: Int, _ fanOut: Int) {
    let shape = ParameterShape.weight(role: .hidden, fanIn: fanIn, fanOut: fanOut)
    let std = SpectralParametrization().scaling(of: shape, family: .sgd, decay: .coupled).initialStd
    let ratio = weightNorm(shape, std: std) / target(shape)
    let smaller = Double(min(fanIn, fanOut))
    let larger = Double(max(fanIn, fanOut))
    #expect(abs(ratio - (1 + (smaller / larger).squareRoot())) <= 1e-12)
  }

  /// As printed, the formula asks for the same at every role.
  @Test(arguments: LayerRole.allCases)
  func literal_normMeetsTheConditionAtEveryRole(_ role: LayerRole) {
    for fanIn in Self.sizes {
      for fanOut in Self.sizes {
        let shape = ParameterShape.weight(role: role, fanIn: fanIn, fanOut: fanOut)
        let std = LiteralSpectralParametrization()
          .scaling(of: shape, family: .sgd, decay: .coupled).initialStd
        let ratio = weightNorm(shape, std: std) / target(shape)
        #expect(ratio >= 1 && ratio <= 2 + 1e-12)
      }
    }
  }

  /// ‖W_1‖_* = 1 + √(n/n_0), the norm that keeps features Θ(1) though inputs do not align.
  @Test(arguments: sizes)
  func spectral_inputNormIsOnePlusTheTarget(_ width: Int) {
    let shape = ParameterShape.weight(role: .input, fanIn: 3072, fanOut: width)
    let std = SpectralParametrization().scaling(of: shape, family: .sgd, decay: .coupled).initialStd
    #expect(abs(weightNorm(shape, std: std) - (1 + target(shape))) <= 1e-12 * (1 + target(shape)))
  }

  /// The learning rate times what one unit of it moves is √(fanOut/fanIn), for every role, shape
  /// and kind: an SGD gradient has norm √(fanIn/fanOut), an Adam direction √(fanOut·fanIn),
  /// a normalised one 1.
  @Test(arguments: ["spectral", "spectral-literal"], UpdateFamily.allCases)
  func spectral_updateNormIsTheTarget(_ name: String, _ family: UpdateFamily) throws {
    let rule = try Parametrizations.named(name)
    for role in LayerRole.allCases {
      for fanIn in Self.sizes {
        for fanOut in Self.sizes {
          for shape in [
            ParameterShape.weight(role: role, fanIn: fanIn, fanOut: fanOut),
            .bias(role: role, fanOut: fanOut),
          ] {
            let scaling = rule.scaling(of: shape, family: family, decay: .coupled)
            let perUnit =
              switch family {
              case .sgd: 1 / target(shape)
              case .adam: (Double(shape.fanOut) * Double(shape.fanIn)).squareRoot()
              case .normalized: 1.0
              }
            let norm = scaling.learningRateFactor * perUnit
            #expect(abs(norm - target(shape)) <= 1e-12 * target(shape), "\(shape)")
          }
        }
      }
    }
  }

  /// A rank-one gradient of norm √(fanIn/fanOut) spreads it over √(fanIn·fanOut): ε keeps its
  /// share of the entries at every width, and is 1/fanIn on square layers.
  @Test(arguments: ["mup", "spectral", "spectral-literal"])
  func epsilon_followsTheGradientsEntries(_ name: String) throws {
    let rule = try Parametrizations.named(name)
    for shape in ParametrizationTests.networks.joined() {
      let entry = 1 / target(shape) / (Double(shape.fanIn) * Double(shape.fanOut)).squareRoot()
      let got = rule.scaling(of: shape, family: .adam, decay: .coupled).epsilonFactor
      #expect(abs(got - entry) <= 1e-12 * entry)
      if shape.fanIn == shape.fanOut { #expect(got == 1 / Double(shape.fanIn)) }
    }
    // A readout's fan-out is fixed, so its ε does not move with width.
    let wide = ParameterShape.weight(role: .readout, fanIn: 4096, fanOut: 10)
    let base = ParameterShape.weight(role: .readout, fanIn: 64, fanOut: 10)
    let readout = rule.scaling(of: wide, relativeTo: base, family: .adam, decay: .coupled)
    #expect(readout.epsilonFactor == 1)
  }

  /// Slopes over width of input, hidden and readout, from what the rule says and how signals carry.
  struct Exponents: Sendable {
    let name: String
    let family: UpdateFamily
    let weight: [Double]
    let update: [Double]
  }

  /// The one-step exponents of SP, NTP, muP and spectral, in the limit of width.
  @Test(arguments: [
    Exponents(name: "sp", family: .sgd, weight: [0, 0, 0.5], update: [-0.5, 0.5, 1]),
    Exponents(name: "ntp", family: .sgd, weight: [0, 0, 0.5], update: [-0.5, -0.5, 0]),
    Exponents(name: "mup", family: .sgd, weight: [0, 0, 0], update: [0, 0, 0]),
    Exponents(name: "spectral", family: .sgd, weight: [0, 0, 0], update: [0, 0, 0]),
    Exponents(name: "spectral-literal", family: .sgd, weight: [0, 0, 0], update: [0, 0, 0]),
    Exponents(name: "sp", family: .adam, weight: [0, 0, 0.5], update: [0, 1, 1]),
    Exponents(name: "ntp", family: .adam, weight: [0, 0, 0.5], update: [0, 0.5, 0.5]),
    Exponents(name: "mup", family: .adam, weight: [0, 0, 0], update: [0, 0, 0]),
    Exponents(name: "spectral", family: .adam, weight: [0, 0, 0], update: [0, 0, 0]),
    Exponents(name: "spectral-literal", family: .adam, weight: [0, 0, 0], update: [0, 0, 0]),
  ])
  func oneStepExponents_areTheKnownOnes(_ expected: Exponents) throws {
    // So wide that 3072 inputs, over which σ's bound has a finite-width part, are narrow.
    let narrow = try norms(expected.name, expected.family, width: 1 << 34)
    let wide = try norms(expected.name, expected.family, width: 1 << 36)
    for layer in 0..<3 {
      let weight = log2(wide.weight[layer] / narrow.weight[layer]) / 2
      let update = log2(wide.update[layer] / narrow.update[layer]) / 2
      #expect(abs(weight - expected.weight[layer]) <= 1e-3, "weight of layer \(layer): \(weight)")
      #expect(abs(update - expected.update[layer]) <= 1e-3, "update of layer \(layer): \(update)")
    }
  }

  /// ‖W‖_* and ‖ΔW‖_* over √(fanOut/fanIn) in the network 3072–n–n–10 at initialisation.
  private func norms(
    _ name: String, _ family: UpdateFamily, width: Int
  ) throws -> (weight: [Double], update: [Double]) {
    let rule = try Parametrizations.named(name)
    let shapes = mlpShapes(inputs: 3072, hidden: [1, 1], width: width, outputs: 10)
      .filter { $0.kind == .weight }
    let scalings = shapes.map { rule.scaling(of: $0, family: family, decay: .coupled) }
    // Forward, ‖h_l‖ = σ√fanOut·‖h_{l−1}‖ from ‖x‖ = √3072.
    var activations = [Double(3072).squareRoot()]
    for (shape, scaling) in zip(shapes, scalings).dropLast() {
      let gain = scaling.initialStd * Double(shape.fanOut).squareRoot()
      activations.append(gain * (activations.last ?? 0))
    }
    // Backward, ‖δ_{l−1}‖ = σ√fanIn·‖δ_l‖ from Θ(1) at the logits.
    var deltas = [1.0]
    for (shape, scaling) in zip(shapes, scalings).dropFirst().reversed() {
      deltas.insert(scaling.initialStd * Double(shape.fanIn).squareRoot() * deltas[0], at: 0)
    }
    let weight = zip(shapes, scalings).map { weightNorm($0, std: $1.initialStd) / target($0) }
    let update = shapes.indices.map { l in
      // A rank-one gradient δhᵀ for SGD; entries of size 1, at low rank, for Adam.
      let perUnit =
        switch family {
        case .sgd: deltas[l] * activations[l]
        case .adam: (Double(shapes[l].fanOut) * Double(shapes[l].fanIn)).squareRoot()
        case .normalized: 1.0
        }
      return scalings[l].learningRateFactor * perUnit / target(shapes[l])
    }
    return (weight, update)
  }
}
