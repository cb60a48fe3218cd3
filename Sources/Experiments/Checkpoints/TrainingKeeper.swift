import Training

/// What a group's training starts from and leaves behind, beside its results.
protocol TrainingKeeper: AnyObject {
  /// Steps from one checkpoint to the next; nil: none but when training is stopped.
  var every: Int? { get }

  /// Whether a checkpoint is due after `step` steps of `total`.
  func isDue(step: Int, of total: Int) -> Bool

  /// Replaces drawn weights by others, before anything is measured.
  ///
  /// - Throws: `OpenCLError`.
  func load(into trainer: Trainer) throws

  /// Goes on from checkpoints, where there are any.
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
