import Foundation

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
  /// The settings that this one takes the place of where it is given.
  public let alternatives: [String]
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
  /// How several processes share the work.
  case sharing = "Sharing"
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
