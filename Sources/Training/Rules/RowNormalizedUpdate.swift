import Networks
import Spectral
import Tensors

/// Momentum of which every row has one size: how embeddings are trained beside Muon.
///
///     m ← β·m + (1 − β)·g
///     E[i] ← (1 − s·η·λ)·E[i] − s·η·√columns·m[i]/‖m[i]‖
///
/// A row is a token's, or a position's; its step has entries of size η at every width. Rows that no gradient
/// has reached stay; others go on along their momentum, however long ago their last gradient was. The factor
/// √columns takes the place of the parametrization's, and decay is by the rate without it.
///
/// Source: Large et al., arXiv:2405.14813, the dual norm of embeddings.
public struct RowNormalizedUpdate: MatrixUpdateRule {
  /// β in [0, 1).
  public let momentum: Double
  /// Of norm 1, before the factor.
  public let family = UpdateFamily.normalized
  /// m.
  public let elementwise = ElementwiseRule.runningMean

  /// Momentum β.
  public init(_ momentum: Double = 0.95) {
    self.momentum = momentum
  }

  /// β.
  public var hyperparameters: [Double] { [momentum] }

  /// √columns.
  public func ownRateFactor(for shape: ParameterShape) -> Double? {
    Double(shape.columns).squareRoot()
  }

  /// Rows over their norms.
  ///
  /// - Throws: `OpenCLError`.
  public func directions(of matrices: Tensor, compute: Compute) throws -> Tensor {
    try compute.unitRows(matrices)
  }
}
