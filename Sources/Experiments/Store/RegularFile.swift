import Foundation

/// Reads files whole. A pipe or a device, which may never end, is refused at once.
package enum RegularFile {
  /// Why a file could not be read.
  package struct Failure: Error {
    /// Whether there is no such file.
    package let isMissing: Bool
    /// In words.
    package let reason: String

    fileprivate init(_ code: Int32) {
      isMissing = code == ENOENT || code == ENOTDIR
      reason = String(cString: strerror(code))
    }

    fileprivate init(reason: String) { (isMissing, self.reason) = (false, reason) }
  }

  /// The content of the file at `path`.
  ///
  /// - Throws: `Failure`.
  package static func content(of path: String) throws(Failure) -> Data {
    // Not blocking: opening a pipe that nobody writes would wait for ever.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    if descriptor < 0 { throw Failure(errno) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw Failure(reason: "expected a regular file")
    }
    var content = Data()
    // Of a small file no more than it has: stores have thousands of them.
    var block = [UInt8](repeating: 0, count: min(max(Int(status.st_size), 1), 1 << 16))
    while true {
      let count = read(descriptor, &block, block.count)
      if count < 0 && errno == EINTR { continue }
      if count < 0 { throw Failure(errno) }
      if count == 0 { return content }
      content.append(contentsOf: block[..<count])
    }
  }

  /// Whether an open file is a regular one.
  static func isRegular(_ descriptor: Int32) -> Bool {
    var status = stat()
    return fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
  }

  /// Whether there is something else than a regular file at `path`, of a link where it leads to.
  package static func isOther(at path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT != S_IFREG
  }
}
