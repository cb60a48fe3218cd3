import Foundation
import OpenCL
import Tensors
import Training

/// Runs every missing cell of a grid, in groups of one shape, into a store.
public struct Sweep {
  /// What all runs share.
  public let experiment: Experiment
  /// The runs asked for.
  public let grid: SweepGrid
  /// Where results go.
  public let store: RunStore
  /// What computes them.
  public let compute: Compute
  private let data: TrainingData
  private let memory: MemoryPlan
  private let diagnosis: DiagnosisPlan?
  private let checkpointing: RunCheckpointing?
  private let checkpointEvery: Int?
  private let events: EventFolder?
  private let keepsBest: Objective?

  /// A sweep of `grid` into the store at `directory`, which is taken for `settings`.
  ///
  /// - diagnosis: what is measured of each run as it trains; runs done before are not run again
  ///   for it.
  /// - checkpointing: what is kept of the run; for grids of one cell. Without it the runs of the group
  ///   under way are kept when the sweep is stopped, and resume when it is run again.
  /// - checkpointEvery: they are kept each so many steps too, against what no program sees coming.
  /// - keepsBest: the loss by which the best runs' weights are kept, as `BestWeights` has them; nil: they
  ///   are not.
  /// - events: where TensorBoard finds the grid's runs, those done before among them.
  /// - Throws: `SweepError.notEnoughMemory`, `CheckpointError.unfit`, and then nothing is written;
  ///   `RunStoreError`.
  public init(
    experiment: Experiment, grid: SweepGrid, data: TrainingData, directory: URL, compute: Compute,
    memory: MemoryPlan, diagnosis: DiagnosisPlan? = nil, checkpointing: RunCheckpointing? = nil,
    checkpointEvery: Int? = nil, keepsBest: Objective? = nil, events: EventFolder? = nil
  ) throws {
    precondition(
      checkpointing == nil || grid.cells.count == 1, "checkpointing of \(grid.cells.count) runs")
    self.experiment = experiment
    self.grid = grid
    self.data = data
    self.compute = compute
    self.memory = memory
    self.diagnosis = diagnosis
    self.checkpointing = checkpointing
    self.checkpointEvery = checkpointEvery
    self.events = events
    self.keepsBest = keepsBest
    for width in grid.widths {
      for optimizer in grid.optimizers {
        for overrides in grid.shapes {
          _ = try memory.replicas(
            of: RunGroup(
              experiment: experiment,
              cells: [
                RunCell(
                  parametrization: grid.parametrizations[0], optimizer: optimizer, width: width,
                  log2LearningRate: 0, seed: 0, overrides: overrides)
              ]), dataBytes: data.deviceBytes, measured: diagnosis?.contents)
        }
      }
    }
    if case .weights(let weights) = checkpointing?.start {
      try weights.check(against: RunGroup(experiment: experiment, cells: grid.cells))
    }
    store = try RunStore(directory: directory)
    try store.open(experiment)
    try store.write(data.record(), as: "data.json")
  }

  /// Trains what is missing; every group's results are in the store before the next begins.
  ///
  /// Where the device's memory is short, a group is halved and tried again; what cannot be halved, a
  /// lone run and the data, is tried again for half a minute, as other programs may give some back.
  ///
  /// - watch: called often, with the state of things; returning false stops the sweep, keeping
  ///   what is done.
  /// - Throws: `RunStoreError`, `OpenCLError` for the data's upload. Another error of the device marks
  ///   the group's runs `failed` and the sweep continues; where the device answers no more, it ends.
  public func run(watch: (Progress) -> Bool = { _ in true }) throws -> Outcome {
    let results = try store.results(of: grid.cells, in: experiment)
    let missing = grid.cells.filter { results[$0]?.outcome ?? .failed == .failed }
    // A sweep may have been killed between a run's result and the end of its checkpoint.
    for cell in Set(grid.cells).subtracting(missing) { stopped.remove(cell) }
    let steps = Dictionary(uniqueKeysWithValues: missing.map { ($0, stepMade(by: $0)) })
    let groups = try groups(of: missing, steps: steps.mapValues { $0 ?? 0 })
    let work = groups.reduce(0) { $0 + $1.work }
    let total = grid.cells.count
    var progress = Progress(
      reused: total - missing.count, total: total,
      resumed: groups.reduce(0) { $0 + ($1.step > 0 ? $1.group.cells.count : 0) },
      unfit: steps.values.count { $0 == nil },
      lost: missing.count { store.hasLostRecords(RunConfiguration(experiment, $0)) })
    // The lowest train loss among the grid's runs in the store.
    progress.best = results.compactMap { cell, result in result.trainLoss.map { (cell, $0) } }
      .min { $0.1 < $1.1 }
    try writeEvents(of: results)
    let best = keepsBest.map {
      BestWeights(by: $0, of: grid, in: experiment, store: store, results: results)
    }
    var failure: String?
    var saveFailure: RunStoreError?
    var done = 0.0
    if groups.isEmpty {
      return Outcome(progress: progress, interrupted: false, failure: nil)
    }
    var memoryWait = MemoryWait()
    func waitsForMemory(_ error: any Error) throws -> Bool {
      guard try memoryWait.pausesBeforeRetry(after: error, compute) else { return false }
      progress.waits += 1
      return true
    }
    // nil: stopped while waiting.
    func uploadedRows() throws -> (train: DeviceRows, validation: DeviceRows?)? {
      while true {
        do {
          return try data.upload(
            to: compute, evaluationBatches: experiment.settings.evaluateBatches,
            context: experiment.settings.context)
        } catch {
          guard try waitsForMemory(error) else { throw error }
          guard watch(progress) else { return nil }
        }
      }
    }
    guard let (train, validation) = try uploadedRows() else {
      return Outcome(progress: progress, interrupted: true, failure: nil)
    }
    var queue = GroupQueue(groups) { [memory, diagnosis] in
      Double($0.group.cells.count)
        * (try memory.bytesPerReplica(of: $0.group, measured: diagnosis?.contents).all)
    }
    while let planned = try queue.next() {
      let group = planned.group
      let checkpoints = checkpoints(of: planned)
      if checkpoints.contains(where: { $0 == nil }) {
        queue.replace(planned, by: Self.parts(of: planned, readable: checkpoints.map { $0 != nil }))
        continue
      }
      progress.group = group
      (progress.groupNumber, progress.groupCount) = (queue.taken, queue.count)
      let checkpointer = checkpointer(of: planned, checkpoints)
      progress.groupStep = planned.step
      progress.bytesPerRun =
        try memory.bytesPerReplica(of: group, measured: diagnosis?.contents).all
      guard watch(progress) else {
        return Outcome(progress: progress, interrupted: true, failure: failure)
      }
      var training = GroupTraining(
        group: group, compute: compute,
        train: train.windowed(context: group.own.settings.context),
        validation: validation?.windowed(context: group.own.settings.context),
        diagnosis: diagnosis, checkpointer: checkpointer)
      training.best = best
      training.deviceBytes = Int(progress.bytesPerRun)
      var loss: Double?
      let live = events.map { LiveEvents($0, group: group) }
      training.listenerInterval = events?.interval ?? EventFolder.interval
      if live != nil || total == 1 {
        training.listener = { records in
          loss = records[0].compactMap { $0.values["train_loss"] }.last ?? loss
          try live?.add(records)
        }
      }
      do {
        let runs = try training.run { steps in
          progress.loss = total == 1 ? loss : nil
          progress.steps += (steps - progress.groupStep) * group.cells.count
          progress.tokens += group.tokens(ofSteps: progress.groupStep..<steps) * group.cells.count
          progress.groupStep = steps
          progress.share = Self.share(done + planned.work(until: steps), of: work)
          if !watch(progress) { throw CancellationError() }
        }
        try record(runs, &progress)
        saveFailure = (checkpointer as? RunCheckpointer)?.saveFailure
      } catch is CancellationError {
        return Outcome(
          progress: progress, interrupted: true, failure: failure,
          checkpoint: (checkpointer as? RunCheckpointer)?.newest,
          checkpointStep: Self.checkpointStep(of: checkpointer))
      } catch let error where error.isOfTheDevice {
        guard compute.answers() else {
          progress.group = nil
          _ = watch(progress)
          var outcome = Outcome(
            progress: progress, interrupted: false, failure: "\(error)",
            checkpoint: (checkpointer as? RunCheckpointer)?.newest,
            checkpointStep: Self.checkpointStep(of: checkpointer))
          outcome.isDeviceLost = true
          return outcome
        }
        try compute.releaseUnusedMemory()
        let kept = (checkpointer as? GroupCheckpointer)?.checkpointStep ?? planned.step
        if error.isOutOfDeviceMemory, try queue.halve(planned, step: kept) {
          progress.halvings += 1
          done += planned.work(until: kept)
          continue
        }
        if try waitsForMemory(error) {
          queue.replace(planned, by: [PlannedGroup(group: group, step: kept)])
          done += planned.work(until: kept)
          continue
        }
        failure = failure ?? "\(error)"
        try record(group.cells.map { failed($0, error) }, &progress)
      }
      try compute.releaseUnusedMemory()
      done += planned.work
      progress.share = Self.share(done, of: work)
    }
    progress.group = nil
    _ = watch(progress)
    return Outcome(
      progress: progress, interrupted: false, failure: failure, saveFailure: saveFailure)
  }

  /// The step that a group's runs are kept at, if they are.
  private static func checkpointStep(of checkpointer: any Checkpointer) -> Int? {
    (checkpointer as? GroupCheckpointer).flatMap { $0.checkpointStep > 0 ? $0.checkpointStep : nil }
  }

  /// The checkpoints that a group's runs resume from, none where they start over; nil for one that
  /// does not read, which its header did not show.
  private func checkpoints(of planned: PlannedGroup) -> [Checkpoint?] {
    guard checkpointing == nil, planned.step > 0 else { return [] }
    return planned.group.cells.map { cell in
      stopped.checkpoint(of: cell).flatMap { $0.state.step == planned.step ? $0 : nil }
    }
  }

  /// The runs of a group that resume and those that start over, apart.
  private static func parts(of planned: PlannedGroup, readable: [Bool]) -> [PlannedGroup] {
    let cells = zip(planned.group.cells, readable)
    return [(true, planned.step), (false, 0)].compactMap { isReadable, step in
      let part = cells.filter { $0.1 == isReadable }.map(\.0)
      if part.isEmpty { return nil }
      return PlannedGroup(
        group: RunGroup(experiment: planned.group.experiment, cells: part), step: step)
    }
  }

  private func checkpointer(of planned: PlannedGroup, _ checkpoints: [Checkpoint?])
    -> any Checkpointer
  {
    guard let checkpointing else {
      return GroupCheckpointer(
        planned.group, stopped: stopped, checkpoints: checkpoints.compactMap { $0 },
        every: checkpointEvery)
    }
    let configuration = RunConfiguration(experiment, planned.group.cells[0])
    return RunCheckpointer(
      checkpointing, configuration: configuration, directory: store.directory(for: configuration),
      device: compute.deviceDescription)
  }

  private var stopped: StoppedRuns {
    StoppedRuns(
      experiment: experiment, store: store, diagnosis: diagnosis, device: compute.deviceDescription)
  }

  /// Writes summary.csv and returns the rows of this grid, for analysis.
  ///
  /// - Throws: `RunStoreError`.
  @discardableResult
  public func summarize() throws -> [SummaryRow] {
    let wanted = Set(
      grid.cells.map { RunConfiguration(experiment, $0).identifier })
    return try store.writeSummary(of: experiment, parametrizations: grid.parametrizations)
      .filter { wanted.contains($0.run) }
  }

  /// Parametrizations, optimizers and widths whose best run has left no weights, as it was trained when
  /// they were not kept; none where they are not asked for.
  ///
  /// - Throws: `RunStoreError`.
  public func missingBestWeights() throws -> [String] {
    guard let keepsBest else { return [] }
    return BestWeights(
      by: keepsBest, of: grid, in: experiment, store: store,
      results: try store.results(of: grid.cells, in: experiment)
    ).lacking
  }

  /// The failure stories that the diagnostics of the grid's runs tell; none where nothing was
  /// measured.
  ///
  /// - Throws: `RunStoreError`.
  public func warnings() throws -> [DiagnosticWarning] {
    let runs = try grid.cells.map { cell in
      DiagnosticWarnings.Run(
        cell: cell,
        records: try store.records(for: RunConfiguration(experiment, cell)))
    }
    return DiagnosticWarnings(experiment: experiment, runs: runs).all
  }

  /// Missing runs by width, optimizer, shape and steps made, as many together as are good for the device.
  private func groups(of cells: [RunCell], steps: [RunCell: Int]) throws -> [PlannedGroup] {
    var groups: [PlannedGroup] = []
    for optimizer in grid.optimizers {
      for width in grid.widths {
        for overrides in grid.shapes {
          let kind = RunGroup.shape(of: overrides)
          let shape = cells.filter {
            $0.optimizer == optimizer && $0.width == width
              && RunGroup.shape(of: $0.overrides) == kind
          }
          for alike in RunGroup.withAlikeMultipliers(shape, in: experiment) {
            for step in Set(alike.compactMap { steps[$0] }).sorted(by: >) {
              groups += try split(alike.filter { steps[$0] == step }, step: step)
            }
          }
        }
      }
    }
    return groups
  }

  /// Steps that a run has made by the checkpoint that it resumes from; nil where it cannot.
  private func stepMade(by cell: RunCell) -> Int? {
    if case .checkpoint(let checkpoint, _) = checkpointing?.start { return checkpoint.state.step }
    return checkpointing == nil ? stopped.step(of: cell) : 0
  }

  /// Runs of one shape and step in groups.
  private func split(_ alike: [RunCell], step: Int) throws -> [PlannedGroup] {
    try GroupPlan(device: compute.queue.device, memory: memory).groups(
      of: RunGroup(experiment: experiment, cells: alike), dataBytes: data.deviceBytes,
      measured: diagnosis?.contents
    ).map { PlannedGroup(group: $0, step: step) }
  }

  /// Writes the events of runs that were done before there was somewhere to write them.
  private func writeEvents(of results: [RunCell: RunResult]) throws {
    guard let events else { return }
    for cell in grid.cells {
      let configuration = RunConfiguration(experiment, cell)
      guard let result = results[cell],
        !FileManager.default.fileExists(atPath: events.file(of: configuration).path)
      else { continue }
      try events.write(result, records: store.records(for: configuration), of: configuration)
    }
  }

  private func failed(_ cell: RunCell, _ error: any Error) -> FinishedRun {
    FinishedRun(
      cell: cell,
      result: RunResult(
        epochs: 0, steps: 0, outcome: .failed, message: "\(error)", seconds: 0,
        device: compute.deviceDescription), records: [])
  }

  /// Writes a group's runs, all together, and counts them.
  private func record(_ runs: [FinishedRun], _ progress: inout Progress) throws {
    let configurations = runs.map { RunConfiguration(experiment, $0.cell) }
    try store.save(
      zip(configurations, runs).map { (configuration: $0, result: $1.result, records: $1.records) })
    for (configuration, run) in zip(configurations, runs) {
      try events?.write(run.result, records: run.records, of: configuration)
      if run.result.outcome != .failed { stopped.remove(run.cell) }
      progress.finished += 1
      switch run.result.outcome {
      case .completed: break
      case .diverged: progress.diverged += 1
      case .failed: progress.failed += 1
      }
      if let loss = run.result.trainLoss, loss < progress.best?.loss ?? .infinity {
        progress.best = (run.cell, loss)
      }
    }
  }
}
