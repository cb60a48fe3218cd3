import Networks
import OpenCL
import Spectral
import Tensors
import GPUTrainTestSupport
import Testing

@testable import Training

/// A trainer that resumes from another's state is that trainer, bit for bit.
@Suite(.serialized) struct TrainingStateTests {
  let compute: Compute
  let rows: DeviceRows

  init() throws {
    compute = try Compute.idle()
    rows = try DeviceRows(
      random: 12, inputs: 6, labels: (0..<70).map { $0 % 3 }, compute: compute)
  }

  private struct Stopped: Error {}

  private func trainer(
    _ optimizer: OptimizerKind = .adam, rates: [Double] = [0.02, 0.005], width: Int = 20,
    bias: Bool = true, totalSteps: Int = 13, diagnosed: Diagnostics.Contents? = nil
  ) throws -> Trainer {
    let trainer = try Trainer(
      TrainingConfiguration(
        network: MLP(
          inputs: 6, hidden: [width, 33], outputs: 3, bias: bias, activation: .gelu),
        optimization: Optimization(
          optimizer, weightDecay: WeightDecay(strength: 0.01, kind: .independent),
          decaysVectors: true, schedule: Schedule(.cosine, warmup: 0.1)), batchSize: 16),
      replicas: rates.enumerated().map {
        Replica(
          seed: UInt64($0.offset), learningRate: $0.element,
          parametrization: SpectralParametrization())
      }, totalSteps: totalSteps, compute: compute)
    if let diagnosed { try trainer.diagnose(every: 3, contents: diagnosed, probe: rows) }
    return trainer
  }

  /// Trains to the end; before it, stops after `step` steps where there are so many.
  private func train(_ trainer: Trainer, stopAfter step: Int? = nil) throws {
    while trainer.step < trainer.totalSteps {
      do {
        _ = try trainer.trainEpoch(on: rows, every: 1) { if $0 == step { throw Stopped() } }
      } catch is Stopped {
        return
      }
    }
  }

  private func values(_ diagnostics: Diagnostics?) throws -> [[String: [Double]]] {
    try diagnostics?.records().map { record in
      var values = ["step": [Double(record.step)]]
      for (index, layer) in record.layers.enumerated() {
        for (quantity, numbers) in layer { values["\(index)/\(quantity)"] = numbers }
      }
      return values
    } ?? []
  }

  @Test(arguments: OptimizerKind.allCases, [nil, Diagnostics.Contents.all])
  func restoredTrainer_isTheOneThatWentOn(
    optimizer: OptimizerKind, diagnosed: Diagnostics.Contents?
  ) throws {
    let whole = try trainer(optimizer, diagnosed: diagnosed)
    try train(whole)
    // Within an epoch, at its ends, and after the last step; five steps make an epoch.
    for step in [1, 5, 8, 13] {
      let first = try trainer(optimizer, diagnosed: diagnosed)
      try train(first, stopAfter: step)
      let states = try first.states()
      #expect(states.allSatisfy { $0.step == step && $0.lossSums.count == step })
      let second = try trainer(optimizer, diagnosed: diagnosed)
      try second.restore(states)
      #expect(try second.states() == states, "at step \(step)")
      try train(second)
      #expect(try second.states() == whole.states(), "at step \(step)")
      #expect(try second.allLosses().losses == whole.allLosses().losses)
      let before = try values(first.diagnostics)
      #expect(try before + values(second.diagnostics) == values(whole.diagnostics))
    }
  }

  @Test func stoppedEpoch_isFinishedByTheNextCall() throws {
    let whole = try trainer()
    let stopped = try trainer()
    let losses = try whole.trainEpoch(on: rows).losses
    #expect(throws: Stopped.self) {
      try stopped.trainEpoch(on: rows, every: 1) { if $0 == 2 { throw Stopped() } }
    }
    #expect(try stopped.trainEpoch(on: rows).losses == losses)
    #expect(try stopped.trainEpoch(on: rows).losses == whole.trainEpoch(on: rows).losses)
  }

  @Test func divergedReplica_standsStillAfterARestoreToo() throws {
    let first = try trainer(.sgd, rates: [0.01, 1e30])
    try train(first, stopAfter: 7)
    let states = try first.states()
    #expect(states.map(\.isActive) == [true, false])
    let second = try trainer(.sgd, rates: [0.01, 1e30])
    try second.restore(states)
    try train(second)
    #expect(try second.states()[1].isActive == false)
    // NaN is not equal to itself: compare bits.
    func bits(_ state: TrainingState) -> [[UInt32]] {
      state.parameters.map { $0.values.map(\.bitPattern) }
    }
    #expect(try bits(second.states()[1]) == bits(states[1]))
  }

  @Test(.enabled(if: try Device.find(.best).supportsNativeKernels))
  func states_areThoseOfSoloRuns_onCPU() throws {
    let group = try trainer(diagnosed: .all)
    try train(group, stopAfter: 6)
    let solo = try trainer(rates: [0.02], diagnosed: .all)
    try solo.restore([try group.states()[0]])
    try train(solo)
    try train(group)
    #expect(try solo.states()[0] == group.states()[0])
  }

  @Test func load_startsEveryReplicaFromTheWeights() throws {
    let source = try trainer(rates: [0.02])
    try train(source)
    let weights = try source.states()[0].parameters
    #expect(weights.map(\.name).prefix(2) == ["layers.0.weight", "layers.0.bias"])
    #expect(weights[0].shape == [20, 6] && weights[1].shape == [20])
    let target = try trainer()
    try target.load(weights)
    for state in try target.states() { #expect(state.parameters == weights) }
  }

  @Test func whatDoesNotFit_isRefusedByName() throws {
    let good = try trainer(rates: [0.02]).states()[0]
    func refusal(
      _ parts: [String], diagnosed: Diagnostics.Contents? = nil, width: Int = 20,
      bias: Bool = true, _ change: (inout TrainingState) -> Void = { _ in }
    ) throws {
      var state = good
      change(&state)
      let target = try trainer(rates: [0.02], width: width, bias: bias, diagnosed: diagnosed)
      let before = try target.states()
      let error = #expect(throws: TrainingStateError.self) { try target.restore([state]) }
      for part in parts { #expect("\(error!)".contains(part), "\(error!)") }
      #expect(try target.states() == before)
    }
    try refusal(["layers.0.weight", "expected [24, 6]", "got [20, 6]"], width: 24)
    try refusal(["layers.0.bias", "expected no such tensor"], bias: false)
    try refusal(["layers.1.weight", "no such tensor", "layers.0.weight"]) {
      $0.parameters.removeAll { $0.name == "layers.1.weight" }
    }
    try refusal(["layers.2.bias.square", "expected [3]"]) { $0.optimizer.removeLast() }
    try refusal(["layers.0.weight", "one such tensor"]) { $0.parameters.append($0.parameters[0]) }
    try refusal(["steps done", "at most 13", "14"]) { $0.step = 14 }
    try refusal(["losses", "expected 0", "got 1"]) { $0.lossSums = [1] }
    try refusal(["diagnostics", "expected some", "got none"], diagnosed: .norms)
    try refusal(["diagnostics", "expected none"]) { $0.diagnostics = [] }
    try refusal(["initial.layers.0.weight", "no such tensor"], diagnosed: .all) {
      $0.diagnostics = []
    }
    let target = try trainer()
    var other = good
    other.step = 1
    #expect(throws: TrainingStateError.self) { try target.restore([good, other]) }
    var bad = good.parameters
    bad[1] = NamedValues(name: bad[1].name, shape: [20], values: [0, .nan] + bad[1].values[2...])
    #expect(
      throws: TrainingStateError.notFinite(tensor: "layers.0.bias", index: 1, got: "nan")
    ) { try target.load(bad) }
  }

  /// However many steps came before, the first call after a checkpoint comes with the first step, so
  /// that Ctrl-C is heard.
  @Test func restoredTrainer_reportsAtOnce() throws {
    let first = try trainer(totalSteps: 400)
    try first.train(on: rows, until: 300)
    let second = try trainer(totalSteps: 400)
    try second.restore(first.states())
    var reported: [Int] = []
    try second.train(on: rows, until: 400) { reported.append($0) }
    #expect(reported.first == 301 && reported.last == 400)
  }
}
