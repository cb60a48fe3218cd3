import Foundation
import Spectral

/// How far the runs of a store are, and which processes are at work on them.
public struct StoreStatus: Hashable, Sendable, Encodable {
  /// A process that has claimed runs.
  public struct Worker: Hashable, Sendable, Encodable {
    /// What it claims.
    public let claim: Claim
    /// Runs that it has claimed and that are not done.
    public let runs: Int
    /// Seconds since it last showed to be alive, by the clock of whoever keeps the files.
    public let silence: Double
    /// Whether it is taken to be gone, and its runs for anybody's.
    public let isStale: Bool

    private enum CodingKeys: String, CodingKey {
      case claim, runs
      case silence = "seconds_silent"
      case isStale = "stale"
    }
  }

  /// Runs asked for, by the newest sweep of this store.
  public let total: Int
  /// Of them, runs with a result.
  public let done: Int
  /// Of those done, runs that diverged.
  public let diverged: Int
  /// Runs that an error stopped; a sweep tries them again.
  public let failed: Int
  /// Runs that a process is training.
  public let running: Int
  /// Runs that a process had claimed that is gone.
  public let stale: Int
  /// The processes, the oldest claim first.
  public let workers: [Worker]
  /// Seconds until all are done by those that are at work, or by one such as those before; nil where nothing
  /// is done yet to tell by, or nothing is left.
  public let secondsLeft: Double?

  private enum CodingKeys: String, CodingKey {
    case total, done, diverged, failed, running, stale
    case workers = "processes"
    case secondsLeft = "seconds_left"
  }

  /// Runs that nobody has begun.
  public var waiting: Int { total - done - failed - running - stale }

  /// Looks at a store.
  ///
  /// - timeout: seconds of silence after which a process is taken to be gone.
  /// - Throws: `RunStoreError`; `.malformed` where there is no sweep.
  public init(_ store: RunStore, timeout: Duration = SweepSharing.defaultTimeout) throws {
    guard let experiment = try store.experiment(),
      let grid = try store.history().last(where: { $0.grid != nil })?.grid
    else {
      throw RunStoreError.malformed(
        file: store.directory.path, expected: "the directory of a sweep", got: "none",
        remedy: "give what its --out named")
    }
    let results = try store.results(of: grid.cells, in: experiment)
    let missing = grid.cells.filter { results[$0]?.outcome ?? .failed == .failed }
    total = grid.cells.count
    done = total - missing.count
    diverged = results.values.count { $0.outcome == .diverged }
    let open = Set(missing.map { RunConfiguration(experiment, $0).identifier })
    let folder = ClaimFolder(directory: store.claimsDirectory)
    let now = Self.clock(of: folder)
    var watch = ClaimWatch(timeout: timeout)
    workers = try Claims.survey(folder, watch: &watch).compactMap { other in
      let runs = other.runs.filter(open.contains)
      guard let claim = other.claim, let run = runs.first,
        let heartbeat = try folder.heartbeat(of: run)
      else { return nil }
      let silence = max(0, Double(now - heartbeat) / 1e9)
      return Worker(
        claim: claim, runs: runs.count, silence: silence,
        isStale: other.isStale || silence > timeout / .seconds(1))
    }
    running = workers.reduce(0) { $0 + ($1.isStale ? 0 : $1.runs) }
    stale = workers.reduce(0) { $0 + ($1.isStale ? $1.runs : 0) }
    let claimed = running + stale
    failed = min(
      results.values.count { $0.outcome == .failed }, max(0, missing.count - claimed))
    secondsLeft = Self.secondsLeft(
      experiment, results: results, missing: missing,
      devices: workers.filter { !$0.isStale }.map(\.claim.device))
  }

  /// Now by the clock of whoever keeps the folder's files, which a new file shows; where none can be made, by
  /// this machine's. Nanoseconds.
  private static func clock(of folder: ClaimFolder) -> Int64 {
    let file = AtomicFile.temporary(beside: folder.file("clock"))
    let name = file.lastPathComponent
    defer { try? folder.remove(name) }
    if (try? AtomicFile.createInPlace(Data(), at: file)) == true,
      let time = try? folder.heartbeat(of: name)
    {
      return time
    }
    return Int64(Date().timeIntervalSince1970 * 1e9)
  }

  /// By what runs took that are done: on the devices at work, of others on the average.
  private static func secondsLeft(
    _ experiment: Experiment, results: [RunCell: RunResult], missing: [RunCell],
    devices: [String]
  ) -> Double? {
    struct Kind: Hashable {
      let optimizer: String
      let width: Int
      let overrides: [String: JSONValue]
    }
    var works: [Kind: Double] = [:]
    func work(_ cell: RunCell) -> Double {
      let kind = Kind(
        optimizer: cell.optimizer.rawValue, width: cell.width, overrides: cell.overrides)
      if let known = works[kind] { return known }
      let work = RunGroup(experiment: experiment, cells: [cell]).work
      works[kind] = work
      return work
    }
    // A run that diverged is frozen, and takes its time with its group all the same.
    var made: [String: (work: Double, seconds: Double)] = [:]
    for (cell, result) in results where result.outcome != .failed {
      made[result.device, default: (0, 0)].work += work(cell)
      made[result.device, default: (0, 0)].seconds += result.seconds
    }
    let all = made.values.reduce((work: 0.0, seconds: 0.0)) {
      ($0.work + $1.work, $0.seconds + $1.seconds)
    }
    let left = missing.reduce(0) { $0 + work($1) }
    guard all.seconds > 0, left > 0 else { return nil }
    let speeds = (devices.isEmpty ? [""] : devices).map { device in
      let known = made[device] ?? all
      return known.seconds > 0 ? known.work / known.seconds : all.work / all.seconds
    }
    return left / speeds.reduce(0, +)
  }
}
