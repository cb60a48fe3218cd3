import Foundation
import Training

/// The runs that a sweep was stopped in, each with a checkpoint of its own:
///
///     runs/<identifier>/stopped.safetensors
///
/// A run's result does not depend on which others are in its group, on GPUs but for rounding, so a run
/// resumes in whatever group it finds itself. A checkpoint of another configuration, of other measurements, of another
/// device, which rounds in its own ways, or a damaged one is as good as none.
struct StoppedRuns {
  let experiment: Experiment
  let store: RunStore
  let diagnosis: DiagnosisPlan?
  /// Name of the device that the sweep trains on.
  let device: String

  /// The checkpoint of a run; nil where there is none that it can resume from.
  func checkpoint(of cell: RunCell) -> Checkpoint? {
    guard step(of: cell) ?? 0 > 0 else { return nil }
    let file = store.stoppedFile(for: RunConfiguration(experiment, cell))
    return try? Checkpoint(path: file.path)
  }

  /// Steps that a run has made by its checkpoint's header, 0 where there is none; nil where there is
  /// one that it cannot resume from, so that it starts from the beginning.
  func step(of cell: RunCell) -> Int? {
    let configuration = RunConfiguration(experiment, cell)
    let file = store.stoppedFile(for: configuration)
    guard FileManager.default.fileExists(atPath: file.path) else { return 0 }
    guard let header = try? Checkpoint.Header(path: file.path),
      header.configuration == configuration, header.diagnosis == diagnosis,
      header.device == device, header.step > 0
    else { return nil }
    return header.step
  }

  /// Adds a run as it stands to `files`, in place of its earlier checkpoint.
  ///
  /// - Throws: `RunStoreError`.
  func add(
    _ state: TrainingState, of cell: RunCell, measured: [RunRecord], seconds: Double,
    to files: AtomicFiles
  ) throws {
    let configuration = RunConfiguration(experiment, cell)
    let file = store.stoppedFile(for: configuration)
    try AtomicFile.makeDirectory(file.deletingLastPathComponent(), isSynced: false)
    let checkpoint = Checkpoint(
      configuration: configuration, state: state, diagnosis: diagnosis, measured: measured,
      seconds: seconds, device: device, options: [:])
    try files.add(checkpoint.bytes(), at: file)
  }

  /// Forgets a run that is done. What killed processes have left of its checkpoints goes when the store is
  /// opened.
  func remove(_ cell: RunCell) {
    unlink(store.stoppedFile(for: RunConfiguration(experiment, cell)).path)
  }
}
