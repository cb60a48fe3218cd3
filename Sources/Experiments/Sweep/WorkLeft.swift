/// The multiply-adds that are left of a sweep's runs.
struct WorkLeft {
  private var left: [RunCell: Double] = [:]
  /// Of all runs together, at first and now.
  private let all: Double
  private var sum: Double

  /// All that `groups` are to do.
  init(_ groups: [PlannedGroup]) {
    for planned in groups {
      for cell in planned.group.cells { left[cell] = planned.workOfOne }
    }
    all = left.values.reduce(0, +)
    sum = all
  }

  /// The share that is done, as `Sweep.share`.
  ///
  /// - made: multiply-adds that are done of runs that are not.
  func share(made: Double = 0) -> Double { Sweep.share(all - sum + made, of: all) }

  /// Notes that a group's runs have made `step` steps, which need not be made again.
  mutating func reach(_ step: Int, of planned: PlannedGroup) {
    let made = planned.work(until: step)
    for cell in planned.group.cells { left[cell]? -= made / Double(planned.group.cells.count) }
    sum -= made
  }

  /// Notes that a run is to be done no more.
  mutating func settle(_ cell: RunCell) { sum -= left.removeValue(forKey: cell) ?? 0 }
}
