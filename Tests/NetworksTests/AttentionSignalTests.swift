import Foundation
import Spectral
import Testing

@testable import Networks

/// What attention does to sizes at the start, against plain sums over Gaussian queries, keys and values.
@Suite struct AttentionSignalTests {
  fileprivate static let (context, headSize) = (24, 16)

  /// Normal numbers by Box–Muller of SplitMix64, the same always.
  private struct Normals {
    private var state: UInt64 = 1

    private mutating func uniform() -> Double {
      state &+= 0x9E37_79B9_7F4A_7C15
      var z = state
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return (Double((z ^ (z >> 31)) >> 11) + 0.5) / Double(1 << 53)
    }

    private mutating func next() -> Double {
      let radius = (-2 * log(uniform())).squareRoot()
      return radius * cos(2 * Double.pi * uniform())
    }

    mutating func rows(_ count: Int, size: Double) -> [[Double]] {
      (0..<count).map { _ in (0..<AttentionSignalTests.headSize).map { _ in size * next() } }
    }
  }

  /// p[t, u] of one sequence and head.
  private static func weights(_ query: [[Double]], _ key: [[Double]]) -> [[Double]] {
    query.indices.map { t in
      let logits = (0...t).map { u in
        zip(query[t], key[u]).reduce(0) { $0 + $1.0 * $1.1 } / Double(headSize).squareRoot()
      }
      let total = logits.reduce(0) { $0 + exp($1) }
      return logits.map { exp($0) / total }
    }
  }

  private static func rms(_ values: [Double]) -> Double {
    (values.reduce(0) { $0 + $1 * $1 } / Double(values.count)).squareRoot()
  }

  private static func step(_ inputs: [Double]) -> SignalStep {
    SignalStep(inputs: inputs, columns: [16, 16, 16], parameters: [], updates: [:])
  }

  /// Exactly where queries are 0, and nearly where logits are small.
  @Test(arguments: [0, 0.3]) func sizes_areThoseOfRandomTokens(query: Double) throws {
    let signal = try #require(
      Attention(headSize: .fixed(Self.headSize), context: Self.context).signal)
    let sizes = [query, 1, 0.7]
    var normals = Normals()
    var (values, gradients): ([Double], [Double]) = ([], [])
    for _ in 0..<40 {
      let (q, k) = (normals.rows(Self.context, size: query), normals.rows(Self.context, size: 1))
      let (v, delta) = (normals.rows(Self.context, size: 0.7), normals.rows(Self.context, size: 1))
      let p = Self.weights(q, k)
      for column in 0..<Self.headSize {
        values += p.map { row in
          row.enumerated().reduce(0) { $0 + $1.element * v[$1.offset][column] }
        }
        gradients += (0..<Self.context).map { u in
          (u..<Self.context).reduce(0) { $0 + p[$1][u] * delta[$1][column] }
        }
      }
    }
    let size = signal.size(of: sizes, Self.step([]))
    #expect(abs(size / Self.rms(values) - 1) <= 0.08, "\(size), \(Self.rms(values))")
    let pulled = signal.pullBack(1, Self.step(sizes)).inputs
    #expect(abs(pulled[2] / Self.rms(gradients) - 1) <= 0.08, "\(pulled), \(Self.rms(gradients))")
    #expect(abs(pulled[1] - query * pulled[0]) <= 1e-12)
  }

  /// Queries that are not aligned with keys move a wide head's logits, and are moved, as √headSize·scale says.
  @Test func headsThatWiden_haveTheSameLogits() throws {
    func signal(_ headSize: Int) throws -> any SignalRule {
      try #require(Attention(headSize: .growing(headSize), context: 8).signal)
    }
    let (narrow, wide) = (try signal(16), try signal(256))
    let step = Self.step([1, 1, 1])
    for (a, b) in zip(narrow.pullBack(1, step).inputs, wide.pullBack(1, step).inputs) {
      #expect(abs(a - b) <= 1e-12)
    }
    #expect(narrow.change(of: [0.1, 0.2, 0], step) > 0)
    #expect(narrow.change(of: [0, 0, 0.3], step) == 0.3)
  }
}
