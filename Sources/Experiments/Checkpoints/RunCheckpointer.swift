import Foundation
import OpenCL
import Training

/// What a single run starts from, and what it leaves behind beside its result.
public struct RunCheckpointing: Sendable {
  /// Where training starts.
  public enum Start: Sendable {
    /// At values drawn from the seed.
    case drawn
    /// At the weights of a file.
    case weights(InitialWeights)
    /// Where a checkpoint, read from `path`, left off.
    case checkpoint(Checkpoint, path: String)

    /// What tells it from other starts: of weights their hash, of a checkpoint its step and that of its losses.
    public var mark: String {
      switch self {
      case .drawn: return "drawn"
      case .weights(let weights): return weights.fingerprint
      case .checkpoint(let checkpoint, _):
        var hash = FNV1a()
        hash.combine(checkpoint.state.lossSums)
        return "step \(checkpoint.state.step), \(hash.hexadecimal)"
      }
    }
  }

  /// Where training starts.
  public var start: Start
  /// Steps from one checkpoint to the next, ≥ 1; the last step has one too. nil: none but when the
  /// run is stopped.
  public var every: Int?
  /// Checkpoints that stay, the newest, ≥ 1.
  public var keep: Int
  /// Where the final weights go.
  public var weightsFile: URL?
  /// The settings that the run was asked for with, by name, for whoever resumes from a checkpoint.
  public var options: [String: JSONValue]

  /// Keeping of these parts.
  public init(
    start: Start = .drawn, every: Int? = nil, keep: Int = RunCheckpointing.defaultKeep,
    weightsFile: URL? = nil, options: [String: JSONValue] = [:]
  ) {
    precondition(keep >= 1 && every ?? 1 >= 1, "keep \(keep), every \(every ?? 1)")
    (self.start, self.every, self.keep) = (start, every, keep)
    (self.weightsFile, self.options) = (weightsFile, options)
  }

  /// One to resume from, and two before it should that one show the run to have gone wrong.
  public static let defaultKeep = 3
}

/// Keeps one run: writes its checkpoints and weights where they belong.
final class RunCheckpointer: Checkpointer {
  private let checkpointing: RunCheckpointing
  private let configuration: RunConfiguration
  private let directory: URL
  private let device: String
  /// The newest checkpoint that this run has written.
  private(set) var newest: URL?
  /// Why the final weights could not be written.
  private(set) var saveFailure: RunStoreError?

  /// - directory: the run's, in its store.
  init(
    _ checkpointing: RunCheckpointing, configuration: RunConfiguration, directory: URL,
    device: String
  ) {
    self.checkpointing = checkpointing
    self.configuration = configuration
    self.directory = directory.appendingPathComponent(CheckpointSearch.folder)
    self.device = device
  }

  var every: Int? { checkpointing.every }

  func measuredBefore(_ replica: Int) -> [RunRecord] { checkpoint?.measured ?? [] }

  func secondsBefore(_ replica: Int) -> Double { checkpoint?.seconds ?? 0 }

  private var checkpoint: Checkpoint? {
    if case .checkpoint(let checkpoint, _) = checkpointing.start { checkpoint } else { nil }
  }

  /// After the last step too.
  func isDue(step: Int, of total: Int) -> Bool {
    guard let every, step > checkpoint?.state.step ?? 0 else { return false }
    return step % every == 0 || step == total
  }

  func load(into trainer: Trainer) throws {
    guard case .weights(let weights) = checkpointing.start else { return }
    try trainer.load(weights.tensors)
  }

  func restore(_ trainer: Trainer) throws {
    guard case .checkpoint(let checkpoint, let path) = checkpointing.start else { return }
    do {
      try trainer.restore([checkpoint.state])
    } catch let error as TrainingStateError {
      throw CheckpointError.unfit(path: path, reason: "\(error)")
    }
  }

  /// Also removes what is over `keep`.
  func write(
    _ trainer: Trainer, diagnosis: DiagnosisPlan?, measured: [[RunRecord]], seconds: [Double]
  ) throws {
    let name = Checkpoint.fileName(step: trainer.step)
    guard trainer.step > 0, newest?.lastPathComponent != name else { return }
    if newest == nil {
      try AtomicFile.makeDirectory(directory)
      AtomicFile.removeTemporaries(in: directory)
    }
    let file = directory.appendingPathComponent(name)
    try Checkpoint(
      configuration: configuration, state: try trainer.states()[0], diagnosis: diagnosis,
      measured: measured[0], seconds: seconds[0], device: device,
      options: checkpointing.options
    ).write(to: file)
    newest = file
    let others = CheckpointSearch.files(in: directory).filter { $0.lastPathComponent != name }
    for old in others.dropLast(checkpointing.keep - 1) {
      try? FileManager.default.removeItem(at: old)
    }
  }

  /// The final weights, where they were asked for.
  func save(_ trainer: Trainer) throws {
    guard let file = checkpointing.weightsFile else { return }
    let parameters = try trainer.states()[0].parameters
    do {
      try SavedWeights.write(parameters, configuration: configuration, to: file)
    } catch let error as RunStoreError {
      saveFailure = error
    }
  }
}
