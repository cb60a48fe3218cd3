import CZlib

/// The contents of a ZIP member, inflated as they are read.
///
/// Reading forward is one pass; reading an earlier byte of a deflated member starts over. Where
/// all of it has been read in order, its checksum is compared.
final class ZipMember: ByteSource {
  /// Archive and name, for errors.
  let path: String
  let byteCount: Int
  private let entry: ZipArchive.Entry
  private let file: RandomAccessFile
  /// Where the compressed bytes start.
  private let start: Int
  private var stream: InflateStream?
  private var checksum: uLong = 0
  /// The bytes that `checksum` covers.
  private var checkedCount = 0

  private static let pieceBytes = 1 << 18

  init(_ entry: ZipArchive.Entry, file: RandomAccessFile, start: Int, path: String) {
    self.entry = entry
    self.file = file
    self.start = start
    self.path = path
    byteCount = entry.bytes
  }

  /// - Throws: `DataError.unreadable`; `.malformed` and `.truncated` where the member is not what
  ///   its directory claims.
  func read(_ range: Range<Int>) throws -> [UInt8] {
    precondition(
      range.lowerBound >= 0 && range.upperBound <= byteCount,
      "read of \(range) from \(byteCount) bytes")
    guard entry.isDeflated else {
      let bytes = try file.read((start + range.lowerBound)..<(start + range.upperBound))
      try check(bytes, at: range.lowerBound)
      return bytes
    }
    let stream = try stream(at: range.lowerBound)
    let bytes = try next(range.count, of: stream)
    if stream.position == byteCount {
      guard try stream.read(1).isEmpty else {
        throw DataError.malformed(
          path: path, expected: "\(byteCount) bytes, as the ZIP directory has it", found: "more")
      }
      self.stream = nil
    }
    return bytes
  }

  /// The stream, about to give byte `position`.
  private func stream(at position: Int) throws -> InflateStream {
    let stream: InflateStream
    if let current = self.stream, current.position <= position {
      stream = current
    } else {
      stream = try makeStream()
      self.stream = stream
    }
    while stream.position < position {
      _ = try next(min(Self.pieceBytes, position - stream.position), of: stream)
    }
    return stream
  }

  private func makeStream() throws -> InflateStream {
    let (file, end) = (file, start + entry.compressedBytes)
    var position = start
    return try InflateStream(path: path) {
      if position == end { return nil }
      let stop = min(end, position + Self.pieceBytes)
      defer { position = stop }
      return try file.read(position..<stop)
    }
  }

  private func next(_ count: Int, of stream: InflateStream) throws -> [UInt8] {
    let position = stream.position
    let bytes = try stream.read(count)
    guard bytes.count == count else {
      throw DataError.truncated(
        path: path, expected: "\(byteCount) bytes, as the ZIP directory has it",
        found: "\(stream.position)")
    }
    try check(bytes, at: position)
    return bytes
  }

  /// Carries the checksum on where `bytes` go on from what it covers.
  private func check(_ bytes: [UInt8], at position: Int) throws {
    guard position <= checkedCount, position + bytes.count > checkedCount else { return }
    bytes.withUnsafeBufferPointer { buffer in
      var rest = buffer[(checkedCount - position)...]
      // The length has 32 bits.
      while !rest.isEmpty {
        let piece = UnsafeBufferPointer(rebasing: rest.prefix(1 << 30))
        checksum = crc32(checksum, piece.baseAddress, uInt(piece.count))
        rest = rest.dropFirst(piece.count)
      }
    }
    checkedCount = position + bytes.count
    if checkedCount == byteCount && UInt32(checksum) != entry.checksum {
      throw DataError.malformed(
        path: path, expected: "CRC-32 \(String(entry.checksum, radix: 16))",
        found: String(checksum, radix: 16))
    }
  }
}
