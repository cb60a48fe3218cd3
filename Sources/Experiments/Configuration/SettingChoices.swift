import Foundation
import Networks
import Spectral
import Training

/// Which architecture.
public enum NetworkKind: String, CaseIterable, SettingValue {
  /// Layers one after another.
  case mlp
  /// Blocks of two layers whose results are added to a stream.
  case residualMLP = "residual-mlp"
  /// Blocks of attention and a perceptron over tokens.
  case transformer
}

extension Transformer.Positions: SettingValue {}
extension Transformer.AttentionScale: SettingValue {}

/// What normalises a residual stream.
public enum NormChoice: String, CaseIterable, SettingValue {
  /// Nothing, the root mean square, or mean and standard deviation.
  case none, rms, layer

  /// As networks have it; nil: nothing.
  public var kind: RowNormalization.Kind? { RowNormalization.Kind(rawValue: rawValue) }
}

/// Which normalisation of the data.
public enum NormalizationChoice: String, CaseIterable, SettingValue {
  /// The data's own default, none, or x·2/255 − 1.
  case auto, none, fixed
  /// Mean 0 and standard deviation 1.
  case perFeature = "per-feature"

  /// As data is prepared with; nil: the data's own default.
  public var normalization: Normalization? {
    switch self {
    case .auto: nil
    case .none: .identity
    case .fixed: .byteImage
    case .perFeature: .perFeature
    }
  }
}

/// The widths of hidden layers as multiples, repeated over the depth: `1:4:1`.
public struct HiddenPattern: SettingValue, ExpressibleByArrayLiteral {
  /// At least one, each ≥ 1.
  public let factors: [Int]

  /// A pattern of these factors.
  public init(arrayLiteral factors: Int...) {
    precondition(!factors.isEmpty && factors.allSatisfy { $0 >= 1 }, "a pattern of \(factors)")
    self.factors = factors
  }

  /// Reads `1:4:1`, or a list of integers ≥ 1.
  public init?(setting: JSONValue) {
    let parts: [JSONValue] =
      switch setting {
      case .array(let values): values
      case .string(let text):
        text.split(separator: ":", omittingEmptySubsequences: false).map {
          .string($0.trimmingCharacters(in: .whitespaces))
        }
      default: [setting]
      }
    factors = parts.compactMap { Int(setting: $0) }
    if factors.isEmpty || factors.count < parts.count || factors.contains(where: { $0 < 1 }) {
      return nil
    }
  }

  /// The text with colons.
  public var setting: JSONValue { .string(factors.map(String.init).joined(separator: ":")) }
  /// For errors.
  public static var expected: String { "integers ≥ 1 such as 1:4:1" }
}

/// Strength and, where it is not the optimizer's own, kind of weight decay: `0.1:decoupled-scaled`.
public struct WeightDecayChoice: SettingValue {
  /// λ ≥ 0.
  public var strength: Double
  /// nil: the optimizer's own.
  public var kind: WeightDecayKind?

  /// Decay of a strength, by default none.
  public init(_ strength: Double = 0, _ kind: WeightDecayKind? = nil) {
    precondition(strength >= 0 && strength.isFinite, "decay of strength \(strength)")
    (self.strength, self.kind) = (strength, kind)
  }

  /// Reads λ or λ:KIND.
  public init?(setting: JSONValue) {
    let parts = setting.optionText.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count <= 2, let strength = Double(parts[0]), strength >= 0, strength.isFinite else {
      return nil
    }
    let kind = parts.count == 2 ? WeightDecayKind(rawValue: String(parts[1])) : nil
    if parts.count == 2 && kind == nil { return nil }
    self.init(strength, kind)
  }

  /// The text.
  public var setting: JSONValue {
    kind.map { .string("\(JSONValue.number(strength).optionText):\($0.rawValue)") }
      ?? .number(strength)
  }
  /// For errors.
  public static var expected: String {
    "λ ≥ 0, or λ:KIND of \(WeightDecayKind.allCases.map(\.rawValue).joined(separator: ", "))"
  }
  /// By its strength.
  public static var isQuantity: Bool { true }

  /// As an optimizer of this kind takes it; nil for λ = 0.
  public func decay(for optimizer: OptimizerKind) -> WeightDecay? {
    strength == 0
      ? nil : WeightDecay(strength: strength, kind: kind ?? optimizer.defaultWeightDecayKind)
  }
}

/// The learning rate over training, with its warm-up as a share of all steps or in steps:
/// `cosine`, `cosine:0.1`, `cosine:200steps`.
public struct ScheduleChoice: SettingValue {
  /// How long the rate rises.
  public enum Warmup: Hashable, Sendable {
    /// A share of all steps, in [0, 1).
    case share(Double)
    /// Steps, ≥ 1.
    case steps(Int)
  }

  /// What follows the warm-up.
  public var shape: Schedule.Shape
  /// How long the rate rises.
  public var warmup: Warmup

  /// A schedule.
  public init(_ shape: Schedule.Shape = .constant, warmup: Warmup = .share(0)) {
    (self.shape, self.warmup) = (shape, warmup)
  }

  /// The names; `warmup` is constant after its rise.
  static let names = ["constant", "warmup", "cosine", "linear", "wsd"]

  /// Reads NAME, NAME:SHARE or NAME:STEPSsteps. `warmup` and `wsd` take a tenth of all steps where
  /// nothing is said.
  public init?(setting: JSONValue) {
    guard let text = setting.string else { return nil }
    let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    guard parts.count <= 2,
      let shape = Schedule.Shape(rawValue: parts[0] == "warmup" ? "constant" : parts[0])
    else { return nil }
    let own = parts[0] == "warmup" || shape == .warmupStableDecay ? 0.1 : 0
    self.init(shape, warmup: .share(own))
    guard parts.count == 2 else { return }
    if parts[1].hasSuffix("steps") {
      guard let steps = Int(parts[1].dropLast(5)), steps >= 1 else { return nil }
      warmup = .steps(steps)
    } else {
      guard let share = Double(parts[1]), (0..<1).contains(share) else { return nil }
      warmup = .share(share)
    }
  }

  /// The text.
  public var setting: JSONValue {
    switch warmup {
    case .steps(let steps): .string("\(shape.rawValue):\(steps)steps")
    case .share(0) where shape != .warmupStableDecay: .string(shape.rawValue)
    case .share(let share): .string("\(shape.rawValue):\(JSONValue.number(share).optionText)")
    }
  }

  /// For errors.
  public static var expected: String {
    "one of \(names.joined(separator: ", ")), with :SHARE from 0 to below 1 or :Nsteps behind it"
  }

  /// The shape, with its warm-up where there is one.
  var inWords: String {
    switch warmup {
    case .share(0): shape.rawValue
    case .share(let share):
      "\(shape.rawValue), warm-up over \(DecimalText.trimmed(share, digits: 3)) of it"
    case .steps(let steps): "\(shape.rawValue), warm-up over \(steps) steps"
    }
  }

  /// As the trainer takes it: steps of warm-up are a share of the run's.
  ///
  /// - totalSteps: of the run; a warm-up that is not shorter ends a step before it.
  public func schedule(of totalSteps: Int) -> Schedule {
    switch warmup {
    case .share(let share): return Schedule(shape, warmup: share)
    case .steps(let steps):
      return Schedule(shape, warmup: Double(min(steps, totalSteps - 1)) / Double(totalSteps))
    }
  }
}

extension RateRule: SettingValue {
  /// Reads SELECTOR=PARAMETRIZATION or SELECTOR=PARAMETRIZATION:FAMILY.
  public init?(setting: JSONValue) {
    guard let (selector, rule) = setting.pair else { return nil }
    let parts = rule.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    let family = parts.count == 2 ? UpdateFamily(rawValue: parts[1]) : nil
    if parts.count > 2 || parts[0].isEmpty || parts.count == 2 && family == nil { return nil }
    self.init(selector, named: parts[0], family: family)
  }

  /// The text.
  public var setting: JSONValue {
    .string("\(selector)=\(parametrization)" + (family.map { ":\($0.rawValue)" } ?? ""))
  }
  /// For errors.
  public static var expected: String { "SELECTOR=RULE or SELECTOR=RULE:FAMILY" }
  /// Once for each rule.
  public static var shape: SettingDeclaration.Shape { .repeated }
  /// Yes.
  public static var takesPairs: Bool { true }
}

extension DepthRateRule: SettingValue {
  /// Reads SELECTOR=RULE.
  public init?(setting: JSONValue) {
    guard let (selector, text) = setting.pair, let rule = DepthRule(rawValue: text) else {
      return nil
    }
    self.init(selector: selector, rule: rule)
  }

  /// The text.
  public var setting: JSONValue { .string("\(selector)=\(rule.rawValue)") }
  /// For errors.
  public static var expected: String {
    "SELECTOR=RULE, the rule one of " + DepthRule.allCases.map(\.rawValue).joined(separator: ", ")
  }
  /// Once for each rule.
  public static var shape: SettingDeclaration.Shape { .repeated }
  /// Yes.
  public static var takesPairs: Bool { true }
}

extension RateMultiplier: SettingValue {
  /// Reads SELECTOR=FACTOR.
  public init?(setting: JSONValue) {
    guard let (selector, text) = setting.pair, let factor = Double(text), factor >= 0,
      factor.isFinite
    else { return nil }
    self.init(selector: selector, factor: factor)
  }

  /// The text.
  public var setting: JSONValue { .string("\(selector)=\(JSONValue.number(factor).optionText)") }
  /// For errors.
  public static var expected: String { "SELECTOR=FACTOR, the factor 0 or above" }
  /// Once for each factor.
  public static var shape: SettingDeclaration.Shape { .repeated }
  /// Yes.
  public static var takesPairs: Bool { true }
}

extension InitialMultiplier: SettingValue {
  /// Reads SELECTOR=FACTOR.
  public init?(setting: JSONValue) {
    guard let (selector, text) = setting.pair, let factor = Double(text),
      Self.range.contains(factor)
    else { return nil }
    self.init(selector: selector, factor: factor)
  }

  /// The text.
  public var setting: JSONValue { .string("\(selector)=\(JSONValue.number(factor).optionText)") }
  /// For errors.
  public static var expected: String { "SELECTOR=FACTOR, the factor from 1e-6 to 1e6" }
  /// Once for each factor.
  public static var shape: SettingDeclaration.Shape { .repeated }
  /// Yes.
  public static var takesPairs: Bool { true }
}

extension JSONValue {
  /// Both sides of `a=b`.
  var pair: (String, String)? {
    let sides = string?.split(separator: "=", omittingEmptySubsequences: false).map(String.init)
    guard let sides, sides.count == 2, !sides[0].isEmpty else { return nil }
    return (sides[0], sides[1])
  }
}

extension CustomParametrization: SettingValue {
  /// Reads the object that it is in JSON.
  public init?(setting: JSONValue) {
    guard let data = try? CanonicalJSON.compact(setting),
      let value = try? JSONDecoder().decode(Self.self, from: data)
    else { return nil }
    self = value
  }

  /// The object that it is in JSON.
  public var setting: JSONValue {
    guard let data = try? CanonicalJSON.compact(self),
      let value = try? JSONDecoder().decode(JSONValue.self, from: data)
    else { return .null }
    return value
  }
  /// For errors.
  public static var expected: String { "a parametrization's definition" }
}

extension DiagnosisPlan: SettingValue {
  /// Reads EVERY or EVERY:CONTENTS.
  public init?(setting: JSONValue) { self.init(text: setting.optionText) }

  /// The text.
  public var setting: JSONValue { .string(text) }
  /// For errors.
  public static var expected: String { "STEPS ≥ 1, STEPS:norms or STEPS:all" }
}

/// log2 of learning rates: `START:STOP:COUNT`, both ends included, or a list.
public struct LearningRateAxis: SettingValue {
  /// The text that it was given as.
  public let text: String
  /// log2 of the rates.
  public let values: [Double]

  /// Seven rates from 2⁻¹¹ to 2⁻⁵.
  public static let standard = Self(text: "-11:-6:6", values: (-11...(-6)).map(Double.init))

  /// Seven rates from 2⁻¹⁰ to 2⁻⁴.
  static let transformer = Self(text: "-10:-4:7", values: (-10...(-4)).map(Double.init))

  private init(text: String, values: [Double]) { (self.text, self.values) = (text, values) }

  /// Reads the text, a list, or an object of `start`, `stop` and `count`.
  public init?(setting: JSONValue) {
    var text = setting.optionText
    if case .object(let parts) = setting {
      let names = ["start", "stop", "count"]
      guard Set(parts.keys) == Set(names) else { return nil }
      text = names.map { parts[$0, default: .null].optionText }.joined(separator: ":")
    }
    guard let values = try? SweepGrid.parseRates(text) else { return nil }
    self.init(text: text, values: values)
  }

  /// The text.
  public var setting: JSONValue { .string(text) }
  /// The rates.
  public var scalars: [Double] { values }
  /// For errors.
  public static var expected: String { "START:STOP:COUNT or numbers a,b,c," }
  /// Yes.
  public static var isNumeric: Bool { true }
}
