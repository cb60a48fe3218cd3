import GPUTrain

/// Lion: the sign of a running mean of gradients, every entry a step of the same size.
///
///     d = sign(β₁·m + (1 − β₁)·g),   m ← β₂·m + (1 − β₂)·g
///
/// Decay stays beside the update, as in the paper, with any kind but coupled.
/// Source: Chen et al., "Symbolic discovery of optimization algorithms", arXiv:2302.06675.
struct Lion: UpdateRule {
  /// β₁ in [0, 1), the paper's.
  var beta1: Float = 0.9
  /// β₂ in [0, 1), the paper's.
  var beta2: Float = 0.99

  /// m, under this name in checkpoints.
  let stateNames = ["mean"]
  /// The update's entries are ±1 whatever the gradient's size, as Adam's are: with a gradient of low
  /// rank ‖d‖* = Θ(√(fan-out·fan-in)), and the parametrization's rates for Adam are right for it.
  let family = UpdateFamily.adam

  private static let kernels = KernelFile(
    name: "lion.cl",
    source: """
      // g takes the direction d. g, m [replica, count]; active [replica]: 0 where a replica has
      // diverged and stands still. global (count rounded up to 64, replicas), local (64, 1).
      __kernel void lion(__global float* g, __global float* m,
                         __global const float* restrict active, float beta1, float beta2,
                         uint count) {
        if (get_global_id(0) >= count || active[get_global_id(1)] == 0.0f) return;
        size_t i = get_global_id(1) * count + get_global_id(0);
        float gradient = g[i], mean = m[i];
        g[i] = sign(beta1 * mean + (1.0f - beta1) * gradient);
        m[i] = beta2 * mean + (1.0f - beta2) * gradient;
      }
      """)

  func update(
    _ weight: Tensor, gradient: ParameterGradient, state: [Tensor], step: UpdateStep,
    compute: Compute
  ) throws -> Tensor? {
    // A weight's gradient comes as its factors Δ and H; the sign needs the matrix ΔᵀH.
    let direction = try gradient.materialized(compute)
    let kernel = try compute.kernel(
      Self.kernels, "lion", Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self,
      Float.self, Float.self, UInt32.self)
    try kernel(
      compute.queue, global: [compute.roundUp(weight.stride, 64), weight.replicas],
      local: [64, 1], direction.buffer, state[0].buffer, step.active.buffer, beta1, beta2,
      UInt32(weight.stride))
    // Rates, schedule, decay and what diagnostics record are the step's, not the rule's.
    return try step.apply(direction: direction, to: weight, compute: compute)
  }
}
