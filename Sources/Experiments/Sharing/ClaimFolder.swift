import Foundation

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

// The C functions by other names; inside `ClaimFolder` its own hide them.
private func systemLink(_ name: URL, _ other: URL) -> Int32 { link(name.path, other.path) }
private func systemRename(_ name: URL, _ other: URL) -> Int32 { rename(name.path, other.path) }

/// What a claim's file shows.
struct ClaimState: Hashable {
  /// nil: a file that does not read as a claim.
  let claim: Claim?
  /// When its holder last showed to be alive, nanoseconds by the clock of whoever keeps the files.
  let heartbeat: Int64
}

/// What taking a claim needs of a file system. Each call is one step, of which no process sees a half.
protocol ClaimFiles {
  /// nil: there is no such file.
  func state(of name: String) throws -> ClaimState?
  /// Gives the file `name` another name beside its own; false where that is taken, or the file is gone.
  func link(_ name: String, as other: String) throws -> Bool
  /// Gives the file `name` another name in place of its own; false where there is no such file.
  func rename(_ name: String, to other: String) throws -> Bool
  /// Takes the name away, where it is there.
  func remove(_ name: String) throws
}

extension ClaimFiles {
  /// Gives the claim in the file `own` the name of what is claimed, unless somebody holds it. A claim whose
  /// holder is gone is moved away first; where it turns out to be another than was judged, as somebody has
  /// taken it over in between, it is put back.
  ///
  /// - unused: gives names that nothing has.
  /// - isStale: whether a claim's holder is gone.
  /// - Returns: whether the name is ours.
  func take(
    _ name: String, by own: String, unused: () -> String, isStale: (ClaimState) -> Bool
  ) throws -> Bool {
    // The second time where it was given back, or taken over, meanwhile.
    for _ in 0..<2 {
      if try link(own, as: name) { return true }
      guard let judged = try state(of: name) else { continue }
      // A server may have lost its answer to a link that it made.
      if let nonce = judged.claim?.nonce, try state(of: own)?.claim?.nonce == nonce { return true }
      guard isStale(judged) else { return false }
      let aside = unused()
      guard try rename(name, to: aside) else { continue }
      let isTheJudged = try state(of: aside) == judged
      if !isTheJudged { _ = try link(aside, as: name) }
      try remove(aside)
      if !isTheJudged { return false }
    }
    return false
  }
}

/// The folder of claims in a store:
///
///     claims/<nonce>.json             a claim: which process trains, where, since when
///     claims/<identifier of a run>    another name of it, a hard link, for each run that is claimed
///
/// Touching the claim tells of all its runs that their holder is alive.
struct ClaimFolder: ClaimFiles {
  let directory: URL

  /// Claims' own names end so.
  static let suffix = ".json"
  /// Names of claims that are being taken over begin so.
  static let asidePrefix = "aside-"

  func file(_ name: String) -> URL { directory.appendingPathComponent(name) }

  func state(of name: String) throws -> ClaimState? {
    // The time first: a claim that changes hands between the two is judged by the older.
    guard let heartbeat = try heartbeat(of: name) else { return nil }
    do {
      guard let content = try AtomicFile.read(file(name)) else { return nil }
      return ClaimState(claim: Claim(content), heartbeat: heartbeat)
    } catch {
      // A directory, or a file that may not be read: whoever made it holds the run.
      return ClaimState(claim: nil, heartbeat: heartbeat)
    }
  }

  /// When a file changed last; nil: there is none.
  func heartbeat(of name: String) throws -> Int64? {
    guard let status = try status(of: name) else { return nil }
    return Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)
  }

  /// Which file a name is of; nil: there is none.
  func inode(of name: String) throws -> UInt64? { try status(of: name).map { UInt64($0.st_ino) } }

  private func status(of name: String) throws -> stat? {
    var status = stat()
    if lstat(file(name).path, &status) == 0 { return status }
    // Of network file systems too: the server has replaced it.
    if errno == ENOENT || errno == ESTALE { return nil }
    throw AtomicFile.failure("look at", file(name))
  }

  func link(_ name: String, as other: String) throws -> Bool {
    if systemLink(file(name), file(other)) == 0 { return true }
    switch errno {
    case EEXIST, ENOENT: return false
    case EPERM, ENOTSUP, ENOSYS, EMLINK:
      // No hard links here, or no more of them.
      guard let content = try AtomicFile.read(file(name)) else { return false }
      return try AtomicFile.createInPlace(content, at: file(other))
    default: throw AtomicFile.failure("claim", file(other))
    }
  }

  func rename(_ name: String, to other: String) throws -> Bool {
    if systemRename(file(name), file(other)) == 0 { return true }
    if errno == ENOENT { return false }
    throw AtomicFile.failure("take over", file(name))
  }

  func remove(_ name: String) throws {
    if unlink(file(name).path) != 0 && errno != ENOENT {
      throw AtomicFile.failure("remove", file(name))
    }
  }

  /// Tells that the holder of the claim `name` is alive, by the clock of whoever keeps the file.
  ///
  /// - Returns: whether it is there.
  @discardableResult func touch(_ name: String) -> Bool {
    utimensat(AT_FDCWD, file(name).path, nil, 0) == 0
  }

  /// The names in the folder; none where there is no folder.
  func names() throws -> [String] {
    try AtomicFile.names(in: directory).filter { !$0.hasPrefix(".") }
  }
}
