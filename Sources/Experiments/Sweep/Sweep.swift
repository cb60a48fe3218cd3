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
  /// The runs that this process is to do: the grid's, or those of its shard.
  let cells: [RunCell]
  let data: TrainingData
  let memory: MemoryPlan
  let diagnosis: DiagnosisPlan?
  let checkpointing: RunCheckpointing?
  let checkpointEvery: Int?
  let events: EventFolder?
  let keepsBest: Objective?
  let sharing: SweepSharing
  /// What trains a run on several devices; for grids of one cell. nil: each run is this process's own.
  public var dataParallel: DataParallel?

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
  /// - sharing: how several processes share the runs.
  /// - Throws: `SweepError.notEnoughMemory`, `CheckpointError.unfit`, and then nothing is written;
  ///   `RunStoreError`.
  public init(
    experiment: Experiment, grid: SweepGrid, data: TrainingData, directory: URL, compute: Compute,
    memory: MemoryPlan, diagnosis: DiagnosisPlan? = nil, checkpointing: RunCheckpointing? = nil,
    checkpointEvery: Int? = nil, keepsBest: Objective? = nil, events: EventFolder? = nil,
    sharing: SweepSharing = .claims()
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
    self.sharing = sharing
    cells =
      switch sharing {
      case .claims: grid.cells
      case .shards(let shards):
        shards.reduce(grid.cells) { cells, shard in
          shard.cells(of: cells) { RunGroup(experiment: experiment, cells: [$0]).work }
        }
      }
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

  /// The same runs into the same store, on another device or of another part.
  ///
  /// - Throws: as `init`.
  func with(_ compute: Compute, _ memory: MemoryPlan, _ sharing: SweepSharing) throws -> Sweep {
    try Sweep(
      experiment: experiment, grid: grid, data: data, directory: store.directory, compute: compute,
      memory: memory, diagnosis: diagnosis, checkpointing: checkpointing,
      checkpointEvery: checkpointEvery, keepsBest: keepsBest, events: events, sharing: sharing)
  }

  /// Trains what is missing and no other process trains; every group's results are in the store before the
  /// next begins. Returns when every run is done, by whomever, or those of the shard.
  ///
  /// Where the device's memory is short, a group is halved and tried again; what cannot be halved, a
  /// lone run and the data, is tried again for half a minute, as other programs may give some back.
  ///
  /// - watch: called often, with the state of things; returning false stops the sweep, keeping
  ///   what is done.
  /// - Throws: `RunStoreError`, `OpenCLError` for the data's upload. Another error of the device marks
  ///   the group's runs `failed` and the sweep continues; where the device answers no more, it ends.
  public func run(watch: (Progress) -> Bool = { _ in true }) throws -> Outcome {
    try SweepRun(self).run(watch: watch)
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
}
