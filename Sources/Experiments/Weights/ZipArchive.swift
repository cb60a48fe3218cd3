import CZlib

/// The directory of a ZIP archive, checked: where each member lies and what it claims to be.
///
/// Members stored and deflated, with 64-bit sizes too; no encryption, no parts on other disks.
/// Source: PKWARE APPNOTE 6.3.10, sections 4.3.7 (local header), 4.3.12 (central directory),
/// 4.3.14 to 4.3.16 (ends of the directory), 4.5.3 (64-bit sizes).
struct ZipArchive {
  struct Entry {
    let name: String
    let isDeflated: Bool
    let checksum: UInt32
    let compressedBytes: Int
    let bytes: Int
    /// Where the member's own header starts.
    let headerOffset: Int
  }

  let file: RandomAccessFile
  /// Members in the order of the directory.
  let entries: [Entry]

  /// The first bytes of an archive, and of one without members.
  static let magics: [[UInt8]] = [[0x50, 0x4B, 3, 4], [0x50, 0x4B, 5, 6]]
  private static let maximumDirectoryBytes = 100_000_000
  /// Deflate makes at most 1032 bytes of one: a length code of 258 in two bits.
  private static let maximumExpansion = 1032

  /// Reads the directory.
  ///
  /// - Throws: `DataError.truncated`, `.malformed`, `.unsupported` (encryption, other compression,
  ///   several disks).
  init(_ file: RandomAccessFile) throws {
    self.file = file
    let directory = try ZipDirectory(file)
    guard directory.range.count <= Self.maximumDirectoryBytes else {
      throw DataError.malformed(
        path: file.path,
        expected: "a ZIP directory of at most \(Self.maximumDirectoryBytes) bytes",
        found: "\(directory.range.count)")
    }
    let bytes = try file.read(directory.range)
    var entries: [Entry] = []
    var names: Set<ExactName> = []
    var position = 0
    while entries.count < directory.count {
      guard bytes.count - position >= 46, bytes.unsigned(at: position, width: 4) == 0x0201_4B50
      else {
        throw DataError.malformed(
          path: file.path, expected: "\(directory.count) members in the ZIP directory",
          found: "\(entries.count)")
      }
      let lengths = [28, 30, 32].map { Int(bytes.unsigned(at: position + $0, width: 2)) }
      let end = position + 46 + lengths.reduce(0, +)
      guard end <= bytes.count else {
        throw DataError.truncated(
          path: file.path, expected: "a ZIP directory of \(end) bytes", found: "\(bytes.count)")
      }
      let record = Array(bytes[position..<end])
      let entry = try Self.entry(
        record, nameLength: lengths[0], extraLength: lengths[1], path: file.path)
      guard names.insert(ExactName(entry.name)).inserted else {
        throw DataError.malformed(
          path: file.path, expected: "each ZIP member once",
          found: "\(DataError.quoted(entry.name)) again")
      }
      entries.append(entry)
      position = end
    }
    guard position == bytes.count else {
      throw DataError.malformed(
        path: file.path, expected: "a ZIP directory of \(position) bytes for its members",
        found: "\(bytes.count)")
    }
    self.entries = entries
    try checkOverlap(directoryStart: directory.range.lowerBound)
  }

  private static func entry(
    _ record: [UInt8], nameLength: Int, extraLength: Int, path: String
  ) throws -> Entry {
    let nameBytes = record[46..<(46 + nameLength)]
    let name = String(decoding: nameBytes, as: UTF8.self)
    guard name.utf8.elementsEqual(nameBytes) else {
      throw DataError.malformed(
        path: path, expected: "ZIP member names in UTF-8", found: DataError.quoted(name))
    }
    let quoted = DataError.quoted(name)
    let flags = record.unsigned(at: 8, width: 2)
    guard flags & 0x41 == 0 else {
      throw DataError.unsupported(
        path: path, expected: "ZIP members without encryption", found: "\(quoted) encrypted")
    }
    let method = record.unsigned(at: 10, width: 2)
    guard method == 0 || method == 8 else {
      throw DataError.unsupported(
        path: path, expected: "ZIP members stored or deflated",
        found: "\(quoted) by method \(method)"
      )
    }
    // Sizes and offset of 32 bits, or, where those are all ones, of 64 bits in the extra field.
    let extra = record[(46 + nameLength)..<(46 + nameLength + extraLength)]
    var wide = try field64(Array(extra), path: path, member: quoted)[...]
    func number(at offset: Int) throws -> Int {
      let short = record.unsigned(at: offset, width: 4)
      guard short == 0xFFFF_FFFF else { return Int(short) }
      guard wide.count >= 8, let value = Int(exactly: Array(wide).unsigned(at: 0, width: 8)) else {
        throw DataError.malformed(
          path: path, expected: "ZIP64 sizes of \(quoted)",
          found: wide.count < 8 ? "none" : "more than 63 bits")
      }
      wide = wide.dropFirst(8)
      return value
    }
    let bytes = try number(at: 24)
    let compressed = try number(at: 20)
    let offset = try number(at: 42)
    guard record.unsigned(at: 34, width: 2) == 0 else {
      throw DataError.unsupported(
        path: path, expected: "a ZIP archive on one disk", found: "\(quoted) on another")
    }
    let most = compressed.multipliedReportingOverflow(by: maximumExpansion)
    guard method == 0 ? bytes == compressed : (most.overflow || bytes <= most.partialValue) else {
      throw DataError.malformed(
        path: path,
        expected: method == 0
          ? "\(compressed) bytes in \(quoted), as stored"
          : "at most \(most.partialValue) bytes in \(quoted), deflated to \(compressed)",
        found: "a size of \(bytes)")
    }
    return Entry(
      name: name, isDeflated: method == 8,
      checksum: UInt32(record.unsigned(at: 16, width: 4)), compressedBytes: compressed,
      bytes: bytes, headerOffset: offset)
  }

  /// The extra field's part with 64-bit sizes; empty where there is none.
  private static func field64(_ extra: [UInt8], path: String, member: String) throws -> [UInt8] {
    var position = 0
    // Some writers pad the extra field with up to three bytes.
    while extra.count - position >= 4 {
      let length = Int(extra.unsigned(at: position + 2, width: 2))
      guard extra.count - position - 4 >= length else {
        throw DataError.truncated(
          path: path, expected: "an extra field of \(length) bytes for ZIP member \(member)",
          found: "\(extra.count - position - 4)")
      }
      if extra.unsigned(at: position, width: 2) == 1 {
        return Array(extra[(position + 4)..<(position + 4 + length)])
      }
      position += 4 + length
    }
    return []
  }

  /// Members whose claims overlap are how small archives unpack to giant ones.
  private func checkOverlap(directoryStart: Int) throws {
    var free = 0
    for entry in entries.sorted(by: { $0.headerOffset < $1.headerOffset }) {
      // 30 bytes are the least of a member's header; `member` checks the rest.
      let end = entry.headerOffset.addingReportingOverflow(30 + entry.name.utf8.count)
      let limit = directoryStart - entry.compressedBytes
      guard entry.headerOffset >= free, !end.overflow, end.partialValue <= limit else {
        throw DataError.malformed(
          path: file.path,
          expected: "\(DataError.quoted(entry.name)) in bytes \(free)…\(directoryStart) of the ZIP "
            + "archive", found: "offset \(entry.headerOffset), \(entry.compressedBytes) bytes")
      }
      free = end.partialValue + entry.compressedBytes
    }
  }

  /// The contents of a member.
  ///
  /// - Throws: `DataError.malformed` where its own header differs from the directory, `.truncated`.
  func member(_ entry: Entry) throws -> ZipMember {
    let path = "\(file.path):\(entry.name)"
    let header = try file.read(entry.headerOffset..<(entry.headerOffset + 30))
    let nameLength = Int(header.unsigned(at: 26, width: 2))
    let start = entry.headerOffset + 30 + nameLength + Int(header.unsigned(at: 28, width: 2))
    guard header.unsigned(at: 0, width: 4) == 0x0403_4B50,
      header.unsigned(at: 6, width: 2) & 1 == 0,
      header.unsigned(at: 8, width: 2) == (entry.isDeflated ? 8 : 0),
      nameLength == entry.name.utf8.count
    else {
      throw DataError.malformed(
        path: path, expected: "a ZIP member's header as in the directory",
        found: DataError.hex(header.prefix(10)))
    }
    let name = try file.read(
      (entry.headerOffset + 30)..<(entry.headerOffset + 30 + nameLength))
    guard entry.name.utf8.elementsEqual(name) else {
      throw DataError.malformed(
        path: path, expected: "the name that the ZIP directory has",
        found: DataError.quoted(String(decoding: name, as: UTF8.self)))
    }
    guard start <= file.byteCount - entry.compressedBytes else {
      throw DataError.truncated(
        path: path, expected: "\(entry.compressedBytes) bytes from byte \(start)",
        found: "a file of \(file.byteCount)")
    }
    return ZipMember(entry, file: file, start: start, path: path)
  }
}

/// Where the directory of a ZIP archive lies, from the records at the end of the file.
private struct ZipDirectory {
  let range: Range<Int>
  let count: Int

  init(_ file: RandomAccessFile) throws {
    let path = file.path
    // The last record: 22 bytes and a comment of up to 65535.
    let tailStart = max(0, file.byteCount - 22 - 0xFFFF)
    let tail = try file.read(tailStart..<file.byteCount)
    let found = tail.indices.reversed().first { index in
      tail.count - index >= 22 && tail.unsigned(at: index, width: 4) == 0x0605_4B50
        && Int(tail.unsigned(at: index + 20, width: 2)) == tail.count - index - 22
    }
    guard let end = found else {
      throw DataError.truncated(
        path: path, expected: "a ZIP archive with its directory", found: "no end of a directory")
    }
    var disks = [4, 6].map { tail.unsigned(at: end + $0, width: 2) }
    var counts = [8, 10].map { tail.unsigned(at: end + $0, width: 2) }
    var size = tail.unsigned(at: end + 12, width: 4)
    var start = tail.unsigned(at: end + 16, width: 4)
    var limit = tailStart + end
    if counts.contains(0xFFFF) || size == 0xFFFF_FFFF || start == 0xFFFF_FFFF {
      let record = try Self.record64(file, before: limit)
      disks = [16, 20].map { record.bytes.unsigned(at: $0, width: 4) }
      counts = [24, 32].map { record.bytes.unsigned(at: $0, width: 8) }
      size = record.bytes.unsigned(at: 40, width: 8)
      start = record.bytes.unsigned(at: 48, width: 8)
      limit = record.offset
    }
    guard disks == [0, 0], counts[0] == counts[1] else {
      throw DataError.unsupported(
        path: path, expected: "a ZIP archive on one disk", found: "disks \(disks)")
    }
    let sum = start.addingReportingOverflow(size)
    guard !sum.overflow, sum.partialValue <= UInt64(limit) else {
      throw DataError.truncated(
        path: path, expected: "a ZIP directory of \(size) bytes from byte \(start)",
        found: "its end at byte \(limit)")
    }
    range = Int(start)..<Int(sum.partialValue)
    guard counts[0] <= UInt64(range.count / 46) else {
      throw DataError.malformed(
        path: path, expected: "at most \(range.count / 46) ZIP members in \(range.count) bytes",
        found: "\(counts[0])")
    }
    count = Int(counts[0])
  }

  /// The record of 64-bit counts, and where it lies.
  private static func record64(
    _ file: RandomAccessFile, before end: Int
  ) throws -> (bytes: [UInt8], offset: Int) {
    let missing = DataError.truncated(
      path: file.path, expected: "the ZIP64 end of a directory", found: "none")
    guard end >= 20 else { throw missing }
    let locator = try file.read((end - 20)..<end)
    guard locator.unsigned(at: 0, width: 4) == 0x0706_4B50,
      let offset = Int(exactly: locator.unsigned(at: 8, width: 8)), offset <= end - 20 - 56
    else { throw missing }
    let record = try file.read(offset..<(offset + 56))
    guard record.unsigned(at: 0, width: 4) == 0x0606_4B50 else { throw missing }
    return (record, offset)
  }
}

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
