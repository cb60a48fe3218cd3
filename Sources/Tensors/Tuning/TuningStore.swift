import Foundation
import OpenCL

/// Tuned parameters in files, one a device and driver.
///
/// Files appear whole or not at all, and hold the names of the device and driver they are for. A
/// file that cannot be read, or is of others by a shared hash, is no entry.
public struct TuningStore: Sendable {
  /// Where the files are; made when the first is written.
  public let directory: URL

  /// What is kept for a device.
  public enum Entry: Sendable {
    /// Nothing is kept.
    case none
    /// What was found.
    case tuning(DeviceTuning)
    /// A file is there and of no use; why, in words.
    case unusable(file: String, reason: String)
  }

  /// A file could not be read, written or removed, or its tuning is not for this device.
  public struct Failure: Error, CustomStringConvertible {
    /// What, where and why.
    public let description: String

    /// A failure in words.
    public init(description: String) {
      self.description = description
    }
  }

  /// A store in `directory`.
  public init(directory: URL) {
    self.directory = directory
  }

  /// What is kept for `key`.
  public func entry(for key: DeviceTuning.Key) -> Entry {
    let file = url(of: key)
    guard FileManager.default.fileExists(atPath: file.path) else { return .none }
    do {
      let tuning = try Self.read(file)
      if tuning.key == key { return .tuning(tuning) }
      return .unusable(file: file.path, reason: "it is for \(tuning.key.device)")
    } catch {
      return .unusable(file: file.path, reason: Self.reason(of: error))
    }
  }

  /// The tuning in a file, as `entry` and people's own files have it.
  ///
  /// - Throws: `Failure`, which names the file.
  public static func tuning(inFile path: String) throws -> DeviceTuning {
    do {
      return try read(URL(fileURLWithPath: path))
    } catch {
      throw Failure(description: "\(path) is no tuning: \(reason(of: error))")
    }
  }

  /// Keeps `tuning` in place of what there was for its device and driver.
  ///
  /// - Throws: `Failure`.
  public func keep(_ tuning: DeviceTuning) throws {
    let file = url(of: tuning.key)
    do {
      try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
      try tuning.json().write(to: file, options: .atomic)
    } catch {
      throw Failure(
        description: "the tuning cannot be kept in \(file.path): \(Self.reason(of: error))")
    }
  }

  /// Removes what is kept for `key`.
  ///
  /// - Returns: whether there was something.
  /// - Throws: `Failure`.
  @discardableResult public func forget(_ key: DeviceTuning.Key) throws -> Bool {
    let file = url(of: key)
    guard FileManager.default.fileExists(atPath: file.path) else { return false }
    try remove(file)
    return true
  }

  /// Removes what is kept for any device.
  ///
  /// - Returns: how many files there were.
  /// - Throws: `Failure`.
  @discardableResult public func forgetAll() throws -> Int {
    let all = try? FileManager.default.contentsOfDirectory(
      at: directory, includingPropertiesForKeys: nil)
    let files = (all ?? []).filter { $0.pathExtension == Self.suffix }
    for file in files { try remove(file) }
    return files.count
  }

  private static let suffix = "tuning"

  private func url(of key: DeviceTuning.Key) -> URL {
    var hash = FNV1a()
    let names = [key.platform, key.vendor, key.device, key.driver]
    hash.combine(Array(names.joined(separator: "\0").utf8))
    return directory.appendingPathComponent("\(hash.hexadecimal).\(Self.suffix)")
  }

  private func remove(_ file: URL) throws {
    do {
      try FileManager.default.removeItem(at: file)
    } catch {
      throw Failure(description: "\(file.path) cannot be removed: \(Self.reason(of: error))")
    }
  }

  private static func read(_ file: URL) throws -> DeviceTuning {
    // A pipe or a device may never end.
    let kind = try file.resolvingSymlinksInPath().resourceValues(forKeys: [.isRegularFileKey])
    guard kind.isRegularFile == true else { throw Failure(description: "expected a regular file") }
    return try JSONDecoder().decode(DeviceTuning.self, from: Data(contentsOf: file))
  }

  private static func reason(of error: any Error) -> String {
    switch error {
    case let failure as Failure: failure.description
    case DecodingError.dataCorrupted(let context) where context.codingPath.isEmpty:
      "it is not JSON"
    case DecodingError.dataCorrupted(let context): context.debugDescription
    case DecodingError.keyNotFound(let key, _): "\(key.stringValue) is missing"
    case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
      "\(context.codingPath.map(\.stringValue).joined(separator: ".")) is of another type"
    default: error.localizedDescription
    }
  }
}

extension DeviceTuning {
  /// The object as text: sorted keys, indented.
  ///
  /// - Throws: never for tunings that were measured or read.
  public func json() throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return try encoder.encode(self) + Data("\n".utf8)
  }
}
