import Foundation

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// Bytes that are read in pieces, so that what they belong to never has to fit memory.
protocol ByteSource: AnyObject {
  /// Number of bytes.
  var byteCount: Int { get }

  /// The bytes of `range`, which lies within `byteCount`.
  ///
  /// - Throws: `DataError`.
  func read(_ range: Range<Int>) throws -> [UInt8]
}

/// A regular file, read by position.
///
/// pread(2) and no mapping: a file that is cut while it is read is then an error, not a SIGBUS.
final class RandomAccessFile: ByteSource {
  let path: String
  let byteCount: Int
  private let descriptor: Int32

  /// Opens a file.
  ///
  /// - expected: what a missing file should have been, for the error.
  /// - Throws: `DataError.missing`, `.unreadable` (no regular file among it), `.empty`.
  init(path: String, expected: String) throws {
    // Not blocking: opening a pipe that nobody writes would wait for ever.
    descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      if errno == ENOENT || errno == ENOTDIR {
        throw DataError.missing(path: path, expected: expected)
      }
      throw DataError.unreadable(path: path, reason: String(cString: strerror(errno)))
    }
    var status = stat()
    guard RegularFile.isRegular(descriptor), fstat(descriptor, &status) == 0 else {
      close(descriptor)
      throw DataError.unreadable(path: path, reason: "expected a regular file")
    }
    guard status.st_size > 0 else {
      close(descriptor)
      throw DataError.empty(path: path, expected: expected)
    }
    self.path = path
    byteCount = Int(status.st_size)
  }

  deinit { close(descriptor) }

  /// - Throws: `DataError.unreadable`, also where the file has become shorter.
  func read(_ range: Range<Int>) throws -> [UInt8] {
    precondition(
      range.lowerBound >= 0 && range.upperBound <= byteCount,
      "read of \(range) from \(byteCount) bytes")
    var reason: String?
    let bytes = [UInt8](unsafeUninitializedCapacity: range.count) { memory, filled in
      while filled < range.count {
        let count = pread(
          descriptor, memory.baseAddress! + filled, range.count - filled,
          off_t(range.lowerBound + filled))
        if count < 0 && errno == EINTR { continue }
        guard count > 0 else {
          reason = count < 0 ? String(cString: strerror(errno)) : "the file became shorter"
          return
        }
        filled += count
      }
    }
    if let reason { throw DataError.unreadable(path: path, reason: reason) }
    return bytes
  }
}

extension [UInt8] {
  /// The little-endian unsigned integer of `width` bytes at `offset`.
  func unsigned(at offset: Int, width: Int) -> UInt64 {
    self[offset..<(offset + width)].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }
}
