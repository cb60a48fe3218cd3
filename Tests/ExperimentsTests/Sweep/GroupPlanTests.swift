import OpenCL
import Testing
import Training

@testable import Experiments

@Suite struct GroupPlanTests {
  let memory: MemoryPlan

  init() throws {
    memory = MemoryPlan(device: try .find(.best), budget: .max, largestBuffer: .max)
  }

  func group(width: Int, cells: Int, steps: Int = 10) -> RunGroup {
    var experiment = Fixture.experiment
    experiment.settings.length = .steps(steps)
    return RunGroup(
      experiment: experiment,
      cells: (0..<cells).map {
        RunCell(
          parametrization: "sp", optimizer: .adam, width: width, log2LearningRate: 0,
          seed: UInt64($0))
      })
  }

  func sizes(_ group: RunGroup, cacheBytes: Int? = nil) throws -> [Int] {
    let groups = try GroupPlan(memory: memory, cacheBytes: cacheBytes)
      .groups(of: group, dataBytes: 0)
    #expect(groups.flatMap(\.cells) == group.cells)
    return groups.map(\.cells.count)
  }

  @Test func withoutACache_groupsAreEvenAndOfAtMost64() throws {
    #expect(try sizes(group(width: 16, cells: 64)) == [64])
    #expect(try sizes(group(width: 16, cells: 65)) == [32, 33])
  }

  @Test func cache_holdsAGroupsTensorsInHalfOfIt() throws {
    let group = group(width: 64, cells: 30)
    let bytes = try memory.bytesPerReplica(of: group).all
    #expect(try sizes(group, cacheBytes: Int(2 * 15 * bytes) + 2) == [15, 15])
    #expect(try sizes(group, cacheBytes: Int(2 * 14 * bytes) + 2) == [10, 10, 10])
  }

  @Test func cacheTooSmallForOne_trainsEightAtATime() throws {
    #expect(try sizes(group(width: 64, cells: 16), cacheBytes: 1000) == [8, 8])
  }

  @Test func cacheThatTheDriverDoesNotKnow_isNoLimit() throws {
    #expect(try sizes(group(width: 64, cells: 10), cacheBytes: 0) == [10])
  }

  @Test func longRuns_trainInSmallerGroups() throws {
    // 2.1 million weights, 64 rows a step: 1.4e11 multiply-adds.
    let long = group(width: 512, cells: 8, steps: 1000)
    #expect(try sizes(long) == [4, 4])
    #expect(try sizes(group(width: 512, cells: 8, steps: 10_000)).allSatisfy { $0 == 1 })
  }

  /// On a GPU neither a number of runs nor their work cuts a group, but the launches' dimensions do.
  @Test func gpu_takesWhatMemoryHolds() throws {
    let group = group(width: 256, cells: 5000, steps: 1000)
    let plan = GroupPlan(memory: memory, cacheBytes: nil, isForCPU: false)
    #expect(try plan.groups(of: group, dataBytes: 0).map(\.cells.count) == [5000])
    let matrices = group.training.network.graph.parameters.count
    let many = self.group(width: 8, cells: 65_535 / matrices + 1)
    #expect(try plan.groups(of: many, dataBytes: 0).count == 2)
    let bytes = try memory.bytesPerReplica(of: group).all
    let small = GroupPlan(
      memory: MemoryPlan(device: try .find(.best), budget: Int(2600 * bytes), largestBuffer: .max),
      cacheBytes: nil,
      isForCPU: false)
    #expect(try small.groups(of: group, dataBytes: 0).map(\.cells.count) == [2500, 2500])
  }
}
