import ArgumentParser

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
      NormsCommand.self, ScalingCommand.self, DevicesCommand.self, BenchCommand.self,
    ],
    defaultSubcommand: SweepCommand.self)

  static func main() {
    ThreadPinning.choose()
    main(nil)
  }

  /// What was given on the command line after the command's own name.
  static func givenArguments(of command: any ParsableCommand.Type) -> [String] {
    let given = Array(CommandLine.arguments.dropFirst())
    return given.first == command.configuration.commandName ? Array(given.dropFirst()) : given
  }
}
