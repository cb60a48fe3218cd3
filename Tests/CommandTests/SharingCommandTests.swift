import Foundation
import Testing

/// Several programs at work on one store, and what a batch system asks of them.
@Suite(.runsPrograms) struct SharingCommandTests {
  private struct Status: Decodable {
    struct Worker: Decodable {
      let host, since: String
      let runs: Int
      let stale: Bool
    }
    let total, done, running, stale, failed: Int
    let processes: [Worker]
  }

  private static func arguments(_ out: URL, _ more: [String] = []) -> [String] {
    [
      "sweep", "--data", CommandRunner.data, "--widths", "16,32", "--log2-lr=-8:-5:4", "--seeds",
      "3",
      "--base-width", "16", "--steps", "60", "--out", out.path,
    ] + more
  }

  /// A sweep that runs on beside others; what it says goes to `errors`.
  private static func start(_ arguments: [String], errors: URL? = nil) throws -> Process {
    let process = Process()
    process.executableURL = CommandRunner.products.appendingPathComponent("gputrain")
    process.arguments = arguments
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    if let errors {
      try Data().write(to: errors)
      process.standardError = try FileHandle(forWritingTo: errors)
    }
    try process.run()
    return process
  }

  private static func status(_ out: URL) throws -> Status {
    let result = try CommandRunner.run(["status", out.path, "--json"])
    #expect(result.status == 0, "\(result.errors)")
    return try JSONDecoder().decode(Status.self, from: Data(result.output.utf8))
  }

  /// The table less the seconds that runs took.
  private static func summary(_ out: URL) throws -> [[Substring]] {
    let text = try String(contentsOf: out.appendingPathComponent("summary.csv"), encoding: .utf8)
    let rows = text.split(separator: "\n").map {
      $0.split(separator: ",", omittingEmptySubsequences: false)
    }
    let left = rows[0].indices.filter { rows[0][$0] != "seconds" }
    return rows.map { row in left.map { row[$0] } }
  }

  private static func runs(_ out: URL) -> Int {
    let names = try? FileManager.default.contentsOfDirectory(atPath: out.path + "/runs")
    return names?.count {
      FileManager.default.fileExists(atPath: out.path + "/runs/\($0)/result.json")
    }
      ?? 0
  }

  /// Three at a time, killed and begun again: in the end every run is there once, and the table is that of
  /// one process that nobody killed.
  @Test func killedAndBegunAgain_theyEndAsOneDoes() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let (alone, shared) = (
        directory.appendingPathComponent("alone"), directory.appendingPathComponent("shared")
      )
      #expect(try CommandRunner.run(Self.arguments(alone)).status == 0)
      for goal in [1, 17, 33] {
        let processes = try (0..<3).map { _ in try Self.start(Self.arguments(shared)) }
        while Self.runs(shared) < goal, processes.contains(where: \.isRunning) {
          Thread.sleep(forTimeInterval: 0.01)
        }
        for process in processes { kill(process.processIdentifier, SIGKILL) }
        for process in processes { process.waitUntilExit() }
      }
      let last = try (0..<3).map { index in
        try Self.start(Self.arguments(shared), errors: directory.appendingPathComponent("\(index)"))
      }
      for process in last {
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
      }
      #expect(try Self.summary(shared) == Self.summary(alone))
      let status = try Self.status(shared)
      #expect(status.done == 48 && status.total == 48 && status.processes.isEmpty)
    }
  }

  /// A second one helps, and says so; `status` names both; a stopped one gives back what it had.
  @Test func second_helps_andStatusNamesBoth() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let (out, errors) = (
        directory.appendingPathComponent("out"), directory.appendingPathComponent("errors")
      )
      // Long enough that both are at work when they are looked at.
      let arguments = Self.arguments(out, ["--steps", "20000"])
      let first = try Self.start(arguments)
      defer { first.terminate() }
      func workers() throws -> [Status.Worker] {
        guard Self.isBegun(out) else { return [] }
        return try Self.status(out).processes.filter { $0.runs > 0 }
      }
      try Self.wait { try workers().count == 1 }
      let second = try Self.start(arguments, errors: errors)
      defer { second.terminate() }
      try Self.wait { try workers().count == 2 }
      let host = ProcessInfo.processInfo.hostName
      #expect(
        try workers().allSatisfy {
          $0.host == host && !$0.stale && $0.runs > 0 && $0.since.hasPrefix("20")
        })
      let text = try CommandRunner.run(["status", out.path])
      #expect(text.output.contains("0 of 48 runs done"))
      #expect(text.output.contains("\(host), process \(first.processIdentifier)"))
      second.terminate()
      second.waitUntilExit()
      #expect(second.terminationStatus == 143)
      #expect(
        try String(contentsOf: errors, encoding: .utf8).contains(
          "process \(first.processIdentifier) is at work on these runs too"))
      #expect(try workers().count == 1)
      // Its runs are kept where they were.
      kill(first.processIdentifier, SIGUSR1)
      first.waitUntilExit()
      #expect(first.terminationStatus == 75)
      #expect(try workers().isEmpty)
    }
  }

  private static func isBegun(_ out: URL) -> Bool {
    ["history.json", "claims"].allSatisfy {
      FileManager.default.fileExists(atPath: out.appendingPathComponent($0).path)
    }
  }

  private static func wait(until condition: () throws -> Bool) throws {
    for _ in 0..<1200 {
      if try condition() { return }
      Thread.sleep(forTimeInterval: 0.1)
    }
    Issue.record("it does not come about in two minutes")
  }

  /// With the time over, what is under way is kept, the status says "again", and the same command ends it.
  @Test func timeLimit_keepsWhatIsUnderWay() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let out = directory.appendingPathComponent("out")
      let arguments = [
        "train", "--data", CommandRunner.data, "--width", "16", "--steps", "200000", "--out",
        out.path,
      ]
      let stopped = try CommandRunner.run(arguments + ["--time-limit", "4s"])
      #expect(stopped.status == 75, "\(stopped.errors)")
      // A busy machine may take all of the time to begin.
      #expect(["--resume", "before the first step"].contains { stopped.errors.contains($0) })
      let job = try CommandRunner.run(
        Self.arguments(out.appendingPathComponent("sweep"), ["--steps", "200000"]),
        environment: ["SLURM_JOB_END_TIME": "\(Int(Date().timeIntervalSince1970) + 6)"])
      #expect(job.status == 75 && job.errors.contains("the time is over; what is done is kept"))
      // Of a job that has ended, and what is no time.
      for time in ["1", "nan", "1e30", "soon"] {
        let other = try CommandRunner.run(
          Self.arguments(out.appendingPathComponent("other"), ["--widths", "8", "--steps", "3"]),
          environment: ["SLURM_JOB_END_TIME": time])
        #expect(other.status == 0, "\(time): \(other.errors)")
      }
    }
  }

  @Test func shards_doTheirParts() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let out = directory.appendingPathComponent("out")
      let first = try CommandRunner.run(Self.arguments(out, ["--shard", "1/2"]))
      #expect(first.status == 0 && first.errors.contains("24 of 48 runs in"), "\(first.errors)")
      let second = try CommandRunner.run(
        Self.arguments(out, ["--shard", "slurm"]),
        environment: [
          "SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_MIN": "4", "SLURM_ARRAY_TASK_COUNT": "2",
        ])
      #expect(second.status == 0 && second.errors.contains("48 of 48 runs in"), "\(second.errors)")
    }
  }

  /// Every device of this machine in one program, each of its runs done by one of them.
  @Test func allDevices_trainAtOnce() throws {
    try CommandRunner.withTemporaryDirectory { directory in
      let (one, all) = (
        directory.appendingPathComponent("one"), directory.appendingPathComponent("all")
      )
      #expect(try CommandRunner.run(Self.arguments(one)).status == 0)
      let result = try CommandRunner.run(
        Self.arguments(all, ["--device", "all"]),
        environment: ["POCL_DEVICES": "pthread pthread"])
      #expect(result.status == 0, "\(result.errors)")
      #expect(result.errors.contains("device: 0 ") && result.errors.contains("device: 1 "))
      // Neither device is another process.
      #expect(!result.errors.contains("is at work on these runs too"))
      #expect(!result.errors.contains("done by other processes"))
      #expect(try Self.summary(all) == Self.summary(one))
      let train = try CommandRunner.run(["train", "--device", "all"])
      #expect(train.status == 64 && train.errors.contains("--device all is for sweep"))
    }
  }

  @Test func badSharing_isNamed() throws {
    for (arguments, part) in [
      (["--shard", "9/8"], "--shard: expected a part such as 3/8"),
      (["--shard", "mpi"], "--shard mpi: expected to be started by mpirun or srun"),
      (["--time-limit", "soon"], "--time-limit: expected minutes, h:mm:ss"),
      (["--claim-timeout", "0"], "--claim-timeout: expected minutes"),
      (["--claim-timeout", "0.5s"], "--claim-timeout: expected a second or more, got 0.5s"),
    ] {
      let result = try CommandRunner.run(["sweep"] + arguments)
      #expect(result.status == 64 && result.errors.contains(part), "\(result.errors)")
    }
    let none = try CommandRunner.run(["status", "/nonexistent"])
    #expect(none.status == 1 && none.errors.contains("expected the directory of a sweep"))
  }
}
