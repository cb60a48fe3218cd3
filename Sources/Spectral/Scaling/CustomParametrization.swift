import Foundation

/// A parametrization that is written out: power laws in fan-in and fan-out for every role.
///
///     σ = m·fanIn^a·fanOut^b, and so the factors of η, ε and λ
///
/// Relative to a base shape, fan-in and fan-out count as multiples of the base's, and multipliers
/// stay: at the base, a tensor has m times what standard parametrization gives it, and a bias, which
/// that starts at 0, has σ = m.
///
/// λ's factor is that of coupled decay; where it is left out it is 1/(factor of η), as the mup
/// package has it. The other kinds of decay are as under every parametrization.
public struct CustomParametrization: Parametrization, Codable, Hashable {
  /// What one kind of tensor gets.
  public struct Rule: Codable, Hashable, Sendable {
    /// σ of the initial values.
    public var initialStd: PowerLaw
    /// η_l/η.
    public var learningRate: PowerLaw
    /// ε_l/ε, for updates that have one.
    public var epsilon: PowerLaw
    /// λ_l/λ of coupled decay; nil: 1/(η_l/η).
    public var weightDecay: PowerLaw?

    /// A rule; what is left out is as under standard parametrization.
    public init(
      initialStd: PowerLaw, learningRate: PowerLaw = PowerLaw(), epsilon: PowerLaw = PowerLaw(),
      weightDecay: PowerLaw? = nil
    ) {
      (self.initialStd, self.learningRate) = (initialStd, learningRate)
      (self.epsilon, self.weightDecay) = (epsilon, weightDecay)
    }

    /// σ = 1/√fanIn, every factor 1.
    public static let standardWeight = Rule(initialStd: PowerLaw(fanIn: -0.5))
    /// σ = 0, every factor 1.
    public static let standardBias = Rule(initialStd: PowerLaw(multiplier: 0))
  }

  /// The name in configurations.
  public let name: String
  /// One line for help texts.
  public var summary: String { "custom" }
  /// The update family that it is meant for; nil for every one.
  public let family: UpdateFamily?
  /// The width at which it equals the standard parametrization but for multipliers, in place of
  /// the sweep's; nil for the sweep's own.
  public let baseWidth: Int?
  /// What base widths can be.
  public static let baseWidths = 1...1 << 24
  /// The rule of each role's weight.
  public let input: Rule, hidden: Rule, readout: Rule
  /// The rule of every bias, which is a matrix fanOut×1.
  public let bias: Rule

  /// A parametrization of these rules.
  ///
  /// - Throws: `CustomParametrizationError` where they contradict themselves.
  public init(
    name: String, family: UpdateFamily? = nil, baseWidth: Int? = nil, input: Rule = .standardWeight,
    hidden: Rule = .standardWeight,
    readout: Rule = .standardWeight, bias: Rule = .standardBias
  ) throws(CustomParametrizationError) {
    (self.name, self.family, self.baseWidth) = (name, family, baseWidth)
    (self.input, self.hidden, self.readout, self.bias) = (input, hidden, readout, bias)
    let problems = problems
    if !problems.isEmpty { throw CustomParametrizationError(name: name, problems: problems) }
  }

  /// Everything that contradicts itself, in words.
  private var problems: [CustomParametrizationError.Problem] {
    var problems: [CustomParametrizationError.Problem] = []
    func add(_ path: String, _ expected: String, _ got: String) {
      problems.append(.init(path: path, expected: expected, got: got))
    }
    let plain = name.utf8.allSatisfy {
      (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D
    }
    if name.isEmpty || !plain { add("", "a name of a-z, 0-9 and -", "'\(name)'") }
    if Parametrizations.all.contains(where: { $0.name == name }) {
      add("", "a name that is not taken", "that of a built-in parametrization")
    }
    if let baseWidth, !Self.baseWidths.contains(baseWidth) {
      add("base-width", "from 1 to \(Self.baseWidths.upperBound)", "\(baseWidth)")
    }
    for (role, rule) in [
      ("input", input), ("hidden", hidden), ("readout", readout), ("bias", bias),
    ] {
      let laws: [(String, PowerLaw?, Bool)] = [
        ("sigma", rule.initialStd, role == "readout" || role == "bias"),
        ("learning-rate", rule.learningRate, false), ("epsilon", rule.epsilon, false),
        ("weight-decay", rule.weightDecay, false),
      ]
      for (quantity, law, mayBeZero) in laws {
        guard let law else { continue }
        let path = "\(role).\(quantity)"
        if !law.multiplier.isFinite || law.multiplier < 0 || (law.multiplier == 0 && !mayBeZero) {
          add(
            "\(path).multiplier", mayBeZero ? "a number ≥ 0" : "a number > 0",
            "\(law.multiplier)")
        }
        for (side, exponent) in [("fan-in", law.fanIn), ("fan-out", law.fanOut)]
        where !(abs(exponent) <= 8) {
          add("\(path).\(side)", "an exponent from -8 to 8", "\(exponent)")
        }
        if role == "bias" && law.fanIn != 0 {
          add("\(path).fan-in", "none, as a bias has fan-in 1", "\(law.fanIn)")
        }
      }
      if let family, family != .adam, rule.epsilon != PowerLaw() {
        add("\(role).epsilon", "none, as updates of family \(family.rawValue) have no ε", "one")
      }
    }
    return problems
  }

  /// The rule of a tensor.
  private func rule(for shape: ParameterShape) -> Rule {
    switch (shape.kind, shape.role) {
    case (.bias, _), (.gain, _): bias
    case (.weight, .input), (.embedding, _): input
    case (.weight, .hidden): hidden
    case (.weight, .readout): readout
    }
  }

  /// The absolute rule, by the equations above.
  public func scaling(
    of shape: ParameterShape, family: UpdateFamily, decay: WeightDecayKind
  ) -> WidthScaling {
    let rule = rule(for: shape)
    return Self.scaling(rule, family: family, decay: decay) { $0.value(for: shape) }
  }

  /// The rule relative to a base shape: ratios to its values there, times its multipliers.
  public func scaling(
    of shape: ParameterShape, relativeTo base: ParameterShape?, family: UpdateFamily,
    decay: WeightDecayKind
  ) -> WidthScaling {
    guard let base else { return scaling(of: shape, family: family, decay: decay) }
    let rule = rule(for: shape)
    let standard = StandardParametrization().scaling(of: base, family: family, decay: decay)
    func unit(_ shape: ParameterShape) -> WidthScaling {
      Self.scaling(rule, family: family, decay: decay) { $0.unit.value(for: shape) }
    }
    let (here, there) = (unit(shape), unit(base))
    let multipliers = Self.scaling(rule, family: family, decay: decay) { $0.multiplier }
    let start = shape.isVector ? 1 : standard.initialStd
    return WidthScaling(
      initialStd: start * (here.initialStd / there.initialStd)
        * multipliers.initialStd,
      learningRateFactor: here.learningRateFactor / there.learningRateFactor
        * multipliers.learningRateFactor,
      epsilonFactor: here.epsilonFactor / there.epsilonFactor * multipliers.epsilonFactor,
      weightDecayFactor: here.weightDecayFactor / there.weightDecayFactor
        * multipliers.weightDecayFactor)
  }

  private static func scaling(
    _ rule: Rule, family: UpdateFamily, decay: WeightDecayKind, _ value: (PowerLaw) -> Double
  ) -> WidthScaling {
    let learningRate = value(rule.learningRate)
    return WidthScaling(
      initialStd: value(rule.initialStd), learningRateFactor: learningRate,
      epsilonFactor: family == .adam ? value(rule.epsilon) : 1,
      weightDecayFactor: decay.factor(
        learningRateFactor: learningRate,
        coupled: rule.weightDecay.map(value) ?? 1 / learningRate))
  }
}

/// A custom parametrization that contradicts itself.
public struct CustomParametrizationError: Error, Hashable, Sendable, CustomStringConvertible {
  /// One contradiction.
  public struct Problem: Hashable, Sendable, CustomStringConvertible {
    /// Where in the definition: `hidden.sigma.multiplier`; empty for the whole.
    public let path: String
    /// What would do, and what is there.
    public let expected: String, got: String

    /// Place, expected, got.
    public var description: String {
      "\(path.isEmpty ? "" : "\(path): ")expected \(expected), got \(got)"
    }
  }

  /// Its name.
  public let name: String
  /// At least one.
  public let problems: [Problem]

  /// One line: name, and of each problem place, expected, got.
  public var description: String {
    "parametrization \(name): " + problems.map(\.description).joined(separator: "; ")
  }
}

/// A value that scales with a tensor's shape.
///
///     m · fanIn^a · fanOut^b
public struct PowerLaw: Codable, Hashable, Sendable {
  /// m.
  public var multiplier: Double
  /// a.
  public var fanIn: Double
  /// b.
  public var fanOut: Double

  /// The law of these numbers; without any, 1.
  public init(multiplier: Double = 1, fanIn: Double = 0, fanOut: Double = 0) {
    (self.multiplier, self.fanIn, self.fanOut) = (multiplier, fanIn, fanOut)
  }

  /// The value for a tensor of `shape`.
  public func value(for shape: ParameterShape) -> Double {
    multiplier * Self.power(Double(shape.fanIn), fanIn) * Self.power(Double(shape.fanOut), fanOut)
  }

  /// The law with multiplier 1.
  var unit: PowerLaw { PowerLaw(fanIn: fanIn, fanOut: fanOut) }

  /// xᵉ for x ≥ 1; with e a multiple of ½ by products and one root, whose last bits are those of the
  /// rules as they are written: 1/√x, x·x.
  static func power(_ x: Double, _ exponent: Double) -> Double {
    if exponent < 0 { return 1 / power(x, -exponent) }
    let halves = exponent * 2
    guard halves == halves.rounded(), halves <= 16 else { return pow(x, exponent) }
    var result = 1.0
    for _ in 0..<Int(halves) / 2 { result *= x }
    return Int(halves) % 2 == 1 ? result * x.squareRoot() : result
  }
}
