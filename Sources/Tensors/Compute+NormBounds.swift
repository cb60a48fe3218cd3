import OpenCL

/// Matrices whose singular values are brought within bounds (Kernels/norm_bounds.cl).
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

  /// Clips the singular values of each replica's matrix whose norm is above a threshold.
  ///
  ///     X = U S Vᵀ/cap,  O = U Vᵀ,  P = U sign(S/cap − I) Uᵀ
  ///     X ← X + ½·(I + P)·(O − X):  min(s, 1) for each singular value s of X
  ///
  /// For example, after a step, with norms by power iteration:
  ///
  ///     try compute.clipSingularValues(of: weight, at: caps, above: thresholds, norms: norms, active: active)
  ///
  /// O and P are the polar factors of X and of X Oᵀ − I, by `NewtonSchulz.precise`: nine steps each. Singular
  /// values of X that O does not reach are near 0, where I + P is 0; those of X Oᵀ − I that P does not reach are
  /// near 0, where O − X is. The error in caps is below 2e-4 for norms up to 5 caps and sides up to 1024, 2e-3 up
  /// to 50 caps, 1e-2 up to 200, and rounding of 2e-6 of the norm. A wide matrix is taken by its rows, a tall
  /// one by its columns, with P from the right.
  ///
  /// - x: [replica, rows, columns], in place. caps: > 0; infinite ones are none, of thresholds too.
  /// - norms: ‖x‖_*, which is compared with `thresholds`. caps, thresholds, norms, active: [replica, 1, 1].
  ///   Matrices whose norm is not finite and replicas that are not active stay as they are, bit for bit.
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func clipSingularValues(
    of x: Tensor, at caps: Tensor, above thresholds: Tensor, norms: Tensor, active: Tensor
  ) throws {
    precondition(
      [caps, thresholds, norms, active].allSatisfy { $0.count == x.replicas },
      "caps \(caps.shape), norms \(norms.shape) and \(active.shape) for \(x.shape)")
    let isWide = x.rows <= x.columns
    let polar = try orthogonalized(x, by: .precise)
    let excess = try isWide ? product(.nt, x, polar) : product(.tn, polar, x)
    try subtract(caps, fromDiagonalOf: excess)
    let sign = try orthogonalized(excess, by: .precise)
    let difference = try self.difference(scaled(polar, by: caps), x)
    let result = try product(
      .nn, isWide ? sign : difference, isWide ? difference : sign, alpha: 0.5,
      adding: add(x, difference, scale: 0.5))
    let kernel = try kernel(
      .normBounds, "take_above", Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self,
      Buffer<Float>.self, Buffer<Float>.self, UInt32.self)
    try kernel(
      queue, global: vectorItems(of: x), local: [64, 1], x.buffer, result.buffer, norms.buffer,
      thresholds.buffer, active.buffer, UInt32(x.stride))
  }
}
