import Spectral
import Tensors
import Training

/// Times training steps of an MLP whose data lies on the device: gather, forward, backward, update.
public struct StepBench: Sendable {
  /// Inputs of the network.
  public var inputs: Int
  /// Width of every hidden layer.
  public var width: Int
  /// Hidden layers.
  public var depth: Int
  /// Rows a step.
  public var batchSize: Int
  /// The update rule.
  public var optimizer: OptimizerKind
  /// Networks that train together, each with a rate and seed of its own.
  public var replicas: Int

  /// Classes of the labels.
  private static let outputs = 10
  /// Steps between reads of the losses.
  private static let batches = 16

  /// A bench of these sizes, all ≥ 1.
  public init(
    inputs: Int, width: Int, depth: Int, batchSize: Int, optimizer: OptimizerKind, replicas: Int
  ) {
    precondition(
      [inputs, width, depth, batchSize, replicas].allSatisfy { $0 >= 1 }, "sizes below 1")
    (self.inputs, self.width, self.depth) = (inputs, width, depth)
    (self.batchSize, self.optimizer, self.replicas) = (batchSize, optimizer, replicas)
  }

  /// Times steps for about `seconds`.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func run(seconds: Double, compute: Compute) throws -> BenchFigure {
    let rows = try randomRows(compute)
    let trainer = try Trainer(
      configuration, replicas: try members(), totalSteps: 1 << 40, compute: compute)
    let timing = try BlockTiming(seconds: seconds, compute: compute) {
      _ = try trainer.trainEpoch(on: rows)
    }
    let name = optimizer.rawValue
    return BenchFigure(
      "step \(inputs)–\(width)×\(depth)–\(Self.outputs), batch \(batchSize), \(name)"
        + (replicas == 1 ? "" : ", \(replicas) replicas"),
      timing, units: Double(Self.batches), operations: operations, bytes: bytes,
      details: [
        "milliseconds_per_replica": timing.median / Double(Self.batches * replicas),
        "parameters": parameters, "tensor_bytes": Double(compute.tensorBytes),
      ], compute: compute)
  }

  private var shape: MLPShape {
    MLPShape(
      inputs: inputs, hidden: [Int](repeating: width, count: depth), outputs: Self.outputs)
  }

  private var configuration: TrainingConfiguration {
    TrainingConfiguration(
      network: NetworkConfiguration(shape), optimizer: optimizer, batchSize: batchSize)
  }

  private func members() throws -> [Replica] {
    (0..<replicas).map {
      Replica(
        seed: UInt64($0 + 1), learningRate: 1e-3 / Double($0 + 1),
        parametrization: SpectralParametrization())
    }
  }

  private func randomRows(_ compute: Compute) throws -> DeviceRows {
    var random = Philox(seed: 1, stream: 0)
    let count = batchSize * Self.batches
    return try DeviceRows(
      .floats((0..<count * inputs).map { _ in random.uniform(-1, 1) }),
      labels: (0..<UInt32(count)).map { $0 % UInt32(Self.outputs) },
      scale: [Float](repeating: 1, count: inputs), shift: [Float](repeating: 0, count: inputs),
      compute: compute)
  }

  /// Weights of one network.
  private var parameters: Double {
    shape.parameters.reduce(0.0) { $0 + Double($1.shape.fanIn) * Double($1.shape.fanOut) }
  }

  /// Forward, gradient of the weights, and gradient of every layer's input but the first's.
  private var operations: Double {
    let first = Double(inputs) * Double(width)
    return 2 * Double(batchSize) * (3 * parameters - first) * Double(replicas)
  }

  /// Weights read forward and backward, updated in place with the rule's state; the gradient is
  /// not counted, as a product can apply it as it makes it.
  private var bytes: Double {
    let passes = 2 + 2 * (1 + Double(optimizer.rule.stateNames.count))
    return 4 * passes * parameters * Double(replicas)
  }
}
