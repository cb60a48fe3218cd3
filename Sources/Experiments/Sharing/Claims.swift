import Foundation
import Synchronization

/// Which runs of a store this process trains, so that other processes leave them alone; and which others
/// train.
///
/// A claim only keeps work from being done twice: that a run is done, its result alone says. So whatever
/// becomes of claims, at worst a run is trained once more.
final class Claims {
  /// Another's claim, with what is claimed.
  struct Other: Hashable {
    /// nil: a file that does not read as a claim, such as one that is being written.
    let claim: Claim?
    /// Identifiers of the runs.
    var runs: [String]
    /// Whether its holder is gone.
    let isStale: Bool
  }

  /// Identifiers of the runs that are claimed by this object.
  private(set) var runs: Set<String> = []
  private let folder: ClaimFolder
  private let program: String
  private let device: String
  private var watch: ClaimWatch
  /// Name of the file of the claim that stands.
  private var own: String?
  private var heartbeat: Heartbeat?

  /// Beats in the time that a claim may stand still.
  private static let beats = 8

  /// Claims in the folder `directory`, which is made when the first is.
  ///
  /// - program: the program's version; claims of others are refused.
  /// - timeout: how long a claim may stand still before its holder is taken to be gone.
  init(directory: URL, program: String, device: String, timeout: Duration) {
    folder = ClaimFolder(directory: directory)
    (self.program, self.device) = (program, device)
    watch = ClaimWatch(timeout: timeout)
  }

  deinit { try? release() }

  /// The claims of others that stand.
  ///
  /// - Throws: `RunStoreError.otherProgram` where one that is alive is of another version of the program,
  ///   `.fileFailed`.
  func others() throws -> [Other] {
    let found = try Self.survey(folder, watch: &watch)
      .filter { $0.claim == nil || $0.claim?.nonce != ownNonce }
    for other in found where !other.isStale {
      guard let claim = other.claim, claim.program != program else { continue }
      throw RunStoreError.otherProgram(
        directory: folder.directory.deletingLastPathComponent().path,
        holder: claim.holder.inWords, version: claim.program, own: program)
    }
    return found
  }

  /// Every claim in `folder`, the oldest first.
  static func survey(_ folder: ClaimFolder, watch: inout ClaimWatch) throws -> [Other] {
    var states: [UInt64: ClaimState] = [:]
    // By nonce; of what is no claim by the file's name.
    var found: [String: Other] = [:]
    let names = Set(try folder.names().filter { !$0.hasPrefix(".") })
    watch.keep(only: names)
    for name in names.sorted() {
      guard let inode = try folder.inode(of: name),
        let state = try states[inode] ?? folder.state(of: name)
      else { continue }
      states[inode] = state
      let key = state.claim?.nonce ?? name
      let isStale = watch.isStale(state, of: name)
      if found[key] == nil { found[key] = Other(claim: state.claim, runs: [], isStale: isStale) }
      if !name.hasSuffix(ClaimFolder.suffix) { found[key]?.runs.append(name) }
    }
    return found.sorted {
      ($0.value.claim?.since ?? .distantPast, $0.key)
        < ($1.value.claim?.since ?? .distantPast, $1.key)
    }.map(\.value)
  }

  /// Claims those of `identifiers` that nobody else holds, in place of what was claimed before.
  ///
  /// - Throws: `RunStoreError.fileFailed`.
  func take(_ identifiers: [String]) throws {
    try release()
    try AtomicFile.makeDirectory(folder.directory)
    let claim = Claim(program: program, holder: .current, device: device, since: Date())
    let own = claim.nonce + ClaimFolder.suffix
    _ = try AtomicFile.createInPlace(claim.content(), at: folder.file(own))
    self.own = own
    var touched = [own]
    for identifier in identifiers {
      let isTaken = try folder.take(
        identifier, by: own,
        unused: { AtomicFile.temporary(beside: folder.file(own)).lastPathComponent },
        isStale: { watch.isStale($0, of: identifier) })
      guard isTaken else { continue }
      runs.insert(identifier)
      // Where there are no hard links it is a file of its own.
      if try folder.inode(of: identifier) != folder.inode(of: own) { touched.append(identifier) }
    }
    if runs.isEmpty { return try release() }
    heartbeat = Heartbeat(every: watch.timeout / Self.beats) { [folder, touched] in
      for name in touched { folder.touch(name) }
    }
  }

  /// Gives back runs that are done, or not to be done by this process.
  ///
  /// - Throws: `RunStoreError.fileFailed`.
  func release(_ identifiers: some Sequence<String>) throws {
    for identifier in identifiers where runs.remove(identifier) != nil {
      // Another may have taken it over, while this process was stopped.
      guard try folder.state(of: identifier)?.claim?.nonce == ownNonce else { continue }
      try folder.remove(identifier)
    }
    guard runs.isEmpty, let own else { return }
    heartbeat?.stop()
    (heartbeat, self.own) = (nil, nil)
    try folder.remove(own)
  }

  /// Gives everything back.
  ///
  /// - Throws: `RunStoreError.fileFailed`.
  func release() throws { try release(runs) }

  /// How long a claim may stand still.
  var timeout: Duration { watch.timeout }

  private var ownNonce: String? { own.map { String($0.dropLast(ClaimFolder.suffix.count)) } }
}
