import ArgumentParser
import Experiments
import Foundation
import Tensors
import Training

private let offeredOfSelections = ValuePerType<[SettingDeclaration]>()
private let defaultValuesOfSelections = ValuePerType<[String: JSONValue]>()
private let argumentsOfSections = ValuePerType<[SectionArgument]>()

/// Which settings of a group a command offers, and with which defaults.
protocol SettingSelection {
  associatedtype Group: SettingGroup
  /// The command's defaults.
  static var defaults: Group { get }
  /// Names of settings that the command does not offer.
  static var omitted: Set<String> { get }
  /// Help that is other in this command, by name.
  static var helps: [String: String] { get }
}

extension SettingSelection {
  static var defaults: Group { Group() }
  static var omitted: Set<String> { [] }
  static var helps: [String: String] { [:] }

  /// The settings that the command line has.
  static var offered: [SettingDeclaration] {
    offeredOfSelections.value(of: Self.self) {
      Group.declarations.filter { $0.isOption && !omitted.contains($0.name) }
    }
  }

  /// The values of the command's defaults.
  fileprivate static var defaultValues: [String: JSONValue] {
    defaultValuesOfSelections.value(of: Self.self) { defaults.values }
  }

  /// The help of a setting.
  static func help(_ declaration: SettingDeclaration) -> String {
    helps[declaration.name] ?? declaration.help
  }
}

/// A group's settings as options of a command line, by section of the help text.
///
/// ArgumentParser finds a type's options by mirroring a value of it, and fills the type through
/// `Decodable`. So the mirror of this one shows an option group with its title for every section that
/// the selection has settings of, and that of a section's type an option for every setting, made from
/// its declaration; the decoder is asked for each by name.
struct SettingOptions<Selection: SettingSelection>: ParsableArguments, CustomReflectable {
  /// What was given, by the settings' own names.
  private(set) var given: [String: JSONValue] = [:]
  private var problems: [SettingProblem] = []

  init() {}

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: SettingKey.self)
    var texts: [String: JSONValue] = [:]
    for section in Selection.sections {
      texts.merge(try Self.given(in: section, container)) { $1 }
    }
    for declaration in Selection.offered {
      let names = declaration.names.filter { texts[$0] != nil }
      guard let name = names.first, let text = texts[name] else { continue }
      if names.count > 1 {
        problems.append(SettingProblem(name, "give --\(name) or --\(names[1]), not both"))
      }
      do {
        given[declaration.name] = try declaration.value(text, givenAs: name)
      } catch {
        problems += error.problems
      }
    }
  }

  private static func given<Section: HelpSection>(
    in section: Section.Type, _ container: KeyedDecodingContainer<SettingKey>
  ) throws -> [String: JSONValue] {
    try container.decode(
      OptionGroup<SectionOptions<Selection, Section>>.self,
      forKey: SettingKey(stringValue: "\(section)")
    ).wrappedValue.given
  }

  var customMirror: Mirror {
    Mirror(self, children: Selection.sections.map { ("_\($0)", Self.group($0)) })
  }

  private static func group<Section: HelpSection>(_ section: Section.Type) -> Any {
    OptionGroup<SectionOptions<Selection, Section>>(title: Section.section?.rawValue ?? "")
  }

  func validate() throws {
    if !problems.isEmpty { throw InvalidOption(problems) }
    _ = try settings
  }

  /// The settings, where nothing but the command line gives some.
  var settings: Selection.Group {
    get throws {
      do {
        return try Selection.defaults.replacing(given).completed(given: Set(given.keys))
      } catch {
        throw InvalidOption(error.problems)
      }
    }
  }
}

/// A section of a help text as a type: the titles of option groups belong to types.
protocol HelpSection: Sendable { static var section: SettingSection? { get } }

/// The sections; a setting without one is among the command's own options.
enum HelpSections {
  enum None: HelpSection { static let section: SettingSection? = nil }
  enum Sweep: HelpSection { static let section: SettingSection? = .sweep }
  enum Run: HelpSection { static let section: SettingSection? = .run }
  enum Data: HelpSection { static let section: SettingSection? = .data }
  enum Network: HelpSection { static let section: SettingSection? = .network }
  enum Scaling: HelpSection { static let section: SettingSection? = .scaling }
  enum Training: HelpSection { static let section: SettingSection? = .training }
  enum Optimizer: HelpSection { static let section: SettingSection? = .optimizer }
  enum Device: HelpSection { static let section: SettingSection? = .device }
  enum Results: HelpSection { static let section: SettingSection? = .results }
  enum Sharing: HelpSection { static let section: SettingSection? = .sharing }

  static let all: [any HelpSection.Type] = [
    None.self, Sweep.self, Run.self, Data.self, Network.self, Scaling.self, Training.self,
    Optimizer.self, Device.self, Results.self, Sharing.self,
  ]
}

extension SettingSelection {
  /// The sections that have settings of this selection.
  fileprivate static var sections: [any HelpSection.Type] {
    let used = Set(offered.map(\.section))
    return HelpSections.all.filter { used.contains($0.section) }
  }
}

/// The name of a setting or section, as a decoder takes it.
private struct SettingKey: CodingKey {
  let stringValue: String
  var intValue: Int? { nil }
  init(stringValue: String) { self.stringValue = stringValue }
  init?(intValue: Int) { nil }
}

/// An option as ArgumentParser finds it, by the name of a property that wraps it.
private struct SectionArgument: Sendable {
  let label: String
  let wrapper: any Sendable
}

/// The options of one section.
private struct SectionOptions<Selection: SettingSelection, Section: HelpSection>:
  ParsableArguments, CustomReflectable
{
  /// What was given, by the name it was given by.
  private(set) var given: [String: JSONValue] = [:]

  init() {}

  private static var offered: [SettingDeclaration] {
    Selection.offered.filter { $0.section == Section.section }
  }

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: SettingKey.self)
    for declaration in Self.offered {
      let key = SettingKey(stringValue: declaration.name)
      switch declaration.shape {
      case .flag:
        given[declaration.name] = try container.decode(Flag<Bool?>.self, forKey: key)
          .wrappedValue.map(JSONValue.bool)
      case .value:
        given[declaration.name] = try container.decode(Option<String?>.self, forKey: key)
          .wrappedValue.map(JSONValue.string)
      case .repeated:
        let values = try container.decode(Option<[String]>.self, forKey: key).wrappedValue
        if !values.isEmpty { given[declaration.name] = .array(values.map(JSONValue.string)) }
      }
      if let name = declaration.spelling?.names[0] {
        given[name] = try container.decode(
          Option<String?>.self, forKey: SettingKey(stringValue: name)
        ).wrappedValue.map(JSONValue.string)
      }
    }
  }

  /// Made once: in builds without optimisation the parser asks for it some ten times.
  private static var arguments: [SectionArgument] {
    argumentsOfSections.value(of: Self.self) {
      let defaults = Selection.defaultValues
      return offered.flatMap { declaration in
        let value = defaults[declaration.name, default: .null]
        let spelling = declaration.spelling.map { spelling in
          SectionArgument(
            label: "_\(spelling.names[0])", wrapper: argument(spelling, of: declaration))
        }
        return [
          SectionArgument(
            label: "_\(declaration.name)", wrapper: argument(declaration, byDefault: value))
        ] + (spelling.map { [$0] } ?? [])
      }
    }
  }

  var customMirror: Mirror {
    Mirror(self, children: Self.arguments.map { ($0.label, $0.wrapper as Any) })
  }

  private static func argument(
    _ spelling: SettingSpelling, of declaration: SettingDeclaration
  ) -> any Sendable {
    Option<String?>(
      name: NameSpecification(spelling.names.map { .customLong($0) }), parsing: .unconditional,
      help: ArgumentHelp(spelling.help, valueName: declaration.valueName))
  }

  private static func argument(
    _ declaration: SettingDeclaration, byDefault value: JSONValue
  ) -> any Sendable {
    var notes: [String] = []
    if !declaration.choices.isEmpty {
      notes.append("values: \(declaration.choices.joined(separator: ", "))")
    }
    switch value {
    case .null: break
    case .bool(let isSet): notes.append("default: --\(isSet ? "" : "no-")\(declaration.name)")
    default: notes.append("default: \(value.optionText)")
    }
    let help = ArgumentHelp(
      Selection.help(declaration) + (notes.isEmpty ? "" : " (\(notes.joined(separator: "; ")))"),
      valueName: declaration.valueName)
    let name = NameSpecification.customLong(declaration.name)
    let completion = declaration.completion.kind(choices: declaration.choices)
    switch declaration.shape {
    case .flag: return Flag<Bool?>(name: name, inversion: .prefixedNo, help: help)
    case .value:
      return Option<String?>(
        name: name, parsing: declaration.isNumeric ? .unconditional : .next, help: help,
        completion: completion)
    case .repeated:
      return Option<[String]>(
        wrappedValue: [],
        name: name, parsing: .singleValue, help: help, completion: completion)
    }
  }
}

extension SettingCompletion {
  /// As ArgumentParser has it.
  fileprivate func kind(choices: [String]) -> CompletionKind? {
    switch self {
    case .none: nil
    case .choices: .list(choices)
    case .oneOf(let names): .list(names)
    case .list(let names): .custom { _, _, prefix in Completions.list(names, after: prefix) }
    case .parametrizations: Completions.parametrizations
    case .parametrization: Completions.parametrization
    case .file(let extensions): .file(extensions: extensions)
    case .directory: .directory
    }
  }
}
