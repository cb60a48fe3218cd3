import CFileSystem
import Foundation

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

// The C function by another name; inside `AtomicFile` its own `write` hides it.
private func systemWrite(
  _ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int
) -> Int {
  write(descriptor, bytes, count)
}

/// Files that are there whole or not at all, also after a crash.
///
/// The bytes go to a temporary beside the target, which is synced before it takes the target's
/// name; then the directory is synced, so that the name itself survives. A killed process leaves
/// at most a temporary, which nothing reads.
enum AtomicFile {
  /// Temporaries start with this, and end with a UUID; a dot, so that they are hidden.
  static let temporaryPrefix = ".tmp-"

  /// A new name for what is in the making, beside `url`.
  static func temporary(beside url: URL) -> URL {
    url.deletingLastPathComponent().appendingPathComponent("\(temporaryPrefix)\(UUID().uuidString)")
  }

  /// Makes `data` the content of `url`, in place of any earlier content.
  static func write(_ data: Data, to url: URL) throws {
    try requireRegular(url)
    let temporary = try writeTemporary(data, beside: url)
    if rename(temporary.path, url.path) != 0 {
      let error = failure("rename to", url)
      unlink(temporary.path)
      throw error
    }
    try sync(directory: url.deletingLastPathComponent())
  }

  /// Refuses a file that `write` could not make, as it would find out itself.
  ///
  /// - Throws: `RunStoreError.fileFailed`.
  static func requirePlace(for url: URL) throws {
    try requireRegular(url)
    unlink(try writeTemporary(Data(), beside: url, isSynced: false).path)
  }

  /// A device would be gone afterwards, and the file in its place.
  private static func requireRegular(_ url: URL) throws {
    if RegularFile.isOther(at: url.path) {
      throw RunStoreError.fileFailed(
        operation: "write", path: url.path, reason: "expected a regular file")
    }
  }

  /// Adds `data` at the end of `url`, an existing file, in one call; a killed process leaves it
  /// whole, or at worst a part of `data` at the end.
  static func append(_ data: Data, to url: URL) throws {
    let descriptor = open(url.path, O_WRONLY | O_APPEND | O_CLOEXEC)
    if descriptor < 0 { throw failure("add to", url) }
    defer { close(descriptor) }
    try write(data, to: descriptor, of: url)
  }

  /// Makes `data` the content of `url` unless it is there already; of several processes one wins.
  ///
  /// - Returns: whether this call made the file.
  static func create(_ data: Data, at url: URL) throws -> Bool {
    if access(url.path, F_OK) == 0 { return false }
    let temporary = try writeTemporary(data, beside: url)
    defer { unlink(temporary.path) }
    // link(2) refuses an existing name, where rename(2) would replace it.
    if link(temporary.path, url.path) != 0 {
      switch errno {
      case EEXIST: return false
      case EPERM, ENOTSUP, ENOSYS:
        // No hard links here; of two writers at one moment the later wins, with the same bytes
        // unless they disagree.
        if rename(temporary.path, url.path) != 0 { throw failure("create", url) }
      default: throw failure("create", url)
      }
    }
    try sync(directory: url.deletingLastPathComponent())
    return true
  }

  /// Makes the file `url` with this content unless it is there; of several processes one wins. The others may
  /// see it before its content, and a crash may leave it empty.
  ///
  /// - Returns: whether this call made the file.
  static func createInPlace(_ data: Data, at url: URL) throws -> Bool {
    let descriptor = open(url.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    if descriptor < 0 {
      if errno == EEXIST { return false }
      throw failure("create", url)
    }
    defer { close(descriptor) }
    do {
      try write(data, to: descriptor, of: url)
    } catch {
      unlink(url.path)
      throw error
    }
    return true
  }

  /// Runs `body` while no other process does so for the same file, which `body` reads and replaces. On file
  /// systems without locks it runs as it is.
  ///
  /// - Throws: `RunStoreError.fileFailed`, what `body` throws.
  static func withLock<Result>(beside url: URL, _ body: () throws -> Result) throws -> Result {
    let lock = url.deletingLastPathComponent()
      .appendingPathComponent(".\(url.lastPathComponent).lock")
    let descriptor = open(lock.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw failure("lock", lock) }
    // Closing releases it; the file stays, as another may be waiting for it.
    defer { close(descriptor) }
    if flock(descriptor, LOCK_EX) != 0 && ![ENOLCK, ENOSYS, ENOTSUP].contains(errno) {
      throw failure("lock", lock)
    }
    return try body()
  }

  /// Removes what killed processes have left in a directory; what is younger than an hour may be of a
  /// living one, and stays.
  static func removeTemporaries(in directory: URL) {
    // Others' files in a directory of theirs stay.
    for name in (try? names(in: directory)) ?? []
    where name.hasPrefix(temporaryPrefix)
      && UUID(uuidString: String(name.dropFirst(temporaryPrefix.count))) != nil
    {
      let file = directory.appendingPathComponent(name)
      let written = try? file.resourceValues(forKeys: [.contentModificationDateKey])
        .contentModificationDate
      if let written, written.timeIntervalSinceNow < -3600 {
        try? FileManager.default.removeItem(at: file)
      }
    }
  }

  /// The names in a directory, hidden ones too; none where there is no such directory.
  ///
  /// - Throws: `RunStoreError.fileFailed`.
  static func names(in directory: URL) throws -> [String] {
    guard let folder = opendir(directory.path) else {
      if errno == ENOENT { return [] }
      throw failure("list", directory)
    }
    defer { closedir(folder) }
    var names: [String] = []
    while let entry = readdir(folder) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names
  }

  /// Makes a directory and the parents it lacks; an existing one is fine.
  ///
  /// - isSynced: whether the parent of `url` is synced.
  /// - Throws: `RunStoreError.notADirectory`, `.fileFailed`.
  static func makeDirectory(_ url: URL, isSynced: Bool = true) throws {
    if mkdir(url.path, 0o777) == 0 {
      if isSynced { try sync(directory: url.deletingLastPathComponent()) }
      return
    }
    let code = errno
    let parent = url.deletingLastPathComponent()
    // Where the parent is there already, its file system refuses the name (/proc, a dead link).
    if code == ENOENT && parent.path != url.path && access(parent.path, F_OK) != 0 {
      try makeDirectory(parent)
      guard mkdir(url.path, 0o777) == 0 || errno == EEXIST else {
        throw failure("create directory", url)
      }
      return try sync(directory: parent)
    }
    guard code == EEXIST else { throw failure("create directory", url, code) }
    try requireDirectory(url)
  }

  /// - Throws: `RunStoreError.notADirectory` where a file is in the way.
  static func requireDirectory(_ url: URL) throws {
    var isDirectory: ObjCBool = false
    let exists = FileManager.default.fileExists(atPath: url.path, isDirectory: &isDirectory)
    if !exists || !isDirectory.boolValue { throw RunStoreError.notADirectory(path: url.path) }
  }

  /// The content of `url`, nil where there is no such file.
  static func read(_ url: URL) throws -> Data? {
    do {
      return try RegularFile.content(of: url.path)
    } catch {
      if error.isMissing { return nil }
      throw RunStoreError.fileFailed(operation: "read", path: url.path, reason: error.reason)
    }
  }

  /// - isSynced: whether the bytes are on the disk when it returns.
  fileprivate static func writeTemporary(
    _ data: Data, beside url: URL, isSynced: Bool = true
  ) throws -> URL {
    let temporary = temporary(beside: url)
    let descriptor = open(temporary.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    if descriptor < 0 { throw failure("write", url) }
    do {
      do {
        try write(data, to: descriptor, of: url)
        if isSynced && fsync(descriptor) != 0 { throw failure("sync", url) }
      } catch {
        close(descriptor)
        throw error
      }
      // Network file systems may say only here that there was no room.
      if close(descriptor) != 0 { throw failure("write", url) }
    } catch {
      unlink(temporary.path)
      throw error
    }
    return temporary
  }

  private static func write(_ data: Data, to descriptor: Int32, of url: URL) throws {
    try data.withUnsafeBytes { bytes in
      var offset = 0
      while offset < bytes.count {
        let rest = UnsafeRawBufferPointer(rebasing: bytes[offset...])
        let count = systemWrite(descriptor, rest.baseAddress, rest.count)
        if count < 0 && errno == EINTR { continue }
        if count <= 0 { throw failure("write", url) }
        offset += count
      }
    }
  }

  fileprivate static func sync(directory: URL) throws {
    let descriptor = open(directory.path, O_RDONLY | O_CLOEXEC)
    if descriptor < 0 { throw failure("open", directory) }
    defer { close(descriptor) }
    // Some network file systems refuse to sync a directory; then its order is theirs to keep.
    if fsync(descriptor) != 0 && errno != EINVAL { throw failure("sync", directory) }
  }

  /// The error of a call that has just failed.
  static func failure(
    _ operation: String, _ url: URL, _ code: Int32 = errno
  ) -> RunStoreError {
    .fileFailed(operation: operation, path: url.path, reason: String(cString: strerror(code)))
  }
}

/// Files that are each there whole or not at all, as those of `AtomicFile`, and wait for the disk
/// together: a sync a file is milliseconds, and a group of runs has hundreds of files.
///
/// What has not appeared when the object goes is removed.
final class AtomicFiles {
  private var files: [(temporary: URL, target: URL)] = []

  /// Fewer are synced one by one: a call for the file system waits for what others write there too.
  private static let fewest = 16

  deinit {
    for file in files { unlink(file.temporary.path) }
  }

  /// Adds a file with the content `data`, in place of any earlier content of `url`.
  ///
  /// - Throws: `RunStoreError.fileFailed`.
  func add(_ data: Data, at url: URL) throws {
    files.append((try AtomicFile.writeTemporary(data, beside: url, isSynced: false), url))
  }

  /// Gives the files their names, in the order in which they were added, once the bytes of all are on
  /// the disk; returns when the names are too.
  ///
  /// - Throws: `RunStoreError.fileFailed`.
  func appear() throws {
    try sync()
    for (temporary, target) in files where rename(temporary.path, target.path) != 0 {
      throw AtomicFile.failure("rename to", target)
    }
    try sync()
    files = []
  }

  /// Waits until everything so far is on the disk: all that its file system holds where there are many
  /// files and such a call, else file by file.
  private func sync() throws {
    if let first = files.first?.target, files.count >= Self.fewest {
      let folder = first.deletingLastPathComponent()
      let descriptor = open(folder.path, O_RDONLY | O_CLOEXEC)
      if descriptor < 0 { throw AtomicFile.failure("open", folder) }
      defer { close(descriptor) }
      if gputrain_sync_file_system(descriptor) == 0 { return }
      // Anything else is a system that does not have the call, or does not let us make it.
      if [EIO, ENOSPC, EDQUOT].contains(errno) { throw AtomicFile.failure("sync", folder) }
    }
    for (temporary, target) in files {
      // Gone where it has its name already.
      let file = open(temporary.path, O_RDONLY | O_CLOEXEC)
      guard file >= 0 else { continue }
      defer { close(file) }
      if fsync(file) != 0 { throw AtomicFile.failure("sync", target) }
    }
    for folder in Set(files.map { $0.target.deletingLastPathComponent() }) {
      try AtomicFile.sync(directory: folder)
      try AtomicFile.sync(directory: folder.deletingLastPathComponent())
    }
  }
}
