import Foundation
import Training

/// The runs that a sweep was stopped in, each with a checkpoint of its own:
///
///     runs/<identifier>/stopped.safetensors
///
/// A run's result does not depend on which others are in its group, so a run goes on in whatever
/// group it finds itself. A checkpoint of another configuration, of other measurements, of another
/// device, which rounds in its own ways, or a damaged one is as good as none.
struct StoppedRuns {
  let settings: RunSettings
  let store: RunStore
  let diagnosis: DiagnosisPlan?
  /// Name of the device that the sweep trains on.
  let device: String

  /// The checkpoint of a run; nil where there is none that it can go on from.
  func checkpoint(of cell: RunCell) -> Checkpoint? {
    let configuration = RunConfiguration(settings: settings, cell: cell)
    let file = store.stoppedFile(for: configuration)
    guard FileManager.default.fileExists(atPath: file.path),
      let checkpoint = try? Checkpoint(path: file.path), checkpoint.configuration == configuration,
      checkpoint.diagnosis == diagnosis, checkpoint.device == device, checkpoint.state.step > 0
    else { return nil }
    return checkpoint
  }

  /// Whether there is a checkpoint of a run that it cannot go on from.
  func isUnfit(_ cell: RunCell) -> Bool {
    let file = store.stoppedFile(for: RunConfiguration(settings: settings, cell: cell))
    return FileManager.default.fileExists(atPath: file.path) && checkpoint(of: cell) == nil
  }

  /// Steps that a run has made by its checkpoint; 0 where it starts anew.
  func step(of cell: RunCell) -> Int { checkpoint(of: cell)?.state.step ?? 0 }

  /// Keeps a run as it stands, in place of its earlier checkpoint.
  ///
  /// - Throws: `RunStoreError`.
  func write(
    _ state: TrainingState, of cell: RunCell, measured: [RunRecord], seconds: Double
  ) throws {
    let configuration = RunConfiguration(settings: settings, cell: cell)
    let file = store.stoppedFile(for: configuration)
    try AtomicFile.makeDirectory(file.deletingLastPathComponent())
    try Checkpoint(
      configuration: configuration, state: state, diagnosis: diagnosis, measured: measured,
      seconds: seconds, device: device, arguments: []
    ).write(to: file)
  }

  /// Forgets a run that is done, and what killed processes have left of its checkpoints.
  func remove(_ cell: RunCell) {
    let file = store.stoppedFile(for: RunConfiguration(settings: settings, cell: cell))
    try? FileManager.default.removeItem(at: file)
    AtomicFile.removeTemporaries(in: file.deletingLastPathComponent())
  }
}

/// Keeps the runs of a sweep's group.
final class GroupKeeper: TrainingKeeper {
  let every: Int?
  private let group: RunGroup
  private let stopped: StoppedRuns
  /// Those that the runs go on from, all of one step; nil where they start anew.
  private var checkpoints: [Checkpoint]?
  private var restored: (measured: [[RunRecord]], seconds: [Double])?
  /// Steps after which the group was kept last.
  private(set) var keptStep: Int

  /// - step: steps that every run of the group has made; where their checkpoints are no longer of
  ///   this step, all start anew.
  init(_ group: RunGroup, stopped: StoppedRuns, step: Int, every: Int?) {
    (self.group, self.stopped, self.every) = (group, stopped, every)
    let found = step > 0 ? group.cells.compactMap(stopped.checkpoint) : []
    let fits = found.count == group.cells.count && found.allSatisfy { $0.state.step == step }
    checkpoints = fits && step > 0 ? found : nil
    restored = checkpoints.map { ($0.map(\.measured), $0.map(\.seconds)) }
    keptStep = checkpoints == nil ? 0 : step
  }

  func isDue(step: Int, of total: Int) -> Bool {
    guard let every, step < total else { return false }
    return step % every == 0
  }

  func load(into trainer: Trainer) {}

  func restore(_ trainer: Trainer) throws {
    guard let states = checkpoints?.map(\.state) else { return }
    do {
      try trainer.restore(states)
    } catch let error as TrainingStateError {
      let configuration = RunConfiguration(settings: group.settings, cell: group.cells[0])
      throw CheckpointError.unfit(
        path: stopped.store.stoppedFile(for: configuration).relativePath, reason: "\(error)")
    }
    // As large as the group on the device.
    checkpoints = nil
  }

  func measuredBefore(_ replica: Int) -> [RunRecord] { restored?.measured[replica] ?? [] }

  func secondsBefore(_ replica: Int) -> Double { restored?.seconds[replica] ?? 0 }

  func write(
    _ trainer: Trainer, diagnosis: DiagnosisPlan?, measured: [[RunRecord]], seconds: [Double]
  ) throws {
    guard trainer.step > keptStep else { return }
    try trainer.forEachState { replica, state in
      try stopped.write(
        state, of: group.cells[replica], measured: measured[replica], seconds: seconds[replica])
    }
    keptStep = trainer.step
  }

  func save(_ trainer: Trainer) {}
}
