import Foundation

/// A sweep's directory as it was asked for last: its settings, its runs and what follows from them.
///
///     let sweep = try StoredSweep(directory: URL(fileURLWithPath: "runs/mine"))
///     print(sweep.report(target: 4096).table())
public struct StoredSweep {
  /// What all its runs share.
  public let experiment: Experiment
  /// The commands that filled it, oldest first.
  public let history: [Invocation]
  /// What is tuned along what.
  public let axes: SweepAxes
  /// The loss that is compared.
  public let objective: Objective
  /// Every run that has a result, in the order of a summary.
  public let rows: [SummaryRow]
  let store: RunStore
  /// Every run that has a result.
  let runs: [StoredRun]

  /// Reads the sweep at `directory`; it may have no finished run.
  ///
  /// - Throws: `ReportError.noDirectory`, `.nothingThere`, `.noSweep`; `RunStoreError`.
  public init(directory: URL) throws {
    let store = RunStore(existing: directory)
    let kind = try ReportFolder.kind(of: directory)
    guard kind == .sweep, let experiment = try store.experiment() else {
      throw ReportError.noSweep(path: directory.relativePath, kind: kind.rawValue)
    }
    self.store = store
    self.experiment = experiment
    history = try store.history()
    runs = try store.runs(of: experiment)
    axes = history.last { $0.grid != nil }?.grid?.axes ?? SweepAxes()
    objective = history.last { $0.objective != nil }?.objective ?? .trainLoss
    rows = SummaryRow.sorted(
      runs.map(SummaryRow.init),
      parametrizations: history.compactMap(\.grid).flatMap(\.parametrizations).uniqued())
  }

  /// The width that a rate was asked for last; nil: the widest.
  public var target: Int? { history.last { $0.grid != nil }?.targetWidth }

  /// Whether the best rate carries over, and which to use.
  ///
  /// - some: those of the rows that are compared; nil: all. target: the width to recommend a rate for; nil: the
  ///   widest.
  public func report(of some: [SummaryRow]? = nil, target: Int?) -> TransferReport {
    TransferReport(
      rows: some ?? rows, objective: objective, axes: axes, target: target,
      data: experiment.facts.data)
  }
}
