import Networks
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
  /// Steps of a repetition, one epoch.
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

  /// Times steps for about `seconds`, the networks in groups as a sweep trains them.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`; `SweepError` where memory is short.
  public func run(seconds: Double, compute: Compute) throws -> BenchFigure {
    let device = compute.queue.device
    let group = group(gemm: compute.multiplier.name)
    let groups = try GroupPlan(device: device, memory: MemoryPlan(device: device))
      .groups(of: group, dataBytes: dataBytes)
    let rows = try randomRows(compute)
    let trainers = try groups.map {
      try Trainer($0.training, replicas: $0.replicas(), totalSteps: 1 << 40, compute: compute)
    }
    let timing = try BlockTiming(seconds: seconds, compute: compute) {
      for trainer in trainers {
        try trainer.train(on: rows, until: trainer.step + Self.batches, waits: false)
      }
    }
    let name = optimizer.rawValue
    return BenchFigure(
      "step \(inputs)–\(width)×\(depth)–\(Self.outputs), batch \(batchSize), \(name)"
        + (replicas == 1 ? "" : ", \(replicas) replicas"),
      timing, units: Double(Self.batches), operations: operations, bytes: bytes,
      details: [
        "milliseconds_per_replica": timing.median / Double(Self.batches * replicas),
        "host_share": timing.hostShare, "parameters": parameters,
        "replicas_per_group": Double(groups[0].cells.count),
        "tensor_bytes": Double(compute.tensorBytes),
        "on_chip": trainers[0].trainsOnChip ? 1 : 0,
        "recorded": trainers[0].repeatsSteps ? 1 : 0,
      ], compute: compute)
  }

  /// The networks as a sweep's runs, each with a rate and a seed of its own.
  private func group(gemm: String) -> RunGroup {
    RunGroup(
      experiment: Experiment(
        Configuration {
          ($0.depth, $0.batchSize, $0.length) = (depth, batchSize, .epochs(1))
          ($0.absolute, $0.zeroReadout) = (true, false)
        },
        Facts(
          data: DataDescription(
            name: "noise", fingerprint: "", inputs: inputs, classes: Self.outputs,
            trainCount: batchSize * Self.batches, validationCount: 0, normalization: "none"),
          gemm: gemm)),
      cells: (0..<replicas).map {
        RunCell(
          parametrization: "spectral", optimizer: optimizer, width: width,
          log2LearningRate: -10 - Double($0) / 8, seed: UInt64($0 + 1))
      })
  }

  private var graph: NetworkGraph {
    MLP(inputs: inputs, hidden: [Int](repeating: width, count: depth), outputs: Self.outputs).graph
  }

  /// Of the rows and their labels.
  private var dataBytes: Int { batchSize * Self.batches * 4 * (inputs + 1) }

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
    graph.parameters.reduce(0.0) { $0 + Double($1.shape.fanIn) * Double($1.shape.fanOut) }
  }

  /// Forward, gradient of the weights, and gradient of every layer's input but the first's.
  private var operations: Double {
    let first = Double(inputs) * Double(width)
    return 2 * Double(batchSize) * (3 * parameters - first) * Double(replicas)
  }

  /// Weights read forward and backward, updated in place with the rule's state; the gradient is
  /// not counted, as a product can apply it as it makes it.
  private var bytes: Double {
    let passes = 2 + 2 * (1 + Double(optimizer.rule().stateNames.count))
    return 4 * passes * parameters * Double(replicas)
  }
}
