import Spectral
import Tensors

/// Times the spectral norm of random matrices, from a cold start to 1e-3.
public struct NormBench: Sendable {
  /// Size of each matrix.
  public var rows, columns: Int
  /// Matrices of one call.
  public var replicas: Int

  /// A bench of these sizes, all ≥ 1.
  public init(rows: Int, columns: Int, replicas: Int) {
    precondition([rows, columns, replicas].allSatisfy { $0 >= 1 }, "sizes below 1")
    (self.rows, self.columns, self.replicas) = (rows, columns, replicas)
  }

  /// Times the norm for about `seconds`.
  ///
  /// Operations are those of W v and Wᵀu in every pass, bytes one read of the matrix a pass.
  /// - Throws: `OpenCLError`.
  public func run(seconds: Double, compute: Compute) throws -> BenchFigure {
    let matrices = try compute.normal(
      seeds: (0..<replicas).map(UInt64.init), std: [Float](repeating: 1, count: replicas),
      stream: 0, rows: rows, columns: columns)
    let iteration = try PowerIteration(
      shapes: [(replicas, rows, columns)], vectors: Self.vectors, seed: 0, compute: compute)
    var estimates: [SpectralNormEstimate] = []
    let timing = try BlockTiming(seconds: seconds, compute: compute) {
      try iteration.reset()
      estimates = try iteration.estimate([matrices], tolerance: 1e-3, maximumIterations: 400)[0]
    }
    let passes = Double(estimates.map(\.iterations).max() ?? 0)
    let elements = Double(rows) * Double(columns) * Double(replicas)
    return BenchFigure(
      "spectral norm to 1e-3, \(rows)×\(columns)"
        + (replicas == 1 ? "" : ", \(replicas) replicas"), timing,
      operations: 4 * elements * Double(Self.vectors) * passes, bytes: 4 * elements * passes,
      details: ["passes": passes, "vectors": Double(Self.vectors)], compute: compute)
  }

  /// As `spectralNorms` takes.
  private static let vectors = 4
}
