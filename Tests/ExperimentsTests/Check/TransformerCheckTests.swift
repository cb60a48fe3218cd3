import Foundation
import OpenCL
import Spectral
import Tensors
import Testing
import Training

@testable import Experiments

/// The check names the tensor of a Transformer that breaks the spectral condition.
@Suite(.serialized) struct TransformerCheckTests {
  let compute: Compute

  init() throws {
    compute = try Compute(device: .find(.best))
  }

  private func check(
    _ parametrization: String, _ optimizer: OptimizerKind, _ rules: [(String, String)] = [],
    _ change: (inout Configuration) -> Void = { _ in }
  ) throws -> CheckReport {
    let data = try TrainingData(LoadedTokens(train: .tales(count: 20_000)), context: 32)
    var configuration = Configuration {
      ($0.network, $0.depth, $0.context, $0.batchSize) = (.transformer, 1, 32, 4)
      ($0.headSize, $0.steps, $0.baseWidth, $0.zeroReadout) = (16, 2, 32, false)
      change(&$0)
    }
    configuration.rateRules = try rules.map {
      try RateRule(selector: $0.0, parametrization: $0.1)
    }
    return try SpectralCheck(
      ScaleRuns(
        experiment: Experiment(configuration, Facts(data: data, compute: compute)),
        parametrization: parametrization, optimizer: optimizer, sizes: [32, 64, 128, 256],
        log2LearningRate: optimizer.parametrizedFamily == .adam ? -12 : -6,
        seeds: [1, 2, 3], data: data, compute: compute,
        memory: MemoryPlan(device: compute.queue.device))
    ).run()
  }

  /// Tables, six matrices of a block and the readout, each by its path; where nothing is wrong, queries and
  /// keys of few heads may be left open, and nothing else.
  @Test func fullRule_hasNoCulprit() throws {
    let report = try check("spectral", .adam)
    #expect(report.verdict != .fail, "\(report.table())")
    let layers = Set(report.exponents.map(\.layer))
    #expect(
      layers
        == Set(
          ["embedding", "positions", "readout"]
            + ["query", "key", "value", "output"].map { "blocks.0.attention.\($0)" }
            + ["up", "down"].map { "blocks.0.mlp.\($0)" }))
    for layer in layers {
      let norm = try #require(
        report.exponents.first { $0.layer == layer && $0.quantity == .weightNorm })
      #expect(abs(norm.exponent - norm.predicted) <= 0.15, "\(layer): \(norm.exponent)")
    }
  }

  /// Each part left out of the rule: the tensor that lacks it is the first that is named.
  @Test(
    arguments: [
      ("sp", OptimizerKind.adam, [], "blocks.0.attention.query"),
      ("spectral", .adam, [("readout", "sp")], "readout"),
      ("spectral", .adam, [("blocks.0.mlp.up", "sp")], "blocks.0.mlp.up"),
      ("spectral", .sgd, [("embedding", "sp")], "embedding"),
    ] as [(String, OptimizerKind, [(String, String)], String)])
  func partLeftOut_isNamed(
    parametrization: String, optimizer: OptimizerKind, rules: [(String, String)], culprit: String
  ) throws {
    let report = try check(parametrization, optimizer, rules)
    #expect(report.verdict == .fail)
    #expect(report.culprit?.layer == culprit, "\(report.table())")
    #expect(report.culprit?.quantity == .updateNorm)
  }
}
