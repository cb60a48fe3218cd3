import Foundation

/// What a claim says: which process trains these runs, where, and since when.
///
/// The claim stands as long as its file's time of change moves on; a process touches it while it trains.
public struct Claim: Codable, Hashable, Sendable {
  /// Tells this claim from every other, also from later ones of the same process.
  let nonce: String
  /// The program's version; empty where it does not say.
  public let program: String
  /// The process.
  public let holder: ProcessIdentity
  /// The device that trains.
  public let device: String
  /// When the claim was made, by the clock of its host, as ISO 8601 has it.
  public let since: String
  /// Seconds from one touch to the next.
  let beat: Double

  init(program: String, holder: ProcessIdentity, device: String, since: Date, beat: Duration) {
    nonce = UUID().uuidString
    (self.program, self.holder, self.device) = (program, holder, device)
    self.since = since.formatted(.iso8601)
    self.beat = beat / .seconds(1)
  }

  /// The claim in a file's content; nil where it is none, such as one that is still being written.
  init?(_ content: Data) {
    guard let claim = try? JSONDecoder().decode(Claim.self, from: content) else { return nil }
    self = claim
  }

  /// The name of its file in the folder of claims.
  var fileName: String { nonce + ClaimFolder.suffix }

  /// The content of its file.
  func content() throws -> Data { try CanonicalJSON.pretty(self) }

  /// When the claim was made; nil where that is no date.
  public var date: Date? { try? Date(since, strategy: .iso8601) }

  /// Beats that may be missed before the holder is taken to be gone.
  static let beatsMissed = 8.0
}

/// A process among those of several machines and containers.
public struct ProcessIdentity: Codable, Hashable, Sendable {
  /// The name of its machine.
  public let host: String
  /// Its number there.
  public let process: Int32
  /// The batch system's name for it: "slurm 1234_5"; nil outside of one.
  public let job: String?
  /// Who runs it.
  public let user: String
  /// The machine's boot and the process namespace, in which the number means something; nil where the
  /// system does not tell.
  let place: String?
  /// When it was started, in the system's ticks since boot: numbers are used again; nil likewise.
  let started: String?

  /// This process.
  public static let current = ProcessIdentity(
    host: ProcessInfo.processInfo.hostName, process: getpid(),
    job: job(of: ProcessInfo.processInfo.environment), user: NSUserName(), place: currentPlace,
    started: state(of: getpid())?.started)

  init(
    host: String, process: Int32, job: String?, user: String, place: String?, started: String?
  ) {
    (self.host, self.process, self.job) = (host, process, job)
    (self.user, self.place, self.started) = (user, place, started)
  }

  /// "gpu07, process 4242, slurm 1234_5".
  public var inWords: String { "\(host), process \(process)" + (job.map { ", \($0)" } ?? "") }

  /// Whether it is known to have ended: it was a process of this system, and is there no more. false
  /// also where that cannot be known, as of other machines.
  var isKnownDead: Bool {
    guard let place, let started, place == Self.currentPlace else { return false }
    if kill(process, 0) != 0 && errno == ESRCH { return true }
    // Others' processes may be hidden.
    guard let state = Self.state(of: process) else { return false }
    return state.hasEnded || state.started != started
  }

  /// What a batch system calls the process, by its environment.
  static func job(of environment: [String: String]) -> String? {
    if let job = environment["SLURM_JOB_ID"] {
      let name = environment["SLURM_ARRAY_JOB_ID"].flatMap { array in
        environment["SLURM_ARRAY_TASK_ID"].map { "\(array)_\($0)" }
      }
      return "slurm \(name ?? job)"
    }
    for (variable, system) in [("PBS_JOBID", "pbs"), ("LSB_JOBID", "lsf"), ("JOB_ID", "sge")] {
      if let job = environment[variable] { return "\(system) \(job)" }
    }
    return nil
  }

  private static let currentPlace: String? = {
    guard
      let boot = try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8),
      let namespace = try? FileManager.default.destinationOfSymbolicLink(
        atPath: "/proc/self/ns/pid")
    else { return nil }
    return boot.trimmingCharacters(in: .whitespacesAndNewlines) + " " + namespace
  }()

  /// When a process was started, and whether it has ended and only waits for its parent; nil where there is
  /// no such process, or the system does not tell.
  static func state(of process: Int32) -> (started: String, hasEnded: Bool)? {
    guard let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
      // The second field, a name in brackets, may hold anything.
      let end = text.lastIndex(of: ")")
    else { return nil }
    let fields = text[text.index(after: end)...].split(separator: " ")
    guard fields.count > 19 else { return nil }
    return (String(fields[19]), ["Z", "X"].contains(fields[0]))
  }
}
