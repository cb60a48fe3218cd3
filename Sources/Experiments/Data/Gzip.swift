import CZlib

/// gzip files through zlib.
/// Source: RFC 1952; zlib.h, inflateInit2 and inflate.
enum Gzip {
  /// The first two bytes of every gzip member.
  static let magic: [UInt8] = [0x1F, 0x8B]

  /// Contents of a gzip file of one or more members; zero bytes after the last are padding.
  /// - limit: most bytes to inflate to.
  /// - Throws: `DataError.truncated` where the last member does not end, `.malformed` where zlib
  ///   finds an error (checksums included) or other bytes follow, `.tooLarge`, `.unreadable` where
  ///   zlib cannot start.
  static func inflate(_ bytes: [UInt8], path: String, limit: Int) throws -> [UInt8] {
    // On the heap: zlib keeps a pointer back to the stream, so it must not move.
    let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    stream.initialize(to: z_stream())
    defer { stream.deallocate() }
    // Window bits 15, plus 16 for a gzip header and trailer.
    let started = inflateInit2_(
      stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    guard started == Z_OK else {
      throw DataError.unreadable(path: path, reason: "zlib does not start, code \(started)")
    }
    defer { inflateEnd(stream) }
    return try bytes.withUnsafeBufferPointer { input in
      try inflateMembers(of: input, through: stream, path: path, limit: limit)
    }
  }

  private static func inflateMembers(
    of input: UnsafeBufferPointer<UInt8>, through stream: UnsafeMutablePointer<z_stream>,
    path: String, limit: Int
  ) throws -> [UInt8] {
    var chunk = [UInt8](repeating: 0, count: 1 << 18)
    var contents: [UInt8] = []
    var position = 0
    while true {
      // avail_in has 32 bits: long inputs go in pieces.
      let offered = min(input.count - position, 1 << 30)
      stream.pointee.next_in = input.baseAddress.map {
        UnsafeMutablePointer(mutating: $0 + position)
      }
      stream.pointee.avail_in = uInt(offered)
      let (status, produced) = chunk.withUnsafeMutableBufferPointer { output in
        stream.pointee.next_out = output.baseAddress
        stream.pointee.avail_out = uInt(output.count)
        let status = CZlib.inflate(stream, Z_NO_FLUSH)
        return (status, output.count - Int(stream.pointee.avail_out))
      }
      position += offered - Int(stream.pointee.avail_in)
      guard contents.count + produced <= limit else {
        throw DataError.tooLarge(path: path, limit: limit)
      }
      contents.append(contentsOf: chunk[..<produced])

      switch status {
      case Z_STREAM_END:
        let rest = input[position...]
        if rest.allSatisfy({ $0 == 0 }) { return contents }
        guard rest.starts(with: magic) else {
          throw DataError.malformed(
            path: path, expected: "another gzip member or the end at byte \(position)",
            found: DataError.hex(rest.prefix(4)))
        }
        inflateReset(stream)
      case Z_OK:
        break
      case Z_BUF_ERROR where position == input.count:
        throw DataError.truncated(
          path: path, expected: "a whole gzip stream", found: "its end at byte \(position)")
      default:
        let reason = stream.pointee.msg.map { String(cString: $0) } ?? "code \(status)"
        throw DataError.malformed(path: path, expected: "a gzip stream", found: reason)
      }
    }
  }
}
