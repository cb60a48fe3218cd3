import ArgumentParser
import Experiments
import Foundation
import Training

/// `gputrain train`: one run.
struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Train one network.",
    discussion: """
      The run goes to --out as one of a sweep would, with its losses in metrics.jsonl. A rate found \
      by a sweep means the same here: both are relative to --base-width.
      """)

  @Option(
    help: ArgumentHelp("sp, ntp, mup, spectral or spectral-literal.", valueName: "name"))
  var parametrization = "spectral"

  @Option(help: ArgumentHelp("The update rule.", valueName: "name"))
  var optimizer: OptimizerKind = .adam

  @Option(parsing: .unconditional, help: "Width of the network.")
  var width = 256

  @Option(
    name: .customLong("log2-lr"), parsing: .unconditional,
    help: ArgumentHelp("log2 of the learning rate.", valueName: "rate"))
  var log2LearningRate = -7.0

  @Option(help: "Decides initial values and the order of the data.")
  var seed: UInt64 = 1

  @OptionGroup var options: RunOptions

  private struct Output: Encodable {
    let directory: String
    let configuration: RunConfiguration
    let result: RunResult
  }

  func run() throws {
    let interrupt = Interrupt()
    let grid = try SweepGrid(
      parametrizations: [parametrization], optimizers: [optimizer], widths: [width],
      log2LearningRates: [log2LearningRate], seeds: [seed])
    let sweep = try options.sweep(grid)
    let outcome = try sweep.run(until: interrupt)
    let configuration = RunConfiguration(settings: sweep.settings, cell: grid.cells[0])
    if let result = try sweep.store.result(for: configuration) {
      try sweep.summarize()
      let directory = sweep.store.directory(for: configuration)
      if options.json {
        print(
          try jsonText(
            Output(directory: directory.path, configuration: configuration, result: result)))
      } else {
        show(result, records: try sweep.store.records(for: configuration))
        for warning in try sweep.warnings() { print(warning.paragraph) }
        Terminal.note("run in \(directory.relativePath)")
      }
    }
    try outcome.exitWhereIncomplete(store: sweep.store)
  }

  private func show(_ result: RunResult, records: [RunRecord]) {
    print(" epoch    step  train loss")
    for record in records where record.values.isEmpty || record.values["train_loss"] != nil {
      let loss = record.values["train_loss"].map { String(format: "%.4f", $0) } ?? "not finite"
      print(String(format: "%6d  %6d  %10@", record.epoch, record.step, loss as NSString))
    }
    switch result.outcome {
    case .completed:
      print(
        String(
          format: "validation loss %.4f, accuracy %.2f %%, %.1f s", result.validationLoss ?? .nan,
          100 * (result.validationAccuracy ?? .nan), result.seconds))
    case .diverged:
      print("diverged at step \(result.divergedAtStep.map { "\($0)" } ?? "the last")")
    case .failed:
      print("failed: \(result.message ?? "no reason known")")
    }
  }
}
