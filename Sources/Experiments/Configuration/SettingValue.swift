import Foundation
import Networks
import Spectral
import Tensors
import Training

/// A type that a setting can have: how its values are written and read.
///
/// Command lines and YAML give texts, or lists of texts; JSON gives numbers and truth values too. A
/// type reads all of them and writes the form of JSON.
public protocol SettingValue: Hashable, Sendable {
  /// What bounds apply to.
  associatedtype Scalar: Sendable = Self

  /// The value of a text, number, list or object; nil where it is none.
  init?(setting: JSONValue)

  /// The value as JSON has it; `null` where there is none.
  var setting: JSONValue { get }

  /// The parts of the value that bounds apply to.
  var scalars: [Scalar] { get }

  /// What is expected, for errors: "an integer".
  static var expected: String { get }

  /// The texts of all values, where they can be listed.
  static var choices: [String] { get }

  /// How a command line gives it.
  static var shape: SettingDeclaration.Shape { get }

  /// Whether texts may begin with a minus.
  static var isNumeric: Bool { get }

  /// Whether a value is `name=value`.
  static var takesPairs: Bool { get }

  /// Whether a value is a number, maybe with a word behind it, so that a sweep can step through it.
  static var isQuantity: Bool { get }
}

extension SettingValue {
  /// None.
  public static var choices: [String] { [] }
  /// A single value.
  public static var shape: SettingDeclaration.Shape { .value }
  /// No.
  public static var isNumeric: Bool { false }
  /// No.
  public static var takesPairs: Bool { false }
  /// Where values are numeric.
  public static var isQuantity: Bool { isNumeric }
}

extension SettingValue where Scalar == Self {
  /// The value itself.
  public var scalars: [Self] { [self] }
}

extension JSONValue {
  /// As a command line has it: lists with commas, whole numbers without a point.
  public var optionText: String {
    switch self {
    case .number(let value) where value == value.rounded() && abs(value) < 1e15: "\(Int(value))"
    case .array(let values): values.map(\.optionText).joined(separator: ",")
    default: text
    }
  }

  /// For errors: texts in quotes where they are empty or hold spaces.
  var quoted: String {
    if case .string(let text) = self { return "'\(text)'" }
    return optionText
  }

  /// The text, if it is one.
  var string: String? { if case .string(let text) = self { text } else { nil } }
}

extension Int: SettingValue {
  /// Reads an integer, or its text.
  public init?(setting: JSONValue) {
    switch setting {
    case .integer(let value): self = value
    case .string(let text): self.init(text)
    default: return nil
    }
  }

  /// An integer.
  public var setting: JSONValue { .integer(self) }
  /// For errors.
  public static var expected: String { "an integer" }
  /// Yes.
  public static var isNumeric: Bool { true }
}

extension UInt64: SettingValue {
  /// Reads an integer ≥ 0, or its text.
  public init?(setting: JSONValue) {
    switch setting {
    case .integer(let value): self.init(exactly: value)
    case .string(let text): self.init(text)
    default: return nil
    }
  }

  /// An integer, or its text where JSON's readers may not hold it.
  public var setting: JSONValue { Int(exactly: self).map(JSONValue.integer) ?? .string("\(self)") }
  /// For errors.
  public static var expected: String { "an integer from 0 to \(UInt64.max)" }
  /// Yes.
  public static var isNumeric: Bool { true }
}

extension Double: SettingValue {
  /// Reads a finite number, or its text.
  public init?(setting: JSONValue) {
    switch setting {
    case .integer(let value): self.init(value)
    case .number(let value): self = value
    case .string(let text): self.init(text)
    default: return nil
    }
    if !isFinite { return nil }
  }

  /// A number.
  public var setting: JSONValue { .number(self) }
  /// For errors.
  public static var expected: String { "a number" }
  /// Yes.
  public static var isNumeric: Bool { true }
}

extension Bool: SettingValue {
  /// Reads true or false, or their texts.
  public init?(setting: JSONValue) {
    switch setting {
    case .bool(let value): self = value
    case .string(let text): self.init(text)
    default: return nil
    }
  }

  /// true or false.
  public var setting: JSONValue { .bool(self) }
  /// For errors.
  public static var expected: String { "true or false" }
  /// `--name` or `--no-name`.
  public static var shape: SettingDeclaration.Shape { .flag }
}

extension String: SettingValue {
  /// Reads a text, or a number or truth value as one.
  public init?(setting: JSONValue) {
    switch setting {
    case .string(let text): self = text
    case .integer, .number, .bool: self = setting.optionText
    default: return nil
    }
    if isEmpty { return nil }
  }

  /// A text.
  public var setting: JSONValue { .string(self) }
  /// For errors.
  public static var expected: String { "a text that is not empty" }
}

extension Optional: SettingValue where Wrapped: SettingValue {
  /// Reads null as no value.
  public init?(setting: JSONValue) {
    if setting == .null {
      self = .none
    } else {
      guard let value = Wrapped(setting: setting) else { return nil }
      self = .some(value)
    }
  }

  /// The value, or null.
  public var setting: JSONValue { self?.setting ?? .null }
  /// Those of the value.
  public var scalars: [Wrapped.Scalar] { self?.scalars ?? [] }
  /// As without the option of having none.
  public static var expected: String { Wrapped.expected }
  /// As without the option of having none.
  public static var choices: [String] { Wrapped.choices }
  /// As without the option of having none.
  public static var shape: SettingDeclaration.Shape { Wrapped.shape }
  /// As without the option of having none.
  public static var isNumeric: Bool { Wrapped.isNumeric }
  /// As without the option of having none.
  public static var takesPairs: Bool { Wrapped.takesPairs }
  /// As without the option of having none.
  public static var isQuantity: Bool { Wrapped.isQuantity }
}

extension Array: SettingValue where Element: SettingValue {
  /// Reads a list, or a text with commas; spaces around a value do not count. null is none.
  public init?(setting: JSONValue) {
    let parts: [JSONValue] =
      switch setting {
      case .null: []
      case .array(let values): values
      case .string(let text):
        text.split(separator: ",", omittingEmptySubsequences: false).map {
          .string($0.trimmingCharacters(in: .whitespaces))
        }
      default: [setting]
      }
    var values: [Element] = []
    for part in parts {
      guard let value = Element(setting: part) else { return nil }
      values.append(value)
    }
    self = values
  }

  /// A list; null of none.
  public var setting: JSONValue { isEmpty ? .null : .array(map(\.setting)) }
  /// Those of all values.
  public var scalars: [Element.Scalar] { flatMap(\.scalars) }
  /// For errors.
  public static var expected: String {
    if Element.shape == .repeated { return Element.expected }
    return Element.choices.isEmpty
      ? "\(Element.expected), or several with commas, each of them"
      : "some of \(Element.choices.joined(separator: ", "))"
  }
  /// None: several can be given.
  public static var choices: [String] { [] }
  /// With commas, or as the values say.
  public static var shape: SettingDeclaration.Shape { Element.shape }
  /// As of a value.
  public static var isNumeric: Bool { Element.isNumeric }
  /// As of a value.
  public static var takesPairs: Bool { Element.takesPairs }
}

/// Names to choose from are settings by their raw values.
extension SettingValue where Self: RawRepresentable & CaseIterable, RawValue == String {
  /// Reads a name.
  public init?(setting: JSONValue) {
    guard let text = setting.string else { return nil }
    self.init(rawValue: text)
  }

  /// The name.
  public var setting: JSONValue { .string(rawValue) }
  /// For errors.
  public static var expected: String { "one of \(choices.joined(separator: ", "))" }
  /// Every name.
  public static var choices: [String] { allCases.map(\.rawValue) }
}

extension Activation: SettingValue {}
extension Compute.BackendChoice: SettingValue {}
extension DepthRule: SettingValue {}
extension GradientRoute: SettingValue {}
extension LossFunction: SettingValue {}
extension WeightInit: SettingValue {}
extension NewtonSchulz.Coefficients: SettingValue {}
extension Objective: SettingValue {}
extension OptimizerKind: SettingValue {}
extension ProductPrecision: SettingValue {}

extension MuonScale: SettingValue {
  /// With the names that others give the rules.
  public static var expected: String {
    "condition (as Scion and dion), jordan (Jordan's Muon, optax, torch's original), max-dimension "
      + "(Megatron-LM's spectral) or match-rms (Moonlight, torch's match_rms_adamw)"
  }
}
