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

      Ctrl-C writes a checkpoint, and --resume resumes from it, on CPUs bit for bit, with the \
      options that the run was begun with. Checkpoints and weights are safetensors files with PyTorch's names and \
      shapes: layers.0.weight [out, in], layers.0.bias [out].

      Examples:
          gputrain train --width 512 --log2-lr -7     # spectral under Adam
          gputrain train --steps 3000 --checkpoint-every 500 --out runs/long
          gputrain train --resume runs/long
          gputrain train --diagnose 10 --clip-norm 1 --schedule cosine:0.1
          gputrain train --group hidden=optimizer:lion,lr:0.1 --save w.safetensors
      """)

  @OptionGroup var cell: SettingOptions<Cell>

  @OptionGroup var configuration: SettingOptions<SweepCommand.Configured>

  @OptionGroup var computing: ComputeOptions

  @OptionGroup var execution: SettingOptions<Execution>

  @OptionGroup(title: "Start") var startOptions: StartOptions

  @OptionGroup var output: OutputOptions

  private struct Output: Encodable {
    let directory: String
    let configuration: RunConfiguration
    let result: RunResult
  }

  enum Cell: SettingSelection { typealias Group = CellSettings }
  enum Execution: SettingSelection {
    typealias Group = ExecutionSettings
    static let omitted: Set = ["keep-best", "shard"]
    static let helps = [
      "checkpoint-every":
        "Write a checkpoint each so many steps and at the end, into the run's checkpoints/. Ctrl-C "
        + "always writes one."
    ]
  }

  func run() throws {
    var given = GivenSettings()
    guard startOptions.resume != nil else { return try train(given, from: startOptions.start()) }
    let file = try startOptions.checkpointFile()
    let checkpoint = try Checkpoint(path: file.relativePath)
    // Options given now come after those the run was begun with: equal ones change nothing, and
    // others are refused by name.
    given.add(checkpoint.options)
    Terminal.note("resuming from \(file.relativePath), step \(checkpoint.state.step)")
    try train(
      given, from: .checkpoint(checkpoint, path: file.relativePath),
      store: CheckpointSearch.store(of: file))
  }

  private func train(_ before: GivenSettings, from start: RunCheckpointing.Start, store: URL? = nil)
    throws
  {
    var given = before
    given.add(cell.given)
    given.add(configuration.given)
    given.add(computing.given)
    given.add(execution.given)
    let cell = given.settings(over: CellSettings())
    var request = try TrainingRequest(&given, defaults: SweepCommand.Configured.defaults)
    if request.execution.gradientExchange != .automatic && !request.execution.dataParallel {
      given.note(SettingProblem("gradient-exchange", "is for --data-parallel"))
    }
    try request.check(
      parametrizations: [cell.parametrization], optimizers: [cell.optimizer], widths: [cell.width],
      &given)
    guard request.execution.dataParallel else {
      return try train(request, cell, from: start, store: store)
    }
    let rank = try TrainingRank(request.execution)
    try rank.run {
      try train(
        rank.own(request), cell, from: start, store: rank.isFirst ? store : nil, as: rank)
    }
  }

  /// - store: where results go where `--out` does not say. rank: as one of several that train the run.
  private func train(
    _ request: TrainingRequest, _ cell: CellSettings, from start: RunCheckpointing.Start,
    store: URL?, as rank: TrainingRank? = nil
  ) throws {
    let grid = try cell.grid()
    let weights = request.execution.save.map { URL(fileURLWithPath: $0) }
    do {
      try weights.map(SavedWeights.requirePlace)
    } catch let error as RunStoreError {
      throw InvalidOption("--save: \(error)")
    }
    var sweep = try request.sweep(
      grid,
      checkpointing: RunCheckpointing(
        start: start, every: request.execution.checkpointEvery, keep: request.execution.keep,
        weightsFile: weights,
        options: Self.options(cell, request)), store: store)
    let configuration = RunConfiguration(sweep.experiment, grid.cells[0])
    let directory = sweep.store.directory(for: configuration)
    let isDone = try sweep.store.result(for: configuration) != nil
    if let rank {
      sweep.dataParallel = rank.parallel
      guard try rank.begins(configuration, of: sweep, from: start) else { return }
      if !rank.isFirst { return try follow(sweep, request.execution) }
    }
    if case .drawn = start, !isDone, let file = try? CheckpointSearch.newest(at: directory) {
      Terminal.note("training from the start; --resume would resume from \(file.relativePath)")
    }
    let outcome = try SweepTeam(sweep).runUntilInterrupted(request.execution)
    if let result = try sweep.store.result(for: configuration) {
      try sweep.summarize()
      if output.json {
        Terminal.print(
          try jsonText(
            Output(directory: directory.path, configuration: configuration, result: result)))
      } else {
        show(
          result, records: try sweep.store.records(for: configuration),
          of: sweep.experiment.facts.data)
        for warning in try sweep.warnings() {
          Terminal.print(Colours.output.paint(warning.paragraph, .unsure))
        }
        Terminal.note("run in \(directory.relativePath)")
      }
      sweep.compute.tellBuildTime()
      let files = try FileManager.default.contentsOfDirectory(atPath: directory.path).sorted()
      Terminal.detail(
        "files: \(files.joined(separator: ", ")) in \(directory.path)"
          + (weights.map { "; weights in \($0.relativePath)" } ?? ""))
      if outcome.progress.finished == 0, let weights {
        try StartOptions.saveEarlier(configuration, in: directory, to: weights)
      }
    }
    if outcome.interrupted {
      Terminal.problem(
        outcome.checkpoint.map {
          "stopped; resume with: gputrain train --resume \($0.relativePath)"
        } ?? "stopped before the first step")
      throw Interrupt.exitCode
    }
    try outcome.exitWhereIncomplete(store: sweep.store)
  }

  /// Trains as one of the ranks whose results are not kept.
  private func follow(_ sweep: Sweep, _ execution: ExecutionSettings) throws {
    let outcome = try SweepTeam(sweep).runUntilInterrupted(execution)
    if outcome.interrupted { throw Interrupt.exitCode }
    try outcome.exitWhereIncomplete(store: sweep.store)
  }

  /// What the run was asked for with, for a checkpoint: files by their whole paths, and
  /// parametrizations by what they are.
  private static func options(
    _ cell: CellSettings, _ request: TrainingRequest
  ) -> [String: JSONValue] {
    var configuration = request.configuration
    configuration.data = configuration.data.map { URL(fileURLWithPath: $0).path }
    var execution = request.execution
    (execution.out, execution.parametrizationFiles) = (nil, [])
    // Any number of ranks may resume.
    (execution.dataParallel, execution.gradientExchange) = (false, .automatic)
    execution.save = execution.save.map { URL(fileURLWithPath: $0).path }
    return cell.record.merging(configuration.record) { $1 }
      .merging(request.computing.record) { $1 }.merging(execution.record) { $1 }
  }

  private func show(_ result: RunResult, records: [RunRecord], of data: DataDescription) {
    func text(_ loss: Double?) -> String? { loss.map { String(format: "%.4f", $0) } }
    let evaluations = records.count { $0.values["validation_loss"] != nil }
    Terminal.print(" epoch    step  train loss" + (evaluations > 1 ? "  validation loss" : ""))
    for record in records {
      let losses = (record.values["train_loss"], record.values["validation_loss"])
      // Others are measurements of layers.
      guard record.values.isEmpty || losses.0 != nil || losses.1 != nil else { continue }
      let train = text(losses.0) ?? (losses.1 == nil ? "not finite" : "")
      let validation = evaluations > 1 ? text(losses.1).map { "  \($0)" } ?? "" : ""
      Terminal.print(
        String(format: "%6d  %6d  %10@", record.epoch, record.step, train as NSString)
          + (validation.isEmpty ? "" : "         \(validation)"))
    }
    switch result.outcome {
    case .completed:
      let validation = result.validationLoss.map {
        String(format: "validation loss %.4f, ", $0)
          + (data.tokenLoss($0).map { "\($0.inWords), " } ?? "")
          + (result.validationAccuracy.map { String(format: "accuracy %.2f %%, ", 100 * $0) } ?? "")
      }
      let whole = result.wholeTrainLoss.map { String(format: "whole training loss %.4f, ", $0) }
      Terminal.print((validation ?? "") + (whole ?? "") + String(format: "%.1f s", result.seconds))
    case .diverged:
      let step = result.divergedAtStep.map { "\($0)" } ?? "the last"
      Terminal.print(Colours.output.paint("diverged at step \(step)", .unsure))
    case .failed:
      Terminal.print(Colours.output.paint("failed: \(result.message ?? "no reason known")", .bad))
    }
  }
}
