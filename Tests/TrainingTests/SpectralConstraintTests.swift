import Networks
import OpenCL
import Spectral
import Tensors
import GPUTrainTestSupport
import Testing

@testable import Training

/// Spectral sphere and cap: norms of matrices that are held after each step.
@Suite(.serialized) struct SpectralConstraintTests {
  let compute: Compute
  let rows: DeviceRows

  init() throws {
    compute = try Compute.idle()
    rows = try DeviceRows(
      random: 31, inputs: 16, labels: (0..<UInt32(Self.count)).map { $0 * 7 % 5 }, compute: compute)
  }

  /// Two batches of 24 and one of 22.
  private static let count = 70
  private static let sphere = SpectralConstraint(.sphere, multiple: 1.5)
  private static let cap = SpectralConstraint(.cap, multiple: 1.2)
  private static let clip = SpectralConstraint(.clip, multiple: 0.8)

  private func trainer(
    _ optimization: Optimization, replicas: [Optimization?] = [nil, nil],
    rates: [Double] = [0.02, 0.005], first: Int = 0, zeroReadout: Bool = false,
    parametrization: String = "spectral", batch: Int = 24, micro: Int? = nil, steps: Int = 30
  ) throws -> Trainer {
    try Trainer(
      TrainingConfiguration(
        network: MLP(
          inputs: 16, hidden: [32, 40, 40], outputs: 5, bias: true, activation: .tanh,
          inputMultiplier: 4, zeroReadout: zeroReadout),
        optimization: optimization, batchSize: batch, microBatch: micro),
      replicas: try zip(rates, replicas).enumerated().map {
        Replica(
          seed: UInt64(first + $0.offset), learningRate: $0.element.0,
          parametrization: try Parametrizations.named(parametrization),
          optimization: $0.element.1)
      }, totalSteps: steps, compute: compute)
  }

  private func optimization(
    _ optimizer: OptimizerKind = .adam, _ constraint: SpectralConstraint?,
    groups: [ParameterGroup] = [], clipNorm: Double? = nil
  ) -> Optimization {
    var result = Optimization(optimizer, groups: groups, clipNorm: clipNorm)
    result.constraint = constraint
    return result
  }

  private func matrices(_ trainer: Trainer) -> [Parameter] {
    trainer.network.parameters.filter { !$0.shape.isVector }
  }

  /// ‖W‖_* with the multiplier over multiple·√(fanOut/fanIn), [matrix][replica], by LAPACK in Double.
  private func ratios(_ trainer: Trainer, _ constraint: SpectralConstraint) throws -> [[Double]] {
    let parameters = matrices(trainer)
    return try zip(parameters, SingularValues.all(of: parameters.map(\.value), compute: compute))
      .map { parameter, values in
        try values.map {
          try $0[0] * Double(parameter.multiplier) / #require(constraint.norm(of: parameter.shape))
        }
      }
  }

  /// The accuracy, where a step turns matrices by a good part of their size and where by a little.
  @Test(
    arguments: [OptimizerKind.sgd, .adam, .muon, .spectralNormalized],
    [Self.sphere, Self.cap, Self.clip])
  func norms_areHeldOverALongRun(
    optimizer: OptimizerKind, constraint: SpectralConstraint
  ) throws {
    let steps = 400
    let trainer = try trainer(
      optimization(optimizer, constraint),
      rates: optimizer == .adam ? [0.05, 0.005] : [0.5, 0.02],
      steps: steps)
    // Of the replica with the great rate, and of the other.
    var worst = [0.0, 0.0]
    var touched = 0
    for step in 0...steps {
      if step > 0 { try trainer.train(on: rows, until: step) }
      guard step < 40 || step % 10 == 0 else { continue }
      for ratios in try ratios(trainer, constraint) {
        for (replica, ratio) in ratios.enumerated() {
          let off = constraint.kind == .sphere ? abs(ratio - 1) : max(0, ratio - 1)
          worst[replica] = off <= worst[replica] ? worst[replica] : off
          if abs(ratio - 1) < 0.01 { touched += 1 }
        }
      }
    }
    #expect(worst[0] <= 0.04 && worst[1] <= 1e-3 && touched > 50, "\(worst)")
    if constraint.kind == .clip { #expect(worst.max()! <= 5e-5, "\(worst)") }
  }

  /// A step of both trainers, each from the weights that `held` starts with.
  private func step(_ free: Trainer, _ held: Trainer) throws {
    try free.restore(
      zip(free.states(), held.states()).map { state, held in
        var state = state
        state.parameters = held.parameters
        return state
      })
    try free.train(on: rows, until: 1)
    try held.train(on: rows, until: 1)
  }

  /// Against the definition in Double: what the update makes, with its singular values clipped. That the
  /// singular vectors are the same is that Σ W∘W' is Σ s·s', which it is at most.
  @Test func clippedStep_isTheUpdateWithItsSingularValuesClipped() throws {
    let free = try trainer(optimization(.muon, nil), rates: [0.5, 0.1], batch: Self.count)
    let held = try trainer(optimization(.muon, Self.clip), rates: [0.5, 0.1], batch: Self.count)
    try step(free, held)
    var (above, below) = (0, 0)
    for (own, other) in zip(matrices(free), matrices(held)) {
      let values = try SingularValues.all(of: [own.value, other.value], compute: compute)
      let elements = try [own, other].map { try compute.read($0.value).map(Double.init) }
      let cap = try #require(Self.clip.norm(of: own.shape)) / Double(own.multiplier)
      for replica in 0..<2 {
        let expected = values[0][replica].map { min($0, cap) }
        above += values[0][replica].count { $0 > 1.01 * cap }
        below += values[0][replica].count { $0 < 0.9 * cap }
        for (got, expected) in zip(values[1][replica], expected) {
          #expect(abs(got - expected) <= 5e-5 * cap, "\(own.name) \(replica)")
        }
        let sum = (replica * own.value.stride..<(replica + 1) * own.value.stride).reduce(0.0) {
          $0 + elements[0][$1] * elements[1][$1]
        }
        let most = zip(values[0][replica], expected).reduce(0) { $0 + $1.0 * $1.1 }
        #expect(abs(sum - most) <= 1e-4 * most, "\(own.name) \(replica): \(sum) of \(most)")
      }
    }
    #expect(above >= 10 && below >= 10, "\(above) above, \(below) below")
  }

  /// A large matrix, far above its cap, at the start.
  @Test func clippedStart_isWithinTheStatedError() throws {
    let shape = (rows: 300, columns: 260)
    var random = Philox(seed: 4, stream: 0)
    let values = (0..<shape.rows * shape.columns).map { _ in random.uniform(-1, 1) }
    for (factor, tolerance) in [(1.05, 2e-4), (5, 2e-4), (50, 1.2e-3), (200, 1e-2)] {
      let x = try compute.tensor(values, rows: shape.rows, columns: shape.columns)
      let before = try SingularValues.all(of: [x], compute: compute)[0][0]
      let cap = before[0] / factor
      func one(_ value: Double) throws -> Tensor {
        try compute.filled(Float(value), rows: 1, columns: 1)
      }
      try compute.clipSingularValues(
        of: x, at: one(cap), above: one(0.97 * cap), norms: one(before[0]), active: one(1))
      let after = try SingularValues.all(of: [x], compute: compute)[0][0]
      let worst = zip(before, after).map { abs(min($0, cap) - $1) / cap }.max()!
      #expect(worst <= tolerance, "\(factor): \(worst)")
    }
  }

  /// Against the definition in Double: the update, then its norm by LAPACK.
  @Test(arguments: [Self.sphere, Self.cap])
  func step_isTheUpdateAndTheScaling(constraint: SpectralConstraint) throws {
    let free = try trainer(optimization(.sgd, nil), rates: [3, 0.1], batch: Self.count)
    let held = try trainer(optimization(.sgd, constraint), rates: [3, 0.1], batch: Self.count)
    // Both from the matrices that the constraint makes of the drawn ones.
    try step(free, held)
    for (own, other) in zip(free.network.parameters, held.network.parameters) {
      let got = try compute.read(other.value).map(Double.init)
      var expected = try compute.read(own.value).map(Double.init)
      if let norm = own.shape.isVector ? nil : constraint.norm(of: own.shape) {
        let norms = try SingularValues.all(of: [own.value], compute: compute)[0].map { $0[0] }
        for (index, value) in expected.enumerated() {
          let sigma = norms[index / own.value.stride] * Double(own.multiplier)
          expected[index] = value * (constraint.kind == .sphere ? norm : min(sigma, norm)) / sigma
        }
      }
      let scale = expected.map(abs).max()!
      for (got, expected) in zip(got, expected) { #expect(abs(got - expected) <= 2e-3 * scale) }
    }
  }

  /// A sphere begins on itself, whatever draws or loads the weights.
  @Test(arguments: ["spectral", "ntp", "sp"])
  func start_isOnTheSphere(parametrization: String) throws {
    let trainer = try trainer(optimization(.sgd, Self.sphere), parametrization: parametrization)
    func expectOnSphere() throws {
      for ratio in try ratios(trainer, Self.sphere).flatMap({ $0 }) {
        #expect(abs(ratio - 1) <= 2e-3)
      }
    }
    try expectOnSphere()
    try trainer.load(
      trainer.parameters(of: 0).map {
        NamedValues(name: $0.name, shape: $0.shape, values: $0.values.map { 7 * $0 })
      })
    try expectOnSphere()
  }

  /// A matrix of zeros stays as it is, and its first update takes it onto the sphere.
  @Test(arguments: [OptimizerKind.sgd, .adam]) func zeroReadout_comesOntoTheSphere(
    optimizer: OptimizerKind
  ) throws {
    let trainer = try trainer(
      optimization(optimizer, Self.sphere), rates: [1e-3, 1e-3], zeroReadout: true)
    let readout = try #require(matrices(trainer).last)
    #expect(try compute.read(readout.value).allSatisfy { $0 == 0 })
    for step in 1...4 {
      try trainer.train(on: rows, until: step)
      let last = try #require(ratios(trainer, Self.sphere).last)
      #expect(last.allSatisfy { abs($0 - 1) <= 0.01 }, "step \(step): \(last)")
    }
    let capped = try self.trainer(optimization(optimizer, Self.cap), zeroReadout: true)
    try capped.train(on: rows, until: 3)
    #expect(try ratios(capped, Self.cap).flatMap { $0 }.allSatisfy { $0 <= 1.01 })
  }

  /// One replica on the sphere, one below a cap, one free, one in which nothing hidden trains and one that
  /// is clipped.
  private func mixed(
    _ optimizer: OptimizerKind, _ replicas: [Int] = [0, 1, 2, 3, 4]
  ) throws -> Trainer {
    let all = [
      optimization(optimizer, Self.sphere), optimization(optimizer, Self.cap),
      optimization(optimizer, nil),
      optimization(optimizer, Self.sphere, groups: [ParameterGroup("hidden", rateFactor: 0)]),
      optimization(optimizer, Self.clip),
    ]
    return try trainer(
      optimization(optimizer, Self.sphere), replicas: replicas.map { all[$0] },
      rates: replicas.map { [0.02, 0.1, 0.02, 0.05, 0.1][$0] }, first: replicas[0])
  }

  @Test(arguments: [OptimizerKind.adam, .muon])
  func restoredTrainer_isTheOneThatWentOn(optimizer: OptimizerKind) throws {
    let whole = try mixed(optimizer)
    try whole.train(on: rows, until: 30)
    let expected = try whole.states()
    let names = expected.map { $0.optimizer.filter { $0.name.hasSuffix("norm_vectors") }.count }
    #expect(names == [4, 4, 0, 2, 4])
    for step in [0, 1, 5, 17] {
      let first = try mixed(optimizer)
      try first.train(on: rows, until: step)
      let states = try first.states()
      // In a new trainer, and in one whose steps are made again.
      for trainer in [try mixed(optimizer), whole] {
        try trainer.restore(states)
        #expect(try trainer.states() == states, "at step \(step)")
        try trainer.train(on: rows, until: 30)
        #expect(try trainer.states() == expected, "at step \(step)")
      }
    }
    var wrong = expected
    wrong[0].optimizer.removeAll { $0.name.hasSuffix("norm_vectors") }
    #expect(throws: TrainingStateError.self) { try whole.restore(wrong) }
  }

  @Test(
    .enabled(if: try Device.find(.best).supportsNativeKernels),
    arguments: [OptimizerKind.adam, .muon])
  func group_isEachReplicaAlone_onCPU(optimizer: OptimizerKind) throws {
    let together = try mixed(optimizer)
    try together.train(on: rows, until: 12)
    for replica in 0..<5 {
      let alone = try mixed(optimizer, [replica])
      try alone.train(on: rows, until: 12)
      #expect(try alone.states()[0] == together.states()[replica], "replica \(replica)")
    }
  }

  @Test(arguments: [OptimizerKind.sgd, .adam, .muon])
  func recordedSteps_areThoseWorkedOut(optimizer: OptimizerKind) throws {
    func trained(records: Bool) throws -> [TrainingState] {
      compute.recordsSteps = records
      let trainer = try mixed(optimizer)
      try trainer.train(on: rows, until: 30)
      #expect(trainer.repeatsSteps == records)
      return try trainer.states()
    }
    #expect(try trained(records: true) == trained(records: false))
  }

  @Test(arguments: [Self.sphere, Self.clip])
  func divergedReplica_staysAsItIs_andOthersTrain(own: SpectralConstraint) throws {
    let constraint = optimization(
      .sgd, nil,
      groups: [
        ParameterGroup("hidden", constraint: own)
      ])
    let trainer = try trainer(constraint, rates: [0.02, 1e38])
    try trainer.train(on: rows, until: 8)
    let before = try trainer.states()
    try trainer.train(on: rows, until: 30)
    let after = try trainer.states()
    #expect(after.map(\.isActive) == [true, false])
    func bits(_ state: TrainingState) -> [[UInt32]] {
      state.parameters.map { $0.values.map(\.bitPattern) }
    }
    #expect(bits(after[1]) == bits(before[1]))
    #expect(after[0].lossSums.allSatisfy { $0.isFinite })
  }

  @Test func partsAndClipping_changeNothingButRounding() throws {
    func values(_ micro: Int?) throws -> [Float] {
      let trainer = try trainer(
        optimization(.adam, Self.sphere, clipNorm: 0.1), micro: micro, steps: 12)
      try trainer.train(on: rows, until: 12)
      for ratio in try ratios(trainer, Self.sphere).flatMap({ $0 }) {
        #expect(abs(ratio - 1) <= 0.01)
      }
      return try trainer.states().flatMap { $0.parameters.flatMap(\.values) }
    }
    let (whole, parts) = (try values(nil), try values(7))
    let norm = whole.reduce(0) { $0 + $1 * $1 }.squareRoot()
    let difference = zip(whole, parts).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    #expect(difference.squareRoot() <= 1e-3 * norm)
  }

  /// ΔW is the update alone: of Adam's first step η in every entry.
  @Test func diagnosedUpdates_areWithoutTheScaling() throws {
    let trainer = try trainer(optimization(.adam, Self.sphere))
    let diagnostics = try trainer.diagnose(every: 1, contents: .norms, probe: rows)
    try trainer.train(on: rows, until: 3)
    let first = try diagnostics.records()[0]
    for (layer, parameter) in zip(first.layers, matrices(trainer)) {
      let rates = trainer.optimizer.learningRates(of: parameter)
      let entries = Double(parameter.shape.fanIn * parameter.shape.fanOut).squareRoot()
      let norms = try #require(layer[.updateFrobeniusNorm])
      for (norm, rate) in zip(norms, rates) {
        #expect(abs(norm - rate * entries) <= 0.02 * rate * entries)
      }
      let weights = try #require(layer[.weightNorm])
      for norm in weights {
        #expect(abs(norm * Double(parameter.multiplier) / 1.5 - 1) <= 0.01)
      }
    }
  }

  @Test func heldNorms_takeOrdinarySteps() throws {
    compute.onChipUse = .always
    let optimization = optimization(.adam, Self.sphere)
    let configuration = TrainingConfiguration(
      network: MLP(inputs: 16, hidden: [16, 16], outputs: 5), optimization: optimization,
      batchSize: 32)
    #expect(compute.onChipNetwork(of: configuration, bytes: false) == nil)
    let trainer = try Trainer(
      configuration,
      replicas: [
        Replica(seed: 1, learningRate: 0.01, parametrization: SpectralParametrization())
      ], totalSteps: 4, compute: compute)
    try trainer.train(on: rows, until: 4)
    #expect(!trainer.trainsOnChip)
  }

  @Test func settings_laterGroupsWin_andVectorsAreFree() throws {
    let optimization = optimization(
      .adam, Self.sphere,
      groups: [
        ParameterGroup("hidden", constraint: Self.cap), ParameterGroup("layers.2", rateFactor: 0),
        ParameterGroup("readout", constraint: SpectralConstraint(.cap, multiple: nil)),
      ])
    let graph = MLP(inputs: 3, hidden: [4, 4, 4], outputs: 2, bias: true).graph
    let held = Dictionary(
      uniqueKeysWithValues: graph.parameters.map {
        ($0.path, optimization.settings(for: $0).constraint)
      })
    #expect(held["layers.0.weight"] == Self.sphere && held["layers.1.weight"] == Self.cap)
    for name in ["layers.0.bias", "layers.1.bias", "layers.2.weight", "layers.3.weight"] {
      #expect(held[name] == .some(nil), "\(name)")
    }
  }
}
