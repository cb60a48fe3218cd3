import Foundation
import OpenCL
import Tensors
import Training

/// Runs every missing cell of a grid, in groups of one shape, into a store.
public struct Sweep {
  /// What all runs share.
  public let settings: RunSettings
  /// The runs asked for.
  public let grid: SweepGrid
  /// Where results go.
  public let store: RunStore
  private let data: TrainingData
  private let compute: Compute
  private let memory: MemoryPlan
  private let diagnosis: DiagnosisPlan?
  private let keeping: RunKeeping?
  private let events: EventFolder?

  /// What has happened so far, for whoever watches.
  public struct Progress: Sendable {
    /// Runs of the grid that were done before.
    public let reused: Int
    /// Runs of the grid in all.
    public let total: Int
    /// Runs done in this sweep.
    public internal(set) var finished = 0
    /// Of these, runs that diverged.
    public internal(set) var diverged = 0
    /// Of these, runs that an error stopped.
    public internal(set) var failed = 0
    /// Share of the work still to do at the start that is done, in [0, 1].
    public internal(set) var share = 0.0
    /// The lowest train loss so far, with its cell.
    public internal(set) var best: (cell: RunCell, loss: Double)?
    /// The group in training.
    public internal(set) var group: RunGroup?
  }

  /// How a sweep ended.
  public struct Outcome: Sendable {
    /// The last state of progress.
    public let progress: Progress
    /// Whether it was stopped before its end.
    public let interrupted: Bool
    /// The first error that stopped a group's runs, if any.
    public let failure: String?
    /// The checkpoint of a kept run that was stopped.
    public var checkpoint: URL?
  }

  /// A sweep of `grid` into the store at `directory`, which is taken for `settings`.
  ///
  /// - diagnosis: what is measured of each run as it trains; runs done before are not run again
  ///   for it.
  /// - keeping: what is kept of the run; for grids of one cell.
  /// - events: where TensorBoard finds the grid's runs, those done before among them.
  /// - Throws: `SweepError.notEnoughMemory`, `CheckpointError.unfit`, and then nothing is written;
  ///   `RunStoreError`.
  public init(
    settings: RunSettings, grid: SweepGrid, data: TrainingData, directory: URL, compute: Compute,
    memory: MemoryPlan, diagnosis: DiagnosisPlan? = nil, keeping: RunKeeping? = nil,
    events: EventFolder? = nil
  ) throws {
    precondition(keeping == nil || grid.cells.count == 1, "keeping of \(grid.cells.count) runs")
    self.settings = settings
    self.grid = grid
    self.data = data
    self.compute = compute
    self.memory = memory
    self.diagnosis = diagnosis
    self.keeping = keeping
    self.events = events
    for width in grid.widths {
      for optimizer in grid.optimizers {
        _ = try memory.replicas(
          of: RunGroup(
            settings: settings,
            cells: [
              RunCell(
                parametrization: grid.parametrizations[0], optimizer: optimizer, width: width,
                log2LearningRate: 0, seed: 0)
            ]), dataBytes: data.deviceBytes, measured: diagnosis?.contents)
      }
    }
    if case .weights(let weights) = keeping?.start {
      try weights.check(against: RunGroup(settings: settings, cells: grid.cells))
    }
    store = try RunStore(directory: directory)
    try store.open(settings: settings)
  }

  /// What the runs compute on.
  public var device: Device { compute.queue.device }

  /// Trains what is missing; every group's results are in the store before the next begins.
  ///
  /// - watch: called often, with the state of things; returning false stops the sweep, keeping
  ///   what is done.
  /// - Throws: `RunStoreError`, `OpenCLError` for the data's upload. An error of the device within
  ///   a group marks its runs `failed` and the sweep goes on.
  public func run(watch: (Progress) -> Bool = { _ in true }) throws -> Outcome {
    let missing = try store.missingCells(of: grid, settings: settings)
    let groups = try groups(of: missing)
    let work = groups.reduce(0) { $0 + $1.work * Double($1.cells.count) }
    let total = grid.cells.count
    var progress = Progress(reused: total - missing.count, total: total)
    progress.best = try bestStored()
    try writeEventsOfStored()
    var failure: String?
    var done = 0.0
    if groups.isEmpty {
      return Outcome(progress: progress, interrupted: false, failure: nil)
    }
    let (train, validation) = try data.upload(to: compute)
    for group in groups {
      progress.group = group
      let groupWork = group.work * Double(group.cells.count)
      guard watch(progress) else {
        return Outcome(progress: progress, interrupted: true, failure: failure)
      }
      let keeper = keeper(of: group)
      do {
        let runs = try GroupTraining(
          group: group, compute: compute, train: train, validation: validation,
          diagnosis: diagnosis, keeper: keeper
        ).run { steps in
          progress.share = (done + groupWork * Double(steps) / Double(group.totalSteps)) / work
          if !watch(progress) { throw CancellationError() }
        }
        for run in runs { try record(run, &progress) }
        try compute.releaseUnusedMemory()
      } catch is CancellationError {
        return Outcome(
          progress: progress, interrupted: true, failure: failure, checkpoint: keeper?.newest)
      } catch let error where error is OpenCLError || error is CLBlastError {
        failure = failure ?? "\(error)"
        try compute.releaseUnusedMemory()
        for cell in group.cells { try record(failed(cell, error), &progress) }
      }
      done += groupWork
      progress.share = done / work
    }
    progress.group = nil
    _ = watch(progress)
    return Outcome(progress: progress, interrupted: false, failure: failure)
  }

  private func keeper(of group: RunGroup) -> RunKeeper? {
    keeping.map {
      let configuration = RunConfiguration(settings: settings, cell: group.cells[0])
      return RunKeeper(
        $0, configuration: configuration, directory: store.directory(for: configuration),
        device: compute.deviceDescription)
    }
  }

  /// Writes summary.csv and returns the rows of this grid, for analysis.
  ///
  /// - Throws: `RunStoreError`.
  @discardableResult
  public func summarize() throws -> [SummaryRow] {
    let wanted = Set(
      grid.cells.map { RunConfiguration(settings: settings, cell: $0).identifier })
    return try store.writeSummary(settings: settings, parametrizations: grid.parametrizations)
      .filter { wanted.contains($0.run) }
  }

  /// The failure stories that the diagnostics of the grid's runs tell; none where nothing was
  /// measured.
  ///
  /// - Throws: `RunStoreError`.
  public func warnings() throws -> [DiagnosticWarning] {
    let runs = try grid.cells.map { cell in
      DiagnosticWarnings.Run(
        cell: cell,
        records: try store.records(for: RunConfiguration(settings: settings, cell: cell)))
    }
    return DiagnosticWarnings(settings: settings, runs: runs).all
  }

  /// Missing runs by width and optimizer, as many together as are good for the device.
  private func groups(of cells: [RunCell]) throws -> [RunGroup] {
    let plan = GroupPlan(device: compute.queue.device, memory: memory)
    var groups: [RunGroup] = []
    for optimizer in grid.optimizers {
      for width in grid.widths {
        let alike = cells.filter { $0.optimizer == optimizer && $0.width == width }
        guard !alike.isEmpty else { continue }
        groups += try plan.groups(
          of: RunGroup(settings: settings, cells: alike), dataBytes: data.deviceBytes,
          measured: diagnosis?.contents)
      }
    }
    return groups
  }

  /// The lowest train loss among the grid's runs in the store.
  private func bestStored() throws -> (cell: RunCell, loss: Double)? {
    try grid.cells.compactMap { cell in
      let result = try store.result(for: RunConfiguration(settings: settings, cell: cell))
      return result?.trainLoss.map { (cell, $0) }
    }.min { $0.loss < $1.loss }
  }

  /// Writes the events of runs that were done before there was somewhere to write them.
  private func writeEventsOfStored() throws {
    guard let events else { return }
    for cell in grid.cells {
      let configuration = RunConfiguration(settings: settings, cell: cell)
      guard let result = try store.result(for: configuration),
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

  private func record(_ run: FinishedRun, _ progress: inout Progress) throws {
    let configuration = RunConfiguration(settings: settings, cell: run.cell)
    try store.save(run.result, records: run.records, for: configuration)
    try events?.write(run.result, records: run.records, of: configuration)
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
