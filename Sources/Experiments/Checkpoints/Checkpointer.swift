import Foundation
import Training

/// What a group's training starts from and leaves behind, beside its results.
protocol Checkpointer: AnyObject {
  /// Steps from one checkpoint to the next; nil: none but when training is stopped.
  var every: Int? { get }

  /// Whether a checkpoint is due after `step` steps of `total`.
  func isDue(step: Int, of total: Int) -> Bool

  /// Replaces drawn weights by others, before anything is measured.
  ///
  /// - Throws: `OpenCLError`.
  func load(into trainer: Trainer) throws

  /// Resumes from checkpoints, where there are any.
  ///
  /// - Throws: `CheckpointError.unfit`, `OpenCLError`.
  func restore(_ trainer: Trainer) throws

  /// What was measured of a run before the checkpoint that it resumes from.
  func measuredBefore(_ replica: Int) -> [RunRecord]

  /// Seconds of a run's training before it.
  func secondsBefore(_ replica: Int) -> Double

  /// Writes a checkpoint of every run, unless those of this step are there.
  ///
  /// - measured: what was measured of each run so far. seconds: its time so far, that before its
  ///   checkpoint included.
  /// - Throws: `RunStoreError`, `OpenCLError`.
  func write(
    _ trainer: Trainer, diagnosis: DiagnosisPlan?, measured: [[RunRecord]], seconds: [Double])
    throws

  /// Writes what is to stay of the trained network. A file that cannot be written is noted, and costs no
  /// result.
  ///
  /// - Throws: `OpenCLError`.
  func save(_ trainer: Trainer) throws
}

/// Keeps the runs of a sweep's group.
final class GroupCheckpointer: Checkpointer {
  let every: Int?
  private let group: RunGroup
  private let stopped: StoppedRuns
  /// Those that the runs resume from, all of one step; nil where they start from the beginning.
  private var checkpoints: [Checkpoint]?
  private var restored: (measured: [[RunRecord]], seconds: [Double])?
  /// Steps after which the group was kept last.
  private(set) var checkpointStep: Int

  /// - checkpoints: of every run, all of one step; none where the runs start from the beginning.
  init(_ group: RunGroup, stopped: StoppedRuns, checkpoints: [Checkpoint], every: Int?) {
    (self.group, self.stopped, self.every) = (group, stopped, every)
    self.checkpoints = checkpoints.isEmpty ? nil : checkpoints
    restored = self.checkpoints.map { ($0.map(\.measured), $0.map(\.seconds)) }
    checkpointStep = checkpoints.first?.state.step ?? 0
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
      let configuration = RunConfiguration(group.experiment, group.cells[0])
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
    guard trainer.step > checkpointStep else { return }
    let files = AtomicFiles()
    try trainer.forEachState { replica, state in
      try stopped.add(
        state, of: group.cells[replica], measured: measured[replica], seconds: seconds[replica],
        to: files)
    }
    try files.appear()
    checkpointStep = trainer.step
  }

  func save(_ trainer: Trainer) {}
}
