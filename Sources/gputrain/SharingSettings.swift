import Experiments
import Foundation

extension ExecutionSettings {
  /// How the runs are shared with other processes.
  ///
  /// - Throws: `InvalidOption` where the environment is to say which part and does not, and of a timeout below a
  ///   second.
  func sharing(in environment: [String: String]) throws -> SweepSharing {
    if let shard {
      do {
        return .shards([try shard.shard(in: environment)])
      } catch let error as ShardError {
        throw InvalidOption("--shard \(error)")
      }
    }
    if claimTimeout.seconds < 1 {
      throw InvalidOption(
        "--claim-timeout: expected a second or more, got \(claimTimeout.seconds)s")
    }
    return .claims(program: Build.version, timeout: .seconds(claimTimeout.seconds))
  }

  /// When the program is to end: by `--time-limit`, or before a Slurm job does, by as much as checkpoints and
  /// the report take: a minute, of short jobs a tenth of their time; nil: never.
  ///
  /// - start: of the program.
  func deadline(from start: Date, in environment: [String: String]) -> Date? {
    // That of a job which has ended may be left in a terminal's environment.
    let job = environment["SLURM_JOB_END_TIME"].flatMap { Double($0) }
      .map { $0 - start.timeIntervalSince1970 }
      .flatMap { $0 > 0 && $0 < 1e9 ? start.addingTimeInterval($0 - min(60, $0 / 10)) : nil }
    return [timeLimit.map { start.addingTimeInterval($0.seconds) }, job].compactMap { $0 }.min()
  }
}
