import Foundation

/// A path that data is to be loaded from, looked at once.
struct DataLocation {
  let path: String
  /// Last component of the path.
  let name: String
  /// Names in the directory, sorted; nil where the path is a file.
  let entries: [String]?

  /// - Throws: `DataError.missing`, `.unreadable`.
  init(path: String) throws {
    let url = URL(fileURLWithPath: path)
    self.path = path
    self.name = url.lastPathComponent
    var isDirectory: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
      throw DataError.missing(path: path, expected: "a data file or directory")
    }
    guard isDirectory.boolValue else {
      // A pipe or a device may never end.
      if RegularFile.isOther(at: path) {
        throw DataError.unreadable(path: path, reason: "expected a regular file")
      }
      self.entries = nil
      return
    }
    do {
      self.entries = try FileManager.default.contentsOfDirectory(atPath: path).sorted()
    } catch {
      throw DataError.unreadable(path: path, reason: "the directory cannot be listed")
    }
  }

  /// A folder as the file that it stands for, or a file: not looked into.
  init(standingForFile path: String) {
    self.path = path
    name = URL(fileURLWithPath: path).lastPathComponent
    entries = nil
  }

  /// Path of an entry of the directory, or of a neighbour of the file.
  func file(named other: String) -> String {
    let url = URL(fileURLWithPath: path)
    return (entries == nil ? url.deletingLastPathComponent() : url)
      .appendingPathComponent(other).path
  }

  /// Names in the directory of the file, sorted; none where it cannot be listed.
  var neighbours: [String] {
    let directory = URL(fileURLWithPath: path).deletingLastPathComponent().path
    return (try? FileManager.default.contentsOfDirectory(atPath: directory).sorted()) ?? []
  }

  /// The first of these names that exists in the directory, or beside the file.
  func firstFile(named names: [String]) -> String? {
    names.map(file(named:)).first { FileManager.default.fileExists(atPath: $0) }
  }
}

/// Reading whole files, gzip undone where asked.
enum DataFile {
  /// No file's contents may be larger in memory, 4 GiB: a hostile file is an error, not a crash.
  static let maximumBytes = 1 << 32

  /// All bytes of a regular file.
  /// - expected: what a missing or empty file should have been, for the error.
  /// - Throws: `DataError.missing`, `.unreadable`, `.tooLarge`, `.empty`.
  static func read(_ path: String, expected: String) throws -> [UInt8] {
    var status = stat()
    guard stat(path, &status) == 0 else {
      if errno == ENOENT || errno == ENOTDIR {
        throw DataError.missing(path: path, expected: expected)
      }
      throw DataError.unreadable(path: path, reason: String(cString: strerror(errno)))
    }
    // A pipe or a device may never end.
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw DataError.unreadable(path: path, reason: "expected a regular file")
    }
    let size = Int(status.st_size)
    guard size <= maximumBytes else {
      throw DataError.tooLarge(path: path, limit: maximumBytes)
    }
    guard size > 0 else { throw DataError.empty(path: path, expected: expected) }
    guard let file = fopen(path, "rb") else {
      throw DataError.unreadable(path: path, reason: String(cString: strerror(errno)))
    }
    defer { fclose(file) }
    let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      count = fread(buffer.baseAddress, 1, size, file)
    }
    guard bytes.count == size else {
      throw DataError.unreadable(
        path: path, reason: "expected \(size) bytes, could read \(bytes.count)")
    }
    return bytes
  }

  /// All bytes of a file, inflated where it is gzip by its first bytes.
  /// - Throws: as `read`, and as `Gzip.inflate`; `DataError.wrongMagic` for a file named `.gz`
  ///   that is no gzip.
  static func readInflating(_ path: String, expected: String) throws -> [UInt8] {
    let bytes = try read(path, expected: expected)
    if bytes.starts(with: Gzip.magic) {
      let contents = try Gzip.inflate(bytes, path: path, limit: maximumBytes)
      guard !contents.isEmpty else { throw DataError.empty(path: path, expected: expected) }
      return contents
    }
    guard !path.hasSuffix(".gz") else {
      throw DataError.wrongMagic(
        path: path, expected: "gzip, \(DataError.hex(Gzip.magic))",
        found: DataError.hex(bytes.prefix(2)))
    }
    return bytes
  }
}
