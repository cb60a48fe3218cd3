import Foundation
import Testing

@testable import Experiments

@Suite struct ClaimTests {
  /// A process of this machine that has ended.
  static func ended() throws -> ProcessIdentity {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sleep")
    process.arguments = ["10"]
    try process.run()
    let living = ProcessIdentity.current.with(process: process.processIdentifier)
    #expect(living.started != nil && !living.isKnownDead)
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
    return living
  }

  /// A claim of `runs`, as a process of another machine leaves it in `directory`.
  static func leave(
    _ runs: [String], in directory: URL, program: String = "", holder: ProcessIdentity? = nil
  ) throws -> Claim {
    let elsewhere = ProcessIdentity(
      host: "elsewhere", process: 7, job: "slurm 12_3", user: "ann", place: nil, started: nil)
    let claim = Claim(
      program: program, holder: holder ?? elsewhere, device: "a GPU", since: Date(),
      beat: .milliseconds(10))
    try AtomicFile.makeDirectory(directory)
    let own = directory.appendingPathComponent(claim.nonce + ".json")
    try claim.content().write(to: own)
    for run in runs {
      try FileManager.default.linkItem(at: own, to: directory.appendingPathComponent(run))
    }
    return claim
  }

  func claims(_ directory: URL, program: String = "", timeout: Duration = .seconds(60)) -> Claims {
    Claims(directory: directory, program: program, device: "a CPU", timeout: timeout)
  }

  @Test func whatOneHolds_othersDoNotGet() throws {
    try Fixture.inDirectory { directory in
      let (first, second) = (claims(directory), claims(directory))
      try first.take(["a", "b"])
      try second.take(["b", "c"])
      #expect(first.runs == ["a", "b"] && second.runs == ["c"])
      let others = try second.others()
      #expect(others.map(\.runs) == [["a", "b"]] && others.map(\.isStale) == [false])
      let claim = try #require(others[0].claim)
      #expect(claim.holder == .current && claim.device == "a CPU")
      try first.release(["b"])
      try second.take(["a", "b", "c"])
      #expect(first.runs == ["a"] && second.runs == ["b", "c"])
      try first.release()
      try second.release()
      #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).isEmpty)
    }
  }

  /// Those of a process that has ended on this machine are free at once, those of others once they have
  /// been silent for long enough; and then the claim is the new holder's.
  @Test func whatTheDeadHold_isTakenOver() throws {
    try Fixture.inDirectory { directory in
      let dead = try Self.leave(["a", "b"], in: directory, holder: Self.ended())
      let claims = claims(directory)
      #expect(try claims.others().map(\.isStale) == [true])
      try claims.take(["a"])
      #expect(claims.runs == ["a"])
      #expect(try claims.others().map(\.claim) == [dead])
      try claims.release()
      #expect(try claims.others().map(\.runs) == [["b"]])
      // What is left of a claim when all of its runs are taken goes too.
      try claims.take(["b"])
      _ = try claims.others()
      try claims.release()
      #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).isEmpty)
    }
    try Fixture.inDirectory { directory in
      _ = try Self.leave(["a"], in: directory)
      let claims = claims(directory, timeout: .milliseconds(80))
      try claims.take(["a"])
      #expect(claims.runs.isEmpty)
      for _ in 0..<9 {
        Thread.sleep(forTimeInterval: 0.011)
        _ = try claims.others()
      }
      #expect(try claims.others().map(\.isStale) == [true])
      try claims.take(["a"])
      #expect(claims.runs == ["a"])
    }
  }

  /// A holder that touches its claim keeps it, however long that takes.
  @Test func heartbeat_keepsAClaim() throws {
    try Fixture.inDirectory { directory in
      // A beat each quarter of a second, and room for seven to be late.
      let (first, second) = (
        claims(directory, timeout: .seconds(2)), claims(directory, timeout: .seconds(2))
      )
      try first.take(["a"])
      let before = try ClaimFolder(directory: directory).heartbeat(of: "a")
      for _ in 0..<30 {
        Thread.sleep(forTimeInterval: 0.1)
        #expect(try second.others().allSatisfy { !$0.isStale })
      }
      let after = try ClaimFolder(directory: directory).heartbeat(of: "a")
      #expect(after ?? 0 > before ?? 0)
    }
  }

  /// A claim that is touched seldom is waited for, however impatient others are.
  @Test func unlikeTimeouts_stealNothing() throws {
    try Fixture.inDirectory { directory in
      let (patient, impatient) = (claims(directory), claims(directory, timeout: .milliseconds(80)))
      try patient.take(["a"])
      for _ in 0..<20 {
        try impatient.take(["a"])
        Thread.sleep(forTimeInterval: 0.01)
      }
      #expect(impatient.runs.isEmpty && patient.runs == ["a"])
    }
  }

  /// Something else in the folder is nobody's claim, and in nobody's way.
  @Test func whatIsNoClaim_isLeft() throws {
    try Fixture.inDirectory { directory in
      try FileManager.default.createDirectory(
        at: directory.appendingPathComponent("a"), withIntermediateDirectories: true)
      let claims = claims(directory)
      try claims.take(["a", "b"])
      #expect(claims.runs == ["b"])
      #expect(try claims.others().map(\.runs) == [["a"]])
    }
  }

  /// Only what is watched counts: neither the clock of whoever made the file, nor a time without looks.
  @Test func silence_isCountedByWhoWatches() {
    var watch = ClaimWatch(timeout: .seconds(80))
    let start = SuspendingClock.now
    let old = ClaimState(claim: nil, heartbeat: 5)
    func isStale(_ seconds: Double, _ state: ClaimState) -> Bool {
      watch.isStale(state, of: "a", now: start + .seconds(seconds))
    }
    #expect(!isStale(0, old))
    // Stopped for an hour.
    #expect(!isStale(3600, old))
    for look in 1...6 { #expect(!isStale(3600 + 10 * Double(look), old)) }
    #expect(isStale(3670, old))
    #expect(!isStale(3671, ClaimState(claim: nil, heartbeat: 6)))
    #expect(!isStale(3681, ClaimState(claim: nil, heartbeat: 6)))
  }

  @Test func anotherProgram_isRefused_whileItLives() throws {
    try Fixture.inDirectory { directory in
      let place = directory.appendingPathComponent("claims")
      _ = try Self.leave(["a"], in: place, program: "commit 1")
      let claims = claims(place, program: "commit 2")
      // It is known to live once it is touched.
      let error = #expect(throws: RunStoreError.self) {
        _ = try claims.excludeOtherPrograms {
          for name in try! FileManager.default.contentsOfDirectory(atPath: place.path) {
            ClaimFolder(directory: place).touch(name)
          }
          return true
        }
      }
      #expect(
        "\(try #require(error))".hasPrefix(
          "\(directory.path) is being filled by another gputrain, commit 1 on elsewhere, process 7, "
            + "slurm 12_3, and this is commit 2"))
    }
    try Fixture.inDirectory { directory in
      _ = try Self.leave(["a"], in: directory, program: "commit 1", holder: Self.ended())
      #expect(try claims(directory, program: "commit 2").excludeOtherPrograms { false })
    }
    // Of another machine, and silent.
    try Fixture.inDirectory { directory in
      _ = try Self.leave(["a"], in: directory, program: "commit 1")
      let patient = claims(directory, program: "commit 2")
      #expect(try !patient.excludeOtherPrograms { false })
      let claims = claims(directory, program: "commit 2", timeout: .milliseconds(80))
      #expect(
        try claims.excludeOtherPrograms {
          Thread.sleep(forTimeInterval: 0.011)
          return true
        })
    }
  }

  /// As file systems without hard links have it: a file a run, and each is touched.
  @Test func copies_areClaimsToo() throws {
    try Fixture.inDirectory { directory in
      let claim = try Self.leave([], in: directory, holder: .current)
      let folder = ClaimFolder(directory: directory)
      #expect(try AtomicFile.createInPlace(claim.content(), at: folder.file("a")))
      #expect(try !AtomicFile.createInPlace(claim.content(), at: folder.file("a")))
      let claims = claims(directory)
      #expect(try claims.others().map(\.runs) == [["a"]])
      try claims.take(["a"])
      #expect(claims.runs.isEmpty)
    }
  }

  /// Not yet written, or cut by a crash: nobody's, and kept until it has been silent for long enough.
  @Test func emptyClaim_isTakenOverLater() throws {
    try Fixture.inDirectory { directory in
      try AtomicFile.makeDirectory(directory)
      try Data().write(to: directory.appendingPathComponent("a"))
      let claims = claims(directory, timeout: .milliseconds(80))
      for _ in 0..<10 {
        try claims.take(["a"])
        Thread.sleep(forTimeInterval: 0.011)
      }
      try claims.take(["a"])
      #expect(claims.runs == ["a"])
    }
  }

  @Test func jobs_areNamed() {
    #expect(ProcessIdentity.job(of: [:]) == nil)
    #expect(ProcessIdentity.job(of: ["SLURM_JOB_ID": "12"]) == "slurm 12")
    #expect(
      ProcessIdentity.job(of: [
        "SLURM_JOB_ID": "15", "SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "3",
      ]) == "slurm 12_3")
    #expect(ProcessIdentity.job(of: ["PBS_JOBID": "9.host"]) == "pbs 9.host")
  }
}

extension ProcessIdentity {
  /// Another process of this machine.
  fileprivate func with(process: Int32) -> ProcessIdentity {
    ProcessIdentity(
      host: host, process: process, job: job, user: user, place: place,
      started: Self.state(of: process)?.started)
  }
}
