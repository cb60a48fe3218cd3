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

  /// When the program is to end: by `--time-limit`, or before a Slurm job does, by as much as checkpoints and
  /// the report take: a minute, of short jobs a tenth of their time; nil: never.
  func deadline(from now: Date, in environment: [String: String]) -> Date? {
    let job = environment["SLURM_JOB_END_TIME"].flatMap { Double($0) }.map { end in
      let left = end - now.timeIntervalSince1970
      return now.addingTimeInterval(left - min(60, left / 10))
    }
    return [timeLimit.map { now.addingTimeInterval($0.seconds) }, job].compactMap { $0 }.min()
  }
}
