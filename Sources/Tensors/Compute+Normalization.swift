import OpenCL

/// Normalisation of rows and its gradients.
///
/// Rows are summed in a fixed order that depends on the number of columns and the device's kernels
/// alone, so a replica's numbers are the same, bit for bit, whatever replicas are with it.
extension Compute {
  /// Rows divided by their root mean square, times a gain.
  ///
  ///     output = gain ∘ x · r,  r = 1/√(mean over columns of x² + ε)
  ///
  /// For example, before a block of a Transformer:
  ///
  ///     let gain = try compute.filled(1, rows: 1, columns: x.columns)
  ///     let (normalized, inverse) = try compute.rmsNorm(x, gain: gain, epsilon: 1e-5)
  ///
  /// - x: [replica, rows, columns]. gain: [replica, 1, columns], or none for 1.
  /// - epsilon: ε ≥ 0; with 0, a row of zeros is NaN.
  /// - Returns: output, as `x`; inverse: r, [replica, rows, 1]. A row whose mean square overflows is
  ///   NaN, and so is its r.
  /// - Throws: `OpenCLError`.
  ///
  /// Source: Zhang and Sennrich, arXiv:1910.07467, equation 4; ε as in PyTorch's `RMSNorm`.
  public func rmsNorm(_ x: Tensor, gain: Tensor?, epsilon: Float) throws -> (
    output: Tensor, inverse: Tensor
  ) {
    checkNormalization("rmsNorm", x, vectors: [gain])
    let output = try tensor(replicas: x.replicas, rows: x.rows, columns: x.columns)
    let inverse = try tensor(replicas: x.replicas, rows: x.rows, columns: 1)
    let plan = RowPlan(x, compute: self)
    let kernel = try kernel(
      .normalization, "rms_norm", Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self,
      Buffer<Float>.self, Float.self, UInt32.self, UInt32.self, UInt32.self, UInt32.self)
    try kernel(
      queue, global: plan.global, local: plan.local, x.buffer, (gain ?? x).buffer, output.buffer,
      inverse.buffer, epsilon, gain == nil ? 0 : 1, UInt32(x.rows), UInt32(x.columns), plan.lanes)
    return (output, inverse)
  }

  /// Rows divided by their norms, ‖row‖₂ = √Σ x²; rows of zeros stay.
  ///
  /// - x: [replica, rows, columns], as the result. Exact to rounding from the smallest floats to the largest.
  /// - Throws: `OpenCLError`.
  public func unitRows(_ x: Tensor) throws -> Tensor {
    let result = try tensor(replicas: x.replicas, rows: x.rows, columns: x.columns)
    let plan = RowPlan(x, compute: self)
    let kernel = try kernel(
      .normalization, "unit_rows", Buffer<Float>.self, Buffer<Float>.self, UInt32.self, UInt32.self,
      UInt32.self)
    try kernel(
      queue, global: plan.global, local: plan.local, x.buffer, result.buffer, UInt32(x.rows),
      UInt32(x.columns), plan.lanes)
    return result
  }

  /// Gradients of `rmsNorm`.
  ///
  ///     ∂x = r·(h − x̂ · mean over columns of h ∘ x̂),  h = gain ∘ δ,  x̂ = x·r
  ///     ∂gain = Σ over rows of δ ∘ x̂
  ///
  /// For example, with what `rmsNorm` was given and gave:
  ///
  ///     let (input, slope) = try compute.rmsNormBackward(
  ///       delta, input: x, inverse: inverse, gain: gain)
  ///
  /// - gradient: δ, with respect to the output, [replica, rows, columns]; stays as it is.
  /// - input: x, as `gradient`. inverse: r, [replica, rows, 1]. gain: [replica, 1, columns], or none.
  /// - Returns: input: ∂x, as `gradient`. gain: ∂gain, [replica, 1, columns], summed in a fixed order;
  ///   nil where there is no gain.
  /// - Throws: `OpenCLError`.
  ///
  /// Source: the derivatives of equation 4 of Zhang and Sennrich, arXiv:1910.07467.
  public func rmsNormBackward(_ gradient: Tensor, input: Tensor, inverse: Tensor, gain: Tensor?)
    throws -> (input: Tensor, gain: Tensor?)
  {
    checkNormalization(
      "rmsNormBackward", gradient, input: input, scalars: [inverse], vectors: [gain])
    let result = try tensor(
      replicas: gradient.replicas, rows: gradient.rows, columns: gradient.columns)
    let plan = RowPlan(gradient, compute: self)
    let kernel = try kernel(
      .normalization, "rms_norm_backward", Buffer<Float>.self, Buffer<Float>.self,
      Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self, UInt32.self, UInt32.self,
      UInt32.self, UInt32.self)
    try kernel(
      queue, global: plan.global, local: plan.local, gradient.buffer, input.buffer, inverse.buffer,
      (gain ?? input).buffer, result.buffer, gain == nil ? 0 : 1, UInt32(gradient.rows),
      UInt32(gradient.columns), plan.lanes)
    guard gain != nil else { return (result, nil) }
    let sums = try parameterSums(
      gradient, input: input, mean: nil, inverse: inverse, wantsBias: false)
    return (result, sums.gain)
  }

  /// Rows less their mean, divided by their standard deviation, times a gain, plus a bias.
  ///
  ///     output = gain ∘ (x − μ)·r + bias,  μ = mean over columns of x,
  ///     r = 1/√(mean over columns of (x − μ)² + ε)
  ///
  /// The variance is divided by columns, not by columns − 1, as in PyTorch. μ is a float: where it is
  /// large, the output is exact to |μ|·r·2⁻²³ or so.
  ///
  /// For example:
  ///
  ///     let (normalized, mean, inverse) = try compute.layerNorm(
  ///       x, gain: gain, bias: nil, epsilon: 1e-5)
  ///
  /// - x: [replica, rows, columns]. gain, bias: [replica, 1, columns], or none for 1 and 0.
  /// - epsilon: ε ≥ 0; with 0, a row of equal elements is NaN.
  /// - Returns: output, as `x`; mean: μ, and inverse: r, [replica, rows, 1]. A row whose variance
  ///   overflows is NaN, and so is its r.
  /// - Throws: `OpenCLError`.
  ///
  /// Source: Ba, Kiros and Hinton, arXiv:1607.06450, equations 3 and 4; ε as in PyTorch's `LayerNorm`.
  public func layerNorm(_ x: Tensor, gain: Tensor?, bias: Tensor?, epsilon: Float) throws -> (
    output: Tensor, mean: Tensor, inverse: Tensor
  ) {
    checkNormalization("layerNorm", x, vectors: [gain, bias])
    let output = try tensor(replicas: x.replicas, rows: x.rows, columns: x.columns)
    let mean = try tensor(replicas: x.replicas, rows: x.rows, columns: 1)
    let inverse = try tensor(replicas: x.replicas, rows: x.rows, columns: 1)
    try layerNorm(
      x, gain: gain, bias: bias, epsilon: epsilon, output: output, mean: mean, inverse: inverse)
    return (output, mean, inverse)
  }

  func layerNorm(
    _ x: Tensor, gain: Tensor?, bias: Tensor?, epsilon: Float, output: Tensor, mean: Tensor,
    inverse: Tensor
  ) throws {
    let plan = RowPlan(x, compute: self)
    let kernel = try kernel(
      .normalization, "layer_norm", Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self,
      Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self, Float.self, UInt32.self,
      UInt32.self, UInt32.self, UInt32.self, UInt32.self)
    try kernel(
      queue, global: plan.global, local: plan.local, x.buffer, (gain ?? x).buffer,
      (bias ?? x).buffer, output.buffer, mean.buffer, inverse.buffer, epsilon,
      gain == nil ? 0 : 1, bias == nil ? 0 : 1, UInt32(x.rows), UInt32(x.columns), plan.lanes)
  }

  /// Gradients of `layerNorm`.
  ///
  ///     ∂x = r·(h − mean of h − x̂ · mean of h ∘ x̂),  h = gain ∘ δ,  x̂ = (x − μ)·r,
  ///     means over columns
  ///     ∂gain = Σ over rows of δ ∘ x̂,  ∂bias = Σ over rows of δ
  ///
  /// For example, with what `layerNorm` was given and gave:
  ///
  ///     let slopes = try compute.layerNormBackward(
  ///       delta, input: x, mean: mean, inverse: inverse, gain: gain, wantsBias: true)
  ///
  /// - gradient: δ, with respect to the output, [replica, rows, columns]; stays as it is.
  /// - input: x, as `gradient`. mean, inverse: μ and r, [replica, rows, 1].
  /// - gain: [replica, 1, columns], or none. wantsBias: whether there is a bias.
  /// - Returns: input: ∂x, as `gradient`. gain, bias: ∂gain and ∂bias, [replica, 1, columns], summed in
  ///   a fixed order; nil where there is none.
  /// - Throws: `OpenCLError`.
  ///
  /// Source: the derivatives of equations 3 and 4 of Ba, Kiros and Hinton, arXiv:1607.06450.
  public func layerNormBackward(
    _ gradient: Tensor, input: Tensor, mean: Tensor, inverse: Tensor, gain: Tensor?,
    wantsBias: Bool
  ) throws -> (input: Tensor, gain: Tensor?, bias: Tensor?) {
    checkNormalization(
      "layerNormBackward", gradient, input: input, scalars: [mean, inverse], vectors: [gain])
    let result = try tensor(
      replicas: gradient.replicas, rows: gradient.rows, columns: gradient.columns)
    try layerNormBackward(
      gradient, input: input, mean: mean, inverse: inverse, gain: gain, into: result)
    guard gain != nil else { return (result, nil, wantsBias ? try sumRows(gradient) : nil) }
    let sums = try parameterSums(
      gradient, input: input, mean: mean, inverse: inverse, wantsBias: wantsBias)
    return (result, sums.gain, sums.bias)
  }

  func layerNormBackward(
    _ gradient: Tensor, input: Tensor, mean: Tensor, inverse: Tensor, gain: Tensor?,
    into result: Tensor
  ) throws {
    let plan = RowPlan(gradient, compute: self)
    let kernel = try kernel(
      .normalization, "layer_norm_backward", Buffer<Float>.self, Buffer<Float>.self,
      Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self,
      UInt32.self, UInt32.self, UInt32.self, UInt32.self)
    try kernel(
      queue, global: plan.global, local: plan.local, gradient.buffer, input.buffer, mean.buffer,
      inverse.buffer, (gain ?? input).buffer, result.buffer, gain == nil ? 0 : 1,
      UInt32(gradient.rows), UInt32(gradient.columns), plan.lanes)
  }

  /// ∂gain and, where wanted, ∂bias; without a mean, the root mean square's.
  private func parameterSums(
    _ gradient: Tensor, input: Tensor, mean: Tensor?, inverse: Tensor, wantsBias: Bool
  ) throws -> (gain: Tensor, bias: Tensor?) {
    let slices = (gradient.rows + SlicePlan.rows - 1) / SlicePlan.rows
    func partial() throws -> Tensor {
      try tensor(replicas: gradient.replicas, rows: slices, columns: gradient.columns)
    }
    let gains = try partial()
    let biases = wantsBias ? try partial() : nil
    try sumGains(gradient, input: input, mean: mean, inverse: inverse, gains: gains, biases: biases)
    func total(_ partial: Tensor) throws -> Tensor {
      slices == 1 ? partial : try sumRows(partial)
    }
    return (try total(gains), try biases.map(total))
  }

  /// Sums over slices of rows, [replica, slice, columns].
  func sumGains(
    _ gradient: Tensor, input: Tensor, mean: Tensor?, inverse: Tensor, gains: Tensor,
    biases: Tensor?
  ) throws {
    let kernel = try kernel(
      .normalization, "sum_gains", Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self,
      Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self, UInt32.self, UInt32.self,
      UInt32.self, UInt32.self)
    let columns = kernelVariant == .group ? vectorWidth : SlicePlan.strip
    let items = roundUp((gradient.columns + columns - 1) / columns, kernelVariant.groupItems)
    try kernel(
      queue, global: [items, gains.rows, gradient.replicas],
      local: [kernelVariant.groupItems, 1, 1], gradient.buffer, input.buffer,
      (mean ?? inverse).buffer, inverse.buffer, gains.buffer, (biases ?? gains).buffer,
      mean == nil ? 0 : 1, biases == nil ? 0 : 1, UInt32(gradient.rows), UInt32(gradient.columns))
  }

  private func checkNormalization(
    _ name: String, _ x: Tensor, input: Tensor? = nil, scalars: [Tensor] = [], vectors: [Tensor?]
  ) {
    precondition(
      input.map { $0.shape == x.shape } ?? true,
      "\(name) of \(x.shape) for input \(input?.shape ?? [])")
    for scalar in scalars {
      precondition(
        scalar.shape == [x.replicas, x.rows, 1],
        "\(name) of \(x.shape): expected \([x.replicas, x.rows, 1]), got \(scalar.shape)")
    }
    for case let vector? in vectors {
      precondition(
        vector.shape == [x.replicas, 1, x.columns],
        "\(name) of \(x.shape): expected \([x.replicas, 1, x.columns]), got \(vector.shape)")
    }
  }
}

/// How Kernels/normalization.cl shares out rows; by the rows' length and number alone.
struct RowPlan {
  /// Work-items that share a row, a power of two: as many as it has vectors, up to a work-group.
  let lanes: UInt32
  let global: [Int]
  let local: [Int]

  init(_ x: Tensor, compute: Compute) {
    let items = compute.kernelVariant.groupItems
    var lanes = 1
    while lanes < items && lanes * compute.vectorWidth < x.columns { lanes *= 2 }
    self.lanes = UInt32(lanes)
    global = [compute.roundUp(x.rows * lanes, items), x.replicas]
    local = [items, 1]
  }
}

/// How Kernels/normalization.cl cuts the sums over rows.
private enum SlicePlan {
  /// Rows of a slice, the kernels' SLICE.
  static let rows = 32
  /// Columns that a work-item takes on CPUs, the kernels' STRIP; on GPUs it takes one vector.
  static let strip = 128
}
