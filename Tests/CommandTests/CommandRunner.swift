import ArgumentParser
import Foundation

/// What a run of a program printed and how it ended.
struct CommandResult {
  let status: Int32
  let output: String
  let errors: String
}

/// The built programs, run as a user would.
enum CommandRunner {
  /// Where the package's executables are: beside the test bundle.
  static let products = URL(fileURLWithPath: CommandLine.arguments[0])
    .resolvingSymlinksInPath().deletingLastPathComponent()

  /// A table of 160 rows, four inputs and three classes that can be learned: a program needs a third less
  /// time for it than for the digits that it draws.
  static let data: String = {
    let rows = (0..<160).map { row in
      let noise = [3, 5, 7, 11].map { row * row * $0 % 17 }
      return (noise.enumerated().map { 6 * ($0 == row % 3 ? 1 : 0) + $1 } + [row % 3])
        .map(String.init).joined(separator: ",")
    }
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("gputrain-test.csv")
    try! Data((["a,b,c,d,label"] + rows).joined(separator: "\n").utf8)
      .write(to: file, options: .atomic)
    return file.path
  }()

  private struct Help: Decodable {
    struct Name: Decodable { let name: String }
    struct Argument: Decodable { let preferredName: Name? }
    struct Command: Decodable { let arguments: [Argument] }
    let command: Command
  }

  /// The long names of a command's options.
  static func options(of command: any ParsableCommand.Type) throws -> [String] {
    let help = try JSONDecoder().decode(Help.self, from: Data(command._dumpHelp().utf8))
    return help.command.arguments.compactMap { $0.preferredName?.name }
  }

  /// Runs a program of the package, or another `executable`, to its end.
  ///
  /// - workplace: its working directory; an empty one of its own where nil. signal: what to send
  ///   it how many seconds after `condition` holds. environment: added to this process's own.
  static func run(
    _ arguments: [String], program: String = "gputrain", executable: URL? = nil,
    in workplace: URL? = nil,
    signal: (number: Int32, seconds: Double)? = nil, once condition: () -> Bool = { true },
    environment: [String: String] = [:]
  ) throws -> CommandResult {
    try withTemporaryDirectory { directory in
      // Files, not pipes: a pipe that nobody reads fills up and stops the program.
      let output = directory.appendingPathComponent("output")
      let errors = directory.appendingPathComponent("errors")
      for file in [output, errors] { try Data().write(to: file) }
      let process = Process()
      process.executableURL = executable ?? products.appendingPathComponent(program)
      process.arguments = arguments
      process.currentDirectoryURL = workplace ?? directory
      process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
      process.standardOutput = try FileHandle(forWritingTo: output)
      process.standardError = try FileHandle(forWritingTo: errors)
      process.standardInput = FileHandle.nullDevice
      try process.run()
      if let signal {
        while process.isRunning && !condition() { Thread.sleep(forTimeInterval: 0.005) }
        Thread.sleep(forTimeInterval: signal.seconds)
        kill(process.processIdentifier, signal.number)
      }
      process.waitUntilExit()
      return CommandResult(
        status: process.terminationStatus,
        output: try String(contentsOf: output, encoding: .utf8),
        errors: try String(contentsOf: errors, encoding: .utf8))
    }
  }

  /// What a terminal would show of a program of the package: both streams as it gets them.
  ///
  /// - columns: the terminal's width. environment: added to this process's own, less NO_COLOR.
  static func runOnTerminal(
    _ arguments: [String], columns: UInt16, environment: [String: String] = [:]
  ) throws -> String {
    var (terminal, inner): (Int32, Int32) = (-1, -1)
    var size = winsize(ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
    guard openpty(&terminal, &inner, nil, nil, &size) == 0 else {
      throw POSIXError(.init(rawValue: errno) ?? .EIO)
    }
    let process = Process()
    process.executableURL = products.appendingPathComponent("gputrain")
    process.arguments = arguments
    process.currentDirectoryURL = FileManager.default.temporaryDirectory
    var variables = ProcessInfo.processInfo.environment
    variables["NO_COLOR"] = nil
    variables["TERM"] = "xterm"
    process.environment = variables.merging(environment) { $1 }
    process.standardOutput = FileHandle(fileDescriptor: inner)
    process.standardError = FileHandle(fileDescriptor: inner)
    process.standardInput = FileHandle.nullDevice
    try process.run()
    close(inner)
    // A terminal whose other end is closed gives an error in place of an end.
    var data = Data()
    var bytes = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = read(terminal, &bytes, bytes.count)
      if count <= 0 { break }
      data.append(contentsOf: bytes[..<count])
    }
    close(terminal)
    process.waitUntilExit()
    return String(decoding: data, as: UTF8.self)
  }

  /// Where a program of the machine is; nil where it is not installed.
  static func installed(_ program: String) -> URL? {
    let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
    return (path.split(separator: ":").map(String.init) + ["/bin", "/usr/bin", "/usr/local/bin"])
      .map { URL(fileURLWithPath: $0).appendingPathComponent(program) }
      .first { FileManager.default.isExecutableFile(atPath: $0.path) }
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
