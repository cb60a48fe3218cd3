import Foundation
import Networks
import OpenCL
import Spectral
import Tensors
import Training

/// How much device memory a group of runs takes, and how many fit.
public struct MemoryPlan {
  /// Where the runs train.
  private let device: Device
  /// Bytes that the sweep may take.
  public let budget: Int
  /// Bytes of the largest buffer that the device allows.
  private let largestBuffer: Int

  /// A plan for `device`.
  ///
  /// - budget: bytes; nil for half of a CPU's free memory, or 80 % of a GPU's. The memory that
  ///   OpenCL reports for a CPU is not used, as drivers name a fraction of what there is.
  public init(device: Device, budget: Int? = nil) {
    self.init(
      device: device,
      budget: budget
        ?? (device.kind == .cpu
          ? HostMemory.available() / 2 : Int(Double(device.globalMemory) * 0.8)),
      largestBuffer: Int(clamping: device.maximumAllocation))
  }

  init(device: Device, budget: Int, largestBuffer: Int) {
    self.device = device
    self.budget = budget
    self.largestBuffer = largestBuffer
  }

  /// Runs of `group` that can train at once beside `dataBytes` of data.
  ///
  /// - measured: what of the runs `Diagnostics` measures and keeps room for, if anything.
  /// - Throws: `SweepError.notEnoughMemory` where not even one fits, `.tensorTooLarge`.
  public func replicas(
    of group: RunGroup, dataBytes: Int, measured: Diagnostics.Contents? = nil
  ) throws -> Int {
    // Kernels count a replica's elements in 32 bits.
    let limit = min(Double(largestBuffer), 4 * Double(UInt32.max))
    let largest = max(Self.largestTensor(of: group), Double(dataBytes))
    guard largest <= limit else {
      throw SweepError.tensorTooLarge(width: group.width, bytes: largest, limit: limit)
    }
    let need = try bytesPerReplica(of: group, measured: measured)
    let fitting = min((Double(budget) - Double(dataBytes)) / need.all, limit / need.largest)
    guard fitting >= 1 else {
      throw SweepError.notEnoughMemory(
        width: group.width, needed: need.all + Double(dataBytes), budget: Double(budget))
    }
    return Int(min(fitting, Double(group.cells.count)))
  }

  /// Bytes of everything one run takes, and of its largest tensor.
  ///
  /// Found by a run that is recorded and not made: a trainer of one replica makes a few steps, with
  /// batches of every size that there are, and an evaluation.
  /// - Throws: `UnknownParametrizationError`; `OpenCLError`.
  package func bytesPerReplica(
    of group: RunGroup, measured: Diagnostics.Contents? = nil
  ) throws -> (all: Double, largest: Double) {
    let settings = group.settings
    let recording = Recording()
    let compute = try Compute(
      recording: recording, device: device,
      multiplier: Compute.MultiplierChoice(rawValue: settings.matrixMultiplication) ?? .automatic,
      precision: settings.precision ?? .fp32)
    let train = try Self.rows(
      of: settings.data.trainCount, by: settings.batchSize, settings.data.inputs, compute)
    let validation = try Self.rows(
      of: settings.data.validationCount, by: Trainer.evaluationBatch, settings.data.inputs, compute)
    let one = RunGroup(settings: settings, cells: [group.cells[0]])
    let trainer = try Trainer(
      one.training, replicas: try one.replicas(), totalSteps: one.totalSteps, compute: compute)
    if let measured, let train {
      try trainer.diagnose(every: 1, contents: measured, probe: train)
    }
    if let train { try trainer.train(on: train, until: min(Self.steps, one.totalSteps)) }
    if let validation { _ = try trainer.evaluate(on: validation) }
    // Beside tensors: the order of all rows, losses that wait, and single numbers.
    let others =
      settings.data.trainCount + min(one.totalSteps, Trainer.mostWaitingLosses) + Self.scalars
    return (
      Double(compute.tensorBytes + recording.mostTemporaryBytes + 4 * others),
      Double(compute.largestTensorBytes)
    )
  }

  /// Numbers of a replica that are no tensors: norms' tables, labels, flags.
  private static let scalars = 128

  /// Steps of the recorded run: a whole batch, a short one, and what is measured from the second on.
  private static let steps = 3

  /// As many rows as have batches of all sizes that `count` rows have; nil of none.
  private static func rows(
    of count: Int, by batchSize: Int, _ inputs: Int, _ compute: Compute
  ) throws -> DeviceRows? {
    let number = count <= batchSize ? count : batchSize + count % batchSize
    guard number > 0 else { return nil }
    return try DeviceRows(
      .bytes([UInt8](repeating: 0, count: number * inputs)),
      labels: [UInt32](repeating: 0, count: number), scale: [Float](repeating: 1, count: inputs),
      shift: [Float](repeating: 0, count: inputs), compute: compute)
  }

  /// Bytes of the largest tensor that a run has by its sizes, in Double, which no size that can be asked
  /// for overflows.
  private static func largestTensor(of group: RunGroup) -> Double {
    let graph = group.training.network.graph
    let rows = Double(max(group.settings.batchSize, Trainer.evaluationBatch))
    let values = graph.nodes.map { rows * Double($0.columns.size) }
    let parameters = graph.parameters.map { Double($0.shape.fanIn) * Double($0.shape.fanOut) }
    return 4 * (values + parameters).reduce(0, max)
  }
}
