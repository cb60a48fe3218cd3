import Tensors

/// Norms of several matrices on the device, [replica, 1, 1] for each matrix.
///
/// They can be recorded without waiting for them: `SumHistory.record(norms.spectral[0], slot:)`.
public struct NormTensors {
  /// ‖W‖_*, a lower bound up to rounding.
  public let spectral: [Tensor]
  /// ‖W‖_F.
  public let frobenius: [Tensor]
  /// ‖Wᵀu − σv‖/σ for the right vector v that it was found by, σ = ‖Wv‖, u = Wv/σ: some singular value
  /// lies within it of the norm, relatively. 0 for the zero matrix.
  public let residual: [Tensor]
}
