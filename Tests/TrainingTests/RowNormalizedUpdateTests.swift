import Foundation
import Networks
import OpenCL
import Spectral
import Tensors
import GPUTrainTestSupport
import Testing

@testable import Training

/// Embeddings whose rows move by one size.
@Suite(.serialized) struct RowNormalizedUpdateTests {
  let compute: Compute

  init() throws {
    compute = try Compute.idle()
  }

  /// Against Double, over sizes that squares of floats do not have, rows of zeros and NaN.
  @Test(arguments: [(5, 1), (7, 16), (3, 50), (2, 5000)])
  func unitRows_haveNormOne(rows: Int, columns: Int) throws {
    for exponent in [-140, -60, -41, -40, 0, 40, 41, 60, 126] {
      let scale = Float(sign: .plus, exponent: exponent, significand: 1)
      let values = (0..<2 * rows * columns).map { scale * Float(sin(Double(1 + $0))) }
      let unit = try compute.read(
        compute.unitRows(compute.tensor(values, replicas: 2, rows: rows, columns: columns)))
      for row in 0..<2 * rows {
        let own = row * columns..<(row + 1) * columns
        let norm = values[own].reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
        for (value, found) in zip(values[own], unit[own]) {
          let expected = norm == 0 ? 0 : Double(value) / norm
          #expect(abs(Double(found) - expected) <= 1e-6, "2^\(exponent), row \(row)")
        }
      }
    }
    var values = [Float](repeating: 1, count: 3 * columns)
    values.replaceSubrange(0..<columns, with: [Float](repeating: 0, count: columns))
    values[columns] = .nan
    let unit = try compute.read(
      compute.unitRows(compute.tensor(values, rows: 3, columns: columns)))
    #expect(unit[..<columns].allSatisfy { $0 == 0 })
    #expect(unit[columns..<2 * columns].allSatisfy { $0.isNaN })
    #expect(abs(unit[2 * columns] - 1 / Float(columns).squareRoot()) <= 1e-6)
  }

  /// Three steps of an embedding beside the plain sums: rows that no token has stay, others move by η a step.
  @Test func embedding_movesByItsRate() throws {
    let (count, width, rate, beta) = (5, 8, 0.25, 0.5)
    var optimization = Optimization(.rowNormalized)
    optimization.hyperparameters.momentum = beta
    let graph = Transformer(vocabulary: count, width: width, depth: 1, heads: .size(8), context: 2)
      .graph
    let parameter = try #require(graph.parameter("embedding.weight"))
    let settings = optimization.settings(for: parameter)
    #expect(settings.optimizer == .rowNormalized)
    let rule = try #require(
      OptimizerKind.rowNormalized.rule(settings.hyperparameters) as? RowNormalizedUpdate)
    #expect(rule.momentum == beta)
    #expect(rule.ownRateFactor(for: parameter.shape) == Double(width).squareRoot())
    let start = (0..<count * width).map { Float(cos(Double($0))) }
    let table = try Parameter(
      name: parameter.path, shape: parameter.shape,
      value: compute.tensor(start, rows: count, columns: width))
    let optimizer = try Optimizer(
      parameters: [table], settings: [[settings]], learningRates: [rate],
      scalings: [
        [WidthScaling(initialStd: 1, learningRateFactor: Double(width).squareRoot())]
      ], totalSteps: 3, compute: compute)
    var expected = start.map { Double($0) }
    var mean = [Double](repeating: 0, count: count * width)
    for step in 0..<3 {
      // The last token never comes; the second comes once.
      let gradient = (0..<count * width).map { place -> Float in
        let token = place / width
        return token == count - 1 || token == 1 && step > 0
          ? 0 : Float(sin(Double(place + 7 * step)))
      }
      try optimizer.beginStep()
      try optimizer.update(
        table, .whole(compute.tensor(gradient, rows: count, columns: width)))
      try optimizer.finishStep()
      for token in 0..<count {
        let own = token * width..<(token + 1) * width
        for place in own { mean[place] = beta * mean[place] + (1 - beta) * Double(gradient[place]) }
        let norm = mean[own].reduce(0) { $0 + $1 * $1 }.squareRoot()
        guard norm > 0 else { continue }
        for place in own {
          expected[place] -= rate * Double(width).squareRoot() * mean[place] / norm
        }
      }
    }
    for (found, expected) in zip(try compute.read(table.value), expected) {
      #expect(abs(Double(found) - expected) <= 1e-5)
    }
  }

  /// All but embeddings are AdamW's, whoever selects them.
  @Test func otherParameters_areAdamWs() {
    let graph = Transformer(vocabulary: 5, width: 8, depth: 1, heads: .size(8), context: 2).graph
    let alone = Optimization(.rowNormalized)
    var grouped = Optimization(.muon)
    grouped.groups = [ParameterGroup("all", optimizer: .rowNormalized)]
    for parameter in graph.parameters {
      let isTable = parameter.shape.kind == .embedding
      #expect(alone.settings(for: parameter).optimizer == (isTable ? .rowNormalized : .adamw))
      let rule = grouped.settings(for: parameter).optimizer
      #expect(
        rule == (isTable ? .rowNormalized : parameter.shape.role == .hidden ? .muon : .adamw)
          || parameter.shape.isVector, "\(parameter.path): \(rule)")
    }
  }
}
