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
    for (name, replica) in chosen {
      try SavedWeights.write(
        try trainer.parameters(of: replica),
        configuration: RunConfiguration(experiment, runs[replica].cell), to: file(name))
    }
  }

  /// Names whose best run has left no weights, as it was trained without their being kept.
  var lacking: [String] {
    best.filter { name, run in
      guard let file = try? RandomAccessFile(path: file(name).path, expected: "weights"),
        let text = try? SafetensorsFile.contents(file).metadata["configuration"],
        let stored = try? JSONDecoder().decode(RunConfiguration.self, from: Data(text.utf8))
      else { return true }
      return stored != RunConfiguration(experiment, run.cell)
    }.keys.sorted()
  }
}
