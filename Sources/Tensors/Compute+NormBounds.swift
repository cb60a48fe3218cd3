import OpenCL

/// Matrices whose largest singular value is brought between bounds (Kernels/norm_bounds.cl).
extension Compute {
  /// Scales each replica's matrix so that its norm, which is known, lies between two bounds.
  ///
  ///     x ← x·min(max(norm, least), most)/norm
  ///
  /// A matrix of norm 0, one whose norm is not finite and replicas that are not active stay as they are.
  /// - x: [replica, rows, columns]. norms, active: [replica, 1, 1].
  /// - bounds: least and most of each replica, [replica, 1, 2]; 0 and infinity for none.
  /// - Throws: `OpenCLError`.
  public func bringWithin(
    _ bounds: Tensor, _ x: Tensor, norms: Tensor, active: Tensor
  ) throws {
    precondition(
      norms.count == x.replicas && bounds.count == 2 * x.replicas && active.count == x.replicas,
      "norms \(norms.shape), bounds \(bounds.shape) and \(active.shape) for \(x.shape)")
    let kernel = try kernel(
      .normBounds, "bring_within", Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self,
      Buffer<Float>.self, UInt32.self)
    try kernel(
      queue, global: vectorItems(of: x), local: [64, 1], x.buffer, norms.buffer, bounds.buffer,
      active.buffer, UInt32(x.stride))
  }
}
