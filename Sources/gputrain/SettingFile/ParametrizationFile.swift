import Experiments
import Spectral
import Yams

/// Reads custom parametrizations:
///
///     parametrizations:
///       mine:
///         family: adam              # the updates that it is for; any where left out
///         base-width: 128           # in place of the sweep's
///         hidden:                   # and input, readout, bias; as sp where left out
///           sigma: {multiplier: 1, fan-in: -0.5}
///           learning-rate: {fan-in: -1}
///           epsilon: {fan-out: -1}
///           weight-decay: {fan-in: 1}
///
/// A value is multiplier · fan-in^a · fan-out^b, or a number alone.
struct ParametrizationFile {
  /// The section's key.
  static let section = "parametrizations"

  private static let roles = ["input", "hidden", "readout", "bias"]
  private static let quantities = ["sigma", "learning-rate", "epsilon", "weight-decay"]
  private static let numbers = ["multiplier", "fan-in", "fan-out"]

  private(set) var parametrizations: [CustomParametrization] = []
  /// The names that are defined, rightly or not.
  private(set) var names: [String] = []
  private(set) var mistakes: FileMistakes

  /// The parametrizations of several files, after those that are known already. Those of one name
  /// must be the same.
  ///
  /// - Throws: `FileMistakes`, `InvalidOption`.
  static func read(
    _ paths: [String], after known: [CustomParametrization] = []
  ) throws -> [CustomParametrization] {
    var result = known
    for path in paths {
      guard let section = try YAMLFile.mapping(path: path)[Node(section)] else {
        throw InvalidOption("\(path): expected a section \(section), got none")
      }
      let file = ParametrizationFile(section, path: path)
      try file.mistakes.throwIfAny()
      for own in file.parametrizations where !result.contains(own) {
        if result.contains(where: { $0.name == own.name }) {
          throw InvalidOption("\(path): parametrization \(own.name) is defined in another file too")
        }
        result.append(own)
      }
    }
    return result
  }

  /// The parametrizations of a section, and what is wrong with it.
  init(_ section: Node, path: String) {
    mistakes = FileMistakes(path: path)
    guard let mapping = section.mapping else {
      mistakes.add(section, "parametrizations: expected names with definitions")
      return
    }
    for (key, definition) in mapping { read(key, definition) }
  }

  private mutating func read(_ key: Node, _ definition: Node) {
    let name = key.string ?? ""
    names.append(name)
    let before = mistakes.isEmpty
    var family: UpdateFamily?
    var baseWidth: Int?
    var rules: [String: CustomParametrization.Rule] = [:]
    entries(definition, ["family", "base-width"] + Self.roles, of: name) { reader, entry, value in
      switch entry {
      case "family":
        family = UpdateFamily(rawValue: value.string ?? "")
        if family == nil {
          let names = UpdateFamily.allCases.map(\.rawValue).joined(separator: ", ")
          reader.mistakes.add(value, "family: expected one of \(names)\(Self.got(value))")
        }
      case "base-width":
        baseWidth = value.int
        if baseWidth == nil {
          reader.mistakes.add(value, "base-width: expected an integer\(Self.got(value))")
        }
      default: rules[entry] = reader.rule(value, role: entry)
      }
    }
    guard mistakes.isEmpty || !before else { return }
    do {
      let weight = CustomParametrization.Rule.standardWeight
      parametrizations.append(
        try CustomParametrization(
          name: name, family: family, baseWidth: baseWidth, input: rules["input"] ?? weight,
          hidden: rules["hidden"] ?? weight, readout: rules["readout"] ?? weight,
          bias: rules["bias"] ?? .standardBias))
    } catch {
      for problem in error.problems {
        mistakes.add(
          Self.place(problem.path, in: definition) ?? key, "parametrization \(name): \(problem)")
      }
    }
  }

  private mutating func rule(_ node: Node, role: String) -> CustomParametrization.Rule {
    var rule: CustomParametrization.Rule = role == "bias" ? .standardBias : .standardWeight
    entries(node, Self.quantities, of: role) { reader, entry, value in
      guard let law = reader.law(value, of: "\(role).\(entry)") else { return }
      switch entry {
      case "sigma": rule.initialStd = law
      case "learning-rate": rule.learningRate = law
      case "epsilon": rule.epsilon = law
      default: rule.weightDecay = law
      }
    }
    return rule
  }

  private mutating func law(_ node: Node, of path: String) -> PowerLaw? {
    if node.mapping == nil {
      if let number = node.float { return PowerLaw(multiplier: number) }
      mistakes.add(
        node,
        "\(path): expected a number or {multiplier: …, fan-in: …, fan-out: …}\(Self.got(node))")
      return nil
    }
    var law = PowerLaw()
    entries(node, Self.numbers, of: path) { reader, entry, value in
      guard let number = value.float else {
        reader.mistakes.add(value, "\(path).\(entry): expected a number\(Self.got(value))")
        return
      }
      switch entry {
      case "multiplier": law.multiplier = number
      case "fan-in": law.fanIn = number
      default: law.fanOut = number
      }
    }
    return law
  }

  /// Calls `body` for every entry of a mapping whose keys must be among `known`.
  private mutating func entries(
    _ node: Node, _ known: [String], of what: String,
    _ body: (inout ParametrizationFile, String, Node) -> Void
  ) {
    guard let mapping = node.mapping else {
      mistakes.add(node, "\(what): expected \(known.joined(separator: ", "))\(Self.got(node))")
      return
    }
    for (key, value) in mapping {
      guard let name = key.string, known.contains(name) else {
        mistakes.add(key, "\(what): \(SettingFile.unknown(key, among: known))")
        continue
      }
      body(&self, name, value)
    }
  }

  private static func got(_ node: Node) -> String {
    node.scalar.map { ", got '\($0.string)'" } ?? ""
  }

  /// The node at a path `hidden.sigma.multiplier`, or the deepest there is on the way to it.
  private static func place(_ path: String, in definition: Node) -> Node? {
    var node: Node?
    for part in path.split(separator: ".") {
      guard let next = (node ?? definition).mapping?[Node(String(part))] else { break }
      node = next
    }
    return node
  }
}
