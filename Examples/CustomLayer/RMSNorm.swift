import GPUTrain

/// Root-mean-square normalisation of each row, without a gain.
///
///     y = r·x,   r = 1/√(mean x² + ε)
///     ∂L/∂x = r·(δ − y·mean(δ∘y)),   δ = ∂L/∂y
///
/// Input and output [replica, batch, features].
/// Source: Zhang and Sennrich, arXiv:1910.07467.
struct RMSNorm: Layer {
  /// ε, beside mean squares of about 1.
  static let epsilon: Float = 1e-6

  private static let kernels = KernelFile(
    name: "rms_norm.cl",
    source: """
      // x, y, δ [replica, rows, columns]; r [replica, rows].
      // global (rows rounded up to 64, replicas), local (64, 1). A work-item takes a row.
      __kernel void rms_norm(__global const float* restrict x, __global float* y,
                             __global float* r, float epsilon, uint rows, uint columns) {
        if (get_global_id(0) >= rows) return;
        size_t row = get_global_id(1) * rows + get_global_id(0), first = row * columns;
        float sum = 0.0f;
        for (size_t i = first; i < first + columns; i++) sum += x[i] * x[i];
        r[row] = rsqrt(sum / columns + epsilon);
        for (size_t i = first; i < first + columns; i++) y[i] = r[row] * x[i];
      }

      // δ ← r·(δ − y·mean(δ∘y))
      __kernel void rms_norm_gradient(__global const float* restrict y,
                                      __global const float* restrict r, __global float* delta,
                                      uint rows, uint columns) {
        if (get_global_id(0) >= rows) return;
        size_t row = get_global_id(1) * rows + get_global_id(0), first = row * columns;
        float sum = 0.0f;
        for (size_t i = first; i < first + columns; i++) sum += delta[i] * y[i];
        float mean = sum / columns;
        for (size_t i = first; i < first + columns; i++)
          delta[i] = r[row] * (delta[i] - y[i] * mean);
      }
      """)

  /// Nothing here learns.
  var parameters: [Parameter] { [] }

  func callAsFunction(_ input: Tensor, compute: Compute) throws -> (
    output: Tensor, pullback: Pullback
  ) {
    let (replicas, rows, columns) = (input.replicas, input.rows, input.columns)
    let output = try compute.tensor(replicas: replicas, rows: rows, columns: columns)
    let factors = try compute.tensor(replicas: replicas, rows: rows, columns: 1)
    let size = (global: [compute.roundUp(rows, 64), replicas], local: [64, 1])
    let forward = try compute.kernel(
      Self.kernels, "rms_norm", Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self,
      Float.self, UInt32.self, UInt32.self)
    try forward(
      compute.queue, global: size.global, local: size.local, input.buffer, output.buffer,
      factors.buffer, Self.epsilon, UInt32(rows), UInt32(columns))

    // The value's pullback: it may write over the gradient that it is given.
    let pullback = Pullback(compute: compute) { delta, wantsInput, _ in
      guard wantsInput else { return nil }
      let backward = try compute.kernel(
        Self.kernels, "rms_norm_gradient", Buffer<Float>.self, Buffer<Float>.self,
        Buffer<Float>.self, UInt32.self, UInt32.self)
      try backward(
        compute.queue, global: size.global, local: size.local, output.buffer, factors.buffer,
        delta.buffer, UInt32(rows), UInt32(columns))
      return delta
    }
    return (output, pullback)
  }
}
