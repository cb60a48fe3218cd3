import Networks
import OpenCL
import Spectral
import Tensors
import GPUTrainTestSupport
import Testing
import Training

/// What a residual network trains with under a depth rule.
@Suite struct DepthRuleTests {
  private static func configuration(
    _ rule: DepthRule, depth: Int, base: Int, optimizer: OptimizerKind = .adam,
    baseWidth: Int? = nil
  ) -> TrainingConfiguration {
    func network(_ width: Int) -> ResidualMLP {
      ResidualMLP(
        inputs: 6, width: width, depth: depth, outputs: 3, bias: true, depthRule: rule,
        baseDepth: base)
    }
    return TrainingConfiguration(
      network: network(16), baseNetwork: baseWidth.map(network),
      optimization: Optimization(optimizer), batchSize: 8)
  }

  /// In branches alone, weights, biases and gains alike, beside what the width gives.
  @Test(arguments: [OptimizerKind.sgd, .adam, .lion, .muon, .spectralNormalized])
  func rates_followTheDepthInBranchesAlone(optimizer: OptimizerKind) throws {
    let rule = try Parametrizations.named("spectral")
    func configuration(base: Int) -> TrainingConfiguration {
      Self.configuration(.depthMuP, depth: 8, base: base, optimizer: optimizer, baseWidth: 4)
    }
    let deep = configuration(base: 2)
    let (scaled, plain) = (deep.scalings(under: rule), configuration(base: 8).scalings(under: rule))
    for (parameter, (scaled, plain)) in zip(deep.network.graph.parameters, zip(scaled, plain)) {
      var expected = plain
      if parameter.path.hasPrefix("blocks.") {
        // r = 4: 4^0 under SGD, else 4^−½; ε 4^−½.
        let family = deep.optimization.settings(for: parameter).rule(or: nil).family
        if family != .sgd { expected.learningRateFactor *= 0.5 }
        if family == .adam { expected.epsilonFactor *= 0.5 }
      }
      #expect(scaled == expected, "\(parameter.path)")
    }
    #expect(scaled != plain || optimizer == .sgd)
  }

  @Test func depthRateRule_isForItsTensorsAlone() throws {
    var configuration = Self.configuration(.completeP, depth: 8, base: 2, optimizer: .sgd)
    let rule = try Parametrizations.named("spectral")
    let plain = configuration.scalings(under: rule)
    configuration.depthRateRules = [
      DepthRateRule(selector: "blocks.3", rule: .depthMuP),
      DepthRateRule(selector: "blocks.3.up.weight", rule: .none),
      DepthRateRule(selector: "readout", rule: .none),
    ]
    let ruled = configuration.scalings(under: rule)
    for (index, path) in configuration.network.graph.parameters.map(\.path).enumerated() {
      // r = 4, so 4^1 under complete-p, 4^0 under the others.
      let share = path.hasPrefix("blocks.3.") ? 0.25 : 1
      #expect(ruled[index].learningRateFactor == plain[index].learningRateFactor * share, "\(path)")
    }
  }

  /// At the base depth a rule changes nothing, bit for bit.
  @Test(arguments: [DepthRule.depthMuP, .completeP], [OptimizerKind.sgd, .adamw])
  func baseDepth_trainsAsWithoutARule(rule: DepthRule, optimizer: OptimizerKind) throws {
    let compute = try Compute.idle()
    let rows = try DeviceRows(
      random: 7, inputs: 6, labels: (0..<32).map { $0 % 3 }, compute: compute)
    func trained(_ rule: DepthRule) throws -> [[Float]] {
      let trainer = try Trainer(
        Self.configuration(rule, depth: 3, base: 3, optimizer: optimizer),
        replicas: [
          Replica(
            seed: 1, learningRate: 0.01, parametrization: try Parametrizations.named("spectral"))
        ], totalSteps: 4, compute: compute)
      try trainer.train(on: rows, until: 4)
      return try trainer.network.parameters.map { try compute.read($0.value) }
    }
    #expect(try trained(rule) == trained(.none))
  }
}
