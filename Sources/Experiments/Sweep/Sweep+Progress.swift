import Foundation

extension Sweep {
  /// What has happened so far, for whoever watches.
  public struct Progress: Sendable {
    /// Runs of the grid that were done before.
    public internal(set) var reused: Int
    /// Runs of the grid in all.
    public internal(set) var total: Int
    /// Runs that resume from where a sweep was stopped in them.
    public let resumed: Int
    /// Runs that start over although a sweep was stopped in them: on another device or tuning, or
    /// measured otherwise.
    public let unfit: Int
    /// Runs that were done and are made again, as their records are gone.
    public let lost: Int
    /// Whether the runs are a shard's.
    var isOfAPart = false
    /// Runs done in this sweep.
    public internal(set) var finished = 0
    /// Runs that other processes have done meanwhile.
    public internal(set) var elsewhere = 0
    /// Of those done in this sweep or elsewhere, runs that diverged.
    public internal(set) var diverged = 0
    /// Of those done in this sweep, runs that an error stopped.
    public internal(set) var failed = 0
    /// What other processes are training, as far as was looked.
    public internal(set) var others: [Claim] = []
    /// Runs under way elsewhere that this sweep waits for, having nothing else to do.
    public internal(set) var awaited = 0
    /// Share of the work still to do at the start that is done, in [0, 1].
    public internal(set) var share = 0.0
    /// Steps trained in this sweep, a step of each run counted singly.
    public internal(set) var steps = 0
    /// Tokens trained on in this sweep, likewise; 0 of data that are no text.
    public internal(set) var tokens = 0
    /// The lowest train loss so far, with its cell.
    public internal(set) var best: (cell: RunCell, loss: Double)?
    /// The group in training.
    public internal(set) var group: RunGroup?
    /// Which of the groups of this sweep that is, from 1.
    public internal(set) var groupNumber = 0
    /// How many groups there are.
    public internal(set) var groupCount = 0
    /// Times that a group was halved, as the device's memory was short.
    public internal(set) var halvings = 0
    /// Times that the sweep waited for other programs to give the device's memory back.
    public internal(set) var waits = 0
    /// Steps that each run of the group has made.
    public internal(set) var groupStep = 0
    /// Where the sweep is of one run, its train loss of late.
    public internal(set) var loss: Double?
    /// Bytes of device memory that a run of the group takes.
    public internal(set) var bytesPerRun = 0.0
  }

  /// How a sweep ended.
  public struct Outcome: Sendable {
    /// The last state of progress.
    public let progress: Progress
    /// Whether it was stopped before its end.
    public let interrupted: Bool
    /// The first error that stopped a group's runs, if any.
    public let failure: String?
    /// Whether the device answers no more; the runs that are not done are as they were kept last.
    public var isDeviceLost = false
    /// The checkpoint of a kept run that was stopped.
    public var checkpoint: URL?
    /// The step at which the group's runs that a sweep was stopped in are kept, if any are.
    public var checkpointStep: Int?
    /// What went wrong on some of several devices, whose runs the others have done.
    public var troubles: [String] = []
    /// Why the final weights of a kept run could not be written.
    public var saveFailure: RunStoreError?
  }

  /// In [0, 1]: runs that were stopped after their last step have no work left, and those whose
  /// checkpoints went missing more than was planned.
  static func share(_ done: Double, of work: Double) -> Double {
    work > 0 ? min(max(done / work, 0), 1) : 1
  }
}
