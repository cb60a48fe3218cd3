import ArgumentParser
import Foundation
import Spectral
import Yams

/// A sweep written down in YAML: the options of the command line as keys, and parametrizations of
/// one's own.
///
///     widths: [64, 128, 256]
///     log2-lr: {start: -11, stop: -4, count: 8}
///     bias: true
///     lr-multiplier: {layers.0: 2, readout: 0.5}
///
/// Everything is looked at before anything runs, and every mistake told with its line.
struct SweepFile {
  /// The options as a command line has them.
  let arguments: [String]

  /// Reads and checks a file.
  ///
  /// - Throws: `FileMistakes` with everything that is wrong, `InvalidOption` where it cannot be read.
  init(path: String) throws {
    let mapping = try YAMLFile.mapping(path: path)
    let known = try SweepCommand.parse([]).entries
    var mistakes = FileMistakes(path: path)
    var given: [String: Node] = [:]
    for (key, value) in mapping {
      let names = known.map(\.name) + [ParametrizationFile.section]
      if let name = key.string, names.contains(name) {
        given[name] = value
      } else {
        mistakes.add(key, Self.unknown(key, among: names))
      }
    }
    var arguments: [String] = []
    var isDefined = true
    if let section = given[ParametrizationFile.section] {
      let definitions = ParametrizationFile(section, path: path)
      mistakes.add(definitions.mistakes)
      isDefined = definitions.mistakes.isEmpty
      if isDefined {
        arguments.append("--parametrization-file=\(path)")
      } else if let node = given["parametrization"] {
        let names = Parametrizations.all.map(\.name) + definitions.names
        for name in node.sequence.map(Array.init) ?? [node] where !names.contains(name.string ?? "")
        {
          mistakes.add(name, Self.unknown(name, among: names, what: "parametrization"))
        }
      }
    }
    // Names of parametrizations that do not read are no mistakes of their own.
    let skipped = isDefined ? [] : ["parametrization", "rate-rule"]
    // Each with those before it, so that every key is told what is wrong with it.
    for entry in known where !skipped.contains(entry.name) {
      guard let node = given[entry.name] else { continue }
      do {
        let own = try Self.arguments(entry, node)
        try SweepCommand.parse(arguments + own).check()
        arguments += own
      } catch {
        let text = SweepCommand.message(for: error)
        mistakes.add(node, text.replacingOccurrences(of: "--", with: ""))
      }
    }
    try mistakes.throwIfAny()
    self.arguments = arguments
  }

  /// A key that is none, with the closest that is one.
  static func unknown(_ key: Node, among known: [String], what: String = "key") -> String {
    let name = key.string ?? ""
    let hint = Spelling.closest(to: name, among: known).map { "did you mean '\($0)'?" }
    return "unknown \(what) '\(name)'; " + (hint ?? "known are \(known.joined(separator: ", "))")
  }

  /// A key's value as a command line has it; none for an empty value, which leaves the default.
  private static func arguments(_ entry: OptionEntry, _ node: Node) throws -> [String] {
    if node.scalar?.string == "" || node.null != nil { return [] }
    switch entry.value {
    case .flag:
      switch node.scalar?.string {
      case "true": return ["--\(entry.name)"]
      case "false": return entry.name == "json" ? [] : ["--no-\(entry.name)"]
      default: throw InvalidOption("\(entry.name): expected true or false\(got(node))")
      }
    case .repeated:
      let values: [String]
      if let mapping = node.mapping {
        values = try mapping.map { "\(try scalar($0.key, entry))=\(try scalar($0.value, entry))" }
      } else {
        values = try node.sequence?.map { try scalar($0, entry) } ?? [scalar(node, entry)]
      }
      return values.map { "--\(entry.name)=\($0)" }
    case .text:
      let text: String
      if let mapping = node.mapping {
        guard entry.name == "log2-lr", mapping.count == 3,
          let start = mapping["start"], let stop = mapping["stop"], let count = mapping["count"]
        else {
          let range = entry.name == "log2-lr" ? ", or start, stop and count" : ""
          throw InvalidOption("\(entry.name): expected a value or a list\(range)")
        }
        text = try [start, stop, count].map { try scalar($0, entry) }.joined(separator: ":")
      } else if let sequence = node.sequence {
        text = try sequence.map { try scalar($0, entry) }
          .joined(separator: entry.name == "hidden-pattern" ? ":" : ",")
      } else {
        text = try scalar(node, entry)
      }
      return ["--\(entry.name)=\(text)"]
    }
  }

  private static func scalar(_ node: Node, _ entry: OptionEntry) throws -> String {
    guard let scalar = node.scalar else {
      throw InvalidOption("\(entry.name): expected a value or a list")
    }
    return scalar.string
  }

  private static func got(_ node: Node) -> String {
    node.scalar.map { ", got '\($0.string)'" } ?? ""
  }
}
