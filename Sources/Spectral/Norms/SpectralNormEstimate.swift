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
