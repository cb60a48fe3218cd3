import ArgumentParser
import Foundation
import Testing

@testable import GPUTrainCommand

/// The help texts, exactly; the files in Help/ are what a user sees at 80 columns.
@Suite(.runsPrograms) struct HelpTests {
  static let commands: [(String, any ParsableCommand.Type)] = [
    ("gputrain", Gputrain.self), ("sweep", SweepCommand.self), ("train", TrainCommand.self),
    ("sample", SampleCommand.self),
    ("check", CheckCommand.self), ("figures", FiguresCommand.self),
    ("report", ReportCommand.self),
    ("scaling", ScalingCommand.self), ("norms", NormsCommand.self),
    ("transfer", TransferCommand.self),
    ("devices", DevicesCommand.self), ("selftest", SelfTestCommand.self),
    ("tune", TuneCommand.self), ("bench", BenchCommand.self),
    ("bench-step", BenchCommand.Step.self), ("bench-sweep", BenchCommand.Sweep.self),
    ("bench-gemm", BenchCommand.Product.self), ("bench-spectral", BenchCommand.Norm.self),
  ]

  @Test(arguments: commands.indices) func help_isAsStored(index: Int) throws {
    let (name, command) = Self.commands[index]
    let url = try #require(
      Bundle.module.url(forResource: name, withExtension: "txt", subdirectory: "Help"))
    let expected = try String(contentsOf: url, encoding: .utf8)
    let actual = Gputrain.helpMessage(for: command, columns: 80)
    #expect(
      actual.trimmingCharacters(in: .newlines) == expected.trimmingCharacters(in: .newlines))
  }
}
