import Foundation
import Synchronization

/// A property that users can set, declared once: name, help, bounds and default.
///
///     @Setting("batch-size", "Rows a step.", value: "rows", in: .range(1...Limits.size))
///     public var batchSize = 64
///
/// The option of the command line, the key in YAML, `--print-config`, the record in JSON and the
/// report's list of settings all come from this declaration. A group of settings is read by making
/// it while the values to take are at hand: each setting then takes its own, checked, in place of
/// its default.
@propertyWrapper
public struct Setting<Value: SettingValue>: Hashable, Sendable {
  /// The value.
  public var wrappedValue: Value
  let declaration: SettingDeclaration

  /// A setting.
  ///
  /// - value: what stands for the value in help texts. bounds: of each number in the value.
  /// - offers: what shells complete; nil for the value's choices.
  /// - instead: the name of the setting that this one takes the place of where it is given.
  /// - spelling: another way to give it.
  /// - isOption: whether the command line has it.
  public init(
    wrappedValue value: Value, _ name: String, _ help: String, value valueName: String = "",
    in bounds: SettingBounds<Value.Scalar>? = nil, offers: SettingCompletion? = nil,
    instead alternative: String? = nil, or spelling: SettingSpelling? = nil,
    isOption: Bool = true
  ) {
    let expected = Value.expected + (bounds.map { " \($0.text)" } ?? "")
    @Sendable func read(_ raw: JSONValue) -> Value? {
      guard let value = Value(setting: raw) else { return nil }
      return bounds.map { value.scalars.allSatisfy($0.contains) } ?? true ? value : nil
    }
    declaration = SettingDeclaration(
      name: name, help: help, valueName: valueName, shape: Value.shape,
      choices: Value.choices, completion: offers ?? (Value.choices.isEmpty ? .none : .choices),
      isNumeric: Value.isNumeric, isQuantity: Value.isQuantity, takesPairs: Value.takesPairs,
      alternative: alternative, spelling: spelling,
      isOption: isOption, defaultValue: value.setting, expected: Value.expected,
      reads: { read($0) != nil },
      problem: { raw in
        guard let value = read(raw) else { return "expected \(expected), got \(raw.quoted)" }
        return bounds.flatMap { $0.doubt(value.scalars) }
      })
    wrappedValue = value
    guard let source = SettingSource.current, let raw = source.values[name] else { return }
    if let value = read(raw) {
      // What it may be in doubt of was settled where it was given.
      wrappedValue = value
    } else if let text = declaration.problem(raw) {
      source.add(SettingProblem(name, text))
    }
  }

  /// Whether the values are equal.
  public static func == (left: Self, right: Self) -> Bool {
    left.wrappedValue == right.wrappedValue
  }

  /// Hashes the value.
  public func hash(into hasher: inout Hasher) { hasher.combine(wrappedValue) }
}

/// A setting of any type, as `Mirror` finds it in its group.
protocol AnySetting {
  var declaration: SettingDeclaration { get }
  var value: JSONValue { get }
}

extension Setting: AnySetting {
  var value: JSONValue { wrappedValue.setting }
}

/// What is known of a setting but its value.
public struct SettingDeclaration: Sendable {
  /// How the command line gives a setting.
  public enum Shape: Sendable {
    /// `--bias` or `--no-bias`.
    case flag
    /// `--depth 4`.
    case value
    /// `--rate-rule readout=sp`, as often as there are values.
    case repeated
  }

  /// The option's name without dashes, which is the key in files.
  public let name: String
  /// What it is, a sentence or two.
  public let help: String
  /// What stands for the value in help texts.
  public let valueName: String
  /// How the command line gives it.
  public let shape: Shape
  /// The texts that there are to choose from; none where there are too many.
  public let choices: [String]
  /// What shells complete.
  public let completion: SettingCompletion
  /// Whether values may begin with a minus.
  public let isNumeric: Bool
  /// Whether a value is a number that a sweep can step through.
  public let isQuantity: Bool
  /// Whether values are `name=value`, which files may write as a mapping.
  public let takesPairs: Bool
  /// The setting that this one takes the place of where it is given.
  public let alternative: String?
  /// Another way to give it.
  public let spelling: SettingSpelling?
  /// Whether the command line has it.
  public let isOption: Bool
  /// The value where none is given.
  public let defaultValue: JSONValue
  /// The kind of value, in words.
  let expected: String
  /// Whether a value is one within the bounds.
  let reads: @Sendable (JSONValue) -> Bool
  /// What is wrong with a value, in words; nil where nothing is.
  public let problem: @Sendable (JSONValue) -> String?
  /// The section of help texts that lists it, that of the last marker before it in its group.
  public internal(set) var section: SettingSection?

  /// Every name that it is given by, its own first.
  public var names: [String] { [name] + (spelling?.names ?? []) }

  /// The setting's value where one was given under `name`, one of its names.
  ///
  /// - Throws: what is wrong with it.
  public func value(
    _ given: JSONValue, givenAs name: String
  ) throws(SettingProblems) -> JSONValue {
    guard let spelling, name != self.name else {
      if let text = problem(given) {
        throw SettingProblems(problems: [SettingProblem(name, text)])
      }
      return given
    }
    guard let value = spelling.value(of: given), reads(value) else {
      let text = "expected \(expected) \(spelling.bounds), got \(given.quoted)"
      throw SettingProblems(problems: [SettingProblem(name, text)])
    }
    return value
  }
}

/// Another way to give a setting: by another name, with its numbers written otherwise.
public struct SettingSpelling: Sendable {
  /// The names, the usual one first.
  public let names: [String]
  /// Behind the setting's own help.
  public let help: String
  /// What its numbers may be, in words.
  let bounds: String
  private let read: @Sendable (Double) -> Double
  private let write: @Sendable (Double) -> Double

  /// Learning rates themselves, `--lr 0.001`, of a setting that is their log2.
  public static let plainRate = SettingSpelling(
    names: ["lr", "learning-rate"], help: "The same as plain numbers, such as 0.001.",
    bounds: "above 0 and at most \(Int(exp2(SettingBounds<Double>.log2RateLimit)))",
    read: { $0 > 0 ? log2($0) : .nan }, write: { exp2($0) })

  /// The setting's own value; nil where a number does not read.
  func value(of given: JSONValue) -> JSONValue? { Self.map(given, read) }

  /// How a value of the setting is given so.
  public func spelled(_ value: JSONValue) -> JSONValue { Self.map(value, write) ?? value }

  /// Every number of a value, of a list or of START:STOP:COUNT, whose values are then evenly spaced as
  /// the setting counts them.
  private static func map(
    _ value: JSONValue, _ change: (Double) -> Double
  ) -> JSONValue? {
    switch value {
    case .array(let values):
      let changed = values.compactMap { map($0, change) }
      return changed.count == values.count ? .array(changed) : nil
    case .object(let members):
      var changed = members
      for name in ["start", "stop"] {
        guard let member = members[name], let value = map(member, change) else { return nil }
        changed[name] = value
      }
      return .object(changed)
    case .string(let text) where text.contains(","):
      return map(
        .array(
          text.split(separator: ",", omittingEmptySubsequences: false).map { .string("\($0)") }),
        change
      ).map { .string($0.optionText) }
    case .string(let text) where text.contains(":"):
      let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
      guard let ends = map(.array(parts.prefix(2).map(JSONValue.string)), change) else {
        return nil
      }
      return .string(
        ([ends.optionText.replacing(",", with: ":")] + parts.dropFirst(2)).joined(separator: ":"))
    default:
      let text = value.optionText.trimmingCharacters(in: .whitespaces)
      guard let number = Double(text).map(change), number.isFinite else { return nil }
      return .number(number)
    }
  }
}

/// A section of help texts. A property of this type among a group's settings begins one: the
/// settings that follow belong to it.
///
///     private let dataSection = SettingSection.data
public enum SettingSection: String, CaseIterable, Hashable, Sendable {
  /// What a sweep compares.
  case sweep = "Sweep"
  /// The one run that a command makes.
  case run = "Run"
  /// What is trained on.
  case data = "Data"
  /// What is trained: the architecture and its extents.
  case network = "Network"
  /// How initial values and rates scale with the network.
  case scaling = "Scaling"
  /// How long, and in which batches.
  case training = "Training"
  /// How parameters are updated.
  case optimizer = "Optimizer"
  /// Where it is computed.
  case device = "Device"
  /// What is measured, and where results are left.
  case results = "Results"
}

/// What shells offer for a setting's value.
public enum SettingCompletion: Hashable, Sendable {
  /// Nothing.
  case none
  /// The setting's choices, or these.
  case choices
  /// Several of these, with commas.
  case list([String])
  /// One of these.
  case oneOf([String])
  /// Names of parametrizations, several with commas or one.
  case parametrizations, parametrization
  /// Files with one of these extensions, or any file.
  case file([String])
  /// Directories.
  case directory
}

/// What the numbers of a setting may be.
public struct SettingBounds<Value>: Sendable {
  /// In words that follow the kind of value: `from 1 to 8`.
  public let text: String
  /// Whether a number lies within.
  public let contains: @Sendable (Value) -> Bool
  /// What speaks against numbers that all lie within, in words: that they hardly mean what they say.
  public let doubt: @Sendable ([Value]) -> String?

  /// Bounds; without a doubt by default.
  init(
    text: String, doubt: @escaping @Sendable ([Value]) -> String? = { _ in nil },
    contains: @escaping @Sendable (Value) -> Bool
  ) {
    (self.text, self.contains, self.doubt) = (text, contains, doubt)
  }
}

extension SettingBounds where Value: Comparable & SettingValue {
  /// Both ends included.
  public static func range(_ range: ClosedRange<Value>) -> Self {
    Self(text: "from \(text(range.lowerBound)) to \(text(range.upperBound))") {
      range.contains($0)
    }
  }

  /// The upper end left out.
  public static func range(_ range: Range<Value>) -> Self {
    Self(text: "from \(text(range.lowerBound)) to below \(text(range.upperBound))") {
      range.contains($0)
    }
  }

  private static func text(_ value: Value) -> String { value.setting.optionText }
}

extension SettingBounds where Value == Double {
  /// Numbers > 0.
  public static var positive: Self { Self(text: "above 0") { $0 > 0 } }
  /// log2 of the greatest rate: far above any that trains.
  static var log2RateLimit: Double { 16 }

  /// log2 of rates that are ordinary numbers in the device's arithmetic, and not beyond all that trains.
  /// Between 0 and 1 are rates from 1 to 2: where all are there, rates themselves were meant.
  public static var log2Rate: Self {
    let range = -126...log2RateLimit
    return Self(
      text: Self.range(range).text,
      doubt: { values in
        guard !values.isEmpty, values.allSatisfy({ $0 > 0 && $0 < 1 }) else { return nil }
        let given = JSONValue.array(values.map(JSONValue.number)).optionText
        let rates = values.map { String(format: "%.4g", exp2($0)) }.joined(separator: ",")
        return "expected log2 of rates, got \(given), which are the rates \(rates); "
          + "for plain rates give lr \(given)"
      }, contains: { range.contains($0) })
  }
}

/// Bounds that several settings share.
package enum Limits {
  /// Sizes up to this give products that a Double counts exactly enough.
  package static let size = 1 << 24
  /// Layers, and small factors.
  package static let depth = 1024
}

/// Something wrong with a setting: its name, and what was expected and given.
public struct SettingProblem: Hashable, Sendable, CustomStringConvertible {
  /// The setting; nil where it is none of a single one.
  public let name: String?
  /// What was expected, and what was given.
  public let text: String
  /// Other settings that the problem depends on: where one of them is wrong itself, this one says
  /// nothing.
  public let involved: [String]

  /// A problem.
  public init(_ name: String?, _ text: String, involved: [String] = []) {
    (self.name, self.text, self.involved) = (name, text, involved)
  }

  /// `name: text`.
  public var description: String { name.map { "\($0): \(text)" } ?? text }
}

/// Everything that is wrong with a group's values.
public struct SettingProblems: Error, Hashable, CustomStringConvertible {
  /// At least one.
  public let problems: [SettingProblem]

  /// The problems, a line each.
  public var description: String { problems.map(\.description).joined(separator: "\n") }
}

/// The values that a group's settings take while it is made.
final class SettingSource: Sendable {
  @TaskLocal static var current: SettingSource?

  let values: [String: JSONValue]
  private let found = Mutex<[SettingProblem]>([])

  init(_ values: [String: JSONValue]) { self.values = values }

  func add(_ problem: SettingProblem) { found.withLock { $0.append(problem) } }

  var problems: [SettingProblem] { found.withLock { $0 } }
}

private let declarationsOfGroups = ValuePerType<[SettingDeclaration]>()
private let defaultValuesOfGroups = ValuePerType<[String: JSONValue]>()

/// A struct of settings, each a property marked with `Setting`.
///
/// In JSON it is an object with the settings' names as keys; a setting without a value is left out,
/// and one that is left out has its default.
public protocol SettingGroup: Codable, Hashable, Sendable {
  /// The defaults.
  init()
}

extension SettingGroup {
  /// The defaults but for what `change` changes.
  ///
  ///     let configuration = Configuration { $0.depth = 2 }
  public init(_ change: (inout Self) -> Void) {
    self.init()
    change(&self)
  }

  /// The settings of these names and values; the others have their defaults.
  ///
  /// - Throws: everything that is wrong with them.
  public init(_ values: [String: JSONValue]) throws(SettingProblems) {
    self = try Self().replacing(values)
  }

  /// The same group with other values of the settings that are named.
  ///
  /// - values: of which `null` takes the value away, where a setting need not have one.
  /// - Throws: everything that is wrong with them, unknown names included.
  public func replacing(_ values: [String: JSONValue]) throws(SettingProblems) -> Self {
    let declarations = Self.declarations
    let names = declarations.map(\.name)
    var problems = values.keys.filter { !names.contains($0) }.sorted().map {
      SettingProblem($0, "unknown setting")
    }
    var merged = self.values.merging(values) { $1 }
    for declaration in declarations {
      guard let other = declaration.alternative, let value = values[declaration.name],
        value != .null
      else { continue }
      switch values[other] {
      case nil: merged[other] = .null
      case .null?: break
      default:
        if declaration.name < other {
          problems.append(
            SettingProblem(declaration.name, "give \(declaration.name) or \(other), not both"))
        }
      }
    }
    let source = SettingSource(merged)
    let result = SettingSource.$current.withValue(source) { Self() }
    problems += source.problems
    if !problems.isEmpty { throw SettingProblems(problems: problems) }
    return result
  }

  /// Every setting, in the order of declaration.
  public static var declarations: [SettingDeclaration] {
    declarationsOfGroups.value(of: Self.self) {
      var section: SettingSection?
      return Mirror(reflecting: Self()).children.compactMap { child in
        if let begun = child.value as? SettingSection { section = begun }
        var declaration = (child.value as? any AnySetting)?.declaration
        declaration?.section = section
        return declaration
      }
    }
  }

  /// Every setting's value by default.
  private static var defaultValues: [String: JSONValue] {
    defaultValuesOfGroups.value(of: Self.self) { Self().values }
  }

  /// Every setting's value by its name; `null` where it has none.
  public var values: [String: JSONValue] {
    Dictionary(uniqueKeysWithValues: settings.map { ($0.declaration.name, $0.value) })
  }

  /// The values of the settings that have one.
  public var record: [String: JSONValue] { values.filter { $0.value != .null } }

  /// Of the record, what is not as by default: what names a run, so that a new setting leaves the
  /// runs without it where they are.
  var changes: [String: JSONValue] {
    let defaults = Self.defaultValues
    return values.filter { defaults[$0.key] != $0.value }
  }

  private var settings: [any AnySetting] {
    Mirror(reflecting: self).children.compactMap { $0.value as? any AnySetting }
  }

  /// Reads an object of settings.
  ///
  /// - Throws: `DecodingError.dataCorrupted` where a value or name is wrong.
  public init(from decoder: any Decoder) throws {
    let values = try [String: JSONValue](from: decoder)
    do {
      try self.init(values)
    } catch {
      throw DecodingError.dataCorrupted(
        .init(codingPath: decoder.codingPath, debugDescription: "\(error)"))
    }
  }

  /// Writes an object of the settings that have a value.
  public func encode(to encoder: any Encoder) throws { try record.encode(to: encoder) }
}
