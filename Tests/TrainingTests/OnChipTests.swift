import Foundation
import Networks
import OpenCL
import Spectral
import Tensors
import Testing

@testable import Training

/// Many steps a launch against ordinary steps, of networks that fit one processor.
@Suite(.serialized) struct OnChipTests {
  let compute: Compute

  init() throws {
    compute = try Compute(device: .find(.best))
    compute.onChipUse = .always
  }

  /// A training, and how far on-chip steps may be from ordinary ones.
  struct Case: Sendable, CustomTestStringConvertible {
    var width = 16
    var depth = 2
    var inputs = 16
    var classes = 10
    var batch = 16
    var activation = Activation.relu
    var loss = LossFunction.crossEntropy
    var optimizer = OptimizerKind.adam
    var decay: WeightDecay?
    var schedule = Schedule()
    var bytes = false
    var multipliers = (input: 1.0, output: 1.0)
    var rates = [0x1p-7, 0x1p-9, 0x1p-5]
    var parametrization: any Parametrization = SpectralParametrization()

    var testDescription: String {
      "\(inputs)–\(width)×\(depth)–\(classes), batch \(batch), \(activation), \(loss), \(optimizer)"
        + ", decay \(decay.map { "\($0.kind)" } ?? "none"), \(bytes ? "bytes" : "floats")"
    }

    var configuration: TrainingConfiguration {
      TrainingConfiguration(
        network: MLP(
          inputs: inputs, hidden: [Int](repeating: width, count: depth), outputs: classes,
          activation: activation, inputMultiplier: multipliers.input,
          outputMultiplier: multipliers.output),
        loss: loss,
        optimization: Optimization(optimizer, weightDecay: decay, schedule: schedule),
        batchSize: batch)
    }

    /// Rows of an epoch, whose last batch is short.
    var count: Int { 4 * batch + batch / 2 + 1 }
    /// Steps of three epochs.
    var steps: Int { 15 }
  }

  private func rows(_ test: Case) throws -> DeviceRows {
    var random = Philox(seed: 3, stream: 0)
    let values = (0..<test.count * test.inputs).map { _ in random.uniform(0, 255) }
    return try DeviceRows(
      test.bytes ? .bytes(values.map { UInt8($0) }) : .floats(values),
      labels: (0..<UInt32(test.count)).map { $0 * 7 % UInt32(test.classes) },
      scale: (0..<test.inputs).map { 0.01 + 0.0001 * Float($0) },
      shift: (0..<test.inputs).map { -1 - 0.01 * Float($0) }, compute: compute)
  }

  private func trainer(
    _ test: Case, replicas: [Int]? = nil, onChip: Compute.OnChipUse, rule: (any UpdateRule)? = nil
  ) throws -> Trainer {
    compute.onChipUse = onChip
    return try Trainer(
      test.configuration,
      replicas: (replicas ?? Array(test.rates.indices)).map {
        Replica(
          seed: UInt64($0), learningRate: test.rates[$0], parametrization: test.parametrization)
      }, totalSteps: test.steps, rule: rule, compute: compute)
  }

  private func train(_ test: Case, onChip: Compute.OnChipUse) throws -> [TrainingState] {
    let trainer = try trainer(test, onChip: onChip)
    try trainer.train(on: rows(test), until: test.steps)
    return try trainer.states()
  }

  /// ‖got − expected‖/‖expected‖.
  private func error(_ got: [Float], _ expected: [Float]) -> Double {
    let (error, size) = zip(got, expected).reduce((0.0, 0.0)) {
      ($0.0 + pow(Double($1.0) - Double($1.1), 2), $0.1 + pow(Double($1.1), 2))
    }
    return error == 0 ? 0 : (error / size).squareRoot()
  }

  /// Fifteen steps multiply rounding a little.
  private func expectEqual(
    _ got: [TrainingState], _ expected: [TrainingState], tolerance: Double = 1e-5,
    _ location: SourceLocation = #_sourceLocation
  ) {
    for (replica, (got, expected)) in zip(got, expected).enumerated() {
      #expect(got.isActive == expected.isActive, sourceLocation: location)
      #expect(
        got.step == expected.step && got.epoch == expected.epoch
          && got.epochStep == expected.epochStep && got.batchSizes == expected.batchSizes,
        sourceLocation: location)
      #expect(
        error(got.lossSums, expected.lossSums) <= tolerance, "losses of replica \(replica)",
        sourceLocation: location)
      for (got, expected) in zip(
        got.parameters + got.optimizer, expected.parameters + expected.optimizer)
      {
        #expect(
          error(got.values, expected.values) <= tolerance, "\(got.name) of replica \(replica)",
          sourceLocation: location)
      }
    }
  }

  /// Rates for rules whose steps are as large as gradients.
  private static let faster = [0x1p-3, 0x1p-4, 0x1p-2]

  static let cases: [Case] = [
    // Sizes: whole and partly idle groups, sums that items share, tiles of two blocks.
    Case(width: 64, inputs: 64, batch: 64, schedule: Schedule(.cosine, warmup: 0.2)),
    Case(width: 128, depth: 2, inputs: 64, batch: 64),
    Case(width: 48, depth: 3, inputs: 20, classes: 3, batch: 24, bytes: true),
    Case(width: 16, depth: 1, inputs: 16, batch: 16),
    Case(width: 16, depth: 4, inputs: 16, batch: 16, activation: .identity),
    Case(width: 64, depth: 4, inputs: 12, classes: 17, batch: 64, activation: .tanh),
    Case(width: 20, depth: 2, inputs: 4, classes: 2, batch: 4),
    Case(width: 4, depth: 3, inputs: 8, classes: 1, batch: 8, loss: .meanSquaredError),
    Case(width: 8, depth: 1, inputs: 64, classes: 33, batch: 256),
    Case(width: 128, depth: 1, inputs: 32, batch: 64, activation: .gelu, bytes: true),
    // Rules and what else goes into an update.
    Case(
      activation: .gelu, loss: .meanSquaredError, optimizer: .adamw,
      decay: WeightDecay(strength: 0.1, kind: .independent)),
    Case(
      activation: .tanh, optimizer: .adam, decay: WeightDecay(strength: 0.1, kind: .coupled),
      schedule: Schedule(.linear), multipliers: (4, 0.25)),
    Case(
      width: 48, optimizer: .sgd, decay: WeightDecay(strength: 0.1, kind: .coupled), bytes: true,
      multipliers: (0.5, 2), rates: faster),
    Case(
      width: 64, activation: .gelu, loss: .meanSquaredError, optimizer: .sgd,
      decay: WeightDecay(strength: 0.1, kind: .decoupled), rates: faster),
    Case(
      activation: .tanh, optimizer: .momentum,
      decay: WeightDecay(strength: 0.1, kind: .independent), rates: faster),
    Case(
      width: 48, depth: 3, batch: 24, activation: .relu, optimizer: .nesterov,
      schedule: Schedule(.warmupStableDecay), multipliers: (2, 1), rates: faster),
    Case(parametrization: NeuralTangentParametrization()),
  ]

  @Test(arguments: cases) func steps_areOrdinaryOnes(test: Case) throws {
    let start = try trainer(test, onChip: .never).states()
    let expected = try train(test, onChip: .never)
    let got = try train(test, onChip: .always)
    #expect(compute.onChipNetworks.count == 1)
    expectEqual(got, expected)
    for (replica, start) in start.enumerated() {
      for (index, start) in start.parameters.enumerated() {
        let change = error(expected[replica].parameters[index].values, start.values)
        let wrong = error(
          got[replica].parameters[index].values, expected[replica].parameters[index].values)
        #expect(change >= 1e-4, "\(start.name) has moved")
        #expect(wrong <= 1e-2 * change, "\(start.name) of replica \(replica)")
      }
    }
  }

  @Test func divergedReplica_isFrozenAndLeavesOthersAlone() throws {
    var test = Case(optimizer: .sgd, rates: [0x1p-5, 0x1p40, 0x1p-3])
    test.loss = .meanSquaredError
    let expected = try train(test, onChip: .never)
    let got = try train(test, onChip: .always)
    #expect(expected.map(\.isActive) == [true, false, true])
    expectEqual([got[0], got[2]], [expected[0], expected[2]])
    #expect(!got[1].isActive)
    #expect(
      got[1].lossSums.map(\.isFinite) == expected[1].lossSums.map(\.isFinite))
    // Frozen before the update whose loss is not finite, in a later launch as well.
    let frozen = try trainer(test, onChip: .always)
    try frozen.train(on: rows(test), until: 9, every: 1)
    #expect(try frozen.states()[1].parameters == got[1].parameters)
  }

  @Test func replica_trainsAloneAsInAGroup() throws {
    let test = Case(width: 48, batch: 24, activation: .gelu)
    let together = try train(test, onChip: .always)
    for replica in test.rates.indices {
      let alone = try trainer(test, replicas: [replica], onChip: .always)
      try alone.train(on: rows(test), until: test.steps)
      #expect(try alone.states() == [together[replica]])
    }
  }

  /// Launches end at every call of `progress`, and a step that is diagnosed is an ordinary one.
  @Test(arguments: OptimizerKind.allCases.prefix(5)) func interruptedTraining_isTheWholeOne(
    optimizer: OptimizerKind
  ) throws {
    struct Stopped: Error {}
    let test = Case(optimizer: optimizer, decay: WeightDecay(strength: 0.1, kind: .coupled))
    let rows = try rows(test)
    let whole = try train(test, onChip: .always)
    for step in [1, 5, 8, 14] {
      let first = try trainer(test, onChip: .always)
      #expect(throws: Stopped.self) {
        try first.train(on: rows, until: test.steps, every: step) { _ in
          if first.step == step { throw Stopped() }
        }
      }
      let states = try first.states()
      #expect(states.allSatisfy { $0.step == step && $0.lossSums.count == step })
      let second = try trainer(test, onChip: .always)
      try second.restore(states)
      try second.train(on: rows, until: test.steps)
      #expect(try second.states() == whole, "at step \(step)")
      // And by ordinary steps from there on.
      let third = try trainer(test, onChip: .never)
      try third.restore(states)
      try third.train(on: rows, until: test.steps)
      expectEqual(try third.states(), whole)
    }
  }

  @Test func diagnosedTraining_hasTheSameRecords() throws {
    let test = Case(width: 20)
    let rows = try rows(test)
    func records(_ use: Compute.OnChipUse) throws -> ([Double], [TrainingState]) {
      let trainer = try trainer(test, onChip: use)
      let diagnostics = try trainer.diagnose(every: 4, probe: rows)
      try trainer.train(on: rows, until: test.steps)
      let values = try diagnostics.records().flatMap { record in
        record.layers.flatMap { $0.values.flatMap { $0 } }.sorted()
      }
      let states = try trainer.states()
      return (values, states)
    }
    let (got, onChip) = try records(.always)
    let (expected, ordinary) = try records(.never)
    expectEqual(onChip, ordinary)
    #expect(got.count == expected.count && !got.isEmpty)
    #expect(error(got.map { Float($0) }, expected.map { Float($0) }) <= 1e-3)
  }

  @Test func wrongKernel_isFound() throws {
    let test = Case()
    let trial = OnChipTrial(
      configuration: test.configuration, customRule: nil, parametrization: test.parametrization,
      bytes: false)
    func plan(_ loss: LossFunction, activation: Activation = .relu) throws -> OnChipPlan {
      var other = test
      other.activation = activation
      let network = try #require(
        OnChipNetwork(
          other.configuration.network.graph, rule: .adam, loss: loss, batch: test.batch,
          bytes: false))
      return try #require(
        OnChipPlan(network, limits: KernelLimits(workGroup: 256, localMemory: 1 << 18)))
    }
    try trial.run(plan(.crossEntropy), compute: compute)
    #expect(throws: OnChipTrialError.self) {
      try trial.run(plan(.meanSquaredError), compute: compute)
    }
    #expect(throws: OnChipTrialError.self) {
      try trial.run(plan(.crossEntropy, activation: .gelu), compute: compute)
    }
    // What has been found wrong gives way to ordinary steps.
    compute.onChipTrials[try plan(.crossEntropy)] = .some(OnChipTrialError(description: "wrong"))
    let got = try train(test, onChip: .always)
    #expect(compute.onChipNetworks.isEmpty)
    #expect(try got == train(test, onChip: .never))
  }

  @Test func networks_areThoseThatTheKernelComputes() throws {
    func network(
      _ architecture: any Architecture, rule: ElementwiseRule = .adam
    ) -> OnChipNetwork? {
      OnChipNetwork(
        architecture.graph, rule: rule, loss: .crossEntropy, batch: 64, bytes: false)
    }
    let chain = MLP(inputs: 64, hidden: [64, 64], outputs: 10)
    #expect(network(chain)?.description == "64–64×2–10, batch 64")
    #expect(network(chain, rule: Momentum(0.5).elementwise) != nil)
    #expect(network(MLP(inputs: 64, hidden: [64, 32], outputs: 10)) == nil)
    #expect(network(MLP(inputs: 64, hidden: [64], outputs: 10, bias: true)) == nil)
    #expect(network(Residual()) == nil)
    #expect(network(Shared()) == nil)
    #expect(network(TwoActivations()) == nil)
  }

  @Test func plans_areOfNetworksThatFit() throws {
    func plan(_ test: Case, kibibytes: Int = 227, workGroup: Int = 1024) -> OnChipPlan? {
      OnChipNetwork(
        test.configuration.network.graph, rule: .adam, loss: test.loss, batch: test.batch,
        bytes: false
      ).flatMap {
        OnChipPlan($0, limits: KernelLimits(workGroup: workGroup, localMemory: kibibytes << 10))
      }
    }
    let small = Case(width: 64, inputs: 64, batch: 64)
    #expect(plan(small) != nil && plan(small, kibibytes: 99) != nil)
    #expect(plan(small, kibibytes: 90) == nil)
    #expect(plan(small, workGroup: 128) == nil)
    #expect(plan(Case(width: 128, inputs: 64, batch: 64)) != nil)
    #expect(plan(Case(width: 256, inputs: 64, batch: 64)) == nil)
    #expect(plan(Case(width: 64, depth: 5)) == nil)
    #expect(plan(Case(width: 62)) == nil)
    #expect(plan(Case(inputs: 30)) == nil)
    #expect(plan(Case(batch: 30)) == nil)
    #expect(plan(Case(batch: 512)) == nil)
    #expect(plan(Case(width: 64, classes: 100)) == nil)
  }

  @Test(.enabled(if: try Device.find(.best).kind == .cpu)) func cpu_takesOrdinarySteps() throws {
    let test = Case()
    _ = try train(test, onChip: .automatic)
    #expect(compute.onChipNetworks.isEmpty)
  }
}

private struct Residual: Architecture {
  var inputs: Int { 16 }
  func build(_ g: inout GraphBuilder, _ input: Node) -> Node {
    let x = g.linear(input, "a", .growing(16))
    return g.linear(g.add(x, g.activation(g.linear(x, "b", .growing(16)), .relu)), "c", .fixed(3))
  }
}

private struct Shared: Architecture {
  var inputs: Int { 16 }
  func build(_ g: inout GraphBuilder, _ input: Node) -> Node {
    let x = g.activation(g.linear(input, "a", .growing(16)), .relu)
    let y = g.activation(g.linear(x, "b", .growing(16)), .relu)
    return g.linear(g.activation(g.linear(y, "b", .growing(16)), .relu), "c", .fixed(3))
  }
}

private struct TwoActivations: Architecture {
  var inputs: Int { 16 }
  func build(_ g: inout GraphBuilder, _ input: Node) -> Node {
    let x = g.activation(g.linear(input, "a", .growing(16)), .relu)
    return g.linear(g.activation(g.linear(x, "b", .growing(16)), .tanh), "c", .fixed(3))
  }
}
