/// Runs that train together with the steps that they have made.
struct PlannedGroup {
  let group: RunGroup
  let step: Int

  /// Multiply-adds that are to be done.
  var work: Double { work(until: group.totalSteps) }

  /// Of them, those up to a step.
  func work(until steps: Int) -> Double {
    group.work * Double(group.cells.count) * Double(steps - step) / Double(group.totalSteps)
  }

  /// The same runs as two groups, each as if it stood at `step`; nil for one run.
  fileprivate func halves(step: Int) -> [PlannedGroup]? {
    guard group.cells.count > 1 else { return nil }
    let middle = (group.cells.count + 1) / 2
    return [group.cells[..<middle], group.cells[middle...]].map {
      PlannedGroup(group: RunGroup(experiment: group.experiment, cells: Array($0)), step: step)
    }
  }
}

/// The groups of a sweep that are still to be trained, smaller where the device had less memory than
/// was planned with.
///
/// Drivers do not say how much memory other programs leave. So a group that runs out of it is
/// halved, and no later group is tried that needs as much.
struct GroupQueue {
  private var waiting: [PlannedGroup]
  private let bytes: (PlannedGroup) throws -> Double
  /// Bytes that were too many for the device.
  private var tooMany = Double.infinity
  /// Groups taken so far.
  private(set) var taken = 0

  /// - bytes: of device memory that a group needs.
  init(_ groups: [PlannedGroup], bytes: @escaping (PlannedGroup) throws -> Double) {
    waiting = groups
    self.bytes = bytes
  }

  /// Groups taken and still to come.
  var count: Int { taken + waiting.count }

  /// The next group; nil where there is none.
  ///
  /// - Throws: what `bytes` throws.
  mutating func next() throws -> PlannedGroup? {
    guard !waiting.isEmpty else { return nil }
    var first = waiting.removeFirst()
    while tooMany < .infinity, try bytes(first) >= tooMany,
      let halves = first.halves(step: first.step)
    {
      first = halves[0]
      waiting.insert(halves[1], at: 0)
    }
    taken += 1
    return first
  }

  /// Puts `group`, which was taken, back as these parts of it.
  mutating func replace(_ group: PlannedGroup, by parts: [PlannedGroup]) {
    waiting.insert(contentsOf: parts, at: 0)
    taken -= 1
  }

  /// Puts `group`, for which memory was short, back as two.
  ///
  /// - step: that its runs are kept at.
  /// - Returns: whether it could be halved.
  /// - Throws: what `bytes` throws.
  mutating func halve(_ group: PlannedGroup, step: Int) throws -> Bool {
    guard let halves = group.halves(step: step) else { return false }
    tooMany = min(tooMany, try bytes(group))
    waiting.insert(contentsOf: halves, at: 0)
    taken -= 1
    return true
  }
}
