import GPUTrain

/// Dynamic tanh, proposed in place of normalisation: y = γ ∘ tanh(α·x), with one α and a gain γ for each
/// column, both learned.
///
///     ∂L/∂x = α·γ∘δ∘(1 − t²),   ∂L/∂γ = Σ δ∘t,   ∂L/∂α = Σ γ∘δ∘x∘(1 − t²),   t = tanh(α·x)
///
/// Input and output [replica, rows, columns]. Source: Zhu et al., arXiv:2503.10622.
struct DynamicTanh: GPUTrain.Operation {
  private static let kernels = KernelFile(
    name: "dynamic_tanh.cl",
    source: """
      // x, y, δ, g, a [replica, rows, columns]; γ [replica, columns]; α [replica].
      // global (columns rounded up to 64, rows, replicas), local (64, 1, 1).
      #define PLACE                                                                    \\
        if (get_global_id(0) >= columns) return;                                       \\
        size_t replica = get_global_id(2), column = get_global_id(0);                  \\
        size_t i = (replica * get_global_size(1) + get_global_id(1)) * columns + column;

      __kernel void dynamic_tanh(__global const float* restrict x,
                                 __global const float* restrict scale,
                                 __global const float* restrict gain, __global float* y,
                                 uint columns) {
        PLACE
        y[i] = gain[replica * columns + column] * tanh(scale[replica] * x[i]);
      }

      // δ ← ∂L/∂x; g and a: what ∂L/∂γ and ∂L/∂α are sums of.
      __kernel void dynamic_tanh_gradient(
          __global const float* restrict x, __global const float* restrict scale,
          __global const float* restrict gain, __global float* delta, __global float* g,
          __global float* a, uint columns) {
        PLACE
        float t = tanh(scale[replica] * x[i]);
        float through = gain[replica * columns + column] * delta[i] * (1.0f - t * t);
        g[i] = delta[i] * t;
        a[i] = through * x[i];
        delta[i] = scale[replica] * through;
      }
      """)

  func columns(of inputs: [Extent]) -> Extent { inputs[0] }

  /// α starts at ½, γ at 1.
  func parameters(of inputs: [Extent]) -> [NetworkParameter] {
    [.gain("scale", .fixed(1), start: 0.5), .gain("gain", inputs[0])]
  }

  func forward(
    _ inputs: [Tensor], _ parameters: [Parameter], compute: Compute
  ) throws -> OperationValue {
    let x = inputs[0]
    let y = try compute.tensor(replicas: x.replicas, rows: x.rows, columns: x.columns)
    let kernel = try compute.kernel(
      Self.kernels, "dynamic_tanh", Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self,
      Buffer<Float>.self, UInt32.self)
    try kernel(
      compute.queue, global: size(x, compute), local: [64, 1, 1], x.buffer,
      parameters[0].value.buffer, parameters[1].value.buffer, y.buffer, UInt32(x.columns))
    return OperationValue(y)
  }

  func backward(
    _ gradient: Tensor, _ pass: BackwardPass, receive: GradientReceiver
  ) throws -> [Tensor?] {
    let (x, compute) = (pass.inputs[0], pass.compute)
    let delta = pass.mayOverwrite ? gradient : try compute.copy(gradient)
    let g = try compute.tensor(replicas: x.replicas, rows: x.rows, columns: x.columns)
    let a = try compute.tensor(replicas: x.replicas, rows: x.rows, columns: x.columns)
    let kernel = try compute.kernel(
      Self.kernels, "dynamic_tanh_gradient", Buffer<Float>.self, Buffer<Float>.self,
      Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self, UInt32.self)
    try kernel(
      compute.queue, global: size(x, compute), local: [64, 1, 1], x.buffer,
      pass.parameters[0].value.buffer, pass.parameters[1].value.buffer, delta.buffer, g.buffer,
      a.buffer, UInt32(x.columns))
    // Σ over columns as a product with ones.
    let ones = try compute.filled(1, rows: 1, columns: x.columns)
    try receive(pass.parameters[0], .whole(compute.product(.nt, compute.sumRows(a), ones)))
    try receive(pass.parameters[1], .whole(compute.sumRows(g)))
    return [delta]
  }

  private func size(_ x: Tensor, _ compute: Compute) -> [Int] {
    [compute.roundUp(x.columns, 64), x.rows, x.replicas]
  }
}
