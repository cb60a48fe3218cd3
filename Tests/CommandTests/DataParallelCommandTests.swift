import Foundation
import Testing

/// `train --data-parallel`, by a double of MPI; Tests/Interop/check_mpi.py has the real one.
@Suite(.runsPrograms) struct DataParallelCommandTests {
  /// The double of Tests/MPIDouble, built once.
  private static let library = Result { () throws -> URL in
    let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("MPIDouble/mpi_double.c")
    let library = CommandRunner.products.appendingPathComponent("libmpi_double.so")
    let result = try CommandRunner.run(
      ["clang", "-shared", "-fPIC", "-O1", "-o", library.path, source.path],
      executable: URL(fileURLWithPath: "/usr/bin/env"))
    try #require(result.status == 0, "\(result.errors)")
    return library
  }

  /// A rank's program at work; what it prints goes to files.
  private struct Rank {
    let process = Process()
    let output, errors: URL

    init(_ rank: Int, of count: Int, _ arguments: [String], in folder: URL) throws {
      output = folder.appendingPathComponent("output.\(rank)")
      errors = folder.appendingPathComponent("errors.\(rank)")
      for file in [output, errors] { try Data().write(to: file) }
      process.executableURL = CommandRunner.products.appendingPathComponent("gputrain")
      process.arguments = arguments
      process.currentDirectoryURL = folder
      process.environment = ProcessInfo.processInfo.environment.merging([
        "GPUTRAIN_MPI": try library.get().path,
        "MPI_DOUBLE_FOLDER": folder.appendingPathComponent("messages").path,
        "MPI_DOUBLE_RANK": "\(rank)", "MPI_DOUBLE_SIZE": "\(count)",
        "TMPDIR": folder.appendingPathComponent("temporary").path,
      ]) { $1 }
      process.standardOutput = try FileHandle(forWritingTo: output)
      process.standardError = try FileHandle(forWritingTo: errors)
      process.standardInput = FileHandle.nullDevice
      try process.run()
    }

    func end() throws -> CommandResult {
      process.waitUntilExit()
      return CommandResult(
        status: process.terminationStatus,
        output: try String(contentsOf: output, encoding: .utf8),
        errors: try String(contentsOf: errors, encoding: .utf8))
    }
  }

  /// Every rank's program to its end, all at once.
  private static func run(_ arguments: [[String]], in folder: URL) throws -> [CommandResult] {
    for name in ["messages", "temporary"] {
      try FileManager.default.createDirectory(
        at: folder.appendingPathComponent(name), withIntermediateDirectories: true)
    }
    let ranks = try arguments.enumerated().map {
      try Rank($0, of: arguments.count, $1, in: folder)
    }
    return try ranks.map { try $0.end() }
  }

  private static func arguments(_ out: String, width: Int = 32, _ more: [String] = []) -> [String] {
    [
      "train", "--data", CommandRunner.data, "--width", "\(width)", "--base-width", "16", "--steps",
      "12", "--batch-size", "16", "--out", out,
    ] + more
  }

  /// The losses that a run has left.
  private static func losses(_ folder: URL) throws -> [Double] {
    let runs = folder.appendingPathComponent("runs")
    let name = try #require(FileManager.default.contentsOfDirectory(atPath: runs.path).first)
    let text = try String(
      contentsOf: runs.appendingPathComponent("\(name)/metrics.jsonl"), encoding: .utf8)
    return try text.split(separator: "\n").compactMap { line in
      let record = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
      return record?["train_loss"] as? Double
    }
  }

  @Test func twoRanks_trainWhatOneProcessDoes() throws {
    try CommandRunner.withTemporaryDirectory { folder in
      let alone = try CommandRunner.run(Self.arguments(folder.path + "/alone"))
      #expect(alone.status == 0, "\(alone.errors)")
      let shared = Self.arguments("shared", ["--data-parallel", "-v"])
      let results = try Self.run([shared, shared], in: folder)
      #expect(results.allSatisfy { $0.status == 0 }, "\(results)")
      #expect(results[0].errors.contains("2 ranks compute a part of each batch each"))
      #expect(results[0].errors.contains("each step exchanged "))
      #expect(results[0].output.contains("validation loss"))
      #expect(results[1].output.isEmpty && results[1].errors.isEmpty, "\(results[1])")
      let (own, expected) = (
        try Self.losses(folder.appendingPathComponent("shared")),
        try Self.losses(folder.appendingPathComponent("alone"))
      )
      #expect(own.count == expected.count && own.count >= 12)
      #expect(zip(own, expected).allSatisfy { abs($0 - $1) <= 1e-5 * $1 })
      // What the second rank wrote is gone.
      let left = try FileManager.default.contentsOfDirectory(atPath: folder.path + "/temporary")
      #expect(!left.contains { $0.hasPrefix("gputrain-rank") }, "\(left)")
    }
  }

  /// A run that is there, and a batch of fewer rows than ranks: nobody waits for somebody else.
  @Test func nothingToShare_endsAllRanks() throws {
    try CommandRunner.withTemporaryDirectory { folder in
      let shared = Self.arguments("shared", ["--data-parallel"])
      let alone = try CommandRunner.run(Self.arguments("shared"), in: folder)
      #expect(alone.status == 0, "\(alone.errors)")
      let again = try Self.run([shared, shared], in: folder)
      #expect(again.allSatisfy { $0.status == 0 }, "\(again)")
      #expect(again[0].errors.contains("nothing to run") && again[1].errors.isEmpty)
      try FileManager.default.removeItem(at: folder.appendingPathComponent("messages"))
      let short = Self.arguments("short", ["--data-parallel", "--batch-size", "1"])
      for result in try Self.run([short, short], in: folder) {
        #expect(result.status == 64 && result.errors.contains("fewer than the 2 ranks"))
      }
    }
  }

  @Test func unlikeRanks_areTold_andAMissingLibrary() throws {
    try CommandRunner.withTemporaryDirectory { folder in
      let results = try Self.run(
        [
          Self.arguments("shared", ["--data-parallel"]),
          Self.arguments("shared", width: 48, ["--data-parallel"]),
        ], in: folder)
      #expect(results.allSatisfy { $0.status == 1 })
      #expect(
        results[0].errors.contains("rank 1 has another width than rank 0: 48, not 32"),
        "\(results[0].errors)")
      #expect(results[1].errors.isEmpty, "\(results[1].errors)")
      let none = try CommandRunner.run(
        Self.arguments("none", ["--data-parallel"]), in: folder,
        environment: ["GPUTRAIN_MPI": "/nonexistent/libmpi.so"])
      #expect(none.status == 1 && none.errors.contains("no library of MPI: /nonexistent"))
      #expect(!FileManager.default.fileExists(atPath: folder.path + "/none"))
      let alone = try CommandRunner.run(
        Self.arguments("none", ["--gradient-exchange", "sums"]), in: folder)
      #expect(alone.status == 64 && alone.errors.contains("is for --data-parallel"))
    }
  }
}
