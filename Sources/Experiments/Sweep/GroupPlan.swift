import OpenCL
import Training

/// Which runs of one shape train together: as many as fit memory, as are fast, and as a stopped
/// sweep may lose.
///
/// A group's step is one launch for all runs, so that small networks fill a device. On CPUs it is
/// slower again once the runs' tensors no longer stay in the shared cache from one step to the next:
/// 64 inputs, width 256, Adam, on two Zen 4 cores with 32 MiB took 0.357 ms a run alone, 0.225 in
/// groups of 8 (11 MiB), 0.221 of 16 (22 MiB), 0.250 of 32 (44 MiB), 0.268 of 64. That costs less
/// than launches of one run where no two runs fit: 3072 inputs took 2.0 ms a run alone, 1.8 in
/// groups of 8; width 512 of 64 inputs 0.99 and 0.89.
///
/// On GPUs memory decides: they have no cache that holds a group, more runs fill them better, and a sweep that
/// is stopped keeps its runs. But no group is of more than some minutes, so that others who come later find
/// runs to train: what is cut for it fills a GPU anyway.
public struct GroupPlan {
  /// What memory allows.
  public let memory: MemoryPlan
  /// Bytes of cache that all cores share; nil where it does not limit a group.
  private let cacheBytes: Int?
  /// Whether groups are for a CPU.
  private let isForCPU: Bool

  /// More fill no CPU better.
  private static let largestGroup = 64
  /// Launches on GPUs have a dimension of replicas, or of all matrices of all replicas, of which
  /// 65,535 is the most on NVIDIA's.
  private static let largestDimension = 65_535
  /// Multiply-adds of a forward pass that a group may have, so that stopping a sweep loses little:
  /// with the backward pass about a minute of two CPU cores.
  private static let workPerGroup = 1e12
  /// The same of a GPU: minutes at ten TFLOP/s.
  private static let workPerGroupOfGPU = 3e15
  /// Fewer do not pay for their launches, whatever the cache.
  private static let smallestGroup = 8
  /// Share of the cache that is left for a group's tensors: half, for the data and others' programs.
  private static let cacheShare = 0.5

  /// A plan for `device`; the cache counts on CPUs, where it is large and cores are few.
  public init(device: Device, memory: MemoryPlan) {
    self.init(
      memory: memory, cacheBytes: device.kind == .cpu ? Int(device.globalCache) : nil,
      isForCPU: device.kind == .cpu)
  }

  init(memory: MemoryPlan, cacheBytes: Int?, isForCPU: Bool = true) {
    self.memory = memory
    self.isForCPU = isForCPU
    // Drivers that do not know say 0.
    self.cacheBytes = cacheBytes.flatMap { $0 > 0 ? $0 : nil }
  }

  /// `alike` cut into groups of about one size: 9 runs with room for 8 are 5 and 4.
  ///
  /// - Throws: `SweepError.notEnoughMemory`, `.tensorTooLarge`.
  public func groups(of alike: RunGroup, dataBytes: Int, measured: Diagnostics.Contents? = nil)
    throws
    -> [RunGroup]
  {
    let fitting = try memory.replicas(of: alike, dataBytes: dataBytes, measured: measured)
    let limit =
      isForCPU
      ? min(
        fitting, Self.largestGroup, max(1, Int(min(Self.workPerGroup / alike.work, 1e6))),
        try replicasInCache(
          of: RunGroup(experiment: alike.experiment, cells: Array(alike.cells.prefix(fitting))),
          measured: measured))
      : min(
        fitting, max(1, Self.largestDimension / alike.training.network.graph.parameters.count),
        max(1, Int(min(Self.workPerGroupOfGPU / alike.work, 1e6))))
    let count = (alike.cells.count + limit - 1) / limit
    return (0..<count).map { part in
      let range = alike.cells.count * part / count..<alike.cells.count * (part + 1) / count
      return RunGroup(experiment: alike.experiment, cells: Array(alike.cells[range]))
    }
  }

  /// Runs whose tensors stay in cache, or as many as pay for their launches.
  private func replicasInCache(
    of group: RunGroup, measured: Diagnostics.Contents?
  ) throws -> Int {
    guard let cacheBytes else { return .max }
    let bytes = try memory.bytesPerReplica(of: group, measured: measured).all
    return max(Self.smallestGroup, Int(Self.cacheShare * Double(cacheBytes) / bytes))
  }
}

/// Runs that train together with the steps that they have made.
struct PlannedGroup {
  let group: RunGroup
  let step: Int

  /// Multiply-adds that are to be done.
  var work: Double { work(until: group.totalSteps) }
  /// Of them, those of each run.
  var workOfOne: Double { work / Double(group.cells.count) }

  /// Of them, those up to a step.
  func work(until steps: Int) -> Double {
    group.work * Double(group.cells.count) * Double(steps - step) / Double(group.totalSteps)
  }

  /// The runs that resume from checkpoints and those that start over, apart.
  ///
  /// - readable: whether each run's checkpoint reads.
  func parts(readable: [Bool]) -> [PlannedGroup] {
    let cells = zip(group.cells, readable)
    return [(true, step), (false, 0)].compactMap { isReadable, step in
      let part = cells.filter { $0.1 == isReadable }.map(\.0)
      return part.isEmpty ? nil : PlannedGroup(group: group.with(part), step: step)
    }
  }

  /// The same runs as two groups, each as if it stood at `step`; nil for one run.
  fileprivate func halves(step: Int) -> [PlannedGroup]? {
    guard group.cells.count > 1 else { return nil }
    let middle = (group.cells.count + 1) / 2
    return [group.cells[..<middle], group.cells[middle...]].map {
      PlannedGroup(group: group.with(Array($0)), step: step)
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

  /// Multiply-adds of those still to come.
  var work: Double { waiting.reduce(0) { $0 + $1.work } }

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
