import Networks
import OpenCL
import Spectral
import Tensors
import GPUTrainTestSupport
import Testing

@testable import Training

/// Steps whose launches are made again are the steps that are worked out, bit for bit.
@Suite(.serialized) struct RecordedStepsTests {
  let compute: Compute
  let rows: DeviceRows

  init() throws {
    // New, as a first step that compiles and tries kernels is among what is tested.
    compute = try Compute(device: .find(.best))
    rows = try DeviceRows(
      random: 21, inputs: 6, labels: (0..<UInt32(Self.count)).map { $0 * 5 % 3 }, compute: compute)
  }

  /// Four batches of 16, and one of 6.
  private static let count = 70
  /// Six epochs.
  private static let steps = 30

  enum Shape: CaseIterable { case plain, perceptron, residual }

  private func trainer(
    _ optimizer: OptimizerKind = .adam, _ shape: Shape = .perceptron, records: Bool,
    rates: [Double] = [0.02, 0.005, 0.05], rule: (any UpdateRule)? = nil,
    network: (any Architecture)? = nil, compute: Compute? = nil
  ) throws -> Trainer {
    let compute = compute ?? self.compute
    compute.recordsSteps = records
    let known: any Architecture =
      switch shape {
      case .plain: MLP(inputs: 6, hidden: [20, 20], outputs: 3)
      case .perceptron:
        MLP(inputs: 6, hidden: [20, 33], outputs: 3, bias: true, activation: .gelu)
      case .residual: ResidualMLP(inputs: 6, width: 20, depth: 2, outputs: 3)
      }
    return try Trainer(
      TrainingConfiguration(
        network: network ?? known,
        optimization: Optimization(
          optimizer, weightDecay: WeightDecay(strength: 0.01, kind: .independent),
          schedule: Schedule(.warmupStableDecay, warmup: 0.1)), batchSize: 16),
      replicas: rates.enumerated().map {
        Replica(
          seed: UInt64($0.offset), learningRate: $0.element,
          parametrization: SpectralParametrization())
      }, totalSteps: Self.steps, rule: rule, compute: compute)
  }

  private func trained(_ trainer: Trainer, on rows: DeviceRows? = nil) throws -> [TrainingState] {
    try trainer.train(on: rows ?? self.rows, until: Self.steps)
    return try trainer.states()
  }

  @Test(arguments: OptimizerKind.allCases, Shape.allCases)
  func steps_areThoseWorkedOut(optimizer: OptimizerKind, shape: Shape) throws {
    let expected = try trained(trainer(optimizer, shape, records: false))
    let trainer = try trainer(optimizer, shape, records: true)
    #expect(try trained(trainer) == expected)
    // Norms of a vector's gradient start from numbers of the host's.
    let takesNorms = [.spectralNormalized, .frobeniusNormalized].contains(optimizer)
    #expect(trainer.repeatsSteps == (shape == .plain || !takesNorms))
  }

  @Test(arguments: [2, 3]) func measuredSteps_comeBetween(every: Int) throws {
    func train(records: Bool) throws -> (states: [TrainingState], norms: [[Double]], Bool) {
      let trainer = try trainer(records: records)
      let diagnostics = try trainer.diagnose(every: every, probe: rows)
      let states = try trained(trainer)
      let norms = try diagnostics.records().map { record in
        record.layers.flatMap { $0[.spectralNorm] ?? [] }
      }
      return (states, norms, trainer.repeatsSteps)
    }
    let (expected, got) = (try train(records: false), try train(records: true))
    #expect(got.states == expected.states && got.norms == expected.norms)
    #expect(got.norms.count == Self.steps / every && got.2 && !expected.2)
  }

  /// Back to an earlier state in the same trainer, and in another.
  @Test(arguments: [12, 15]) func restoredTrainer_goesOn(step: Int) throws {
    let expected = try trained(trainer(records: false))
    let first = try trainer(records: true)
    try first.train(on: rows, until: step)
    let states = try first.states()
    #expect(try trained(first) == expected)
    for trainer in [first, try trainer(records: true)] {
      try trainer.restore(states)
      #expect(try trainer.states() == states)
      #expect(try trained(trainer) == expected)
      #expect(trainer.repeatsSteps)
    }
  }

  @Test func divergedReplica_isFrozen_andOthersTrain() throws {
    let rates = [0.02, 1e30, 0.005]
    let expected = try trained(trainer(.sgd, records: false, rates: rates))
    #expect(expected.map(\.isActive) == [true, false, true])
    let states = try trained(trainer(.sgd, records: true, rates: rates))
    // NaN is not equal to itself.
    #expect(states[0] == expected[0] && states[2] == expected[2])
    #expect(
      zip(states[1].parameters, expected[1].parameters).allSatisfy {
        $0.values.map(\.bitPattern) == $1.values.map(\.bitPattern)
      })
  }

  /// What is evaluated and kept between steps takes memory that recorded steps had.
  @Test func tensorsThatOthersTake_areLeftToThem() throws {
    let expected = try trained(trainer(records: false))
    let trainer = try trainer(records: true)
    var kept: [(tensor: Tensor, values: [Float])] = []
    for step in stride(from: 10, through: Self.steps, by: 5) {
      try trainer.train(on: rows, until: step)
      for (rows, columns) in [(16, 20), (16, 33), (6, 33), (16, 3)] {
        let tensor = try compute.filled(
          Float(step), replicas: 3, rows: rows, columns: columns)
        kept.append((tensor, try compute.read(tensor)))
      }
      if step == 20 { try compute.releaseUnusedMemory() }
      _ = try trainer.evaluate(on: rows)
    }
    #expect(try trainer.states() == expected)
    for (tensor, values) in kept { #expect(try compute.read(tensor) == values) }
  }

  @Test func trainersInTurn_andOtherRows_areAsEachAlone() throws {
    let other = try DeviceRows(
      .bytes((0..<48 * 6).map { UInt8($0 % 251) }), labels: (0..<48).map { $0 % 3 },
      scale: [Float](repeating: 0.01, count: 6), shift: [Float](repeating: -1, count: 6),
      compute: compute)
    func train(records: Bool) throws -> [[TrainingState]] {
      let trainers = [try trainer(records: records), try trainer(.sgd, records: records)]
      // Whole epochs of either rows: five steps and three.
      for (step, rows) in [(15, rows), (24, other), (29, rows), (30, rows)] {
        for trainer in trainers { try trainer.train(on: rows, until: step) }
      }
      return try trainers.map { try $0.states() }
    }
    #expect(try train(records: true) == train(records: false))
  }

  // MARK: Steps that are not made again

  /// Gradient descent by 1/t of the gradient at step t, or at the rule's t-th call.
  private struct Slowing: UpdateRule {
    final class Count: @unchecked Sendable { var value = 0 }

    let asks: Bool
    let count = Count()
    let stateNames: [String] = []
    let family = UpdateFamily.sgd

    func update(
      _ weight: Tensor, gradient: ParameterGradient, state: [Tensor], step: UpdateStep,
      compute: Compute
    ) throws -> Tensor? {
      count.value += 1
      let direction = try compute.scaled(
        gradient.materialized(compute), by: 1 / Float(asks ? step.number : count.value))
      return try step.apply(direction: direction, to: weight, compute: compute)
    }
  }

  /// The same as a snippet, whose numbers are in device memory for all steps.
  private struct SlowingSnippet: ElementwiseUpdateRule {
    let elementwise = ElementwiseRule(
      name: "slowing", corrections: ["part"], direction: "T d = part * g;")
    let family = UpdateFamily.sgd
    func corrections(step: Int) -> [Double] { [1 / Double(step)] }
  }

  /// What a rule takes of the step's number, or of what it keeps itself, is not lost.
  @Test func rules_areFollowedWhereverTheirNumbersComeFrom() throws {
    let rules: [(rule: () -> any UpdateRule, repeats: Bool)] = [
      ({ Slowing(asks: true) }, false), ({ Slowing(asks: false) }, false),
      ({ SlowingSnippet() }, true),
    ]
    for (rule, repeats) in rules {
      let expected = try trained(trainer(.sgd, records: false, rule: rule()))
      let trainer = try trainer(.sgd, records: true, rule: rule())
      #expect(try trained(trainer) == expected, "\(rule())")
      #expect(trainer.repeatsSteps == repeats, "\(rule())")
    }
  }

  /// y = x, with a wait for the device.
  private struct Waiting: Networks.Operation {
    func columns(of inputs: [Extent]) -> Extent { inputs[0] }

    func forward(
      _ inputs: [Tensor], _ parameters: [Parameter], compute: Compute
    ) throws -> OperationValue {
      _ = try compute.read(inputs[0])
      return OperationValue(inputs[0])
    }

    func backward(
      _ gradient: Tensor, _ pass: BackwardPass, receive: GradientReceiver
    ) throws -> [Tensor?] {
      [gradient]
    }
  }

  private struct WaitingMLP: Architecture {
    let inputs = 6

    func build(_ g: inout GraphBuilder, _ input: Node) -> Node {
      g.linear(g.apply(Waiting(), [input], module: "waiting"), "readout", .fixed(3))
    }
  }

  @Test func stepThatReads_isWorkedOut() throws {
    let expected = try trained(trainer(.sgd, records: false, network: WaitingMLP()))
    let trainer = try trainer(.sgd, records: true, network: WaitingMLP())
    #expect(try trained(trainer) == expected && !trainer.repeatsSteps)
  }

  @Test(arguments: TrajectoryTests.backends.filter { $0 != .opencl })
  func otherBackends_trainAsWithoutRecording(choice: Compute.BackendChoice) throws {
    let device = compute.queue.device
    let compute = try Compute.idle(backend: choice)
    let rows = try DeviceRows(
      .floats((0..<Self.count * 6).map { Float($0 % 17) / 17 }),
      labels: (0..<UInt32(Self.count)).map { $0 * 5 % 3 },
      scale: [Float](repeating: 1, count: 6), shift: [Float](repeating: 0, count: 6),
      compute: compute)
    let expected = try trained(trainer(records: false, compute: compute), on: rows)
    let trainer = try trainer(records: true, compute: compute)
    #expect(try trained(trainer, on: rows) == expected)
    #expect(trainer.repeatsSteps == (choice == .tiled))
  }
}
