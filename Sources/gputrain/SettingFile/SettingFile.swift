import Experiments
import Foundation
import Spectral
import Yams

/// Settings written down in YAML, their names as keys, and custom parametrizations.
///
///     widths: [64, 128, 256]
///     log2-lr: {start: -11, stop: -4, count: 8}
///     bias: true
///     lr-multiplier: {layers.0: 2, readout: 0.5}
///
/// Everything is looked at before anything runs, and every mistake reported with its line.
struct SettingFile {
  /// The settings that the file gives, by which of their names and with their lines.
  private(set) var values:
    [(declaration: SettingDeclaration, name: String, value: JSONValue, line: Int)] = []
  /// What does not read.
  private(set) var mistakes: FileMistakes
  /// Keys whose values do not read.
  private(set) var wrong: Set<String> = []

  /// Reads a file of these settings.
  ///
  /// - Throws: `InvalidOption` where it cannot be read, `FileMistakes` where it is no YAML mapping.
  init(path: String, settings declarations: [SettingDeclaration]) throws {
    mistakes = FileMistakes(path: path)
    let known = Dictionary(
      uniqueKeysWithValues: declarations.flatMap { own in own.names.map { ($0, own) } })
    var definitions: ParametrizationFile?
    for (key, node) in try YAMLFile.mapping(path: path) {
      guard let name = key.string, let declaration = known[name] else {
        mistakes.add(key, Self.unknown(key, among: declarations.flatMap(\.names)))
        continue
      }
      // An empty value leaves the default.
      if node.scalar?.string == "" || node.null != nil { continue }
      if let other = values.first(where: { $0.declaration.name == declaration.name }) {
        mistakes.add(key, "\(name): give \(other.name) or \(name), not both")
      }
      if name == ParametrizationFile.section {
        let section = ParametrizationFile(node, path: path)
        mistakes.add(section.mistakes)
        if !section.mistakes.isEmpty { wrong.insert(name) }
        add(declaration, name, .array(section.parametrizations.map(\.setting)), node)
        definitions = section
      } else if let value = Self.value(of: node, takesPairs: declaration.takesPairs) {
        add(declaration, name, value, node)
      } else {
        mistakes.add(node, "\(name): expected a value or a list")
        wrong.insert(name)
      }
    }
    if let definitions, wrong.contains(ParametrizationFile.section) {
      checkNames(with: definitions)
    }
  }

  private mutating func add(
    _ declaration: SettingDeclaration, _ name: String, _ value: JSONValue, _ node: Node
  ) {
    values.append((declaration, name, value, node.mark?.line ?? 1))
  }

  /// Where definitions are wrong, their names are known all the same.
  private mutating func checkNames(with definitions: ParametrizationFile) {
    let names = Parametrizations.all.map(\.name) + definitions.names
    for (declaration, _, value, line) in values where declaration.name == "parametrization" {
      for name in [String](setting: value) ?? [] where !names.contains(name) {
        mistakes.add(line: line, Self.unknown(name, among: names, what: "parametrization"))
      }
    }
  }

  /// A node as JSON: texts, lists of them, and mappings, those of `name: value` pairs as lists.
  private static func value(of node: Node, takesPairs: Bool) -> JSONValue? {
    if let scalar = node.scalar { return .string(scalar.string) }
    if let sequence = node.sequence {
      let parts = sequence.compactMap { $0.scalar.map { JSONValue.string($0.string) } }
      return parts.count == sequence.count ? .array(parts) : nil
    }
    guard let mapping = node.mapping else { return nil }
    let pairs = mapping.compactMap { key, value in
      key.string.flatMap { key in
        (value.scalar?.string ?? (takesPairs ? list(value) : nil)).map { (key, $0) }
      }
    }
    if pairs.count < mapping.count { return nil }
    return takesPairs
      ? .array(pairs.map { .string("\($0)=\($1)") })
      : .object(Dictionary(pairs.map { ($0, .string($1)) }) { $1 })
  }

  /// The text of a list: `[2, 4]` is `2,4`.
  private static func list(_ node: Node) -> String? {
    guard let sequence = node.sequence else { return nil }
    let parts = sequence.compactMap { $0.scalar?.string }
    return parts.count == sequence.count && !parts.isEmpty ? parts.joined(separator: ",") : nil
  }

  /// A key that is none, with the closest that is one.
  static func unknown(_ key: Node, among known: [String]) -> String {
    unknown(key.string ?? "", among: known, what: "key")
  }

  private static func unknown(_ name: String, among known: [String], what: String) -> String {
    let hint = Spelling.closest(to: name, among: known).map { "did you mean '\($0)'?" }
    return "unknown \(what) '\(name)'; " + (hint ?? "known are \(known.joined(separator: ", "))")
  }
}

/// The text of a setting file.
struct SettingFileText {
  /// A group's settings with their values, but for some.
  ///
  /// - selection: whose help explains them.
  static func entries<Selection: SettingSelection>(
    _ selection: Selection.Type, _ group: Selection.Group, without omitted: Set<String> = []
  ) -> [Entry] {
    let values = group.values
    return Selection.offered.filter { !omitted.contains($0.name) }.map { declaration in
      let choices = declaration.choices.joined(separator: ", ")
      let value = values[declaration.name, default: .null]
      // A value that would be doubted is given in the other way.
      let spelling = declaration.problem(value) == nil ? nil : declaration.spelling
      return Entry(
        name: spelling?.names[0] ?? declaration.name, value: spelling?.spelled(value) ?? value,
        help: Selection.help(declaration) + (choices.isEmpty ? "" : " One of \(choices)."),
        section: declaration.section)
    }
  }

  /// A setting with its value and what it means.
  struct Entry {
    let name: String
    let value: JSONValue
    let help: String
    let section: SettingSection?

    /// As a line; nil where there is no value.
    var line: String? { value == .null ? nil : "\(name): \(SettingFileText.yaml(value))\n" }
  }

  /// Every setting, in order.
  let entries: [Entry]
  let parametrizations: [CustomParametrization]

  /// The file that a sweep keeps with its results: every setting that has a value.
  var resolved: String {
    "# gputrain sweep THIS-FILE runs this sweep again.\n"
      + entries.compactMap(\.line).joined() + definitions
  }

  /// The file to start from: every setting with what it means.
  var commented: String {
    var text = """
      # gputrain sweep THIS-FILE runs this; options on the command line override it.

      """
    var section: SettingSection?
    for entry in entries {
      if entry.section != section, let begun = entry.section {
        text += "\n# --- \(begun.rawValue) ---\n"
      }
      section = entry.section
      text += "\n" + Self.comment(entry.help) + (entry.line ?? "# \(entry.name):\n")
    }
    return text + (parametrizations.isEmpty ? Self.example : "\n" + definitions)
  }

  private static func yaml(_ value: JSONValue) -> String {
    if case .array(let values) = value {
      return "[\(values.map(yaml).joined(separator: ", "))]"
    }
    return quoted(value.optionText)
  }

  /// Plain where YAML reads it back as it stands, else in double quotes.
  private static func quoted(_ text: String) -> String {
    let plain = text.utf8.allSatisfy {
      (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0)
        || "-_./:=+".utf8.contains($0)
    }
    let hasMeaning = ["", "-", "null", "Null", "NULL"].contains(text)
    if plain && !hasMeaning && !text.hasSuffix(":") && !text.hasPrefix("=") { return text }
    let escaped = text.replacingOccurrences(of: "\\", with: "\\\\")
      .replacingOccurrences(of: "\"", with: "\\\"").replacingOccurrences(of: "\n", with: "\\n")
    return "\"\(escaped)\""
  }

  /// Lines of a comment, of at most 80 columns.
  private static func comment(_ text: String) -> String {
    var lines: [String] = []
    var line = "#"
    for word in text.split(separator: " ") {
      if line.count + 1 + word.count > 80 {
        lines.append(line)
        line = "#"
      }
      line += " \(word)"
    }
    return (lines + [line]).map { $0 + "\n" }.joined()
  }

  private var definitions: String {
    if parametrizations.isEmpty { return "" }
    var text = "\(ParametrizationFile.section):\n"
    for own in parametrizations {
      text += "  \(own.name):\n"
      if let family = own.family { text += "    family: \(family.rawValue)\n" }
      if let width = own.baseWidth { text += "    base-width: \(width)\n" }
      for (role, rule) in [
        ("input", own.input), ("hidden", own.hidden), ("readout", own.readout), ("bias", own.bias),
      ] {
        text += "    \(role):\n      sigma: \(Self.text(rule.initialStd))\n"
        text += "      learning-rate: \(Self.text(rule.learningRate))\n"
        if rule.epsilon != PowerLaw() { text += "      epsilon: \(Self.text(rule.epsilon))\n" }
        if let decay = rule.weightDecay { text += "      weight-decay: \(Self.text(decay))\n" }
      }
    }
    return text
  }

  private static func text(_ law: PowerLaw) -> String {
    func text(_ number: Double) -> String {
      number == number.rounded() && abs(number) < 1e9 ? "\(Int(number))" : "\(number)"
    }
    let exponents = [("fan-in", law.fanIn), ("fan-out", law.fanOut)].filter { $0.1 != 0 }
    if exponents.isEmpty { return text(law.multiplier) }
    let factor = law.multiplier == 1 ? [] : [("multiplier", law.multiplier)]
    return "{\((factor + exponents).map { "\($0.0): \(text($0.1))" }.joined(separator: ", "))}"
  }

  /// A parametrization written out, to be taken out of its comment.
  private static let example = """

    # Custom parametrizations, to be named above; here mup under Adam. Each value is
    # multiplier * fan-in^a * fan-out^b; what is left out is as under sp. Relative to base-width,
    # fan-in and fan-out count as multiples of the base's. weight-decay is that of kind coupled.
    # parametrizations:
    #   my-mup:
    #     family: adam           # sgd, adam or normalized; any where left out
    #     # base-width: 128      # in place of the sweep's
    #     input:
    #       sigma: {fan-in: -0.5}
    #       learning-rate: 1
    #       epsilon: {fan-out: -1}
    #     hidden:
    #       sigma: {fan-in: -0.5}
    #       learning-rate: {fan-in: -1}
    #       epsilon: {fan-out: -1}
    #       weight-decay: {fan-in: 1}
    #     readout:
    #       sigma: {fan-in: -1}
    #       learning-rate: {fan-in: -1}
    #       epsilon: {fan-out: -1}
    #       weight-decay: {fan-in: 2}
    #     bias:
    #       sigma: 0
    #       learning-rate: 1
    #       epsilon: {fan-out: -1}

    """
}
