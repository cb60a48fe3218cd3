import Foundation
import Networks
import OpenCL
import Spectral
import Tensors
import GPUTrainTestSupport
import Testing

@testable import Training

/// What is measured of attention's heads, against its definition in Double.
@Suite(.serialized) struct HeadDiagnosticsTests {
  let compute: Compute
  let rows: DeviceRows
  static let (vocabulary, context) = (11, 8)

  init() throws {
    compute = try Compute.idle()
    var random = Philox(seed: 5, stream: 0)
    let tokens = (0..<400).map { _ in UInt16(random.index(below: Self.vocabulary)) }
    rows = try DeviceRows(
      .narrow(tokens), TokenWindows(tokens: tokens.count, context: Self.context),
      compute: compute)
  }

  struct Variant: CustomTestStringConvertible {
    let name: String
    let heads: Transformer.Heads
    var positions = Transformer.Positions.learned
    var normalizesQueries = false
    var testDescription: String { name }

    var network: Transformer {
      var network = Transformer(
        vocabulary: vocabulary, width: 12, depth: 2, heads: heads, context: context)
      (network.positions, network.normalizesQueries) = (positions, normalizesQueries)
      network.attentionMultiplier = 1.5
      return network
    }
  }

  static let variants = [
    Variant(name: "three heads", heads: .size(4)),
    Variant(
      name: "turned and normalised", heads: .size(2), positions: .rotary, normalizesQueries: true),
    Variant(name: "one head", heads: .count(1)),
  ]

  private func trainer(_ network: Transformer, seeds: [UInt64]) throws -> Trainer {
    try Trainer(
      TrainingConfiguration(network: network, optimization: Optimization(.adam), batchSize: 8),
      replicas: seeds.map {
        Replica(
          seed: $0, learningRate: 0.01 * Double($0),
          parametrization: try Parametrizations.named("sp"))
      }, totalSteps: 3, compute: compute)
  }

  @Test(arguments: variants) func heads_meetTheirDefinitions(variant: Variant) throws {
    let trainer = try trainer(variant.network, seeds: [1, 2, 3])
    let diagnostics = try trainer.diagnose(every: 1, probe: rows)
    try trainer.train(on: rows, until: 3)
    try diagnostics.measure(step: 3)
    let records = try diagnostics.records()
    #expect(records.map(\.step) == [0, 1, 2, 3])
    let last = try #require(records.last)
    var seen = 0
    try trainer.network.trace(try #require(diagnostics.probe)) { value in
      guard let attention = trainer.network.graph[value.node].operation as? Attention else {
        return
      }
      let layer = try #require(diagnostics.layers.firstIndex { $0.node == value.node })
      let expected = try Self.statistics(
        query: compute.read(value.inputs[0]).map(Double.init),
        key: compute.read(value.inputs[1]).map(Double.init), replicas: 3,
        shape: attention.shape(of: value.inputs[0]), scale: attention.scale)
      #expect(last.heads[layer].count == expected.count)
      for (head, expected) in expected.enumerated() {
        for (quantity, wanted) in [
          (DiagnosticQuantity.attentionLogit, expected.logits),
          (.attentionEntropy, expected.entropies),
        ] {
          let got = try #require(last.heads[layer][head][quantity])
          #expect(got.count == 3)
          for (got, wanted) in zip(got, wanted) {
            #expect(abs(got - wanted) <= 1e-5 * wanted, "\(quantity) of head \(head)")
          }
        }
      }
      // Of all heads: the largest, and the mean.
      for replica in 0..<3 {
        let logits = last.heads[layer].map { $0[.attentionLogit]![replica] }
        let entropies = last.heads[layer].map { $0[.attentionEntropy]![replica] }
        #expect(last.layers[layer][.attentionLogit]?[replica] == logits.max())
        let mean = entropies.reduce(0, +) / Double(entropies.count)
        #expect(abs(try #require(last.layers[layer][.attentionEntropy]?[replica]) - mean) <= 1e-12)
      }
      seen += 1
    }
    #expect(seen == 2)
  }

  /// The largest |logit| and the mean entropy of each head, [head][replica].
  private static func statistics(
    query: [Double], key: [Double], replicas: Int, shape: AttentionShape, scale: Double
  ) throws -> [(logits: [Double], entropies: [Double])] {
    let (columns, rows) = (shape.columns, query.count / replicas / shape.columns)
    return (0..<shape.heads).map { head in
      let found = (0..<replicas).map { replica -> (Double, Double) in
        var (largest, entropy) = (0.0, 0.0)
        for row in 0..<rows {
          let first = row - row % shape.context
          let logits = (first...row).map { other -> Double in
            scale
              * (0..<shape.headSize).reduce(0) { sum, column in
                let place = head * shape.headSize + column
                return sum + query[(replica * rows + row) * columns + place]
                  * key[(replica * rows + other) * columns + place]
              }
          }
          let total = logits.reduce(0) { $0 + exp($1) }
          largest = max(largest, logits.map(abs).max()!)
          entropy += logits.reduce(0) { $0 - exp($1) / total * log(exp($1) / total) }
        }
        return (largest, entropy / Double(rows))
      }
      return (found.map(\.0), found.map(\.1))
    }
  }

  /// Of the queries' and keys' matrices, the rows that make a head; of no other matrix.
  @Test(arguments: variants) func norms_areThoseOfTheHeadsRows(variant: Variant) throws {
    let trainer = try trainer(variant.network, seeds: [1, 2])
    let diagnostics = try trainer.diagnose(every: 1, probe: rows)
    try trainer.train(on: rows, until: 2)
    try diagnostics.measure(step: 2)
    let last = try #require(try diagnostics.records().last)
    for (index, layer) in diagnostics.layers.enumerated() where layer.weight != nil {
      guard ["query", "key"].contains(layer.name.split(separator: ".").last) else {
        #expect(last.heads[index].isEmpty, "\(layer.name)")
        continue
      }
      let heads = 12 / variant.network.headExtent.size
      #expect(last.heads[index].count == heads)
      let values = try SingularValues.all(
        of: [try #require(layer.weight).value.split(into: heads)], compute: compute)[0]
      for (head, quantities) in last.heads[index].enumerated() {
        for (replica, got) in try #require(quantities[.spectralNorm]).enumerated() {
          let wanted = values[replica * heads + head][0]
          #expect(abs(got - wanted) <= 1e-3 * wanted, "\(layer.name), head \(head)")
        }
      }
    }
  }

  /// In a launch of several runs, heads are measured as in one of its own: bit for bit.
  @Test(.enabled(if: try Device.find(.best).supportsNativeKernels))
  func heads_areThoseOfSoloRuns() throws {
    func records(_ seeds: [UInt64]) throws -> [DiagnosticRecord] {
      let trainer = try trainer(Self.variants[0].network, seeds: seeds)
      let diagnostics = try trainer.diagnose(every: 1, probe: rows)
      try trainer.train(on: rows, until: 3)
      return try diagnostics.records()
    }
    let together = try records([1, 2, 3])
    for (replica, seed) in [UInt64(1), 2, 3].enumerated() {
      for (own, shared) in zip(try records([seed]), together) {
        #expect(
          own.heads == shared.heads.map { $0.map { $0.mapValues { [$0[replica]] } } },
          "seed \(seed), step \(own.step)")
      }
    }
  }

  @Test func norms_alone_measureNoHead() throws {
    let trainer = try trainer(Self.variants[0].network, seeds: [1])
    let diagnostics = try trainer.diagnose(every: 1, contents: .norms, probe: rows)
    try trainer.train(on: rows, until: 2)
    #expect(try diagnostics.records().allSatisfy { $0.heads.allSatisfy(\.isEmpty) })
  }
}
