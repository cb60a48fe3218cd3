import ArgumentParser
import Experiments
import Foundation
import Spectral
import Training

/// `gputrain train`: one run.
struct TrainCommand: PrintingCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Train one network.",
    discussion: """
      The run goes to --out as one of a sweep would, with its losses in metrics.jsonl. A rate found \
      by a sweep means the same here: both are relative to --base-width.

      Ctrl-C writes a checkpoint, and --resume goes on from it bit for bit, with the options that \
      the run was begun with. Checkpoints and weights are safetensors files with PyTorch's names and \
      shapes: layers.0.weight [out, in], layers.0.bias [out].
      """)

  @Option(
    help: ArgumentHelp("\(Parametrizations.choice).", valueName: "name"),
    completion: Completions.parametrization)
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

  @OptionGroup(title: "Checkpoints and weights") var keeping: KeepingOptions

  @OptionGroup var output: OutputOptions

  private struct Output: Encodable {
    let directory: String
    let configuration: RunConfiguration
    let result: RunResult
  }

  func run() throws {
    guard keeping.resume != nil else { return try train(from: keeping.start()) }
    let file = try keeping.checkpointFile()
    let checkpoint = try Checkpoint(path: file.relativePath)
    // Options given now come after those the run was begun with: equal ones change nothing, and
    // others are refused by name.
    let command = try Self.parse(
      OptionEntry.merged(checkpoint.arguments, Gputrain.givenArguments(of: Self.self)))
    Terminal.note("going on from \(file.relativePath), step \(checkpoint.state.step)")
    try command.train(
      from: .checkpoint(checkpoint, path: file.relativePath),
      store: CheckpointSearch.store(of: file))
  }

  private func train(from start: RunKeeping.Start, store: URL? = nil) throws {
    let interrupt = Interrupt()
    let grid = try SweepGrid(
      parametrizations: [parametrization], optimizers: [optimizer], widths: [width],
      log2LearningRates: [log2LearningRate], seeds: [seed])
    let sweep = try options.sweep(
      grid, keeping: keeping.keeping(start: start, arguments: entries.flatMap(\.arguments)),
      store: store)
    let configuration = RunConfiguration(settings: sweep.settings, cell: grid.cells[0])
    let directory = sweep.store.directory(for: configuration)
    let isDone = try sweep.store.result(for: configuration) != nil
    if case .drawn = start, !isDone, let file = try? CheckpointSearch.newest(at: directory) {
      Terminal.note("training from the start; --resume would go on from \(file.relativePath)")
    }
    let outcome = try sweep.run(until: interrupt)
    if let result = try sweep.store.result(for: configuration) {
      try sweep.summarize()
      if outcome.progress.finished == 0 {
        try keeping.saveEarlier(configuration, in: directory)
      }
      if output.json {
        print(
          try jsonText(
            Output(directory: directory.path, configuration: configuration, result: result)))
      } else {
        show(result, records: try sweep.store.records(for: configuration))
        for warning in try sweep.warnings() {
          print(Colours.output.paint(warning.paragraph, .unsure))
        }
        Terminal.note("run in \(directory.relativePath)")
      }
      sweep.compute.tellBuildTime()
      let files = try FileManager.default.contentsOfDirectory(atPath: directory.path).sorted()
      Terminal.detail(
        "files: \(files.joined(separator: ", ")) in \(directory.path)"
          + (keeping.save.map { "; weights in \($0)" } ?? ""))
    }
    if outcome.interrupted {
      Terminal.problem(
        outcome.checkpoint.map {
          "stopped; go on with: gputrain train --resume \($0.relativePath)"
        } ?? "stopped before the first step")
      throw ExitCode(130)
    }
    try outcome.exitWhereIncomplete(store: sweep.store)
  }

  /// What decides the run, for a checkpoint; files by their whole paths.
  private var entries: [OptionEntry] {
    [
      OptionEntry("parametrization", parametrization), OptionEntry("optimizer", optimizer.rawValue),
      OptionEntry("width", width), OptionEntry("log2-lr", log2LearningRate),
      OptionEntry("seed", seed),
    ]
      + options.entries.map { entry in
        switch (entry.name, entry.value) {
        case ("data", .text(let path?)):
          OptionEntry("data", URL(fileURLWithPath: path).path)
        case ("parametrization-file", .repeated(let paths)):
          OptionEntry(entry.name, repeated: paths.map { URL(fileURLWithPath: $0).path })
        default: entry
        }
      }
      + keeping.entries
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
      let step = result.divergedAtStep.map { "\($0)" } ?? "the last"
      print(Colours.output.paint("diverged at step \(step)", .unsure))
    case .failed:
      print(Colours.output.paint("failed: \(result.message ?? "no reason known")", .bad))
    }
  }
}
