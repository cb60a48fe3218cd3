import Foundation
import Networks
import OpenCL
import Spectral
import Tensors
import GPUTrainTestSupport
import Testing

@testable import Training

/// Logits, gradients and twenty steps of decoder Transformers against PyTorch in float64
/// (Golden/make_transformer.py).
@Suite(.serialized) struct TransformerTrajectoryTests {
  struct Golden: Decodable {
    let cases: [Case]
  }

  struct Case: Decodable, CustomTestStringConvertible {
    struct First: Decodable {
      let logits: [[Double]]
      let gradients: [String: TrajectoryTests.Nested]
    }

    let name, optimizer, norm, positions, activation: String
    let gated, tied, bias, queryNorm, perHead: Bool
    let heads, depth, expansion, vocabulary, width, context: Int
    let lr, scale, attentionMultiplier: Double
    /// [steps, sequences, context + 1].
    let tokens: [[[UInt32]]]
    let start: [String: TrajectoryTests.Nested]
    let first: First
    let losses: [Double]
    let final: [String: TrajectoryTests.Nested]
    var testDescription: String { name }

    var network: Transformer {
      var network = Transformer(
        vocabulary: vocabulary, width: width, depth: depth, heads: .count(heads), context: context)
      network.positions = Transformer.Positions(rawValue: positions)!
      network.normalization = norm == "none" ? nil : RowNormalization.Kind(rawValue: norm)!
      (network.normalizesQueries, network.isGated) = (queryNorm, gated)
      network.activation = Activation(rawValue: activation)!
      (network.expansion, network.bias, network.isTied) = (expansion, bias, tied)
      network.attentionMultiplier = attentionMultiplier
      (network.branchMultiplier, network.depthRule) = (scale, .none)
      return network
    }
  }

  static let cases = (GoldenTrajectory.contents(of: "transformer") as Golden).cases

  private static func network(_ golden: Case, _ compute: Compute) throws -> Network {
    try GoldenTrajectory.network(golden.network.graph, from: golden.start, compute: compute)
  }

  @Test(arguments: cases, TrajectoryTests.backends)
  func trajectory_meetsPyTorch(golden: Case, backend: Compute.BackendChoice) throws {
    let compute = try Compute.idle(backend: backend)
    let network = try Self.network(golden, compute)
    var optimization = Optimization(try #require(OptimizerKind(rawValue: golden.optimizer)))
    optimization.muon = Muon.Settings(perHead: golden.perHead)
    let optimizer = try Optimizer(
      optimization, of: network, learningRate: golden.lr, totalSteps: golden.tokens.count)
    let rows = golden.tokens[0].count * golden.context
    let history = try SumHistory(
      capacity: golden.tokens.count, replicas: 1, compute: compute)
    for (t, sequences) in golden.tokens.enumerated() {
      let pass = try network(
        compute.tensor(
          sequences.flatMap { $0.dropLast().map { Float($0) } }, rows: rows, columns: 1))
      let batch = try compute.crossEntropy(
        pass.output,
        labels: Buffer(queue: compute.queue, sequences.flatMap { $0.dropFirst() }))
      try history.record(batch.losses, slot: t)
      if t == 0 {
        expectClose(
          try compute.read(pass.output), golden.first.logits.flatMap { $0 }, "logits", 1e-5)
      }
      try optimizer.beginStep()
      try pass.backward(batch.gradient) { parameter, gradient in
        if t == 0 {
          let expected = try #require(golden.first.gradients[parameter.name]).values
          expectClose(
            try compute.read(gradient.materialized(compute)), expected, parameter.name, 1e-5)
        }
        try optimizer.update(parameter, gradient)
      }
      try optimizer.finishStep()
    }
    for (sum, expected) in zip(try history.read(slots: golden.tokens.count), golden.losses) {
      let loss = Double(sum[0]) / Double(rows)
      #expect(abs(loss - expected) <= 1e-5 * expected, "\(loss), expected \(expected)")
    }
    for parameter in network.parameters {
      // 1e-4: twenty steps of rounding; Adam divides small gradients by their own size.
      expectClose(
        try compute.read(parameter.value), try #require(golden.final[parameter.name]).values,
        parameter.name, 1e-4)
    }
  }

  /// The mask leaks nothing: what comes later, be it other tokens, changes no earlier logit's bits.
  @Test(arguments: cases, KernelVariant.allCases)
  func laterTokens_changeNoEarlierLogit(golden: Case, variant: KernelVariant) throws {
    let compute = try Compute.idle(vectorWidth: 4, kernelVariant: variant)
    let network = try Self.network(golden, compute)
    let (context, vocabulary) = (golden.context, golden.vocabulary)
    var tokens = golden.tokens[0].flatMap { $0.dropLast() }
    func logits() throws -> [Float] {
      try compute.read(
        network(compute.tensor(tokens.map { Float($0) }, rows: tokens.count, columns: 1)).output)
    }
    let before = try logits()
    for position in 1..<context {
      let place = context + position  // in the second sequence
      let original = tokens[place]
      tokens[place] = (original + 1) % UInt32(vocabulary)
      let after = try logits()
      for row in 0..<tokens.count {
        let isLater = row / context == 1 && row % context >= position
        let range = row * vocabulary..<(row + 1) * vocabulary
        #expect(
          (before[range] == after[range]) != isLater || (isLater && row != place),
          "token \(position) changed, row \(row)")
      }
      tokens[place] = original
    }
  }
}
