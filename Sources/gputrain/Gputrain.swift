import ArgumentParser
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
    subcommands: [
      SweepCommand.self, TrainCommand.self, CheckCommand.self, FiguresCommand.self,
      ReportCommand.self, TransferCommand.self, NormsCommand.self, ScalingCommand.self,
      DevicesCommand.self,
      SelfTestCommand.self, TuneCommand.self, BenchCommand.self,
    ],
    defaultSubcommand: SweepCommand.self)

  /// Runs what the command line asks for; a bad command line ends with status 64, as `sysexits.h`
  /// has it, also where it is found out late.
  static func main() {
    ThreadPinning.choose()
    let command: any ParsableCommand
    do {
      command = try parseAsRoot()
    } catch {
      leave(with: error, isUsage: true)
    }
    Terminal.verbosity = (command as? any PrintingCommand)?.output.verbosity
    do {
      var command = command
      try command.run()
    } catch {
      leave(
        with: DriverAdvice.added(to: error),
        isUsage: error is InvalidOption || error is UnknownParametrizationError)
    }
  }

  /// Prints what is to be said of `error` and exits.
  private static func leave(with error: any Error, isUsage: Bool) -> Never {
    guard isUsage && exitCode(for: error) == .failure else { exit(withError: error) }
    FileHandle.standardError.write(Data((fullMessage(for: error) + "\n").utf8))
    exit(withError: ExitCode.validationFailure)
  }
}
