import ArgumentParser
import Experiments
import Foundation

/// In which form a command's result is printed, and how much is said meanwhile.
struct OutputOptions: ParsableArguments {
  /// How much goes to standard error.
  enum Verbosity: String, EnumerableFlag {
    /// Only what went wrong.
    case quiet
    /// Also what someone who looks for a fault would ask.
    case verbose

    static func name(for value: Self) -> NameSpecification { .shortAndLong }

    static func help(for value: Self) -> ArgumentHelp? {
      switch value {
      case .quiet: "Print the result only; what went wrong still goes to standard error."
      case .verbose:
        "Also say on standard error what is computed where: device, memory, groups, files."
      }
    }
  }

  @Flag(help: "Print the result as JSON, alone on standard output.")
  var json = false

  @Flag(exclusivity: .exclusive)
  var verbosity: Verbosity?

  /// The long names, none of which decides what a run computes.
  static let names = ["json", "quiet", "verbose"]
}

/// A command that prints a result.
protocol PrintingCommand: ParsableCommand {
  /// How it prints.
  var output: OutputOptions { get }
  /// The status where an error leaves nothing to print.
  var failure: ExitCode { get }
}

extension PrintingCommand {
  var failure: ExitCode { .failure }
}

extension ExitCode {
  /// Where it is unclear whether the spectral condition is met, be it for an error.
  static let unclear = ExitCode(2)

  /// The status of a command that gives a verdict on the spectral condition.
  init(_ verdict: CheckReport.Verdict) {
    self =
      switch verdict {
      case .pass: .success
      case .fail: .failure
      case .unclear: .unclear
      }
  }
}

/// The text that `--json` prints: sorted keys, indented, so that two outputs compare by line.
///
/// Numbers that are not finite, which JSON has none for, are the texts `nan`, `inf` and `-inf`: an
/// output is needed most where something went wrong.
func jsonText(_ value: some Encodable) throws -> String {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
  encoder.nonConformingFloatEncodingStrategy = .asText
  // What a terminal would obey, as in a tensor's name, stands escaped; it can be in texts alone.
  return String(decoding: try encoder.encode(value), as: UTF8.self).unicodeScalars.reduce(into: "")
  {
    guard $1.isObeyed && $1 != "\n" else { return $0.unicodeScalars.append($1) }
    for unit in String($1).utf16 { $0 += String(format: "\\u%04x", unit) }
  }
}
