import Testing
import Training

@testable import Experiments

@Suite struct GroupQueueTests {
  /// Groups of `sizes` runs, each of a width of its own; a run needs one byte.
  private func queue(_ sizes: [Int], step: Int = 0) -> GroupQueue {
    let groups = sizes.enumerated().map { index, size in
      PlannedGroup(
        group: RunGroup(
          experiment: Fixture.experiment,
          cells: (0..<size).map {
            RunCell(
              parametrization: "sp", optimizer: .adam, width: index + 1, log2LearningRate: 0,
              seed: UInt64($0))
          }), step: step)
    }
    return GroupQueue(groups) { Double($0.group.cells.count) }
  }

  /// Takes the next group, and says that memory was short for it.
  private func halveNext(
    _ queue: inout GroupQueue, step: Int
  ) throws -> (group: PlannedGroup, isHalved: Bool) {
    let next = try queue.next()
    let group = try #require(next)
    return (group, try queue.halve(group, step: step))
  }

  @Test func groups_comeInOrder() throws {
    var queue = queue([3, 1, 2])
    #expect(queue.count == 3)
    var sizes: [Int] = []
    while let next = try queue.next() { sizes.append(next.group.cells.count) }
    #expect(sizes == [3, 1, 2] && queue.taken == 3 && queue.count == 3)
  }

  /// Seven runs become four and three, each at the step that they are kept at, and no later group is
  /// tried that needs as much as seven.
  @Test func halving_isRemembered() throws {
    var queue = queue([7, 8, 2], step: 5)
    let (first, isHalved) = try halveNext(&queue, step: 9)
    #expect(isHalved)
    var halves: [PlannedGroup] = []
    while let next = try queue.next() { halves.append(next) }
    #expect(halves.map(\.group.cells.count) == [4, 3, 4, 4, 2])
    #expect(halves.map(\.step) == [9, 9, 5, 5, 5])
    #expect(halves[0].group.cells + halves[1].group.cells == first.group.cells)
    #expect(queue.taken == 5 && queue.count == 5)
  }

  /// Halves that are still too large are halved again; one run cannot be.
  @Test func halving_goesDownToOneRun() throws {
    var queue = queue([2, 5])
    let isPairHalved = try halveNext(&queue, step: 0).isHalved
    #expect(isPairHalved)
    let (one, isHalved) = try halveNext(&queue, step: 0)
    #expect(one.group.cells.count == 1 && !isHalved)
    var sizes: [Int] = []
    while let next = try queue.next() { sizes.append(next.group.cells.count) }
    #expect(sizes == [1, 1, 1, 1, 1, 1])
  }
}
