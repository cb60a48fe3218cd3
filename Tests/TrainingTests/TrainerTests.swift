import Networks
import OpenCL
import Spectral
import Tensors
import GPUTrainTestSupport
import Testing

@testable import Training

@Suite(.serialized) struct TrainerTests {
  let compute: Compute
  let rows: DeviceRows
  static let labels: [UInt32] = (0..<70).map { UInt32($0 % 3) }

  init() throws {
    compute = try Compute.idle()
    // Three classes around three centres.
    var random = Philox(seed: 11, stream: 0)
    let values = Self.labels.flatMap { label in
      (0..<6).map { Float.random(in: -1...1, using: &random) + ($0 == Int(label) ? 1.5 : 0) }
    }
    rows = try DeviceRows(
      .floats(values), labels: Self.labels, scale: [Float](repeating: 1, count: 6),
      shift: [Float](repeating: 0, count: 6), compute: compute)
  }

  func configuration(
    hidden: [Int] = [24, 24], base: [Int]? = nil, optimizer: OptimizerKind = .adam,
    decay: WeightDecay? = nil, batchSize: Int = 16
  ) -> TrainingConfiguration {
    func network(_ hidden: [Int]) -> MLP {
      MLP(inputs: 6, hidden: hidden, outputs: 3, bias: true)
    }
    return TrainingConfiguration(
      network: network(hidden), baseNetwork: base.map(network),
      optimization: Optimization(
        optimizer, weightDecay: decay, schedule: Schedule(.cosine, warmup: 0.1)),
      batchSize: batchSize)
  }

  func train(
    _ configuration: TrainingConfiguration, _ replicas: [Replica], epochs: Int = 3
  ) throws -> (trainer: Trainer, losses: [[Double]]) {
    let steps = (70 + configuration.batchSize - 1) / configuration.batchSize
    let trainer = try Trainer(
      configuration, replicas: replicas, totalSteps: epochs * steps, compute: compute)
    let losses = try (0..<epochs).flatMap { _ in try trainer.trainEpoch(on: rows).losses }
    return (trainer, losses)
  }

  func replica(_ seed: UInt64, _ rate: Double, _ name: String = "spectral") throws -> Replica {
    Replica(seed: seed, learningRate: rate, parametrization: try Parametrizations.named(name))
  }

  @Test func training_learnsThreeClusters() throws {
    let (trainer, losses) = try train(configuration(), [replica(1, 0.05, "sp")], epochs: 10)
    #expect(losses[0][0] > 0.8)
    let result = try trainer.evaluate(on: rows)[0]
    #expect(result.accuracy! > 0.9 && result.loss < 0.4)
  }

  /// The weights of two replicas under two parametrizations as they start, and σ of each replica.
  private func drawnWeights(
    _ configuration: TrainingConfiguration
  ) throws -> [(parameter: Parameter, sigmas: [Double])] {
    let trainer = try Trainer(
      configuration, replicas: [replica(1, 0.1), replica(2, 0.1, "mup")], totalSteps: 1,
      compute: compute)
    let scalings = try ["spectral", "mup"].map {
      configuration.scalings(under: try Parametrizations.named($0))
    }
    return trainer.network.parameters.enumerated()
      .map { index, parameter in (parameter, scalings.map { $0[index].initialStd }) }
      .filter { $0.0.shape.kind == .weight }
  }

  /// ‖W‖_* = σ(√fanIn + √fanOut), to the accuracy of the norm, whatever was drawn.
  @Test func spectralInit_setsEveryWeightsNorm() throws {
    var configuration = configuration()
    configuration.weightInit = .spectral
    for (parameter, sigmas) in try drawnWeights(configuration) {
      let norms = try spectralNorms(of: [parameter.value], compute: compute)[0]
      for (replica, estimate) in norms.enumerated() {
        let expected = sigmas[replica] * parameter.shape.normRatio
        #expect(abs(estimate.norm / expected - 1) <= 4e-3, "\(parameter.name)")
      }
    }
  }

  /// Every singular value is σ√max(fanOut, fanIn), of square matrices too, by LAPACK; seeds draw different ones.
  @Test func orthogonalInit_setsEverySingularValue() throws {
    for hidden in [[24, 40], [96, 96]] {
      var configuration = configuration(hidden: hidden)
      configuration.weightInit = .orthogonal
      for (parameter, sigmas) in try drawnWeights(configuration) {
        let shape = parameter.shape
        let found = try SingularValues.all(of: [parameter.value], compute: compute)[0]
        for (sigma, values) in zip(sigmas, found) {
          let expected = sigma * Double(max(shape.fanOut, shape.fanIn)).squareRoot()
          for value in values {
            #expect(abs(value - expected) <= 2e-5 * expected, "\(parameter.name): \(value)")
          }
        }
        let numbers = try compute.read(parameter.value)
        #expect(
          Array(numbers[..<parameter.value.stride]) != Array(numbers[parameter.value.stride...]))
      }
    }
  }

  /// Weights are the same draws, times the factor; later factors win.
  @Test(arguments: [WeightInit.gaussian, .spectral, .orthogonal])
  func initialMultiplier_scalesItsTensorsAlone(weightInit: WeightInit) throws {
    var configuration = configuration()
    configuration.weightInit = weightInit
    func values() throws -> [String: [Float]] {
      let trainer = try Trainer(
        configuration, replicas: [replica(1, 0.1), replica(2, 0.1, "mup")], totalSteps: 1,
        compute: compute)
      return try Dictionary(
        uniqueKeysWithValues: trainer.network.parameters.map {
          ($0.name, try compute.read($0.value))
        })
    }
    let plain = try values()
    configuration.initialMultipliers = [
      InitialMultiplier(selector: "all", factor: 0.5),
      InitialMultiplier(selector: "layers.*.weight", factor: 4),
      InitialMultiplier(selector: "layers.1.weight", factor: 0.25),
    ]
    let scaled = try values()
    #expect(plain.count == 6)
    for (name, values) in plain {
      let factor: Float =
        name == "layers.1.weight"
        ? 0.25 : name.hasSuffix("0.weight") || name.hasSuffix("2.weight") ? 4 : 0.5
      for (scaled, plain) in zip(scaled[name]!, values) {
        #expect(abs(scaled - factor * plain) <= 1e-5 * abs(factor * plain), "\(name)")
      }
    }
  }

  /// The rule changes the rate of its tensors and nothing else.
  @Test func rateRule_isForItsTensorsAlone() throws {
    var configuration = configuration(hidden: [48, 48], base: [24, 24])
    let plain = configuration.scalings(under: try Parametrizations.named("spectral"))
    let standard = configuration.scalings(under: try Parametrizations.named("sp"))
    configuration.rateRules = [try RateRule(selector: "layers.1", parametrization: "sp")]
    let ruled = configuration.scalings(under: try Parametrizations.named("spectral"))
    for (index, name) in configuration.network.graph.parameters.map(\.path).enumerated() {
      var expected = plain[index]
      if name.hasPrefix("layers.1.") {
        expected.learningRateFactor = standard[index].learningRateFactor
      }
      #expect(ruled[index] == expected, "\(name)")
    }
    #expect(ruled != plain)
  }

  /// η_l·λ_l is the same at every width, whoever gives η_l; other kinds of decay keep their λ.
  @Test(arguments: WeightDecayKind.allCases)
  func rateRule_leavesScaledDecayTheSameAtEveryWidth(kind: WeightDecayKind) throws {
    let configurations = [24, 48, 96].map { width in
      var configuration = configuration(
        hidden: [width, width], base: [24, 24], optimizer: .adam,
        decay: WeightDecay(strength: 0.1, kind: kind))
      configuration.rateRules = [
        RateRule("layers.1", named: "sp"), RateRule("input", named: "mup"),
      ]
      return configuration
    }
    for name in ["spectral", "sp"] {
      let rule = try Parametrizations.named(name)
      for configuration in configurations {
        var free = configuration
        free.rateRules = []
        let (ruled, plain) = (configuration.scalings(under: rule), free.scalings(under: rule))
        let parameters = configuration.network.graph.parameters
        for (parameter, (ruled, plain)) in zip(parameters, zip(ruled, plain))
        where !parameter.shape.isVector {
          if kind == .decoupledScaled {
            #expect(abs(ruled.learningRateFactor * ruled.weightDecayFactor - 1) <= 1e-12)
          } else {
            #expect(ruled.weightDecayFactor == plain.weightDecayFactor)
          }
        }
      }
    }
  }

  @Test(
    .enabled(if: try Device.find(.best).supportsNativeKernels), arguments: OptimizerKind.allCases)
  func replica_isBitForBitItsSoloRun_onCPU(
    optimizer: OptimizerKind
  ) throws {
    let configuration = configuration(
      optimizer: optimizer, decay: WeightDecay(strength: 0.01, kind: .independent))
    let replicas = [
      try replica(1, 0.01), try replica(2, 0.03, "sp"), try replica(1, 0.002, "ntp"),
    ]
    let group = try train(configuration, replicas)
    for (index, replica) in replicas.enumerated() {
      let solo = try train(configuration, [replica])
      #expect(group.losses.map { $0[index] } == solo.losses.map { $0[0] })
      let together = try group.trainer.evaluate(on: rows)[index]
      let alone = try solo.trainer.evaluate(on: rows)[0]
      #expect(together.loss == alone.loss && together.accuracy == alone.accuracy)
    }
  }

  @Test(arguments: OptimizerKind.allCases) func baseShape_trainsLikeStandardBitForBit(
    optimizer: OptimizerKind
  ) throws {
    let configuration = configuration(base: [24, 24], optimizer: optimizer)
    let replicas = Parametrizations.all.map {
      Replica(seed: 5, learningRate: 0.02, parametrization: $0)
    }
    for losses in try train(configuration, replicas).losses {
      #expect(losses.allSatisfy { $0 == losses[0] })
    }
  }

  @Test func widthsOffTheBase_trainDifferently() throws {
    let configuration = configuration(hidden: [48, 48], base: [24, 24])
    let losses = try train(configuration, [replica(5, 0.02, "sp"), replica(5, 0.02)]).losses
    #expect(losses[0][0] != losses[0][1] && losses.last![0] != losses.last![1])
  }

  @Test func divergedReplica_freezes_andTheOthersGoOn() throws {
    let configuration = configuration(optimizer: .sgd)
    let good = try replica(1, 0.01)
    let bad = try replica(2, 1e30)
    let (trainer, losses) = try train(configuration, [good, bad])
    let diverged = try #require(losses.firstIndex { !$0[1].isFinite })
    #expect(losses[diverged...].allSatisfy { !$0[1].isFinite })
    #expect(losses.allSatisfy { $0[0].isFinite })
    #expect(losses.map { $0[0] } == (try train(configuration, [good]).losses.map { $0[0] }))
    #expect(try trainer.evaluate(on: rows)[0].loss.isFinite)
  }

  @Test func epoch_keepsTheShortBatch_andWeighsItsMean() throws {
    let trainer = try Trainer(
      configuration(), replicas: [replica(1, 0)], totalSteps: 5, compute: compute)
    let epoch = try trainer.trainEpoch(on: rows)
    #expect(epoch.batchSizes == [16, 16, 16, 16, 6])
    // A rate of 0 leaves the network as it was, so the epoch's mean is the loss over all rows.
    let expected = try trainer.evaluate(on: rows)[0].loss
    #expect(abs(epoch.mean(replica: 0) - expected) <= 1e-6 * expected)
  }

  @Test func epoch_stopsAtTheTotal() throws {
    let trainer = try Trainer(
      configuration(), replicas: [replica(1, 0.1)], totalSteps: 7, compute: compute)
    #expect(try trainer.trainEpoch(on: rows).losses.count == 5)
    #expect(try trainer.trainEpoch(on: rows).losses.count == 2)
    #expect(trainer.step == 7)
  }

  /// Epochs in one call, with more steps than losses wait on the device, are as epochs one by one.
  @Test func train_goesThroughEpochs_asOneByOne() throws {
    let steps = 1100
    let (whole, parts) = (
      try Trainer(
        configuration(), replicas: [replica(1, 0.01), replica(2, 0.02)], totalSteps: steps,
        compute: compute),
      try Trainer(
        configuration(), replicas: [replica(1, 0.01), replica(2, 0.02)], totalSteps: steps,
        compute: compute)
    )
    var reported: [Int] = []
    try whole.train(on: rows, until: steps, every: 100) { reported.append($0) }
    while parts.step < steps { _ = try parts.trainEpoch(on: rows) }
    let losses = try whole.allLosses().losses
    #expect(losses.count == steps)
    #expect(try parts.allLosses().losses == losses)
    #expect((100...steps).filter { $0 % 100 == 0 }.allSatisfy(reported.contains))
    #expect(whole.epoch == 220 && whole.epochStep == 0)
  }

  /// Each epoch has an order of its own; what seeds' orders have to do with each other, RowShuffleTests say.
  @Test func epochs_haveOrdersOfTheirOwn() throws {
    let trainer = try Trainer(
      configuration(), replicas: [replica(1, 0), replica(2, 0)], totalSteps: 10, compute: compute)
    let epochs = try (0..<2).map { _ in try trainer.trainEpoch(on: rows).losses }
    // At a rate of 0 the losses of an epoch are those of another in another order.
    #expect(epochs[0] != epochs[1])
    #expect(trainer.epoch == 2)
  }

  @Test func steps_afterTheFirstEpoch_allocateNothing() throws {
    let trainer = try Trainer(
      configuration(), replicas: [replica(1, 0.1), replica(2, 0.1)], totalSteps: 15,
      compute: compute)
    _ = try trainer.trainEpoch(on: rows)
    let before = compute.allocations
    _ = try trainer.trainEpoch(on: rows)
    _ = try trainer.trainEpoch(on: rows)
    #expect(compute.allocations == before)
  }

  @Test func multipliers_andZeroReadout_actAsTheTableSays() throws {
    func weights(_ network: MLP) throws -> [[Float]] {
      let trainer = try Trainer(
        TrainingConfiguration(network: network), replicas: [replica(1, 0.1, "sp")],
        totalSteps: 1, compute: compute)
      return try trainer.network.parameters.map(trainer.values)
    }
    let plain = try weights(MLP(inputs: 6, hidden: [24], outputs: 3))
    let scaled = try weights(
      MLP(
        inputs: 6, hidden: [24], outputs: 3, inputMultiplier: 1.0 / 256, outputMultiplier: 32,
        zeroReadout: true))
    #expect(zip(plain[0], scaled[0]).allSatisfy { $0 * 16 == $1 })
    #expect(scaled[1].allSatisfy { $0 == 0 })
  }
}
