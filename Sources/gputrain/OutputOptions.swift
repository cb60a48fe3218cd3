import ArgumentParser
import Experiments

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
  /// Where it cannot be told whether the spectral condition is met, be it for an error.
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
