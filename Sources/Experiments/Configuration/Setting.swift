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
  /// - instead: the names of the settings that this one takes the place of where it is given.
  /// - spelling: another way to give it.
  /// - isOption: whether the command line has it.
  public init(
    wrappedValue value: Value, _ name: String, _ help: String, value valueName: String = "",
    in bounds: SettingBounds<Value.Scalar>? = nil, offers: SettingCompletion? = nil,
    instead alternatives: String..., or spelling: SettingSpelling? = nil,
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
      alternatives: alternatives, spelling: spelling,
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
  /// The settings with those that depend on others as these want them, but for the ones that a user has
  /// given, by name; as they are where not said.
  func completed(given: Set<String>) -> Self
}

extension SettingGroup {
  /// As they are.
  public func completed(given: Set<String>) -> Self { self }
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
      guard let value = values[declaration.name], value != .null else { continue }
      for other in declaration.alternatives {
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

/// A value for each type, made when it is first asked for.
///
/// Protocol extensions and generic types have no stored static properties of their own.
package final class ValuePerType<Value: Sendable>: Sendable {
  private let values = Mutex<[ObjectIdentifier: Value]>([:])

  package init() {}

  /// The value of `type`; `make`, whose result depends on nothing else, is called where there is none
  /// yet.
  package func value(of type: Any.Type, make: () -> Value) -> Value {
    let key = ObjectIdentifier(type)
    if let value = values.withLock({ $0[key] }) { return value }
    let value = make()
    values.withLock { $0[key] = value }
    return value
  }
}
