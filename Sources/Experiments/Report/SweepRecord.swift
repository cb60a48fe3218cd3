import Foundation
import Training

/// A sweep's directory, read.
struct SweepRecord {
  /// Where it lies.
  let directory: URL
  let store: RunStore
  let experiment: Experiment
  /// The commands that filled it, oldest first.
  let history: [Invocation]
  /// What is tuned along what, as was asked for last.
  let axes: SweepAxes
  /// The loss that is compared, as was asked for last.
  let objective: Objective
  /// Every run along these axes that has a result, with its place on them as width and rate.
  let rows: [SummaryRow]
  /// Every run that has a result.
  let allRows: [SummaryRow]
  /// By a run's identifier, what of width and rate is no axis.
  private let heldByRun: [String: String?]
  /// The runs' configurations by their identifiers.
  private let configurations: [String: RunConfiguration]
  /// What follows from them.
  let report: TransferReport
  /// Cells along the axes that were asked for and have no result, or a failed one; as the rows.
  let missing: [RunCell]
  /// Failure stories that diagnostics tell.
  let warnings: [DiagnosticWarning]
  /// Whether layers were measured in some run.
  let isDiagnosed: Bool

  /// Reads the sweep at `directory`; it may have no finished run.
  ///
  /// - Throws: as `StoredSweep`.
  init(directory: URL) throws {
    let sweep = try StoredSweep(directory: directory)
    self.directory = directory
    (store, experiment, history) = (sweep.store, sweep.experiment, sweep.history)
    (axes, objective, allRows) = (sweep.axes, sweep.objective, sweep.rows)
    report = sweep.report(target: sweep.target)
    let (runs, axes) = (sweep.runs, sweep.axes)
    configurations = Dictionary(
      runs.map { ($0.configuration.identifier, $0.configuration) }, uniquingKeysWith: { $1 })
    heldByRun = Dictionary(
      allRows.map { ($0.run, axes.held(by: $0)) }, uniquingKeysWith: { $1 })
    rows = allRows.compactMap { $0.point(on: axes) }
    let done = Set(runs.filter { $0.result.outcome != .failed }.map(\.configuration.cell))
    let asked = history.compactMap(\.grid).flatMap(\.cells).uniqued()
    missing = (asked.isEmpty ? Self.crossed(rows) : asked).filter { !done.contains($0) }
      .compactMap { $0.point(on: axes) }
    let store = store
    let diagnosed = try runs.map {
      DiagnosticWarnings.Run(
        cell: $0.configuration.cell, records: try store.records(for: $0.configuration))
    }
    warnings = DiagnosticWarnings(experiment: experiment, runs: diagnosed).all
    isDiagnosed = diagnosed.contains(where: \.isDiagnosed)
  }

  /// Where it is not known what was asked for: every combination of a group's widths, rates and
  /// seeds.
  private static func crossed(_ rows: [SummaryRow]) -> [RunCell] {
    let groups = Dictionary(grouping: rows) { "\($0.parametrization) \($0.optimizer.rawValue)" }
    return groups.sorted { $0.key < $1.key }.flatMap { _, rows -> [RunCell] in
      let rates = rows.map(\.log2LearningRate).uniqued()
      let seeds = rows.map(\.seed).uniqued()
      return rows.map(\.width).uniqued().flatMap { width in
        rates.flatMap { rate in
          seeds.map {
            RunCell(
              parametrization: rows[0].parametrization, optimizer: rows[0].optimizer,
              width: width, log2LearningRate: rate, seed: $0)
          }
        }
      }
    }
  }

  /// What the page calls it: its directory's name.
  var name: String { directory.standardizedFileURL.lastPathComponent }

  /// Rows of a group.
  func rows(of group: TransferGroup) -> [SummaryRow] {
    rows.filter {
      $0.parametrization == group.parametrization && $0.optimizer == group.optimizer
        && heldByRun[$0.run, default: nil] == group.held
    }
  }

  /// The records of a row's run.
  func records(of row: SummaryRow) throws -> [RunRecord] {
    try configurations[row.run].map { try store.records(for: $0) } ?? []
  }

  /// The settings of the runs at a value of the scale.
  func settings(scale value: Int) -> Configuration {
    let run = rows.first { $0.width == value }?.run
    return run.flatMap { configurations[$0] }.map {
      $0.experiment.overridden(by: $0.cell.overrides).settings
    } ?? experiment.settings
  }
}
