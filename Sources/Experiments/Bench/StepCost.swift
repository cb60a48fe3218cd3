import OpenCL
import Tensors
import Training

/// What a training step launches, computes and touches: counted by recording the trainer's own steps.
public struct StepCost: Sendable {
  /// Kernels launched.
  public let launches: Int
  /// Floating-point operations of matrix products.
  public let operations: Double
  /// Bytes of the buffers that launches are given, each buffer once a launch.
  public let bytes: Double

  /// The cost of an ordinary step of all runs of `group` together.
  ///
  /// - inputs: of a row.
  /// - Throws: `UnknownParametrizationError`; `OpenCLError`.
  public init(of group: RunGroup, inputs: Int, device: Device) throws {
    let recording = Recording()
    let compute = try Compute(recording: recording, device: device, group.experiment.facts)
    let count = 2 * group.experiment.settings.batchSize
    let rows = try DeviceRows(
      .floats([Float](repeating: 0, count: count * inputs)),
      labels: [UInt32](repeating: 0, count: count), scale: [Float](repeating: 1, count: inputs),
      shift: [Float](repeating: 0, count: inputs), compute: compute)
    let trainer = try Trainer(
      group.training, replicas: try group.replicas(), totalSteps: 2, compute: compute)
    // The first step of an epoch draws its order, and a product's first is tried.
    try trainer.train(on: rows, until: 1)
    let before = (recording.launches, recording.productOperations, recording.accessedBytes)
    try trainer.train(on: rows, until: 2)
    launches = recording.launches - before.0
    operations = recording.productOperations - before.1
    bytes = Double(recording.accessedBytes - before.2)
  }
}

extension Compute {
  /// A computation that is counted, by the GEMM backend that `facts` have.
  ///
  /// - Throws: as other computations.
  convenience init(recording: Recording, device: Device, _ facts: Facts) throws {
    try self.init(
      recording: recording, device: device,
      multiplier: MultiplierChoice(rawValue: facts.gemm) ?? .automatic, precision: facts.precision)
  }
}
