import OpenCL

/// Orthogonalised matrices (Kernels/orthogonalization.cl beside the products).
extension Compute {
  /// The nearly semi-orthogonal matrix that `iteration` makes of each replica's `x`; 0 of a matrix without
  /// a normal float.
  ///
  /// Nothing depends on the size of `x` but its rounding, over the normal floats.
  /// - x: [replica, rows, columns], as the result. Products are of the smaller side's Gram matrix.
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func orthogonalized(_ x: Tensor, by iteration: NewtonSchulz) throws -> Tensor {
    var result = try normalized(x, margin: Float(iteration.margin))
    let isWide = x.rows <= x.columns
    for polynomial in iteration.polynomials {
      let gram = try product(isWide ? .nt : .tn, result, result)
      let square = try product(.nn, gram, gram)
      try combine(polynomial, gram: gram, square: square)
      result = try isWide ? product(.nn, square, result) : product(.nn, result, square)
    }
    return result
  }

  /// x over `margin` times its Frobenius norm, by replica.
  private func normalized(_ x: Tensor, margin: Float) throws -> Tensor {
    let partial = try partialSums(of: x)
    let spans = partial.columns
    let scale = try tensor(replicas: x.replicas, rows: 1, columns: 1)
    let unit = try tensor(replicas: x.replicas, rows: 1, columns: 1)
    let result = try tensor(replicas: x.replicas, rows: x.rows, columns: x.columns)
    let items = kernelVariant.groupItems
    let (bySpan, byReplica) = ([items * spans, x.replicas], [items * x.replicas])
    let magnitudes = try kernel(
      .orthogonalization, "largest_magnitudes", Buffer<Float>.self, Buffer<Float>.self, UInt32.self,
      UInt32.self)
    try magnitudes(
      queue, global: bySpan, local: [items, 1], x.buffer, partial.buffer, UInt32(x.stride),
      UInt32(spans))
    let exponents = try kernel(
      .orthogonalization, "scale_exponents", Buffer<Float>.self, Buffer<Float>.self, UInt32.self)
    try exponents(
      queue, global: byReplica, local: [items], partial.buffer, scale.buffer, UInt32(spans))
    let squares = try kernel(
      .orthogonalization, "scaled_squares", Buffer<Float>.self, Buffer<Float>.self,
      Buffer<Float>.self, UInt32.self, UInt32.self)
    try squares(
      queue, global: bySpan, local: [items, 1], x.buffer, scale.buffer, partial.buffer,
      UInt32(x.stride), UInt32(spans))
    let units = try kernel(
      .orthogonalization, "unit_scales", Buffer<Float>.self, Buffer<Float>.self, Float.self,
      UInt32.self)
    try units(
      queue, global: byReplica, local: [items], partial.buffer, unit.buffer, margin,
      UInt32(spans))
    let normalize = try kernel(
      .orthogonalization, "to_unit_norm", Buffer<Float>.self, Buffer<Float>.self,
      Buffer<Float>.self, Buffer<Float>.self, UInt32.self)
    try normalize(
      queue, global: vectorItems(of: x), local: [64, 1], x.buffer, scale.buffer,
      unit.buffer, result.buffer, UInt32(x.stride))
    return result
  }

  /// square ← a·I + b·gram + c·square.
  private func combine(
    _ polynomial: NewtonSchulz.Polynomial, gram: Tensor, square: Tensor
  ) throws {
    let kernel = try kernel(
      .orthogonalization, "polynomial", Buffer<Float>.self, Buffer<Float>.self, Float.self,
      Float.self, Float.self, UInt32.self)
    try kernel(
      queue, global: vectorItems(of: square), local: [64, 1], gram.buffer,
      square.buffer, Float(polynomial.a), Float(polynomial.b), Float(polynomial.c),
      UInt32(square.rows))
  }
}
