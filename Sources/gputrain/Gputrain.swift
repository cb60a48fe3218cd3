import ArgumentParser
import Experiments
import Foundation
import Spectral

/// The `gputrain` program.
@main struct Gputrain: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gputrain",
    abstract: "Does the best learning rate carry over to the wide network?",
    discussion: """
      Width-scaling rules for feature learning (arXiv:2310.17813), on any OpenCL device.
      """,
    version: "gputrain \(Build.version)",
    subcommands: [
      SweepCommand.self, TrainCommand.self, SampleCommand.self, CheckCommand.self,
      FiguresCommand.self,
      StatusCommand.self, ReportCommand.self, TransferCommand.self, NormsCommand.self,
      ScalingCommand.self,
      DevicesCommand.self,
      SelfTestCommand.self, TuneCommand.self, BenchCommand.self,
    ],
    defaultSubcommand: SweepCommand.self)

  /// The status where results cannot be written (`EX_IOERR` of `sysexits.h`).
  private static let outputFailure = ExitCode(74)

  /// Runs what the command line asks for; a bad command line ends with status 64, as `sysexits.h`
  /// has it, also where it is found out late.
  static func main() {
    HostAllocator.choose()
    Terminal.open()
    Interrupt.prepare()
    ThreadPinning.choose()
    var command: any ParsableCommand
    do {
      let arguments = CommandLine.arguments.dropFirst()
      if VersionReport.isAsked(by: arguments) {
        Terminal.print(VersionReport.text)
        end(with: nil)
      }
      try requireTwoDashes(arguments)
      command = try parseAsRoot(arguments.map(withPlainMinus))
    } catch {
      end(with: error, failure: .validationFailure)
    }
    Terminal.verbosity = (command as? any PrintingCommand)?.output.verbosity
    do {
      try command.run()
    } catch {
      let failure = (command as? any PrintingCommand)?.failure ?? .failure
      end(
        with: DriverAdvice.added(to: error),
        failure: error is any UsageError ? .validationFailure : failure)
    }
    end(with: nil)
  }

  /// An argument's numbers with the minus of a keyboard, as `2^−8` and `−8:−7:2` are what this program prints.
  static func withPlainMinus(_ argument: String) -> String {
    let value =
      argument.firstIndex(of: "=").map { argument.index(after: $0) } ?? argument.startIndex
    guard argument[value...].contains("−"),
      argument[value...].allSatisfy({ $0.isNumber || "−-+.,:eE".contains($0) })
    else { return argument }
    return argument[..<value] + argument[value...].replacingOccurrences(of: "−", with: "-")
  }

  /// Refuses a long option with one dash: the parser reads `-width` as the letters -w … -h, the last of
  /// which is the help.
  ///
  /// - Throws: `InvalidOption`.
  static func requireTwoDashes(_ arguments: some Sequence<String>) throws {
    for argument in arguments.prefix(while: { $0 != "--" }) where argument.hasPrefix("-") {
      let letters = argument.dropFirst()
      if letters.count > 1, letters.first?.isLetter == true {
        throw InvalidOption("unknown option '\(argument)'; did you mean '-\(argument)'?")
      }
    }
  }

  /// Prints what is to be said of `error`, which may be a request for help, and exits.
  ///
  /// - failure: the status of an error that has none of its own.
  private static func end(with error: (any Error)?, failure: ExitCode = .failure) -> Never {
    var code = error.map { exitCode(for: $0) } ?? .success
    if code == .failure && !(error is ExitCode) { code = failure }
    let message = error.map { fullMessage(for: $0) } ?? ""
    if !message.isEmpty {
      if code.isSuccess { Terminal.print(message) } else { Terminal.problem(message) }
    }
    if let reason = Terminal.finishOutput() {
      Terminal.problem("Error: cannot write to standard output: \(reason)")
      code = outputFailure
    }
    Foundation.exit(code.rawValue)
  }
}

/// An error of the command line, which ends with status 64.
protocol UsageError: Error {}

extension InvalidOption: UsageError {}
extension FileMistakes: UsageError {}
extension UnknownParametrizationError: UsageError {}
extension SweepGridError: UsageError {}

/// Which program this is.
enum Build {
  /// The commit that it was built from, with a plus sign behind it where files were changed: what a bug
  /// report needs, and what results are kept with.
  static let version: String = {
    let commit = gitCommit
    let mark = commit.hasSuffix("+") ? "+" : ""
    return commit.isEmpty ? "of an unknown commit" : "commit \(commit.prefix(12))\(mark)"
  }()

  /// When the program's file was written; nil where that is not known.
  static var date: Date? {
    let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    let executable = Bundle.main.executableURL ?? program
    return try? FileManager.default.attributesOfItem(atPath: executable.path)[.modificationDate]
      as? Date
  }

  /// Operating system and processor architecture.
  static var system: String {
    var name = utsname()
    uname(&name)
    let machine = withUnsafeBytes(of: &name.machine) { bytes in
      String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
    return "\(ProcessInfo.processInfo.operatingSystemVersionString), \(machine)"
  }
}
