import Tensors

/// A way to find matrices' largest singular values; every one passes the same conformance tests.
public protocol SpectralNormEstimator: Sendable {
  /// The name that command lines take.
  var name: String { get }
  /// One line on what it is good for.
  var summary: String { get }
  /// Relative error of the norm that it may have.
  var accuracy: Double { get }
  /// One estimate for each matrix and replica, [matrix][replica]; waits for the device.
  ///
  /// A matrix that is not finite has a norm that is not finite.
  /// - Throws: `OpenCLError`, `CLBlastError`.
  func estimate(_ matrices: [Tensor], compute: Compute) throws -> [[SpectralNormEstimate]]
}

/// The estimators that there are.
public enum SpectralNormEstimators {
  /// Every estimator, the one to use first where nothing else is known.
  public static let all: [any SpectralNormEstimator] = [
    BlockPowerEstimator(), BlockPowerEstimator(vectors: 1), LanczosEstimator(), BracketEstimator(),
    SingularValueEstimator(),
  ]

  /// The estimator called `name`, nil where there is none.
  public static func named(_ name: String) -> (any SpectralNormEstimator)? {
    all.first { $0.name == name }
  }
}

/// Norms of each matrix to a relative 1e-3 from a cold start, [matrix][replica], by
/// `PowerIteration` with four vectors.
///
/// Matrices of which norms are wanted again, as they change, are better served by a
/// `PowerIteration` that is kept.
/// - Throws: `OpenCLError`.
public func spectralNorms(of matrices: [Tensor], compute: Compute) throws
  -> [[SpectralNormEstimate]]
{
  try BlockPowerEstimator().estimate(matrices, compute: compute)
}

/// `power`, and with one vector `power-1`: `PowerIteration` from a cold start.
struct BlockPowerEstimator: SpectralNormEstimator {
  /// One vector may be poor in the top direction and then rest at the second singular value: from a
  /// random start about one Gaussian matrix in ten shows it, with an error of up to 2 %, and the
  /// smallest matrices up to 4 %. With four no such start was met.
  var vectors = 4
  var name: String { vectors == 4 ? "power" : "power-\(vectors)" }
  var summary: String { "block iteration on the device, \(vectors) vectors" }
  var accuracy: Double { vectors == 1 ? 5e-2 : 1e-3 }

  func estimate(_ matrices: [Tensor], compute: Compute) throws -> [[SpectralNormEstimate]] {
    let iteration = try PowerIteration(
      shapes: matrices.map { ($0.replicas, $0.rows, $0.columns) }, vectors: vectors, seed: 0,
      compute: compute)
    return try iteration.estimate(matrices, tolerance: 1e-3, maximumIterations: 400)
  }
}

/// `lanczos`: `GolubKahanLanczos` with its default accuracy.
struct LanczosEstimator: SpectralNormEstimator {
  let name = "lanczos"
  let summary = "Golub–Kahan–Lanczos on the host, in Double"
  let accuracy = 1e-6

  func estimate(_ matrices: [Tensor], compute: Compute) throws -> [[SpectralNormEstimate]] {
    try GolubKahanLanczos().estimate(matrices, compute: compute)
  }
}

/// `bracket`: the middle of `NormBracket`'s bounds, with their half distance as residual.
struct BracketEstimator: SpectralNormEstimator {
  let name = "bracket"
  let summary = "certain bounds by Gram iteration on the host, in Double"
  let accuracy = 6e-3
  private let squarings = 8

  func estimate(_ matrices: [Tensor], compute: Compute) throws -> [[SpectralNormEstimate]] {
    try NormBracket.brackets(of: matrices, squarings: squarings, compute: compute).map {
      $0.map { bracket in
        let middle = (bracket.lower + bracket.upper) / 2
        return SpectralNormEstimate(
          norm: middle,
          relativeResidual: middle == 0 ? 0 : (bracket.upper - bracket.lower) / 2 / middle,
          frobeniusNorm: bracket.frobeniusNorm, iterations: squarings)
      }
    }
  }
}

/// `svd`: every singular value by LAPACK.
struct SingularValueEstimator: SpectralNormEstimator {
  let name = "svd"
  let summary = "every singular value by LAPACK's dgesdd on the host"
  let accuracy = 1e-12

  func estimate(_ matrices: [Tensor], compute: Compute) throws -> [[SpectralNormEstimate]] {
    try matrices.map { tensor in
      try HostMatrix.replicas(of: tensor, compute: compute).map { matrix in
        let norm = matrix.singularValues().values[0]
        return SpectralNormEstimate(
          norm: norm, relativeResidual: norm.isFinite ? 0 : norm,
          frobeniusNorm: matrix.notFinite ?? matrix.frobeniusNorm, iterations: 1)
      }
    }
  }
}

/// What an estimator found of one matrix.
public struct SpectralNormEstimate: Codable, Hashable, Sendable {
  /// The largest singular value ‖W‖_*, ≥ 0; NaN or infinite for a matrix that is not finite.
  public let norm: Double
  /// ‖Wᵀu − σv‖/σ for the right vector v that the norm was found by, σ = ‖Wv‖, u = Wv/σ: some singular
  /// value lies within it of the norm, relatively.
  ///
  /// 0 for the zero matrix, and where an estimator computes every singular value.
  public let relativeResidual: Double
  /// ‖W‖_F = √(Σ w²).
  public let frobeniusNorm: Double
  /// Passes over the matrix, or the estimator's own steps.
  public let iterations: Int

  /// An estimate of these parts.
  public init(norm: Double, relativeResidual: Double, frobeniusNorm: Double, iterations: Int) {
    self.norm = norm
    self.relativeResidual = relativeResidual
    self.frobeniusNorm = frobeniusNorm
    self.iterations = iterations
  }

  /// ‖W‖_F²/‖W‖_*², between 1 and the rank; 0 for the zero matrix.
  public var stableRank: Double {
    if norm == 0 && frobeniusNorm == 0 { return 0 }
    let ratio = frobeniusNorm / norm
    return ratio * ratio
  }
}
