import Foundation

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
  /// Why what a process that is gone had claimed could not be taken over, by run.
  private(set) var refusals: [String: RunStoreError] = [:]
  private let folder: ClaimFolder
  private let program: String
  private let device: String
  private var watch: ClaimWatch
  /// The claim that stands.
  private var own: Claim?
  private var heartbeat: Heartbeat?

  /// A claim is touched so often, or eight times in the time that it may stand still.
  private static let beat = Duration.seconds(15)

  /// Claims in the folder `directory`, which is made when the first is.
  ///
  /// - program: the program's version.
  /// - timeout: how long a claim may stand still before its holder is taken to be gone.
  init(directory: URL, program: String, device: String, timeout: Duration) {
    folder = ClaimFolder(directory: directory)
    (self.program, self.device) = (program, device)
    watch = ClaimWatch(timeout: timeout)
  }

  deinit { try? release() }

  /// How long a claim may stand still.
  var timeout: Duration { watch.timeout }

  /// Waits until it is known that no process of another version of the program is at work on the store: one
  /// that has claimed runs is at work where its claim is touched.
  ///
  /// - pause: called between two looks; false ends the waiting.
  /// - Returns: whether it is known.
  /// - Throws: `RunStoreError.otherProgram`, `.fileFailed`.
  func excludeOtherPrograms(pause: () -> Bool) throws -> Bool {
    var heartbeats: [String: Int64] = [:]
    while true {
      let others = try others().filter {
        !$0.isStale && $0.claim.map { $0.program != program } == true
      }
      if others.isEmpty { return true }
      for other in others {
        guard let claim = other.claim,
          let heartbeat = try folder.heartbeat(of: claim.fileName)
        else { continue }
        if heartbeats.updateValue(heartbeat, forKey: claim.nonce) ?? heartbeat != heartbeat {
          throw RunStoreError.otherProgram(
            directory: folder.directory.deletingLastPathComponent().path,
            holder: claim.holder.inWords, version: claim.program, own: program)
        }
      }
      guard pause() else { return false }
    }
  }

  /// The claims of others that stand. What is left of claims whose runs others have taken over is removed.
  ///
  /// - Throws: `RunStoreError.fileFailed`.
  func others() throws -> [Other] {
    let found = try Self.survey(folder, watch: &watch)
      .filter { $0.claim == nil || $0.claim?.nonce != own?.nonce }
    for other in found where other.isStale && other.runs.isEmpty {
      if let claim = other.claim { try? folder.remove(claim.fileName) }
    }
    return found
  }

  /// Every claim in `folder`, the oldest first.
  static func survey(_ folder: ClaimFolder, watch: inout ClaimWatch) throws -> [Other] {
    var states: [UInt64: ClaimState] = [:]
    // By nonce; of what is no claim by the file's name.
    var found: [String: Other] = [:]
    let names = try folder.names()
    watch.keep(only: Set(names))
    for name in names.sorted() {
      guard let inode = try folder.inode(of: name),
        let state = try states[inode] ?? folder.state(of: name)
      else { continue }
      states[inode] = state
      let isStale = watch.isStale(state, of: name)
      if name.hasPrefix(ClaimFolder.asidePrefix) {
        // Whoever was taking it over is gone too.
        if isStale { try? folder.remove(name) }
        continue
      }
      let key = state.claim?.nonce ?? name
      if found[key] == nil { found[key] = Other(claim: state.claim, runs: [], isStale: isStale) }
      if !name.hasSuffix(ClaimFolder.suffix) { found[key]?.runs.append(name) }
    }
    return found.sorted {
      ($0.value.claim?.since ?? "", $0.key) < ($1.value.claim?.since ?? "", $1.key)
    }.map(\.value)
  }

  /// Tells others that this process is there, and has nothing to do.
  ///
  /// - Throws: `RunStoreError.fileFailed`.
  func announce() throws {
    if own == nil { try begin() }
  }

  /// Makes a claim of nothing, and keeps it alive.
  private func begin() throws {
    try AtomicFile.makeDirectory(folder.directory)
    let beat = min(Self.beat, watch.timeout / Claim.beatsMissed)
    let claim = Claim(
      program: program, holder: .current, device: device, since: Date(), beat: beat)
    let name = claim.fileName
    _ = try AtomicFile.createInPlace(claim.content(), at: folder.file(name))
    own = claim
    heartbeat = Heartbeat(every: beat) { [folder] in folder.touch(name) }
  }

  /// Claims those of `identifiers` that nobody else holds, in place of what was claimed before. What a
  /// process that is gone holds and this one may not take over is left, and noted in `refusals`.
  ///
  /// - Throws: `RunStoreError.fileFailed`.
  func take(_ identifiers: [String]) throws {
    try release()
    try begin()
    guard let name = own?.fileName else { return }
    var copies: [String] = []
    for identifier in identifiers {
      do {
        let isTaken = try folder.take(
          identifier, by: name, unused: { ClaimFolder.asidePrefix + UUID().uuidString },
          isStale: { watch.isStale($0, of: identifier) })
        guard isTaken else { continue }
      } catch let error as RunStoreError {
        guard case .fileFailed("take over", _, _) = error else { throw error }
        refusals[identifier] = error
        continue
      }
      runs.insert(identifier)
      // Where there are no hard links it is a file of its own.
      if try folder.inode(of: identifier) != folder.inode(of: name) { copies.append(identifier) }
    }
    if !copies.isEmpty, let own {
      heartbeat?.stop()
      heartbeat = Heartbeat(every: .seconds(own.beat)) { [folder, copies] in
        for name in [name] + copies { folder.touch(name) }
      }
    }
  }

  /// Gives back runs that are done, or not to be done by this process.
  ///
  /// - Throws: `RunStoreError.fileFailed`.
  func release(_ identifiers: some Sequence<String>) throws {
    for identifier in identifiers where runs.remove(identifier) != nil {
      // Another may have taken it over, while this process was stopped.
      guard let own, try folder.state(of: identifier)?.claim?.nonce == own.nonce else { continue }
      try folder.remove(identifier)
    }
  }

  /// Gives everything back.
  ///
  /// - Throws: `RunStoreError.fileFailed`.
  func release() throws {
    heartbeat?.stop()
    heartbeat = nil
    defer { own = nil }
    try release(runs)
    if let own { try folder.remove(own.fileName) }
  }
}

extension [Claims.Other] {
  /// Identifiers of the runs that somebody holds who is at work.
  var heldRuns: Set<String> { Set(lazy.filter { !$0.isStale }.flatMap(\.runs)) }
}
