import Foundation
import Spectral

/// How far the runs of a store are, and which processes are at work on them.
public struct StoreStatus: Hashable, Sendable, Encodable {
  /// A process that is at work on the store, or was.
  public struct Worker: Hashable, Sendable, Encodable {
    /// The process.
    public let holder: ProcessIdentity
    /// The device that trains.
    public let device: String
    /// Since when it has these runs, by the clock of its host, as ISO 8601 has it.
    public let since: String
    /// Runs that it has claimed and that are not done; 0 where it waits for others.
    public let runs: Int
    /// Seconds since it last showed to be alive, by the clock of whoever keeps the files.
    public let silence: Double
    /// Whether it is taken to be gone, and its runs for anybody's.
    public let isStale: Bool

    private enum CodingKeys: String, CodingKey {
      case host, process, job, user, device, since, runs
      case silence = "seconds_silent"
      case isStale = "stale"
    }

    /// As a script wants it: where, what, since when.
    public func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(holder.host, forKey: .host)
      try container.encode(holder.process, forKey: .process)
      try container.encodeIfPresent(holder.job, forKey: .job)
      try container.encode(holder.user, forKey: .user)
      try container.encode(device, forKey: .device)
      try container.encode(since, forKey: .since)
      try container.encode(runs, forKey: .runs)
      try container.encode(silence, forKey: .silence)
      try container.encode(isStale, forKey: .isStale)
    }
  }

  /// Runs asked for, by all sweeps of this store.
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
  /// - Throws: `RunStoreError`; `.malformed` where there is no sweep.
  public init(_ store: RunStore) throws {
    let grids = try store.history().compactMap(\.grid)
    let experiment = try store.experiment()
    guard let experiment, !grids.isEmpty else {
      throw RunStoreError.malformed(
        file: store.directory.path, expected: "the directory of a sweep",
        got: experiment == nil ? "none" : "that of a single run",
        remedy: "give what its --out named")
    }
    let cells = grids.flatMap(\.cells).uniqued()
    let results = try store.results(of: cells, in: experiment)
    let missing = RunStore.missing(cells, results)
    total = cells.count
    done = total - missing.count
    diverged = results.values.count { $0.outcome == .diverged }
    let open = Dictionary(
      uniqueKeysWithValues: missing.map { (RunConfiguration(experiment, $0).identifier, $0) })
    let folder = ClaimFolder(directory: store.claimsDirectory)
    let now = Self.clock(of: folder)
    var watch = ClaimWatch(timeout: SweepSharing.defaultTimeout)
    var claimed: [(worker: Worker, cells: [RunCell], seconds: Double)] = []
    for other in try Claims.survey(folder, watch: &watch) {
      guard let claim = other.claim,
        let heartbeat = try folder.heartbeat(of: claim.fileName)
      else { continue }
      let runs = other.runs.compactMap { open[$0] }
      // What a process that is gone has left for nobody.
      if other.isStale && runs.isEmpty { continue }
      let silence = max(0, Double(now - heartbeat) / 1e9)
      let worker = Worker(
        holder: claim.holder, device: claim.device, since: claim.since, runs: runs.count,
        silence: silence, isStale: other.isStale || silence > claim.beat * Claim.beatsMissed)
      let seconds = claim.date.map { Double(heartbeat) / 1e9 - $0.timeIntervalSince1970 } ?? 0
      claimed.append((worker, runs, max(0, seconds)))
    }
    workers = claimed.map(\.worker)
    let held = Set(claimed.flatMap(\.cells))
    running = Set(claimed.filter { !$0.worker.isStale }.flatMap(\.cells)).count
    stale = held.count - running
    failed = missing.count { results[$0] != nil && !held.contains($0) }
    let pace = Pace(experiment, results)
    let atWork = claimed.filter { !$0.worker.isStale && !$0.cells.isEmpty }
    secondsLeft =
      missing.isEmpty
      ? nil
      : pace.seconds(
        for: missing, by: atWork.map { ($0.worker.device, $0.cells, $0.seconds) })
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
}

/// How fast a sweep's devices train, by what runs took that are done.
private struct Pace {
  private struct Kind: Hashable {
    let optimizer: String
    let width: Int
    let overrides: [String: JSONValue]

    init(_ cell: RunCell) {
      (optimizer, width, overrides) = (cell.optimizer.rawValue, cell.width, cell.overrides)
    }
  }

  private let experiment: Experiment
  /// Multiply-adds a second, by device, and of all together; empty where nothing is done.
  private var speeds: [String: Double] = [:]
  private var average: Double?

  init(_ experiment: Experiment, _ results: [RunCell: RunResult]) {
    self.experiment = experiment
    // A run that diverged is frozen, and takes its time with its group all the same.
    let done = results.filter { $0.value.outcome != .failed && $0.value.seconds > 0 }
    func speed(_ runs: [(key: RunCell, value: RunResult)]) -> Double? {
      let seconds = runs.reduce(0) { $0 + $1.value.seconds }
      return seconds > 0 ? work(of: runs.map(\.key)) / seconds : nil
    }
    speeds = Dictionary(grouping: done, by: \.value.device).compactMapValues(speed)
    average = speed(done.map { $0 })
  }

  /// Multiply-adds of these runs.
  private func work(of cells: [RunCell]) -> Double {
    Dictionary(grouping: cells, by: Kind.init).values.reduce(0) { sum, alike in
      sum + Double(alike.count) * RunGroup(experiment: experiment, cells: [alike[0]]).work
    }
  }

  /// Seconds for these runs; nil where nothing is done to tell by.
  ///
  /// - workers: device, runs and for how long it has been at them, of each process; none: as one process.
  func seconds(
    for cells: [RunCell], by workers: [(device: String, cells: [RunCell], seconds: Double)]
  ) -> Double? {
    guard let average else { return nil }
    if workers.isEmpty { return work(of: cells) / average }
    var (left, speed) = (work(of: cells), 0.0)
    for worker in workers {
      let own = speeds[worker.device] ?? average
      speed += own
      left -= min(own * worker.seconds, work(of: worker.cells))
    }
    return max(0, left) / speed
  }
}
