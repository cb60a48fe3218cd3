/// The bytes of a text file as UTF-8, whatever it was written in.
struct DecodedText {
  /// Without a byte order mark; not checked to be UTF-8.
  let bytes: [UInt8]
  /// UTF-16, where it was that; nil for UTF-8.
  let encoding: String?
  /// Whether a byte order mark was in front.
  let hadMark: Bool

  /// Takes UTF-8 as it is, and UTF-16 by its byte order mark.
  ///
  /// - Throws: `DataError.truncated`, `.malformed` for UTF-16 that is none, and for NUL bytes.
  init(_ stored: [UInt8], path: String) throws {
    hadMark = stored.starts(with: [0xEF, 0xBB, 0xBF])
    if hadMark {
      (bytes, encoding) = (Array(stored[3...]), nil)
    } else if let text = try Self.decodedUTF16(stored, path: path) {
      (bytes, encoding) = (text, "UTF-16")
    } else {
      (bytes, encoding) = (stored, nil)
    }
    if let nul = bytes.firstIndex(of: 0) {
      throw DataError.malformed(
        path: path, expected: "text", found: "a NUL byte in line \(Self.line(of: nul, in: bytes))")
    }
  }

  /// The line that a byte is in, from 1.
  static func line(of index: Int, in bytes: [UInt8]) -> Int {
    bytes[..<index].count { $0 == 0x0A } + 1
  }

  /// nil where no byte order mark says that it is UTF-16.
  private static func decodedUTF16(_ bytes: [UInt8], path: String) throws -> [UInt8]? {
    let isLittle = bytes.starts(with: [0xFF, 0xFE])
    guard isLittle || bytes.starts(with: [0xFE, 0xFF]) else { return nil }
    guard bytes.count.isMultiple(of: 2) else {
      throw DataError.truncated(
        path: path, expected: "UTF-16, whole units of 2 bytes", found: "\(bytes.count) bytes")
    }
    let units = stride(from: 2, to: bytes.count, by: 2).map { index in
      UInt16(bytes[index + (isLittle ? 1 : 0)]) << 8 | UInt16(bytes[index + (isLittle ? 0 : 1)])
    }
    var text: [UInt8] = []
    let isBroken = transcode(
      units.makeIterator(), from: UTF16.self, to: UTF8.self, stoppingOnError: true
    ) { text.append($0) }
    guard !isBroken else {
      throw DataError.malformed(
        path: path, expected: "UTF-16, as its byte order mark says", found: "half a surrogate pair")
    }
    return text
  }
}
