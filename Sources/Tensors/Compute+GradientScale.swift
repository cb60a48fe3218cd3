import OpenCL

/// What each replica's gradient is multiplied by before its update (Kernels/gradient_scale.cl).
extension Compute {
  /// 1/x of each replica, and 0 where x is 0.
  ///
  /// - norms: [replica, 1, 1], as the result.
  /// - Throws: `OpenCLError`.
  public func inverses(_ norms: Tensor) throws -> Tensor {
    let result = try tensor(replicas: norms.replicas, rows: 1, columns: 1)
    let kernel = try kernel(
      .gradientScale, "inverse_norms", Buffer<Float>.self, Buffer<Float>.self, UInt32.self)
    try kernel(
      queue, global: [roundUp(norms.replicas, 64)], local: [64], norms.buffer, result.buffer,
      UInt32(norms.replicas))
    return result
  }

  /// Each replica times a factor of its own.
  ///
  /// - x: [replica, rows, columns], as the result. scales: [replica, 1, 1].
  /// - Throws: `OpenCLError`.
  public func scaled(_ x: Tensor, by scales: Tensor) throws -> Tensor {
    precondition(scales.count == x.replicas, "factors \(scales.shape) for \(x.shape)")
    let result = try tensor(replicas: x.replicas, rows: x.rows, columns: x.columns)
    let kernel = try kernel(
      .gradientScale, "scale_replicas", Buffer<Float>.self, Buffer<Float>.self,
      Buffer<Float>.self, UInt32.self)
    try kernel(
      queue, global: vectorItems(of: x),
      local: [64, 1], x.buffer, scales.buffer, result.buffer, UInt32(x.stride))
    return result
  }

  /// Adds factor²·Σ of partial sums to each replica's total.
  ///
  /// - partial: [replica, 1, count]. total: [replica, 1, 1].
  /// - rates: of the tensor; replicas in which it is frozen, with a rate of 0, are left out.
  /// - Throws: `OpenCLError`.
  public func addTotal(
    of partial: Tensor, factor: Float, rates: UpdateRates, to total: Tensor
  ) throws {
    precondition(
      total.count == partial.replicas, "totals \(total.shape) of sums \(partial.shape)")
    let kernel = try kernel(
      .gradientScale, "add_total", Buffer<Float>.self, Buffer<SIMD4<Float>>.self,
      Buffer<Float>.self, Float.self, UInt32.self)
    let items = kernelVariant.groupItems
    try kernel(
      queue, global: [items * partial.replicas], local: [items], partial.buffer, rates.buffer,
      total.buffer, factor, UInt32(partial.stride))
  }

  /// What gradients of these norms are multiplied by so that no norm is above its limit.
  ///
  ///     n = √squaredNorms,  scale = min(1, limit/(n + 1e-6))
  ///
  /// - squaredNorms: [replica, 1, 1], as the result. limits: of each replica; infinite for none.
  /// - norms: takes the norms n into `slot`.
  /// - Throws: `OpenCLError`.
  public func clipScales(
    squaredNorms: Tensor, limits: Buffer<Float>, norms: SumHistory, slot: Varying<UInt32>
  ) throws -> Tensor {
    let replicas = squaredNorms.replicas
    precondition(
      limits.count == replicas && squaredNorms.count == replicas,
      "\(limits.count) limits for norms \(squaredNorms.shape)")
    norms.check(Int(slot.value), squaredNorms, squaredNorms)
    let result = try tensor(replicas: replicas, rows: 1, columns: 1)
    let kernel = try kernel(
      .gradientScale, "clip_scales", Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self,
      Buffer<Float>.self, Varying<UInt32>.self, UInt32.self)
    try kernel(
      queue, global: [roundUp(replicas, 64)], local: [64], squaredNorms.buffer, limits,
      result.buffer, norms.buffer, slot, UInt32(replicas))
    return result
  }
}
