import Foundation
import OpenCL
import Tensors

/// What was asked for, where and with what: kept beside results, no part of what identifies a run.
public struct Invocation: Codable, Hashable, Sendable {
  /// The device as its driver describes it.
  public struct Hardware: Codable, Hashable, Sendable {
    /// Name, vendor and kind of the device.
    public let name, vendor, kind: String
    /// Cores of a CPU, multiprocessors of a GPU.
    public let computeUnits: Int
    /// Bytes of device memory, as reported.
    public let memory: UInt64
    /// The OpenCL platform, the OpenCL version and that of the driver.
    public let platform, version, driver: String

    private enum CodingKeys: String, CodingKey {
      case name, vendor, kind
      case computeUnits = "compute_units"
      case memory, platform, version, driver
    }

    /// What `device` says of itself.
    public init(_ device: Device) {
      name = device.name
      vendor = device.vendor
      kind = device.kind.rawValue
      computeUnits = device.computeUnits
      memory = device.globalMemory
      platform = device.platform
      version = device.version
      driver = device.driverVersion
    }
  }

  /// The program and its arguments, as the system handed them over.
  public let command: [String]
  /// The directory that relative paths in it are meant from.
  public let directory: String
  /// When it was begun.
  public let began: Date
  /// Operating system and processor architecture.
  public let system: String
  /// The program's version, with its commit; nil where an earlier program did not say.
  public let version: String?
  /// When the program was built, to the second; nil where that is not known.
  public let built: Date?
  /// The device.
  public let hardware: Hardware
  /// The cells asked for; nil where it was no sweep.
  public var grid: SweepGrid?
  /// The loss whose minimum was asked for; nil where it was no sweep.
  public var objective: Objective?
  /// The width that a rate was asked for; nil: the widest.
  public var targetWidth: Int?

  /// What was asked for.
  public init(
    command: [String], directory: String, began: Date, system: String, version: String? = nil,
    built: Date?, hardware: Hardware, grid: SweepGrid? = nil, objective: Objective? = nil,
    targetWidth: Int? = nil
  ) {
    self.command = command
    self.directory = directory
    self.began = began
    self.system = system
    self.version = version
    // As it is written, so that an invocation that was read compares equal.
    self.built = built.map { Date(timeIntervalSince1970: $0.timeIntervalSince1970.rounded(.down)) }
    self.hardware = hardware
    self.grid = grid
    self.objective = objective
    self.targetWidth = targetWidth
  }

  /// The command as a shell takes it, the program by its name alone.
  public var commandLine: String { Self.line(of: command) }

  /// A command as a shell takes it, the program by its name alone.
  static func line(of command: [String]) -> String {
    let program = command.first.map { URL(fileURLWithPath: $0).lastPathComponent }
    return ([program ?? "gputrain"] + command.dropFirst()).map(quoted)
      .joined(separator: " ")
  }

  private static func quoted(_ word: String) -> String {
    let plain = word.utf8.allSatisfy { byte in
      (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
        || Array("-_./,:=+@%".utf8).contains(byte)
    }
    return plain && !word.isEmpty ? word : "'" + word.replacing("'", with: "'\\''") + "'"
  }
}

extension RunStore {
  private static let historyFile = "history.json"

  /// Every command that filled the store, oldest first; empty where none was kept.
  ///
  /// - Throws: `RunStoreError.malformed`, `.fileFailed`.
  public func history() throws -> [Invocation] {
    let file = directory.appendingPathComponent(Self.historyFile)
    return try KeptFile.read([Invocation].self, at: file, what: "the commands of a sweep") ?? []
  }

  /// Adds a command to the history; one that asks for what the last asked for takes its place, so
  /// that a sweep continued in many sittings has one entry.
  ///
  /// - Throws: `RunStoreError.malformed`, `.fileFailed`.
  public func note(_ invocation: Invocation) throws {
    let file = directory.appendingPathComponent(Self.historyFile)
    try AtomicFile.withLock(beside: file) {
      var all = try history()
      if let last = all.last, last.isSameRequest(as: invocation) { all.removeLast() }
      try KeptFile.write(all + [invocation], at: file)
    }
  }
}

extension Invocation {
  /// Whether nothing but the time differs.
  fileprivate func isSameRequest(as other: Invocation) -> Bool {
    (command, directory, system, version, built, hardware) == (
      other.command, other.directory, other.system, other.version, other.built, other.hardware
    ) && grid == other.grid && objective == other.objective
  }
}

/// Values kept as JSON files, with dates that people can read; numbers of diverged networks, which
/// are not finite, stand as the texts `inf`, `-inf` and `nan`.
enum KeptFile {
  /// The value at `file`; nil where there is no such file.
  static func read<Value: Decodable>(
    _ type: Value.Type, at file: URL, what: String
  ) throws -> Value? {
    guard let data = try AtomicFile.read(file) else { return nil }
    let decoder = JSONDecoder()
    decoder.dateDecodingStrategy = .iso8601
    decoder.nonConformingFloatDecodingStrategy = .fromText
    do {
      return try decoder.decode(type, from: data)
    } catch {
      throw RunStoreError.malformed(
        file: file.path, expected: what,
        got: (error as? DecodingError).map(RunStore.text) ?? "\(error)")
    }
  }

  /// Makes `value` the content of `file`.
  static func write(_ value: some Encodable, at file: URL) throws {
    let encoder = JSONEncoder()
    encoder.dateEncodingStrategy = .iso8601
    encoder.nonConformingFloatEncodingStrategy = .asText
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    try AtomicFile.write(try encoder.encode(value) + Data([0x0A]), to: file)
  }
}
