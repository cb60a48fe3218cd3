import Foundation
import Networks
import OpenCL
import Spectral
import Tensors
import Training

/// How much device memory a group of runs takes, and how many fit.
public struct MemoryPlan: Sendable {
  /// Bytes that the sweep may take.
  public let budget: Int
  /// Bytes of the largest buffer that the device allows.
  private let largestBuffer: Int
  /// Whether the device has kernels of warpgroups, which take packed operands.
  private let hasWarpgroups: Bool

  /// A plan for `device`.
  ///
  /// - budget: bytes; nil for half of a CPU's free memory, or 80 % of a GPU's. The memory that
  ///   OpenCL reports for a CPU is not used, as drivers name a fraction of what there is.
  public init(device: Device, budget: Int? = nil) {
    self.init(
      budget: budget
        ?? (device.kind == .cpu
          ? HostMemory.available() / 2 : Int(Double(device.globalMemory) * 0.8)),
      largestBuffer: Int(clamping: device.maximumAllocation),
      hasWarpgroups: WarpgroupChoice.isThere(on: device))
  }

  init(budget: Int, largestBuffer: Int, hasWarpgroups: Bool = false) {
    self.budget = budget
    self.largestBuffer = largestBuffer
    self.hasWarpgroups = hasWarpgroups
  }

  /// Runs of `group` that can train at once beside `dataBytes` of data.
  ///
  /// - measured: what of the runs `Diagnostics` measures and keeps room for, if anything.
  /// - Throws: `SweepError.notEnoughMemory` where not even one fits, `.tensorTooLarge`.
  public func replicas(
    of group: RunGroup, dataBytes: Int, measured: Diagnostics.Contents? = nil
  ) throws -> Int {
    let need = Self.bytesPerReplica(
      of: group, measured: measured, hasWarpgroups: hasWarpgroups)
    let largest = max(need.largest, Double(dataBytes))
    // Kernels count a replica's elements in 32 bits.
    let limit = min(Double(largestBuffer), 4 * Double(UInt32.max))
    guard largest <= limit else {
      throw SweepError.tensorTooLarge(width: group.width, bytes: largest, limit: limit)
    }
    let fitting = min((Double(budget) - Double(dataBytes)) / need.all, limit / need.largest)
    guard fitting >= 1 else {
      throw SweepError.notEnoughMemory(
        width: group.width, needed: need.all + Double(dataBytes), budget: Double(budget))
    }
    return Int(min(fitting, Double(group.cells.count)))
  }

  /// Bytes of everything one run keeps, and of its largest tensor; in Double, which no size that
  /// can be asked for overflows.
  ///
  /// Tensors come from a pool that keeps memory by size, so their peak is found by walking through
  /// a step and an evaluation as the trainer does. CLBlast pads or transposes operands, once each;
  /// `tiled` stores the sums of slices, and packs operands of warpgroups.
  package static func bytesPerReplica(
    of group: RunGroup, measured: Diagnostics.Contents? = nil, hasWarpgroups: Bool = false
  ) -> (all: Double, largest: Double) {
    let settings = group.settings
    let shape = group.settings.network(width: group.width)
    let graph = shape.graph
    let parameters = graph.parameters.map { Double($0.shape.fanIn) * Double($0.shape.fanOut) }
    var pool = PooledElements()
    for parameter in parameters {
      for _ in 0...group.optimizer.rule.stateNames.count { pool.take(parameter) }
    }
    if measured == .all {
      // The weights at the start, and one after the other their change since; features at the start
      // and of this step.
      for parameter in parameters { pool.take(parameter) }
      for parameter in parameters {
        pool.take(parameter)
        pool.give(parameter)
      }
      for _ in 0..<2 {
        _ = pool.walkForward(shape, rows: Double(Trainer.probeRows))
      }
    }
    // Plain gradient descent's are known by the gradient's factors.
    let keepsUpdates =
      measured != nil
      && !Optimizer.isGradientDescent(group.optimizer.rule, weightDecay: settings.weightDecay)
    if let measured {
      // The norms of W and of ΔW over all matrices at once, those of the change since the start one
      // by one.
      let form: PassForm =
        ["opencl", "openblas"].contains(settings.matrixMultiplication) ? .cpu : .gpu
      let weights = graph.parameters.filter { $0.shape.kind == .weight }
        .map { (replicas: 1, rows: $0.shape.fanOut, columns: $0.shape.fanIn) }
      for shapes in [weights] + (keepsUpdates ? [weights] : [])
        + (measured == .all ? weights.map { [$0] } : [])
      {
        for count in PowerIteration.bufferCounts(shapes: shapes, form: form) {
          pool.take(Double(count))
        }
      }
    }
    let normsOfGradients =
      measured == .all || measured != nil && !keepsUpdates
      || group.optimizer.family == .normalized
    for rows in batches(of: settings.data.trainCount, by: settings.batchSize) {
      if keepsUpdates { for parameter in parameters { pool.take(parameter) } }
      let fusesUpdates =
        settings.matrixMultiplication == "tiled"
        || settings.matrixMultiplication == "opencl" && Int(rows) <= CPUMultiplier.mostUpdateRows
      pool.walkStep(
        shape, rows: rows, normsOfGradients: normsOfGradients,
        // An update that is kept lies where its gradient was.
        gradients: !keepsUpdates && (group.optimizer.rule.formsGradient || !fusesUpdates))
      if keepsUpdates { pool.release(parameters) }
    }
    for rows in batches(of: settings.data.validationCount, by: Trainer.evaluationBatch) {
      let kept = pool.walkForward(shape, rows: rows)
      pool.release(kept)
    }
    let widest = Double(shape.hidden.max() ?? 0)
    let mostRows = Double(max(settings.batchSize, Trainer.evaluationBatch))
    let temporaries =
      switch settings.matrixMultiplication {
      case "clblast": 2 * (parameters.max() ?? 0) + 4 * mostRows * widest
      case "tiled":
        Self.sliceElements(
          of: group, measured: measured != nil, normsOfGradients: normsOfGradients,
          packsFor: hasWarpgroups ? settings.precision ?? .fp32 : .fp32)
      default: 0.0
      }
    let order = Double(settings.data.trainCount)
    let losses = Double(min(group.totalSteps, Trainer.mostWaitingLosses))
    return (4 * (pool.total + temporaries + order + losses + scalars), 4 * pool.largest)
  }

  /// Elements of the sums of products whose k our GPU kernels cut into slices, and of operands that they
  /// pack: one buffer for each size of either, two where both operands have it, as they are given back
  /// at once.
  ///
  /// - measured: whether norms and features are measured too. normsOfGradients: whether norms are
  ///   taken by the batch's two Gram matrices. precision: of operands that are packed; none are of fp32.
  static func sliceElements(
    of group: RunGroup, measured: Bool, normsOfGradients: Bool,
    packsFor precision: ProductPrecision = .fp32
  ) -> Double {
    let settings = group.settings
    let matrices = group.training.network.graph.parameters.map(\.shape)
      .filter { $0.kind == .weight }
    let steps = batches(of: settings.data.trainCount, by: settings.batchSize).map { Int($0) }
    let evaluations = batches(of: settings.data.validationCount, by: Trainer.evaluationBatch)
      .map { Int($0) }
    var (sizes, packed): (Set<Int>, [Int: Int]) = ([], [:])
    func multiply(_ m: Int, _ n: Int, _ k: Int) {
      sizes.insert(ProductSlices.elements(m: m, n: n, k: k))
      let (a, b) = WarpgroupChoice.packedElements(m: m, n: n, k: k, precision: precision)
      for size in [a, b] { packed[size] = max(packed[size] ?? 0, a == b ? 2 : 1) }
    }
    for (layer, matrix) in matrices.enumerated() {
      let (fanIn, fanOut) = (matrix.fanIn, matrix.fanOut)
      for rows in steps + evaluations + (measured ? [Trainer.probeRows] : []) {
        multiply(rows, fanOut, fanIn)
      }
      for rows in steps {
        // The data has no gradient.
        if layer > 0 { multiply(rows, fanIn, fanOut) }
        // A gradient as a matrix, where the rule or a measurement needs one.
        multiply(fanOut, fanIn, rows)
        if normsOfGradients {
          multiply(rows, rows, fanIn)
          multiply(rows, rows, fanOut)
        }
        if measured {
          multiply(Trainer.probeRows, rows, fanIn)
          multiply(Trainer.probeRows, fanOut, rows)
        }
      }
    }
    return sizes.reduce(0) { $0 + Double($1) }
      + packed.reduce(0) { $0 + Double($1.key) * Double($1.value) }
  }

  /// Elements of what is one number a replica: norms, flags.
  private static let scalars = 128.0

  /// The sizes that batches of `count` rows have: the whole ones, and a last shorter one.
  private static func batches(of count: Int, by size: Int) -> [Double] {
    [count < size ? 0 : size, count % size].filter { $0 > 0 }.map(Double.init)
  }
}
