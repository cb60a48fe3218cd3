import Foundation
import Testing

/// What a run of the program printed and how it ended.
struct CommandResult {
  let status: Int32
  let output: String
  let errors: String
}

/// The built program, run as a user would.
enum CommandRunner {
  /// The executable beside the test bundle.
  static let program: URL = {
    let tests = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
    return tests.deletingLastPathComponent().appendingPathComponent("gputrain")
  }()

  /// Runs `gputrain` with `arguments` to its end.
  static func run(_ arguments: String..., interruptingAfter seconds: Double? = nil) throws
    -> CommandResult
  {
    try run(arguments, interruptingAfter: seconds)
  }

  static func run(_ arguments: [String], interruptingAfter seconds: Double? = nil) throws
    -> CommandResult
  {
    let directory = FileManager.default.temporaryDirectory
      .appendingPathComponent("gputrain-command-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    // Files, not pipes: a pipe that nobody reads fills up and stops the program.
    let output = directory.appendingPathComponent("output")
    let errors = directory.appendingPathComponent("errors")
    for file in [output, errors] { try Data().write(to: file) }
    let process = Process()
    process.executableURL = program
    process.arguments = arguments
    process.currentDirectoryURL = directory
    process.standardOutput = try FileHandle(forWritingTo: output)
    process.standardError = try FileHandle(forWritingTo: errors)
    process.standardInput = FileHandle.nullDevice
    try process.run()
    if let seconds {
      Thread.sleep(forTimeInterval: seconds)
      process.interrupt()
    }
    process.waitUntilExit()
    return CommandResult(
      status: process.terminationStatus,
      output: try String(contentsOf: output, encoding: .utf8),
      errors: try String(contentsOf: errors, encoding: .utf8))
  }

  /// Calls `body` with a directory that is gone afterwards.
  static func withTemporaryDirectory<Result>(_ body: (URL) throws -> Result) throws -> Result {
    let directory = FileManager.default.temporaryDirectory
      .appendingPathComponent("gputrain-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    return try body(directory)
  }
}
