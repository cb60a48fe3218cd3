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
    // X times what is still to be multiplied in by a's: then a step is X ← X + (bXXᵀ + c(XXᵀ)²)X/a.
    var rest = iteration.polynomials.reduce(1) { $0 * $1.a }
    var result = try normalized(x, factor: Float(rest / iteration.margin))
    let isWide = x.rows <= x.columns
    for polynomial in iteration.polynomials {
      let (a, b, c) = (polynomial.a, polynomial.b, polynomial.c)
      let gram = try gram(isWide ? .nt : .tn, result, alpha: Float(b / (rest * rest)))
      let sum = try self.gram(.nt, gram, alpha: Float(c / (b * b)), adding: gram)
      result = try product(
        .nn, isWide ? sum : result, isWide ? result : sum, alpha: Float(1 / a), adding: result)
      rest /= a
    }
    return result
  }

  /// `factor`·x over its Frobenius norm, by replica.
  private func normalized(_ x: Tensor, factor: Float) throws -> Tensor {
    let spans = spans(of: x)
    let partial = try tensor(replicas: x.replicas, rows: spans, columns: 2)
    let units = try tensor(replicas: x.replicas, rows: 1, columns: 2)
    let result = try tensor(replicas: x.replicas, rows: x.rows, columns: x.columns)
    let items = kernelVariant.groupItems
    let norms = try kernel(
      .orthogonalization, "span_norms", Buffer<Float>.self, Buffer<Float>.self, UInt32.self,
      UInt32.self)
    try norms(
      queue, global: [items * spans, x.replicas], local: [items, 1], x.buffer, partial.buffer,
      UInt32(x.stride), UInt32(spans))
    let scales = try kernel(
      .orthogonalization, "unit_scales", Buffer<Float>.self, Buffer<Float>.self, Float.self,
      UInt32.self)
    try scales(
      queue, global: [items * x.replicas], local: [items], partial.buffer, units.buffer, factor,
      UInt32(spans))
    let normalize = try kernel(
      .orthogonalization, "to_unit_norm", Buffer<Float>.self, Buffer<Float>.self,
      Buffer<Float>.self, UInt32.self)
    try normalize(
      queue, global: vectorItems(of: x), local: [64, 1], x.buffer, units.buffer, result.buffer,
      UInt32(x.stride))
    return result
  }
}
