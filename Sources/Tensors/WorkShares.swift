/// How units of work are dealt out to work-items that take them in turn, a work-item a work-group.
package enum WorkShares {
  /// Work-items for `units` on `cores`, at most two a core: as many as leave no core with more units than
  /// it must have.
  ///
  /// Drivers hand a core work-items that lie together. Two with two units each can still be helped out
  /// with; two with an odd number of units for a core could not share them evenly.
  package static func items(units: Int, cores: Int) -> Int {
    let rounds = (units + cores - 1) / cores
    let share = rounds.isMultiple(of: 2) ? rounds / 2 : rounds
    return (units + share - 1) / share
  }
}
