import Foundation
import Spectral
import Training

/// The weights of a sweep's best runs: of each parametrization, optimizer and width, or value of
/// another scale, the run of the least loss over all rates and seeds of the grid.
///
///     OUT/best/spectral-adam-width128.safetensors
///
/// A group's weights are written while they are on the device, before its results: a file holds the best
/// run so far. Which run it is, the file's metadata says.
final class BestWeights {
  private let objective: Objective
  private let experiment: Experiment
  private let grid: SweepGrid
  private let directory: URL
  /// The best run of each file's name, by the results that are there.
  private var best: [String: (cell: RunCell, loss: Double)] = [:]

  /// - results: of runs of the grid that were done before.
  init(
    by objective: Objective, of grid: SweepGrid, in experiment: Experiment, store: RunStore,
    results: [RunCell: RunResult]
  ) {
    (self.objective, self.grid, self.experiment) = (objective, grid, experiment)
    directory = store.directory.appendingPathComponent("best")
    for cell in grid.cells {
      if let result = results[cell] { _ = isBest(cell, result) }
    }
  }

  /// The name of the file that a run's weights go to, without its ending.
  func name(of cell: RunCell) -> String {
    "\(cell.parametrization)-\(cell.optimizer.rawValue)-width\(cell.width)"
      + (grid.scale.flatMap { scale in
        cell.overrides[scale.name].map { "-\(scale.name)\($0.optionText)" }
      } ?? "")
  }

  private func file(_ name: String) -> URL {
    directory.appendingPathComponent(name + ".safetensors")
  }

  /// Notes the run; whether it is better than all before.
  private func isBest(_ cell: RunCell, _ result: RunResult) -> Bool {
    let name = name(of: cell)
    guard let loss = objective.loss(of: result), loss.isFinite,
      loss < best[name]?.loss ?? .infinity
    else { return false }
    best[name] = (cell, loss)
    return true
  }

  /// Takes note of a run that another process has done, and kept the weights of.
  func note(_ cell: RunCell, _ result: RunResult) { _ = isBest(cell, result) }

  /// Writes the weights of those of the trainer's replicas that are better than all runs before.
  ///
  /// - Throws: `RunStoreError`, `OpenCLError`.
  func take(_ trainer: Trainer, _ runs: [FinishedRun]) throws {
    var chosen: [String: Int] = [:]
    for (replica, run) in runs.enumerated() where isBest(run.cell, run.result) {
      chosen[name(of: run.cell)] = replica
    }
    if chosen.isEmpty { return }
    try AtomicFile.makeDirectory(directory)
    // Another process may be about to keep a better run, whose result is not there yet.
    try AtomicFile.withLock(beside: directory) {
      for (name, replica) in chosen {
        guard let loss = best[name]?.loss else { continue }
        if let kept = kept(name), kept.loss < loss {
          best[name] = kept
        } else {
          try SavedWeights.write(
            try trainer.parameters(of: replica),
            configuration: RunConfiguration(experiment, runs[replica].cell),
            metadata: [Self.lossKey: "\(loss)", Self.objectiveKey: objective.rawValue],
            to: file(name))
        }
      }
    }
  }

  private static let (lossKey, objectiveKey) = ("loss", "objective")

  /// The run of this sweep whose weights a file holds; nil where there is none, or it was chosen by another
  /// loss.
  private func kept(_ name: String) -> (cell: RunCell, loss: Double)? {
    guard let file = try? RandomAccessFile(path: file(name).path, expected: "weights"),
      let metadata = try? SafetensorsFile.contents(file).metadata,
      metadata[Self.objectiveKey] == objective.rawValue,
      let loss = metadata[Self.lossKey].flatMap(Double.init),
      let text = metadata[SavedWeights.configurationKey],
      let stored = try? JSONDecoder().decode(RunConfiguration.self, from: Data(text.utf8)),
      stored.experiment == experiment
    else { return nil }
    return (stored.cell, loss)
  }

  /// Names whose best run has left no weights, as it was trained without their being kept.
  var lacking: [String] { best.filter { kept($0)?.cell != $1.cell }.keys.sorted() }
}
