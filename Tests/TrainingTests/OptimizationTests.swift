import Foundation
import Networks
import OpenCL
import Spectral
import Tensors
import GPUTrainTestSupport
import Testing

@testable import Training

/// Update rules' numbers, parameter groups, clipping and accumulation.
@Suite(.serialized) struct OptimizationTests {
  struct Golden: Decodable {
    let cases: [Case]
  }

  /// Twenty steps of PyTorch in float64 (Golden/make_optimization.py).
  struct Case: Decodable, CustomTestStringConvertible {
    let name: String
    let optimization: Optimization
    let lr: Double
    let micro: Int?
    let x: [[Float]]
    let labels: [UInt32]
    let start: [String: TrajectoryTests.Nested]
    let losses, norms: [Double]
    let final: [String: TrajectoryTests.Nested]
    var testDescription: String { name }
  }

  static let cases: [Case] = {
    let url = Bundle.module.url(
      forResource: "optimization", withExtension: "json", subdirectory: "Golden")!
    return try! JSONDecoder().decode(Golden.self, from: Data(contentsOf: url)).cases
  }()

  static let network = MLP(
    inputs: 12, hidden: [16, 8], outputs: 5, bias: true, activation: .tanh)

  private func compute(_ backend: Compute.BackendChoice = .automatic) throws -> Compute {
    try Compute.idle(backend: backend)
  }

  private func rows(_ golden: Case, _ compute: Compute) throws -> DeviceRows {
    let inputs = golden.x[0].count
    return try DeviceRows(
      .floats(golden.x.flatMap { $0 }), labels: golden.labels,
      scale: [Float](repeating: 1, count: inputs), shift: [Float](repeating: 0, count: inputs),
      compute: compute)
  }

  private func trainer(
    _ golden: Case, replicas: [Optimization?] = [nil], micro: Int? = nil, _ compute: Compute
  ) throws -> Trainer {
    let trainer = try Trainer(
      TrainingConfiguration(
        network: Self.network, optimization: golden.optimization, batchSize: golden.x.count,
        microBatch: micro),
      replicas: replicas.map {
        Replica(
          seed: 1, learningRate: golden.lr, parametrization: StandardParametrization(),
          optimization: $0)
      }, totalSteps: golden.losses.count, compute: compute)
    try trainer.load(
      Self.network.graph.parameters.map { parameter in
        NamedValues(
          name: parameter.path, shape: parameter.shape.stored,
          values: try #require(golden.start[parameter.path]).values.map { Float($0) })
      })
    return trainer
  }

  private func difference(_ got: [Float], _ expected: [Double]) -> Double {
    #expect(got.count == expected.count)
    let norm = expected.reduce(0) { $0 + $1 * $1 }.squareRoot()
    return zip(got, expected).reduce(0) { $0 + pow(Double($1.0) - $1.1, 2) }.squareRoot() / norm
  }

  @Test(arguments: cases, [Compute.BackendChoice.opencl, .tiled])
  func trajectory_meetsPyTorch(golden: Case, backend: Compute.BackendChoice) throws {
    let compute = try compute(backend)
    let trainer = try trainer(golden, micro: golden.micro, compute)
    try trainer.train(on: rows(golden, compute), until: golden.losses.count)
    let losses = try trainer.allLosses()
    for (step, expected) in golden.losses.enumerated() {
      let got = losses.losses[step][0]
      #expect(abs(got - expected) <= 1e-5 * expected, "step \(step): \(got), not \(expected)")
    }
    let norms = losses.gradientNorms(replica: 0, over: 0..<golden.norms.count)
    #expect((norms == nil) == (golden.optimization.clipNorm == nil))
    for (got, expected) in zip(norms ?? [], golden.norms) {
      #expect(abs(got - expected) <= 1e-5 * expected)
    }
    for parameter in trainer.network.parameters {
      let expected = try #require(golden.final[parameter.name]).values
      // 1e-4: twenty steps of rounding; Adam divides small gradients by their own size.
      let error = difference(try trainer.values(of: parameter), expected)
      #expect(error <= 1e-4, "\(parameter.name): \(error)")
    }
  }

  /// Numbers are a replica's own: beside others it trains as alone, bit for bit on a CPU.
  @Test(arguments: [OptimizerKind.adam, .momentum, .lion, .muon])
  func replicas_haveNumbersOfTheirOwn(optimizer: OptimizerKind) throws {
    let compute = try compute()
    let golden = Self.cases[0]
    func own(_ share: Double, clip: Double?, decay: Double, rate: Double) -> Optimization {
      Optimization(
        optimizer,
        hyperparameters: Hyperparameters(
          momentum: share, beta1: share, beta2: 0.9 + share / 20, epsilon: share / 100),
        weightDecay: WeightDecay(strength: decay, kind: .decoupled),
        schedule: Schedule(share > 0.5 ? .cosine : .linear),
        groups: [ParameterGroup("readout", rateFactor: rate)], clipNorm: clip)
    }
    let all = [
      own(0.4, clip: 0.3, decay: 0, rate: 1), own(0.8, clip: 0.1, decay: 0.1, rate: 0.5),
      own(0.6, clip: 0.2, decay: 0.3, rate: 0), own(0.7, clip: nil, decay: 0, rate: 0),
    ]
    func train(_ replicas: [Optimization]) throws -> [TrainingState] {
      let trainer = try trainer(golden, replicas: replicas, compute)
      try trainer.train(on: rows(golden, compute), until: golden.losses.count)
      return try trainer.states()
    }
    let together = try train(all)
    for (replica, optimization) in all.enumerated() {
      let alone = try train([optimization])[0]
      #expect(together[replica] == alone, "\(replica)")
    }
    #expect(Set(together.map(\.parameters)).count == 4)
    #expect(together[3].gradientNorms.isEmpty && !together[2].gradientNorms.isEmpty)
    #expect(together[2].optimizer.count < together[0].optimizer.count)
    // What a replica keeps does not depend on its group: it continues in another.
    let pair = try trainer(golden, replicas: [all[0], all[2]], compute)
    try pair.train(on: rows(golden, compute), until: 7)
    let single = try trainer(golden, replicas: [all[2]], compute)
    try single.restore([pair.states()[1]])
    try single.train(on: rows(golden, compute), until: golden.losses.count)
    #expect(try single.states()[0] == together[2])
  }

  /// One step of each kind, its decay alone: W ← W − share·W with the share that its kind has at a
  /// learning rate, a factor of the parametrization and a schedule's first step.
  @Test func decay_takesTheShareOfItsKind() throws {
    let compute = try compute()
    let (rate, factor, lambda) = (0.25, 0.125, 0.5)
    let schedule = Schedule(.constant, warmup: 0.5)
    let warm = schedule.factor(step: 0, of: 8)
    let shares: [(WeightDecayKind, Double)] = [
      (.decoupled, warm * rate * factor * lambda),
      (.decoupledScaled, warm * rate * lambda),
      (.independent, warm * lambda),
      // Added to the gradient of zero, under SGD.
      (.coupled, warm * rate * factor * lambda),
    ]
    #expect(warm > 0 && warm < 1 && shares.count == WeightDecayKind.allCases.count)
    for (kind, share) in shares {
      let weight = Parameter(
        name: "w", shape: .weight(role: .input, fanIn: 3, fanOut: 2),
        value: try compute.filled(1, replicas: 1, rows: 2, columns: 3))
      let optimization = Optimization(
        .sgd, weightDecay: WeightDecay(strength: lambda, kind: kind), schedule: schedule)
      let graph = MLP(inputs: 3, hidden: [2], outputs: 2).graph
      let optimizer = try Optimizer(
        parameters: [weight], settings: [[optimization.settings(for: graph.parameters[0])]],
        learningRates: [rate],
        scalings: [
          [
            WidthScaling(
              initialStd: 1, learningRateFactor: factor,
              weightDecayFactor: kind == .decoupledScaled ? 1 / factor : 1)
          ]
        ], totalSteps: 8, compute: compute)
      try optimizer.beginStep()
      try optimizer.update(
        weight, .whole(try compute.filled(0, replicas: 1, rows: 2, columns: 3)))
      for value in try compute.read(weight.value) {
        #expect(abs(Double(value) - (1 - share)) <= 1e-6, "\(kind): \(value)")
      }
    }
  }

  /// A group without a rate is not updated, keeps no state and does not decay.
  @Test func frozenGroup_staysAsItIs() throws {
    let compute = try compute()
    let golden = Self.cases[0]
    var optimization = golden.optimization
    optimization.weightDecay = WeightDecay(strength: 0.1, kind: .independent)
    optimization.groups = [ParameterGroup("layers.1", rateFactor: 0)]
    let trainer = try trainer(golden, replicas: [optimization], compute)
    let diagnostics = try trainer.diagnose(every: 4, probe: rows(golden, compute))
    let before = try trainer.states()[0]
    try trainer.train(on: rows(golden, compute), until: 9)
    // With a layer that has no updates to be measured, a state is whole.
    let resumed = try self.trainer(golden, replicas: [optimization], compute)
    try resumed.diagnose(every: 4, probe: rows(golden, compute))
    try resumed.restore(trainer.states())
    try resumed.train(on: rows(golden, compute), until: golden.losses.count)
    try trainer.train(on: rows(golden, compute), until: golden.losses.count)
    #expect(try resumed.states()[0].parameters == trainer.states()[0].parameters)
    let after = try trainer.states()[0]
    for (old, new) in zip(before.parameters, after.parameters) {
      #expect((old == new) == old.name.hasPrefix("layers.1."), "\(old.name)")
    }
    #expect(
      Set(after.optimizer.map(\.name.first)) == Set(["l"]) && after.optimizer.count == 8
        && !after.optimizer.contains { $0.name.hasPrefix("layers.1.") })
    let records = try diagnostics.records()
    #expect(records[0].layers[1][.updateNorm] == nil)
    #expect(records[0].layers[0][.updateNorm] != nil && records[0].layers[1][.weightNorm] != nil)
  }

  /// Computed in parts, a batch has the gradient that it has as a whole, but for rounding.
  @Test(arguments: [OptimizerKind.sgd, .adam, .muon, .spectralNormalized])
  func microBatches_changeNothingButRounding(optimizer: OptimizerKind) throws {
    let compute = try compute()
    let golden = Self.cases[0]
    func train(_ micro: Int?) throws -> (state: TrainingState, records: [DiagnosticRecord]) {
      let trainer = try trainer(
        golden, replicas: [Optimization(optimizer)], micro: micro, compute)
      let diagnostics = try trainer.diagnose(every: 5, probe: rows(golden, compute))
      try trainer.train(on: rows(golden, compute), until: golden.losses.count)
      return (try trainer.states()[0], try diagnostics.records())
    }
    let whole = try train(nil)
    for micro in [1, 7, 24, 100] {
      let parts = try train(micro)
      if micro >= 24 { #expect(parts.state == whole.state) }
      #expect(
        difference(parts.state.lossSums, whole.state.lossSums.map(Double.init)) <= 1e-5,
        "\(micro)")
      #expect(parts.state.batchSizes == whole.state.batchSizes)
      for (got, expected) in zip(parts.records, whole.records) {
        for (one, other) in zip(got.layers, expected.layers) {
          for quantity in [
            DiagnosticQuantity.gradientSpectralNorm, .updateSpectralNorm, .updateAlignment,
          ] {
            let (x, y) = (try #require(one[quantity])[0], try #require(other[quantity])[0])
            // Norms of updates are iterated until they are right to about 1 %.
            #expect(abs(x - y) <= 2e-2 * y, "\(micro) \(quantity) \(x) \(y)")
          }
        }
      }
    }
  }

  /// A restored training continues bit for bit, with norms, groups' states and numbers of steps.
  @Test func clippedTraining_continuesFromAState() throws {
    let compute = try compute()
    let golden = try #require(Self.cases.first { $0.optimization.groups.count == 3 })
    let (whole, first, second) = (
      try trainer(golden, compute), try trainer(golden, compute), try trainer(golden, compute)
    )
    let rows = try rows(golden, compute)
    try whole.train(on: rows, until: golden.losses.count)
    try first.train(on: rows, until: 9)
    try second.restore(first.states())
    try second.train(on: rows, until: golden.losses.count)
    #expect(try second.states() == whole.states())
    var wrong = try first.states()
    wrong[0].gradientNorms = []
    #expect(throws: TrainingStateError.self) { try second.restore(wrong) }
  }

  /// Matrices of one shape are orthogonalised together, to the bits of each alone, with the same ΔW.
  @Test func matricesOfOneShape_areMadeTogether() throws {
    let compute = try compute()
    let shapes = [(24, 24), (24, 24), (24, 40), (24, 24)]
    let optimization = Optimization(.muon, schedule: Schedule(.constant, warmup: 0.5))
    let changes = RecordedChanges()

    func values(_ index: Int, _ seed: Int, like value: Tensor) throws -> Tensor {
      var random = Philox(seed: UInt64(10 * seed + index), stream: 0)
      return try compute.tensor(
        (0..<value.count).map { _ in random.uniform(-1, 1) }, replicas: value.replicas,
        rows: value.rows, columns: value.columns)
    }
    func parameter(_ index: Int) throws -> Parameter {
      let (rows, columns) = shapes[index]
      let value = try compute.filled(0, replicas: 2, rows: rows, columns: columns)
      return Parameter(
        name: "w\(index)", shape: .weight(role: .hidden, fanIn: columns, fanOut: rows),
        value: try values(index, 0, like: value))
    }
    /// The parameters after three steps of one optimizer of all.
    func trained(_ parameters: [(index: Int, parameter: Parameter)]) throws -> [[Float]] {
      let settings = [ParameterSettings](
        repeating: optimization.settings(
          for: MLP(inputs: 3, hidden: [4, 4], outputs: 2).graph.parameters[1]),
        count: 2)
      let optimizer = try Optimizer(
        parameters: parameters.map(\.parameter), settings: parameters.map { _ in settings },
        learningRates: [0.1, 0.3],
        scalings: parameters.map { own in
          [Double](repeating: 1 + Double(own.index), count: 2).map {
            WidthScaling(initialStd: 1, learningRateFactor: $0)
          }
        }, totalSteps: 3, compute: compute)
      for step in 1...3 {
        try optimizer.beginStep(observer: changes)
        for (index, parameter) in parameters {
          try optimizer.update(parameter, .whole(values(index, step, like: parameter.value)))
        }
        try optimizer.finishStep()
      }
      return try parameters.map { try compute.read($0.parameter.value) }
    }
    let all = try trained(shapes.indices.map { ($0, try parameter($0)) })
    let together = try changes.take(compute)
    let alone = try shapes.indices.map { try trained([($0, parameter($0))])[0] }
    #expect(all == alone)
    #expect(together == (try changes.take(compute)) && together.count == 12)
    #expect(together.values.allSatisfy { $0.contains { $0 != 0 } })
  }

  /// Hidden matrices are Muon's; another is where its role, module or name is given to it, a vector never.
  @Test func muon_takesHiddenMatrices_andWhatGroupsGiveIt() throws {
    let graph = MLP(inputs: 12, hidden: [16, 8], outputs: 5, bias: true).graph
    func rules(_ groups: [ParameterGroup] = []) -> [OptimizerKind] {
      let optimization = Optimization(
        .muon, weightDecay: WeightDecay(strength: 0.1, kind: .decoupled), groups: groups)
      return graph.parameters.map { optimization.settings(for: $0).optimizer }
    }
    let paths = graph.parameters.map(\.path)
    let plain = Dictionary(uniqueKeysWithValues: zip(paths, rules()))
    #expect(plain.filter { $0.value == .muon }.keys.sorted() == ["layers.1.weight"])
    #expect(plain.values.allSatisfy { $0 == .muon || $0 == .adamw })
    for selector in ["readout", "layers.2", "layers.2.weight"] {
      let own = zip(paths, rules([ParameterGroup(selector, optimizer: .muon)]))
      #expect(
        own.filter { $0.1 == .muon }.map(\.0).sorted() == ["layers.1.weight", "layers.2.weight"])
    }
    #expect(rules([ParameterGroup("all", optimizer: .muon)]) == rules())
    let none = rules([ParameterGroup("hidden", optimizer: .adam)])
    #expect(!none.contains(.muon) && none.contains(.adam))
    // Vectors of a group for Muon keep the rule they had.
    let base = Optimization(.sgd, groups: [ParameterGroup("layers.1", optimizer: .muon)])
    let mixed = Dictionary(
      uniqueKeysWithValues: graph.parameters.map { ($0.path, base.settings(for: $0).optimizer) })
    #expect(mixed["layers.1.weight"] == .muon && mixed["layers.1.bias"] == .sgd)
  }

  /// The scale takes the parametrization's place at every base width; decay is by the rate without it.
  @Test(arguments: MuonScale.allCases)
  func muonsScale_isAbsolute(scale: MuonScale) throws {
    var optimization = Optimization(
      .muon, weightDecay: WeightDecay(strength: 0.1, kind: .decoupled),
      groups: [ParameterGroup("hidden", rateFactor: 0.5)])
    optimization.muon = Muon.Settings(scale: scale)
    // A tall and a wide hidden matrix.
    func network(_ width: Int) -> MLP {
      MLP(inputs: 12, hidden: [width, 4 * width, width], outputs: 5)
    }
    let expected: [Double] =
      switch scale {
      case .condition: [2, 0.5]
      case .jordan: [2, 1]
      case .maxDimension: [16, 16]
      case .matchRMS: [3.2, 3.2]
      }
    for rule in Parametrizations.all {
      for base in [nil, network(16)] {
        let training = TrainingConfiguration(
          network: network(64), baseNetwork: base, rateRules: [RateRule("all", named: "ntp")],
          optimization: optimization)
        let scalings = training.scalings(under: rule)
        for (hidden, expected) in zip(scalings[1...2], expected) {
          #expect(abs(hidden.learningRateFactor - 0.5 * expected) < 1e-12)
          #expect(abs(hidden.learningRateFactor * hidden.weightDecayFactor - 0.5) < 1e-12)
        }
      }
    }
  }

  /// A head's rows are a matrix of their own, with a direction and a scale by its shape.
  @Test func muonPerHead_isOfQueriesKeysAndValues() throws {
    var optimization = Optimization(.muon)
    optimization.muon = Muon.Settings(perHead: true)
    let graph = Transformer(vocabulary: 5, width: 32, depth: 1, heads: .size(8), context: 4).graph
    var heads: [String: Int] = [:]
    for parameter in graph.parameters where optimization.settings(for: parameter).optimizer == .muon
    {
      let rule = try #require(optimization.settings(for: parameter).rule(or: nil) as? Muon)
      heads[parameter.path] = rule.heads
      let factor = try #require(rule.ownRateFactor(for: parameter.shape))
      let (fanOut, fanIn) = (parameter.shape.fanOut / rule.heads, parameter.shape.fanIn)
      #expect(abs(factor - (Double(fanOut) / Double(fanIn)).squareRoot()) < 1e-12)
    }
    #expect(heads.filter { $0.value == 4 }.count == 3 && heads.filter { $0.value == 1 }.count == 3)
    #expect(["query", "key", "value"].allSatisfy { heads["blocks.0.attention.\($0).weight"] == 4 })
    let compute = try compute()
    var random = Philox(seed: 3, stream: 0)
    let matrices = try compute.tensor(
      (0..<2 * 32 * 32).map { _ in random.uniform(-1, 1) }, replicas: 2, rows: 32, columns: 32)
    let together = try Muon(heads: 4).directions(of: matrices, compute: compute)
    #expect(together.shape == matrices.shape)
    let apart = try Muon().directions(of: matrices.split(into: 4), compute: compute)
    #expect(try compute.read(together) == compute.read(apart))
    let whole = try Muon().directions(of: matrices, compute: compute)
    #expect(try compute.read(together) != compute.read(whole))
  }

  /// The companion's rate is multiplied, beside what groups say; 0 freezes its parameters.
  @Test func companionsRate_isMultiplied() throws {
    var optimization = Optimization(.muon, groups: [ParameterGroup("readout", rateFactor: 3)])
    optimization.companionRateFactor = 0.5
    optimization.constraint = SpectralConstraint(.sphere, multiple: 1)
    func settings() -> [String: ParameterSettings] {
      Dictionary(
        uniqueKeysWithValues: Self.network.graph.parameters.map {
          ($0.path, optimization.settings(for: $0))
        })
    }
    let half = settings()
    #expect(half["layers.1.weight"]?.rateFactor == 1 && half["layers.0.weight"]?.rateFactor == 0.5)
    #expect(half["layers.2.weight"]?.rateFactor == 1.5 && half["layers.1.bias"]?.rateFactor == 0.5)
    #expect(half["layers.0.weight"]?.constraint != nil)
    optimization.companionRateFactor = 0
    #expect(settings()["layers.0.weight"]?.constraint == nil)
    optimization.optimizer = .adam
    #expect(settings().values.allSatisfy { $0.rateFactor == 1 || $0.rateFactor == 3 })
  }

  @Test func settings_laterGroupsWin_andVectorsDoNotDecay() throws {
    let decay = WeightDecay(strength: 0.1, kind: .decoupled)
    var optimization = Optimization(
      .adam, hyperparameters: Hyperparameters(beta1: 0.8, epsilon: 1e-4), weightDecay: decay)
    optimization.groups = [
      ParameterGroup("hidden", hyperparameters: Hyperparameters(beta1: 0.5), rateFactor: 2),
      ParameterGroup("layers.1.bias", rateFactor: 3, weightDecay: decay),
      ParameterGroup("layers.0", optimizer: .adam, weightDecay: decay),
      ParameterGroup(
        "readout", optimizer: .lion, weightDecay: WeightDecay(strength: 0, kind: .coupled)),
    ]
    let graph = Self.network.graph
    func settings(_ path: String) throws -> ParameterSettings {
      optimization.settings(for: try #require(graph.parameters.first { $0.path == path }))
    }
    let (first, hidden) = (try settings("layers.0.weight"), try settings("layers.1.weight"))
    #expect(first.rateFactor == 1 && first.weightDecay == decay)
    #expect(first.hyperparameters == optimization.hyperparameters)
    // Neither its role nor its module has a vector decay, and the same rule keeps its numbers.
    #expect(try settings("layers.0.bias").weightDecay == nil)
    #expect(hidden.rateFactor == 2 && hidden.optimizer == .adam)
    #expect(hidden.hyperparameters == Hyperparameters(beta1: 0.5, epsilon: 1e-4))
    let bias = try settings("layers.1.bias")
    #expect(bias.rateFactor == 3 && bias.weightDecay == decay)
    let readout = try settings("layers.2.weight")
    #expect(readout.optimizer == .lion && readout.weightDecay == nil)
    #expect(readout.hyperparameters == Hyperparameters() && readout.namesOptimizer)
    // Another rule decays in its own way, unless the kind was chosen.
    var coupled = Optimization(
      .adam, weightDecay: WeightDecay(strength: 0.1, kind: .coupled),
      groups: [ParameterGroup("hidden", optimizer: .lion)])
    let matrix = try #require(graph.parameters.first { $0.path == "layers.1.weight" })
    #expect(coupled.settings(for: matrix).weightDecay?.kind == .decoupled)
    coupled.weightDecay?.kind = .independent
    #expect(coupled.settings(for: matrix).weightDecay?.kind == .independent)
    // So does decay of a group whose kind is not named, whichever group comes first.
    let unnamed = [
      ParameterGroup("layers.1", optimizer: .adamw),
      ParameterGroup("hidden", weightDecay: WeightDecay(strength: 0.1)),
    ]
    for groups in [unnamed, unnamed.reversed()] {
      let own = Optimization(.adam, groups: groups)
      #expect(own.settings(for: matrix).weightDecay == decay)
    }
    for kind in WeightDecayKind.allCases {
      let named = ParameterGroup("hidden", weightDecay: WeightDecay(strength: 0.1, kind: kind))
      for groups in [[unnamed[0], named], [named, unnamed[0]]] {
        let own = Optimization(.adam, groups: groups)
        #expect(own.settings(for: matrix).weightDecay?.kind == kind)
      }
    }
    let plain = Optimization(.adam, groups: [unnamed[1]])
    #expect(plain.settings(for: matrix).weightDecay?.kind == .coupled)
    optimization.decaysVectors = true
    #expect(try settings("layers.0.bias").weightDecay == decay)
    // Rates follow the family of each group's rule.
    let configuration = TrainingConfiguration(
      network: MLP(inputs: 12, hidden: [64, 64], outputs: 5), baseNetwork: Self.network,
      optimization: Optimization(
        .sgd, groups: [ParameterGroup("readout", optimizer: .adam, rateFactor: 0.5)]))
    let (sgd, adam) = (
      TrainingConfiguration(
        network: configuration.network, baseNetwork: Self.network, optimization: Optimization(.sgd)
      ).scalings(under: SpectralParametrization()),
      TrainingConfiguration(network: configuration.network, baseNetwork: Self.network)
        .scalings(under: SpectralParametrization())
    )
    let scalings = configuration.scalings(under: SpectralParametrization())
    #expect(scalings[0] == sgd[0] && scalings[1] == sgd[1])
    #expect(scalings[2].learningRateFactor == 0.5 * adam[2].learningRateFactor)
  }
}

/// Every ΔW, by parameter and step.
private final class RecordedChanges: UpdateObserver {
  private var changes: [String: Tensor] = [:]

  func wantsWeightDelta(of parameter: Parameter) -> Bool { true }

  func observe(_ update: ObservedUpdate) {
    changes["\(update.parameter.name) \(update.step)"] = update.weightDelta
  }

  /// What has been seen so far, which is forgotten.
  func take(_ compute: Compute) throws -> [String: [Float]] {
    defer { changes = [:] }
    return try changes.mapValues { try compute.read($0) }
  }
}
