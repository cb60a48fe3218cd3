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
        loss: loss, optimizer: optimizer, weightDecay: decay, schedule: schedule, batchSize: batch)
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

  /// Rounding, multiplied over steps; Adam's direction is of size 1 also where the gradient is next to
  /// nothing.
  private func expectEqual(
    _ got: [TrainingState], _ expected: [TrainingState], tolerance: Double = 1e-4,
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

  static let cases: [Case] = [
    Case(width: 64, inputs: 64, batch: 64)
  ]

  @Test(arguments: cases) func steps_areOrdinaryOnes(test: Case) throws {
    let start = ContinuousClock.now
    let expected = try train(test, onChip: .never)
    let got = try train(test, onChip: .always)
    print(test.testDescription, ContinuousClock.now - start, compute.onChipTrials.values.map { $0 as Any })
    #expect(compute.onChipNetworks.count == 1)
    expectEqual(got, expected)
    for (got, expected) in zip(got, expected) {
      print(error(got.lossSums, expected.lossSums), zip(got.parameters + got.optimizer, expected.parameters + expected.optimizer).map { error($0.values, $1.values) })
    }
  }
}
