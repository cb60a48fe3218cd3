import Networks
import Spectral
import Tensors

/// Direction ∇/‖∇‖, by the spectral or the Frobenius norm of each tensor's gradient.
///
///     ΔW_l = −s·η_l ∇_l/‖∇_l‖
///
/// A bias is a matrix fanOut×1, for which the two norms are one. A gradient of 0 moves nothing.
///
/// Source: arXiv:2310.17813, the explicit form of the spectral condition.
public struct NormalizedUpdate: UpdateRule {
  /// Which norm of the gradient becomes 1.
  public enum Norm: Sendable {
    /// The largest singular value.
    case spectral
    /// The root of the sum of squares.
    case frobenius
  }

  /// The norm that becomes 1.
  public let norm: Norm
  /// None.
  public let stateNames: [String] = []
  /// Of norm 1.
  public let family = UpdateFamily.normalized

  /// Updates of norm 1.
  public init(_ norm: Norm) {
    self.norm = norm
  }

  /// W ← W − s·η·∇/‖∇‖.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func update(
    _ weight: Tensor, gradient: ParameterGradient, state: [Tensor], step: UpdateStep,
    compute: Compute
  ) throws -> Tensor? {
    let norms = try gradient.norms(compute)
    let matrix = try gradient.materialized(compute)
    try compute.updateNormalized(
      weight, gradient: matrix, norms: norm == .spectral ? norms.spectral : norms.frobenius,
      rates: step.rates,
      active: step.active, schedule: step.scheduleFactor, recordsChange: step.recordsChange)
    return step.recordsChange ? matrix : nil
  }
}
