import Experiments
import Foundation

extension ExecutionSettings {
  /// How the runs are shared with other processes.
  ///
  /// - Throws: `InvalidOption` where the environment is to say, and does not.
  func sharing(in environment: [String: String]) throws -> SweepSharing {
    if let shard {
      do {
        return .shard(try shard.shard(in: environment))
      } catch let error as ShardError {
        throw InvalidOption("--shard \(error)")
      }
    }
    return .claims(program: Build.version, timeout: .seconds(claimTimeout.seconds))
  }

  /// When the program is to end: by `--time-limit`, or a minute before a Slurm job does; nil: never.
  func deadline(from now: Date, in environment: [String: String]) -> Date? {
    let job = environment["SLURM_JOB_END_TIME"].flatMap { Double($0) }
      .map { Date(timeIntervalSince1970: $0 - Self.secondsBeforeJobEnds) }
    return [timeLimit.map { now.addingTimeInterval($0.seconds) }, job].compactMap { $0 }.min()
  }

  /// Time to write checkpoints and the report in.
  private static let secondsBeforeJobEnds = 60.0
}
