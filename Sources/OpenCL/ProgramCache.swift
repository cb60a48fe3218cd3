import Foundation

/// Compiled programs in files, so that the next process need not compile them.
///
/// An entry holds everything that decides what the compiler makes: source, options, device and
/// driver. A file that is cut short, changed or of a hash that two programs share is no entry; what
/// cannot be written is not kept. Many processes may use one directory.
///
/// PoCL keeps compiled kernels itself and gains nothing from this.
public struct ProgramCache: Sendable {
  /// Where the files are; made when the first is written.
  public let directory: URL

  /// A cache in `directory`.
  public init(directory: URL) {
    self.directory = directory
  }

  /// The binary kept for `key`, nil where there is none.
  func binary(for key: Data) -> Data? {
    guard let file = try? Data(contentsOf: url(of: key)), let entry = Entry(file),
      entry.key == key
    else { return nil }
    return entry.binary
  }

  /// Keeps `binary` for `key`, if it can.
  func keep(_ binary: Data, for key: Data) {
    try? FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    try? Entry(key: key, binary: binary).bytes.write(to: url(of: key), options: .atomic)
  }

  private func url(of key: Data) -> URL {
    var hash = FNV1a()
    hash.combine([UInt8](key))
    return directory.appendingPathComponent("\(hash.hexadecimal).program")
  }

  /// A file: the key's length, the key, the binary's hash, the binary; numbers little-endian.
  private struct Entry {
    let key, binary: Data

    init(key: Data, binary: Data) {
      (self.key, self.binary) = (key, binary)
    }

    /// nil where the bytes are not a whole entry.
    init?(_ file: Data) {
      let file = Data(file)
      guard file.count >= 16, let keyLength = Int(exactly: Self.number(in: file, at: 0)),
        keyLength <= file.count - 16
      else { return nil }
      key = file.subdata(in: 8..<8 + keyLength)
      binary = file.subdata(in: 16 + keyLength..<file.count)
      guard Self.hash(binary) == Self.number(in: file, at: 8 + keyLength) else { return nil }
    }

    var bytes: Data {
      Self.bytes(UInt64(key.count)) + key + Self.bytes(Self.hash(binary)) + binary
    }

    private static func hash(_ data: Data) -> UInt64 {
      var hash = FNV1a()
      hash.combine([UInt8](data))
      return hash.value
    }

    private static func number(in data: Data, at offset: Int) -> UInt64 {
      (0..<8).reduce(0) { $0 | UInt64(data[offset + $1]) << (8 * $1) }
    }

    private static func bytes(_ number: UInt64) -> Data {
      withUnsafeBytes(of: number.littleEndian) { Data($0) }
    }
  }
}
