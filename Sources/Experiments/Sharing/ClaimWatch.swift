import Foundation

/// Tells which claims are of processes that are gone: those of this system that have ended, and those that
/// have not been touched for a while, by the clock of whoever watches. Clocks of machines are not
/// compared.
struct ClaimWatch {
  /// How long a claim may stand still; of one that is touched seldom, longer.
  let timeout: Duration

  private struct Standing {
    let state: ClaimState
    var lastLook: SuspendingClock.Instant
    /// How long it was watched without a change.
    var watched: Duration
  }

  private var standing: [String: Standing] = [:]

  /// Of the time between two looks, no more than this share of what is waited for counts: whoever watches may have
  /// been stopped, and everybody else with it.
  private static let largestShare = 8

  init(timeout: Duration) { self.timeout = timeout }

  /// Takes a look at a claim.
  ///
  /// - Returns: whether its holder is gone.
  mutating func isStale(
    _ state: ClaimState, of name: String, now: SuspendingClock.Instant = .now
  ) -> Bool {
    if state.claim?.holder.isKnownDead == true { return true }
    guard var known = standing[name], known.state == state else {
      standing[name] = Standing(state: state, lastLook: now, watched: .zero)
      return false
    }
    let patience = max(timeout, .seconds((state.claim?.beat ?? 0) * Claim.beatsMissed))
    known.watched += min(now - known.lastLook, patience / Self.largestShare)
    known.lastLook = now
    standing[name] = known
    return known.watched >= patience
  }

  /// Forgets claims that are there no more.
  mutating func keep(only names: Set<String>) {
    standing = standing.filter { names.contains($0.key) }
  }
}
