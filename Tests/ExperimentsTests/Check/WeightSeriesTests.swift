import Foundation
import Testing
import Training

@testable import Experiments

/// Files of matrices whose norms grow with width by known exponents.
@Suite struct WeightSeriesTests {
  private let widths = [8, 16, 32, 64]

  /// What is written of one tensor at a width: its shape, and ‖W‖/√(out/in) as a power of the width.
  private struct Tensor {
    var name: String
    var shape: (Int) -> [Int]
    var start, update: Double
  }

  /// An input layer, a hidden one, a readout, an embedding and a matrix that never changes shape.
  private let network = [
    Tensor(name: "layers.0.weight", shape: { [$0, 2] }, start: 0, update: 0),
    Tensor(name: "layers.1.weight", shape: { [$0, $0] }, start: 0, update: 0),
    Tensor(name: "layers.2.weight", shape: { [2, $0] }, start: 0, update: 0),
    Tensor(name: "wte.weight", shape: { [5, $0] }, start: 0, update: 0),
    Tensor(name: "fixed.weight", shape: { _ in [3, 2] }, start: 0, update: 0),
  ]

  /// A matrix of one entry in its first row, which is every norm of it.
  private func values(_ tensor: Tensor, _ width: Int, _ size: Double) -> NamedValues {
    let shape = tensor.shape(width)
    let scale =
      tensor.name.hasPrefix("wte")
      ? Double(width).squareRoot() : (Double(shape[0]) / Double(shape[1])).squareRoot()
    var values = [Float](repeating: 0, count: shape[0] * shape[1])
    values[0] = Float(size * scale)
    return NamedValues(name: tensor.name, shape: shape, values: values)
  }

  /// The size of a start that meets the condition: a Gaussian matrix under the spectral rule.
  private func needed(_ tensor: Tensor, _ width: Int) -> Double {
    let (n, two) = (Double(width), 2.0)
    return switch tensor.name {
    case "layers.0.weight": 1 + (two / n).squareRoot()
    case "layers.2.weight": 1 + (two / n).squareRoot()
    default: 1
    }
  }

  private func report(
    _ network: [Tensor], widths: [Int]? = nil, seeds: Int = 1, prefix: String = "",
    noise: Double = 0,
    updates: Bool = true
  ) throws -> SeriesReport {
    let folder = try TemporaryFolder()
    var random = SplitMix(state: 7)
    var members: [WeightSeries.Member] = []
    for width in widths ?? self.widths {
      for seed in 0..<seeds {
        func file(_ name: String, _ tensors: [NamedValues]) throws -> WeightFile {
          let url = URL(fileURLWithPath: "\(folder.path)/\(name)-\(width)-\(seed).safetensors")
          try SafetensorsWriter.write(tensors, to: url)
          return try WeightFile(path: url.path)
        }
        func factor() -> Double { exp2(noise * Double.random(in: -1...1, using: &random)) }
        let n = Double(width)
        let before = network.map {
          values($0, width, needed($0, width) * pow(n, $0.start) * factor())
        }
        let after = zip(network, before).map { tensor, old in
          let change = values(tensor, width, pow(n, tensor.update) * factor() / 8)
          return NamedValues(
            name: prefix + tensor.name, shape: old.shape,
            values: zip(old.values, change.values).map { $0 + $1 })
        }
        members.append(
          .init(
            width: width, before: try file("before", before),
            after: updates ? try file("after", after) : nil))
      }
    }
    return try WeightSeries(members).run(ReferenceMeasure())
  }

  private func broken(_ report: SeriesReport) -> [String] {
    report.failures.filter { $0.verdict == .breaks }.map { "\($0.tensor) \($0.quantity.rawValue)" }
  }

  @Test func networkThatMeetsTheCondition_passes() throws {
    let report = try report(network)
    #expect(report.verdict == .pass && report.failures.isEmpty)
    #expect(report.exponents.count == 10 && report.remarks.isEmpty)
    #expect(
      report.exponents.map(\.role).uniqued() == [.embedding, .input, .hidden, .fixed, .readout])
    for exponent in report.exponents {
      #expect(abs(exponent.exponent - exponent.condition) <= 1e-6, "\(exponent.tensor)")
    }
    #expect(report.table().contains("verdict  meets the spectral condition"))
  }

  /// Standard parametrization under Adam: hidden updates grow as n, so do the readout's, whose start
  /// grows as √n.
  @Test func faults_areFoundWithTheirExponents() throws {
    var network = network
    network[1].update = 1
    (network[2].start, network[2].update) = (0.5, 1)
    let report = try report(network)
    #expect(report.verdict == .fail)
    #expect(
      broken(report) == [
        "layers.1.weight update_norm", "layers.2.weight weight_norm", "layers.2.weight update_norm",
      ])
    let culprit = try #require(report.failures.first)
    #expect(abs(culprit.exponent - 1) <= 1e-5)
    #expect(report.failures.allSatisfy { $0.upper != nil })
    let table = report.table()
    #expect(
      report.sentence
        == "breaks the spectral condition, first in layers.1.weight: ‖ΔW‖/√(out/in) grows as n^1.00 "
        + "where n^0.00 is needed. Others: layers.2.weight")
    #expect(table.contains("verdict  breaks") && table.contains("one step after the start"))
    #expect(table.split(separator: "\n").allSatisfy { $0.count <= 80 }, "\(table)")
  }

  @Test func embeddingsAndFixedTensors_areJudgedToo() throws {
    var network = network
    network[3].update = -0.5
    network[4].start = 0.5
    #expect(try broken(report(network)) == ["wte.weight update_norm", "fixed.weight weight_norm"])
  }

  /// Two files have no interval, and a noisy series no verdict: neither is a pass.
  @Test func whatCannotBeTold_isNoPass() throws {
    let two = try report(network, widths: [8, 64])
    #expect(two.verdict == .unclear && two.exponents.allSatisfy { $0.lower == nil })
    #expect(two.table().contains("cannot tell") && two.table().contains("give more widths"))
    #expect(try report(network, noise: 1.5).verdict != .pass)
    // Small noise is in the interval, which holds the true exponent.
    let noisy = try report(network, seeds: 4, noise: 0.1)
    #expect(noisy.verdict == .pass && noisy.files == 16)
    for exponent in noisy.exponents where exponent.quantity == .updateNorm {
      #expect(try #require(exponent.lower) < 0.05 && #require(exponent.upper) > -0.05)
      #expect(try #require(exponent.upper) > #require(exponent.lower))
    }
  }

  @Test func startsAlone_andPrefixes_areTaken() throws {
    let starts = try report(network, updates: false)
    #expect(starts.verdict == .pass && starts.exponents.count == 5)
    #expect(!starts.table().contains("one step after"))
    let wrapped = try report(network, prefix: "module.")
    #expect(wrapped.verdict == .pass && wrapped.exponents.map(\.tensor).contains("layers.1.weight"))
    #expect(wrapped.remarks.contains { $0.contains("module.") })
  }

  /// A readout that starts at 0 has no exponent there; one that is 0 at some widths has none at all.
  @Test func zeros_areLeftOut_orSaid() throws {
    let folder = try TemporaryFolder()
    func member(_ width: Int, _ value: Float) throws -> WeightSeries.Member {
      let url = URL(fileURLWithPath: "\(folder.path)/\(width)-\(value).safetensors")
      try SafetensorsWriter.write(
        [
          NamedValues(name: "a", shape: [1, 2], values: [value, 0]),
          NamedValues(name: "b", shape: [1, 2], values: [1, 0]),
        ], to: url)
      return .init(width: width, before: try WeightFile(path: url.path), after: nil)
    }
    let zero = try WeightSeries([member(4, 0), member(8, 0), member(16, 0)]).run(ReferenceMeasure())
    #expect(zero.exponents.map(\.tensor) == ["b"] && zero.verdict == .pass)
    let some = try WeightSeries([member(4, 1), member(8, 0), member(16, 1)]).run(ReferenceMeasure())
    #expect(some.verdict == .unclear && some.remarks.count == 1)
  }

  /// The slope's standard error by the textbook, on numbers worked out by hand.
  @Test func lineThroughRuns_hasTheIntervalOfLeastSquares() throws {
    // log2: x = 0, 1, 2, 3; y = 0, 1, 1, 2: slope 0.6, residuals sum to 0.2, se = √(0.1/5).
    let fitted = try #require(FittedExponent(widths: [1, 2, 4, 8], ofRuns: [1, 2, 2, 4]))
    #expect(abs(fitted.exponent - 0.6) <= 1e-12)
    #expect(abs(fitted.halfWidth - 4.302653 * (0.02).squareRoot()) <= 1e-5)
    #expect(FittedExponent(widths: [1, 2], ofRuns: [1, 2])?.halfWidth == .infinity)
    #expect(FittedExponent(widths: [1, 2, 4], ofRuns: [1, 0, 2]) == nil)
  }
}
