import Foundation
import Training

@testable import Experiments

extension Sweep {
  /// Everything that the runs of the grid leave but their seconds, by run: records, result, names of files.
  func remains() throws -> [String: [String]] {
    var result: [String: [String]] = [:]
    for cell in grid.cells {
      let run = store.directory(for: RunConfiguration(experiment, cell))
      let text = try String(contentsOf: run.appendingPathComponent("result.json"), encoding: .utf8)
      result["\(cell)"] = [
        try String(contentsOf: run.appendingPathComponent("metrics.jsonl"), encoding: .utf8),
        text.split(separator: "\n").filter { !$0.lowercased().contains("seconds\"") }.joined(),
        try FileManager.default.contentsOfDirectory(atPath: run.path).sorted().joined(
          separator: " "),
      ]
    }
    return result
  }
}

enum Fixture {
  static let experiment = Experiment(
    Configuration {
      ($0.depth, $0.hiddenPattern, $0.epochs, $0.steps) = (3, [1, 4], 3, nil)
      ($0.baseWidth, $0.inputMultiplier, $0.outputMultiplier) = (128, 0.0625, 32)
      $0.weightDecay = WeightDecayChoice(0.1, .independent)
    },
    Facts(
      data: DataDescription(
        name: "digits", fingerprint: "00ff", inputs: 64, outputs: .classes(10), trainCount: 1500,
        validationCount: 297, normalization: "x/8 - 1"), gemm: "openblas"))

  static func configuration(
    _ experiment: Experiment = experiment, width: Int = 128, rate: Double = -5.473684210526316,
    seed: UInt64 = 1
  ) -> RunConfiguration {
    RunConfiguration(
      experiment,
      RunCell(
        parametrization: "spectral", optimizer: .sgd, width: width, log2LearningRate: rate,
        seed: seed))
  }

  static let result = RunResult(
    epochs: 3, steps: 72, firstEpochTrainLoss: 2.25, trainLoss: 0.1, validationLoss: 0.3,
    validationAccuracy: 0.925, bestValidationLoss: 0.25, wholeTrainLoss: 0.0625,
    outcome: .completed, seconds: 1.23456, device: "cpu")

  /// Runs `body` in a fresh directory, which is removed afterwards.
  static func inDirectory<Value>(_ body: (URL) throws -> Value) throws -> Value {
    let url = FileManager.default.temporaryDirectory
      .appendingPathComponent("gputrain-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: url) }
    return try body(url)
  }

  /// Leaves, in each of `places`, what a killed process left two hours ago and what one left just now.
  ///
  /// - Returns: the names.
  static func leaveTemporaries(in places: [URL]) throws -> (old: String, new: String) {
    let names = (0..<2).map { _ in
      AtomicFile.temporary(beside: places[0].appendingPathComponent("a")).lastPathComponent
    }
    for place in places {
      for (name, age) in zip(names, [7200.0, 60]) {
        let file = place.appendingPathComponent(name)
        try Data().write(to: file)
        try FileManager.default.setAttributes(
          [.modificationDate: Date(timeIntervalSinceNow: -age)], ofItemAtPath: file.path)
      }
    }
    return (names[0], names[1])
  }
}
