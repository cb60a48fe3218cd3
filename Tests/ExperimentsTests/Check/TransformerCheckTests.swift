import Foundation
import Networks
import OpenCL
import Spectral
import Tensors
import GPUTrainTestSupport
import Testing
import Training

@testable import Experiments

/// The check names the tensor of a Transformer that breaks the spectral condition.
@Suite(.serialized) struct TransformerCheckTests {
  let compute: Compute

  init() throws {
    compute = try Compute.idle()
  }

  private func check(
    _ parametrization: String, _ optimizer: OptimizerKind, _ rules: [(String, String)] = [],
    sizes: [Int] = [32, 64, 128, 256], _ change: (inout Configuration) -> Void = { _ in }
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
        parametrization: parametrization, optimizer: optimizer, sizes: sizes,
        log2LearningRate: optimizer.parametrizedFamily == .adam ? -12 : -6,
        seeds: [1, 2, 3], data: data, compute: compute,
        memory: MemoryPlan(device: compute.queue.device))
    ).run()
  }

  /// Tables, attention, six matrices of a block and the readout, each by its path; where nothing is wrong, queries and
  /// keys of few heads may be left open, and nothing else.
  @Test func fullRule_hasNoCulprit() throws {
    let report = try check("spectral", .adam)
    #expect(report.verdict != .fail, "\(report.table())")
    let layers = Set(report.exponents.map(\.layer))
    #expect(
      layers
        == Set(
          ["embedding", "positions", "blocks.0.attention", "readout"]
            + ["query", "key", "value", "output"].map { "blocks.0.attention.\($0)" }
            + ["up", "down"].map { "blocks.0.mlp.\($0)" }))
    let queries = report.exponents.filter { $0.layer == "blocks.0.attention.query" }
    #expect(queries.contains { $0.quantity == .featureSize && $0.verdict == .meets })
    for layer in layers where layer != "blocks.0.attention" {
      let norm = try #require(
        report.exponents.first { $0.layer == layer && $0.quantity == .weightNorm })
      #expect(abs(norm.exponent - norm.predicted) <= 0.15, "\(layer): \(norm.exponent)")
    }
  }

  /// With more heads the updates of queries and keys are put together from more directions, and fall: no fault. So
  /// do those of matrices that Muon takes head by head.
  @Test(arguments: [OptimizerKind.sgd, .muon])
  func growingNumberOfHeads_isNoFault(optimizer: OptimizerKind) throws {
    let report = try check("spectral", optimizer) { $0.muonPerHead = optimizer == .muon }
    #expect(report.verdict != .fail, "\(report.table())")
    for part in ["query", "key"] {
      let update = try #require(
        report.exponents.first {
          $0.layer == "blocks.0.attention.\(part)" && $0.quantity == .updateNorm
        })
      #expect(abs(update.predicted) < 0.01 && abs(update.condition) < 0.01)
      #expect(-0.6...0.1 ~= update.exponent && !update.isFailure, "\(update)")
    }
    // Muon's own, taken whole, is of norm 1 at every width.
    let whole = report.exponents.first {
      $0.layer == "blocks.0.mlp.up" && $0.quantity == .updateNorm
    }
    #expect(try optimizer != .muon || abs(#require(whole).exponent) < 0.03)
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

  // MARK: Heads that widen

  /// At the start queries do not align with keys, so that gradients of both fall with wider heads: the right
  /// rule predicts it, and nothing is called broken.
  @Test func headsThatWiden_haveNoCulprit() throws {
    let report = try check("spectral", .sgd) { ($0.heads, $0.headSize) = (4, nil) }
    #expect(report.verdict != .fail, "\(report.table())")
    for name in ["query", "key"] {
      let update = try #require(
        report.exponents.first {
          $0.layer == "blocks.0.attention.\(name)" && $0.quantity == .updateNorm
        })
      #expect(abs(update.predicted + 0.5) <= 0.01)
      #expect(abs(update.exponent + 0.5) <= 0.25, "\(update)")
    }
  }

  /// A scale that does not follow heads that widen shows in attention's logits, and attention is named.
  @Test(arguments: [OptimizerKind.adam, .sgd])
  func attentionScaleLeftOut_isNamed(optimizer: OptimizerKind) throws {
    func logits(_ scale: Transformer.AttentionScale) throws -> (CheckReport, CheckedQuantity) {
      let report = try check("spectral", optimizer, sizes: [64, 128, 256, 512]) {
        ($0.heads, $0.headSize, $0.attentionScale) = (4, nil, scale)
        ($0.zeroReadout, $0.steps, $0.batchSize) = (true, 3, 8)
      }
      return (
        report,
        try #require(
          report.exponents.first {
            $0.layer == "blocks.0.attention" && $0.quantity == .featureChange
          })
      )
    }
    let (wrong, grown) = try logits(.squareRoot)
    #expect(abs(grown.predicted - 0.5) <= 0.01)
    #expect(wrong.verdict != .pass && grown.isFailure, "\(grown)")
    #expect(wrong.culprit?.layer == grown.layer, "\(wrong.table())")
    let (right, kept) = try logits(.parametrization)
    #expect(right.verdict != .fail && !kept.isFailure, "\(kept)")
    #expect(grown.exponent - kept.exponent >= 0.3, "\(grown), \(kept)")
  }

  /// The same in two blocks, of which in the second queries and keys align later.
  @Test(arguments: [OptimizerKind.adam, .sgd])
  func attentionScaleLeftOut_isNamedInTwoBlocks(optimizer: OptimizerKind) throws {
    let report = try check("spectral", optimizer, sizes: [64, 128, 256, 512]) {
      ($0.heads, $0.headSize, $0.attentionScale) = (4, nil, .squareRoot)
      ($0.depth, $0.baseDepth, $0.zeroReadout, $0.steps, $0.batchSize) = (2, 2, true, 3, 8)
    }
    #expect(report.verdict == .fail && report.culprit?.layer == "blocks.0.attention")
    #expect(report.culprit?.verdict == .breaksAsPredicted, "\(report.table())")
  }

  // MARK: Depth

  static let depths = [2, 4, 8, 16]

  private func depthCheck(
    _ optimizer: OptimizerKind, _ rule: DepthRule, rates: [DepthRateRule] = [],
    seeds: [UInt64] = [1, 2, 3, 4]
  ) throws -> CheckReport {
    let data = try TrainingData(LoadedTokens(train: .tales(count: 20_000)), context: 16)
    let configuration = Configuration {
      ($0.network, $0.context, $0.batchSize, $0.headSize) = (.transformer, 16, 8, 16)
      ($0.depthRule, $0.depthRateRules, $0.baseDepth) = (rule, rates, 2)
      ($0.steps, $0.baseWidth, $0.zeroReadout) = (1, 32, false)
      ($0.expansion, $0.activation) = (4, .gelu)
    }
    return try SpectralCheck(
      ScaleRuns(
        experiment: Experiment(configuration, Facts(data: data, compute: compute)),
        parametrization: "spectral", optimizer: optimizer, scale: .depth, sizes: Self.depths,
        width: 32, log2LearningRate: optimizer.parametrizedFamily == .adam ? -12 : -6,
        seeds: seeds, data: data, compute: compute,
        memory: MemoryPlan(device: compute.queue.device))
    ).run()
  }

  /// Tables, six matrices and attention of the first and the last block, the readout: all are judged, none is broken, and
  /// what is measured is what was predicted.
  @Test(arguments: [(DepthRule.completeP, OptimizerKind.sgd), (.depthMuP, .adam)])
  func depthRules_meetTheConditionAlongDepth(_ rule: DepthRule, _ optimizer: OptimizerKind) throws {
    let report = try depthCheck(optimizer, rule)
    #expect(report.verdict != .fail, "\(report.table())")
    let layers = Set(report.exponents.map(\.layer))
    #expect(layers.count == 17)
    #expect(report.failures.allSatisfy { $0.upper - $0.lower > 0.3 }, "\(report.table())")
    for checked in report.exponents where checked.verdict != .informative {
      let ends = [checked.predicted, checked.predictedLimit].sorted()
      let between = ends[0] - 0.3...ends[1] + 0.3
      #expect(between.contains(checked.exponent), "\(checked)")
    }
  }

  @Test func noDepthRule_breaksTheCondition() throws {
    let report = try depthCheck(.adam, .none)
    #expect(report.verdict == .fail && report.remarks.count == 1)
    for layer in ["blocks.last.attention.output", "blocks.last.mlp.down"] {
      let stream = try #require(
        report.exponents.first { $0.layer == layer && $0.quantity == .featureChange })
      #expect(stream.exponent > 0.6 && stream.verdict == .breaksAsPredicted, "\(stream)")
    }
  }

  /// Blocks are scaled and their rates are not, of all or of one matrix: the first that lacks it is named.
  @Test(
    arguments: [
      (DepthRule.completeP, "all", "query"), (.depthMuP, "blocks.0.attention.value", "value"),
    ])
  func rateWithoutTheDepthRule_isNamed(_ rule: DepthRule, selector: String, culprit: String) throws
  {
    let optimizer = rule == .completeP ? OptimizerKind.sgd : .adam
    let report = try depthCheck(
      optimizer, rule, rates: [DepthRateRule(selector: selector, rule: .none)])
    #expect(report.culprit?.layer == "blocks.first.attention.\(culprit)", "\(report.table())")
    #expect(report.culprit?.quantity == .updateNorm)
    #expect(report.culprit?.verdict == .breaksAsPredicted)
    if selector != "all" {
      #expect(!report.failures.contains { $0.layer.hasPrefix("blocks.last.") && $0.isBroken })
    }
  }
}
