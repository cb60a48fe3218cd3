import CZlib

/// Raw deflate data, inflated a piece at a time.
/// Source: zlib.h, inflateInit2 and inflate.
final class InflateStream {
  /// Bytes given out so far.
  private(set) var position = 0
  private let stream: UnsafeMutablePointer<z_stream>
  private var input: [UInt8] = []
  /// Where the stream continues in `input`.
  private var inputPosition = 0
  private let next: () throws -> [UInt8]?
  private let path: String
  private var ended = false

  /// - next: the compressed bytes, piece by piece; nil after the last.
  /// - Throws: `DataError.unreadable` where zlib cannot start.
  init(path: String, next: @escaping () throws -> [UInt8]?) throws {
    self.path = path
    self.next = next
    // On the heap: zlib keeps a pointer back to the stream, so it must not move.
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    // Negative window bits: no header or trailer around the data.
    let code = inflateInit2_(stream, -15, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    guard code == Z_OK else {
      stream.deallocate()
      throw DataError.unreadable(path: path, reason: "zlib does not start, code \(code)")
    }
  }

  deinit {
    inflateEnd(stream)
    stream.deallocate()
  }

  /// Up to `count` more bytes; fewer where the stream ends.
  ///
  /// - Throws: `DataError.malformed`, `.truncated` where the input ends before the stream does.
  func read(_ count: Int) throws -> [UInt8] {
    var failure: (any Error)?
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { memory, filled in
      do {
        while filled < count && !ended {
          filled += try step(into: UnsafeMutableBufferPointer(rebasing: memory[filled...]))
        }
      } catch { failure = error }
    }
    if let failure { throw failure }
    position += bytes.count
    return bytes
  }

  /// One call of `inflate`; the bytes that it made.
  private func step(into output: UnsafeMutableBufferPointer<UInt8>) throws -> Int {
    var isLast = false
    if inputPosition == input.count {
      if let more = try next() {
        input = more
        inputPosition = 0
      } else {
        isLast = true
      }
    }
    // avail_out has 32 bits: long outputs come in pieces.
    let room = min(output.count, 1 << 30)
    let offered = input.count - inputPosition
    stream.pointee.next_out = output.baseAddress
    stream.pointee.avail_out = uInt(room)
    let status = input.withUnsafeMutableBufferPointer { buffer in
      stream.pointee.next_in = buffer.baseAddress.map { $0 + inputPosition }
      stream.pointee.avail_in = uInt(offered)
      return inflate(stream, Z_NO_FLUSH)
    }
    inputPosition += offered - Int(stream.pointee.avail_in)
    let produced = room - Int(stream.pointee.avail_out)
    switch status {
    case Z_STREAM_END: ended = true
    case Z_OK: break
    case Z_BUF_ERROR where !isLast: break
    case Z_BUF_ERROR:
      throw DataError.truncated(
        path: path, expected: "a whole deflate stream", found: "its end after \(position) bytes")
    default:
      let reason = stream.pointee.msg.map { String(cString: $0) } ?? "code \(status)"
      throw DataError.malformed(path: path, expected: "a deflate stream", found: reason)
    }
    return produced
  }
}
