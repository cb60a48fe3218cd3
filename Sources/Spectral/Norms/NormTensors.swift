import Tensors

/// Norms of several matrices on the device, [replica, 1, 1] for each matrix.
///
/// They can be recorded without waiting for them: `SumHistory.record(norms.spectral[0], slot:)`.
public struct NormTensors {
  /// ‖W‖_*, a lower bound up to rounding.
  public let spectral: [Tensor]
  /// ‖W‖_F.
  public let frobenius: [Tensor]
  /// ‖Wᵀu − σv‖/σ with u = Wv/σ; 0 for the zero matrix.
  public let residual: [Tensor]
}
