import Networks
import OpenCL
import Tensors
import Training

/// Times training steps of a network whose data lies on the device: gather, forward, backward, update.
public struct StepBench: Sendable {
  /// The network, the batch and how parameters are updated.
  public var configuration: Configuration
  /// Inputs of the network; of a Transformer its vocabulary.
  public var inputs: Int
  /// Width of the network.
  public var width: Int
  /// The update rule.
  public var optimizer: OptimizerKind
  /// Networks that train together, each with a rate and seed of its own.
  public var replicas: Int

  /// Classes of the labels.
  private static let outputs = 10
  /// Steps of a repetition, one epoch.
  private static let batches = 16
  private var batchSize: Int { configuration.batchSize }

  /// A bench of these sizes, all ≥ 1.
  ///
  /// - configuration: its length does not count; rules are taken as such, relative to no base width.
  public init(
    _ configuration: Configuration, inputs: Int, width: Int, optimizer: OptimizerKind, replicas: Int
  ) {
    precondition([inputs, width, replicas].allSatisfy { $0 >= 1 }, "sizes below 1")
    self.configuration = configuration
    self.configuration.length = .epochs(1)
    self.configuration.absolute = true
    (self.inputs, self.width, self.optimizer) = (inputs, width, optimizer)
    self.replicas = replicas
  }

  /// Times steps for about `seconds`, the networks in groups as a sweep trains them.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`; `SweepError` where memory is short.
  public func run(seconds: Double, compute: Compute) throws -> BenchFigure {
    let device = compute.queue.device
    let group = group(gemm: compute.backend.name)
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
    let cost = try StepCost(of: group, device: device)
    return BenchFigure(
      "step \(networkInWords), " + optimizer.rawValue
        + (replicas == 1 ? "" : ", \(replicas) replicas"),
      timing, units: Double(Self.batches), operations: cost.operations, bytes: cost.bytes,
      details: [
        "milliseconds_per_replica": timing.median / Double(Self.batches * replicas),
        "host_share": timing.hostShare,
        "parameters": Double(
          groups[0].training.network.graph.parameters.reduce(0) {
            $0 + $1.shape.stored.reduce(1, *)
          }),
        "launches": Double(cost.launches),
        "replicas_per_group": Double(groups[0].cells.count),
        "tensor_bytes": Double(compute.tensorBytes),
        "on_chip": trainers[0].trainsOnChip ? 1 : 0,
        "recorded": trainers[0].repeatsSteps ? 1 : 0,
      ], compute: compute)
  }

  private var isText: Bool { configuration.network == .transformer }

  /// "64–256×2–10, batch 64", "transformer 65–256×2, batch 16 of 64 tokens".
  private var networkInWords: String {
    let (sizes, batch) = ("\(inputs)–\(width)×\(configuration.depth)", "batch \(batchSize)")
    if isText { return "transformer \(sizes), \(batch) of \(configuration.context) tokens" }
    let kind = configuration.network == .mlp ? "" : "\(configuration.network.rawValue) "
    return "\(kind)\(sizes)–\(Self.outputs), \(batch)"
  }

  /// Rows of a repetition.
  private var rowCount: Int { batchSize * Self.batches }

  /// The networks as a sweep's runs, each with a rate and a seed of its own.
  private func group(gemm: String) -> RunGroup {
    RunGroup(
      experiment: Experiment(
        configuration,
        Facts(
          data: DataDescription(
            name: "noise", fingerprint: "", inputs: isText ? 1 : inputs,
            outputs: isText
              ? .tokens(.numbered(inputs), bytesPerToken: nil) : .classes(Self.outputs),
            trainCount: isText ? (rowCount + 1) * configuration.context : rowCount,
            validationCount: 0, normalization: "none"),
          gemm: gemm)),
      cells: (0..<replicas).map {
        RunCell(
          parametrization: "spectral", optimizer: optimizer, width: width,
          log2LearningRate: -10 - Double($0) / 8, seed: UInt64($0 + 1))
      })
  }

  /// Of the rows and their labels.
  private var dataBytes: Int {
    isText ? 4 * (rowCount + 1) * configuration.context : rowCount * 4 * (inputs + 1)
  }

  private func randomRows(_ compute: Compute) throws -> DeviceRows {
    var random = Philox(seed: 1, stream: 0)
    let count = rowCount
    if isText {
      let tokens = (0..<(count + 1) * configuration.context).map { _ in
        UInt32(random.index(below: inputs))
      }
      return try DeviceRows(
        .wide(tokens),
        TokenWindows(tokens: tokens.count, context: configuration.context, isShifted: true),
        compute: compute)
    }
    return try DeviceRows(
      .floats((0..<count * inputs).map { _ in random.uniform(-1, 1) }),
      labels: (0..<UInt32(count)).map { $0 % UInt32(Self.outputs) },
      scale: [Float](repeating: 1, count: inputs), shift: [Float](repeating: 0, count: inputs),
      compute: compute)
  }
}

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
  /// - Throws: `UnknownParametrizationError`; `OpenCLError`.
  public init(of group: RunGroup, device: Device) throws {
    let recording = Recording()
    let compute = try Compute(recording: recording, device: device, group.experiment.facts)
    let rows = try DeviceRows.blank(
      2 * group.experiment.settings.batchSize, asIn: group.experiment, bytes: false, compute)
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
      backend: BackendChoice(rawValue: facts.gemm) ?? .automatic, precision: facts.precision)
  }
}
