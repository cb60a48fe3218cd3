import Foundation
import Training

@testable import Experiments

enum Fixture {
  static let settings = RunSettings(
    data: DataDescription(
      name: "digits", fingerprint: "00ff", inputs: 64, classes: 10, trainCount: 1500,
      validationCount: 297, normalization: "x/8 - 1"),
    depth: 3, hiddenPattern: [1, 4], length: .epochs(3), batchSize: 64, baseWidth: 128,
    inputMultiplier: 0.0625, outputMultiplier: 32, zeroReadout: true,
    weightDecay: WeightDecay(strength: 0.1, kind: .independent), matrixMultiplication: "openblas")

  static func configuration(
    _ settings: RunSettings = settings, width: Int = 128, rate: Double = -5.473684210526316,
    seed: UInt64 = 1
  ) -> RunConfiguration {
    RunConfiguration(
      settings: settings,
      cell: RunCell(
        parametrization: "spectral", optimizer: .sgd, width: width, log2LearningRate: rate,
        seed: seed))
  }

  static let result = RunResult(
    epochs: 3, steps: 72, firstEpochTrainLoss: 2.25, trainLoss: 0.1, validationLoss: 0.3,
    validationAccuracy: 0.925, outcome: .completed, seconds: 1.23456, device: "cpu")

  /// Runs `body` in a fresh directory, which is removed afterwards.
  static func inDirectory<Value>(_ body: (URL) throws -> Value) throws -> Value {
    let url = FileManager.default.temporaryDirectory
      .appendingPathComponent("gputrain-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: url) }
    return try body(url)
  }
}
