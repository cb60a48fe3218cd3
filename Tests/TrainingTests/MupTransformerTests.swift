import Foundation
import Networks
import Spectral
import Testing
import Training

/// What `mup` gives a Transformer's tensors is what the mup package gives them
/// (Golden/make_mup_transformer.py): rates and the logits' factor, tied and untied. ε the package leaves alone.
struct MupTransformerTests {
  private struct Row {
    let isTied: Bool
    let base, width: Int
    let parameter: String
    let multiplier, sgdRate, adamRate: Double
  }

  private static func rows() throws -> [Row] {
    let url = try #require(
      Bundle.module.url(
        forResource: "mup_transformer", withExtension: "csv", subdirectory: "Golden"))
    return try String(contentsOf: url, encoding: .utf8).split(separator: "\n").dropFirst().map {
      let fields = $0.split(separator: ",").map(String.init)
      return Row(
        isTied: fields[0] == "1", base: try #require(Int(fields[1])),
        width: try #require(Int(fields[2])), parameter: fields[3],
        multiplier: try #require(Double(fields[4])), sgdRate: try #require(Double(fields[6])),
        adamRate: try #require(Double(fields[7])))
    }
  }

  private static func network(width: Int, isTied: Bool) -> Transformer {
    var network = Transformer(
      vocabulary: 50, width: width, depth: 1, heads: .size(16), context: 16)
    (network.isTied, network.bias, network.normalization) = (isTied, true, .layer)
    return network
  }

  @Test(arguments: ["mup", "spectral"], [OptimizerKind.sgd, .adam])
  func factors_areThePackages(name: String, optimizer: OptimizerKind) throws {
    let rule = try Parametrizations.named(name)
    let rows = try Self.rows()
    #expect(rows.count == 3 * (21 + 20))
    for row in rows {
      let training = TrainingConfiguration(
        network: Self.network(width: row.width, isTied: row.isTied),
        baseNetwork: Self.network(width: row.base, isTied: row.isTied),
        optimization: Optimization(optimizer))
      let graph = training.network.graph
      let place = try #require(
        graph.parameters.firstIndex { $0.path == row.parameter }, "\(row.parameter)")
      let effective = training.scalings(under: rule)[place]
      // A readout of its own has the package's factor in its weight.
      let got = effective.equivalent(
        multiplier: row.multiplier / effective.multiplier, family: optimizer.family,
        decay: .coupled)
      let rate = optimizer == .sgd ? row.sgdRate : row.adamRate
      #expect(abs(got.learningRateFactor - rate) <= 1e-12 * rate, "\(row)")
      #expect(row.isTied == false || effective.multiplier == row.multiplier, "\(row)")
    }
  }

  /// Queries of heads that widen have 1/√headSize beside attention's own; of heads that do not, nothing.
  @Test func queries_haveTheRulesScale() throws {
    func multiplier(_ heads: Transformer.Heads, _ name: String, queryNorm: Bool = false) throws
      -> [Double]
    {
      func network(_ width: Int) -> Transformer {
        var network = Transformer(
          vocabulary: 5, width: width, depth: 1, heads: heads, context: 4)
        network.normalizesQueries = queryNorm
        return network
      }
      let training = TrainingConfiguration(network: network(256), baseNetwork: network(64))
      let scalings = training.scalings(under: try Parametrizations.named(name))
      return zip(training.network.graph.parameters, scalings)
        .filter { $0.1.multiplier != 1 }
        .map { parameter, scaling in
          #expect(parameter.path.contains(queryNorm ? "query_norm" : "query.weight"))
          return scaling.multiplier
        }
    }
    #expect(try multiplier(.count(4), "mup") == [0.5])
    #expect(try multiplier(.count(4), "mup", queryNorm: true) == [0.5])
    #expect(try multiplier(.count(4), "sp").isEmpty)
    #expect(try multiplier(.size(16), "mup").isEmpty)
  }
}
