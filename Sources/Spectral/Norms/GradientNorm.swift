import OpenCL
import Tensors

/// Spectral and Frobenius norm of gradients that are given by their factors, without forming them.
///
///     G = scale·Δᵀ H:  ‖G‖_*² = scale² λ_max((ΔΔᵀ)(HHᵀ)),  ‖G‖_F² = scale² Σ ΔΔᵀ ∘ HHᵀ
///
/// Two [B, B] Gram matrices stand for the [fanOut, fanIn] gradient, which is exact. λ_max is
/// iterated on the device until its residual is 1e-5; nothing waits for the device.
///
/// - delta: Δ [replica, B, fanOut]. input: H [replica, B, fanIn]. scale: 1/B for a batch's mean.
/// - variant: of the kernels; the computation's where nil.
/// - Returns: [replica, 1, 1] each. Error of the norm: below 1e-5 of it, and in terms of the
///   factors of about ε‖Δ‖²‖H‖²scale²/‖G‖_*, ε = 6e-8, as their squares are what is computed with:
///   where Δ and H work against each other so that ‖G‖_* ≪ ‖Δ‖‖H‖, less is left. The
///   longest rows of Δ and H may be from 1e-15 to 1e18 long; outside, where squares of floats end,
///   the norms are not finite, and 0 below 1e-23.
/// - Throws: `OpenCLError`, `CLBlastError`.
public func gradientNorms(
  delta: Tensor, input: Tensor, scale: Float = 1, variant: KernelVariant? = nil, compute: Compute
) throws -> (spectral: Tensor, frobenius: Tensor) {
  let norms = try GradientNorm.norms(
    delta: delta, input: input, scale: scale, variant: variant, compute: compute)
  return (norms.spectral[0], norms.frobenius[0])
}

/// The norms of gradients given by their factors, as `PowerIteration.enqueue` has them.
public enum GradientNorm {
  /// Steps after which an iteration ends in any case.
  private static let limit: UInt32 = 512

  /// As `gradientNorms(delta:input:scale:variant:compute:)`, with the residuals.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public static func norms(
    delta: Tensor, input: Tensor, scale: Float = 1, variant: KernelVariant? = nil, compute: Compute
  ) throws -> NormTensors {
    precondition(
      delta.replicas == input.replicas && delta.rows == input.rows,
      "gradient norms of Δ \(delta.shape) and H \(input.shape)")
    let (replicas, batch) = (delta.replicas, delta.rows)
    let variant = variant ?? compute.kernelVariant
    let left = try compute.product(.nt, delta, delta)
    let right = try compute.product(.nt, input, input)
    let pitch = compute.roundUp(batch, PassPlan.padding)
    let vectors = try compute.tensor(replicas: replicas, rows: 9, columns: pitch)
    func result() throws -> Tensor {
      try compute.tensor(replicas: replicas, rows: 1, columns: 1)
    }
    let (spectral, frobenius, residual) = (try result(), try result(), try result())
    let kernel = try compute.kernel(
      .gram, variant.name(of: "gradient_norms"), definitions: variant.definitions,
      Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self,
      Buffer<Float>.self, Buffer<Float>.self, Float.self, UInt32.self, UInt32.self, UInt32.self)
    // ITEMS of Kernels/gram.cl.
    let items = variant == .item ? 1 : 256
    try kernel(
      compute.queue, global: [replicas * items], local: [items], left.buffer, right.buffer,
      vectors.buffer, spectral.buffer, frobenius.buffer, residual.buffer, scale, UInt32(batch),
      UInt32(pitch), limit)
    return NormTensors(spectral: [spectral], frobenius: [frobenius], residual: [residual])
  }
}
