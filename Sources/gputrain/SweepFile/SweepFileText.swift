import Foundation
import Spectral

/// The text of a sweep file.
struct SweepFileText {
  /// Every option, in order.
  let entries: [OptionEntry]
  let parametrizations: [CustomParametrization]

  /// The file that a sweep keeps with its results: every option that has a value.
  var resolved: String {
    let lines = entries.compactMap { entry in value(entry).map { "\(entry.name): \($0)\n" } }
    return "# gputrain sweep THIS-FILE runs this sweep again.\n" + lines.joined() + definitions
  }

  /// The file to start from: every option with what it means.
  ///
  /// - helps: an option's help, by name.
  func commented(helps: [String: String]) -> String {
    var text = """
      # gputrain sweep THIS-FILE runs this; options on the command line override it.

      """
    for entry in entries {
      text += "\n" + Self.comment(helps[entry.name] ?? "")
      text += value(entry).map { "\(entry.name): \($0)\n" } ?? "# \(entry.name):\n"
    }
    return text + (parametrizations.isEmpty ? Self.example : "\n" + definitions)
  }

  /// The value in YAML; nil where there is none.
  private func value(_ entry: OptionEntry) -> String? {
    switch entry.value {
    case .text(nil), .flag(nil): return nil
    case .text(let text?) where Self.lists.contains(entry.name) && text.contains(","):
      let parts = text.split(separator: ",").map { Self.quoted($0.trimmingPrefix(" ").description) }
      return "[\(parts.joined(separator: ", "))]"
    case .text(let text?): return Self.quoted(text)
    case .flag(let isSet?): return "\(isSet)"
    case .repeated(let values):
      return values.isEmpty ? nil : "[\(values.map(Self.quoted).joined(separator: ", "))]"
    }
  }

  /// Options whose commas part the values of a list.
  private static let lists = ["parametrization", "optimizer", "widths", "log2-lr"]

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

    # Parametrizations of one's own, to be named above; here mup under Adam. Each value is
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
