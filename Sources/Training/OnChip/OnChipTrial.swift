import Foundation
import Networks
import Spectral
import Tensors

/// A network's on-chip steps whose results are not those of ordinary steps.
struct OnChipTrialError: Error, CustomStringConvertible {
  /// What differs, and its error.
  let description: String
}

/// A few on-chip steps against as many ordinary ones, before a network's first.
///
/// A driver may compile a kernel and compute something else. Two replicas of the very network take six
/// steps of made-up rows: two epochs, with a short batch each.
struct OnChipTrial {
  let configuration: TrainingConfiguration
  let customRule: (any UpdateRule)?
  let parametrization: any Parametrization
  /// Whether the rows are bytes.
  let bytes: Bool

  private static let steps = 6
  /// Small ones, so that nothing diverges whatever the parametrization's factors are.
  private static let learningRates = [0x1p-7, 0x1p-10]
  /// ‖a − b‖²/‖b‖² of what the steps have changed, by the two ways. Rounding makes some 1e-9; where an
  /// entry of the gradient is next to nothing, Adam's step may have the other sign.
  private static let bound = 1e-4

  /// Runs both.
  ///
  /// - Throws: `OnChipTrialError` where they differ; `OpenCLError`.
  func run(_ plan: OnChipPlan, compute: Compute) throws {
    let graph = configuration.network.graph
    let (inputs, classes) = (graph[graph.input].columns.size, graph[graph.output].columns.size)
    let rows = try rows(inputs: inputs, classes: classes, compute: compute)
    let start = try trainer(compute).states()
    func train(_ plan: OnChipPlan?) throws -> [TrainingState] {
      let trainer = try trainer(compute)
      trainer.trainOnChip(plan, bytes: bytes)
      try trainer.train(on: rows, until: Self.steps)
      return try trainer.states()
    }
    let (ordinary, onChip) = (try train(nil), try train(plan))
    for replica in start.indices {
      try Self.compare(onChip[replica], ordinary[replica], from: start[replica])
    }
    try compute.releaseUnusedMemory()
  }

  private func trainer(_ compute: Compute) throws -> Trainer {
    try Trainer(
      configuration,
      replicas: Self.learningRates.enumerated().map {
        Replica(
          seed: UInt64($0.offset), learningRate: $0.element, parametrization: parametrization)
      }, totalSteps: Self.steps, rule: customRule, compute: compute)
  }

  private func rows(inputs: Int, classes: Int, compute: Compute) throws -> DeviceRows {
    var random = Philox(seed: 1, stream: 0)
    let count = 2 * configuration.batchSize + configuration.batchSize / 2
    let values = (0..<count * inputs).map { _ in random.uniform(0, 255) }
    return try DeviceRows(
      bytes ? .bytes(values.map { UInt8($0) }) : .floats(values),
      labels: (0..<UInt32(count)).map { $0 % UInt32(classes) },
      scale: [Float](repeating: 2 / 255, count: inputs),
      shift: [Float](repeating: -1, count: inputs), compute: compute)
  }

  private static func compare(
    _ got: TrainingState, _ expected: TrainingState, from start: TrainingState
  ) throws {
    for (step, (got, expected)) in zip(got.lossSums, expected.lossSums).enumerated() {
      guard abs(got - expected) <= 1e-4 * abs(expected) else {
        throw OnChipTrialError(
          description: "loss \(got) of on-chip step \(step + 1), expected \(expected)")
      }
    }
    let tensors = zip(
      got.parameters + got.optimizer,
      zip(expected.parameters + expected.optimizer, start.parameters + start.optimizer))
    for (got, (expected, start)) in tensors {
      var (error, change, rounding) = (0.0, 0.0, 0.0)
      for index in expected.values.indices {
        let value = Double(expected.values[index])
        error += pow(Double(got.values[index]) - value, 2)
        change += pow(value - Double(start.values[index]), 2)
        rounding += pow(value * Double(steps) * Double(Float.ulpOfOne), 2)
      }
      guard error <= bound * change + rounding else {
        throw OnChipTrialError(
          description: String(
            format: "%@ is wrong after on-chip steps: error %.1e of its change, at most %.1e",
            got.name, (error / change).squareRoot(), bound.squareRoot()))
      }
    }
  }
}
