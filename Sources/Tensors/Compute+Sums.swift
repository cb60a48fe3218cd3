import OpenCL

/// Sums over all elements of each replica, in a fixed order.
///
/// Results are partial sums [replica, 1, spans], one a span of neighbours: `SumHistory.record` adds
/// them up, and `rootOfTotal` makes norms of them.
extension Compute {
  /// Σ x².
  ///
  /// - Throws: `OpenCLError`.
  public func sumOfSquares(_ x: Tensor) throws -> Tensor {
    try sums("sum_squares", x)
  }

  /// Σ (x − y)²; a `y` of one replica serves all.
  ///
  /// - Throws: `OpenCLError`.
  public func sumOfSquaredDifferences(_ x: Tensor, _ y: Tensor) throws -> Tensor {
    try sums("sum_squared_differences", x, y)
  }

  /// Σ x·y; a `y` of one replica serves all.
  ///
  /// - Throws: `OpenCLError`.
  public func sumOfProducts(_ x: Tensor, _ y: Tensor) throws -> Tensor {
    try sums("sum_products", x, y)
  }

  /// Σ |x|.
  ///
  /// - Throws: `OpenCLError`.
  public func sumOfAbsolutes(_ x: Tensor) throws -> Tensor {
    try sums("sum_absolutes", x)
  }

  /// How many elements have √(factor·x) ≤ bound.
  ///
  /// - x: ≥ 0. bounds: [replica, 1, 1].
  /// - Throws: `OpenCLError`.
  public func countOfSmallRoots(_ x: Tensor, factor: Float, bounds: Tensor) throws -> Tensor {
    precondition(bounds.count == x.replicas, "bounds \(bounds.shape) for \(x.shape)")
    let partial = try partialSums(of: x)
    let kernel = try kernel(
      .reduction, kernelVariant.name(of: "count_small_roots"), Buffer<Float>.self,
      Buffer<Float>.self, Buffer<Float>.self,
      Float.self, UInt32.self, UInt32.self)
    try kernel(
      queue, global: spanSize(partial), local: [sumItems, 1], x.buffer, bounds.buffer,
      partial.buffer,
      factor, UInt32(x.stride), UInt32(partial.columns))
    return partial
  }

  /// How many entries of a step ΔW are not decay alone, where every other entry is a step of one size:
  /// |ΔW + a·(W − ΔW)| > b.
  ///
  /// - weightDelta: ΔW. weight: W after the step, likewise [replica, rows, columns].
  /// - decaysAndBounds: a, the share of W that decay has taken, and b, half of that size; [replica, 1, 2].
  /// - Throws: `OpenCLError`.
  public func countOfSteps(
    _ weightDelta: Tensor, to weight: Tensor, decaysAndBounds: Tensor
  ) throws -> Tensor {
    precondition(
      weightDelta.shape == weight.shape && decaysAndBounds.count == 2 * weight.replicas,
      "steps \(weightDelta.shape) to \(weight.shape), numbers \(decaysAndBounds.shape)")
    let partial = try partialSums(of: weight)
    let kernel = try kernel(
      .reduction, kernelVariant.name(of: "count_steps"), Buffer<Float>.self, Buffer<Float>.self,
      Buffer<Float>.self, Buffer<Float>.self, UInt32.self, UInt32.self)
    try kernel(
      queue, global: spanSize(partial), local: [sumItems, 1], weightDelta.buffer, weight.buffer,
      decaysAndBounds.buffer, partial.buffer, UInt32(weight.stride), UInt32(partial.columns))
    return partial
  }

  /// √Σ of partial sums, [replica, 1, 1].
  ///
  /// - Throws: `OpenCLError`.
  public func rootOfTotal(_ partial: Tensor) throws -> Tensor {
    let result = try tensor(replicas: partial.replicas, rows: 1, columns: 1)
    let kernel = try kernel(
      .reduction, kernelVariant.name(of: "root_of_total"), Buffer<Float>.self, Buffer<Float>.self,
      UInt32.self,
      UInt32.self)
    try kernel(
      queue, global: [groups(partial.replicas)], local: [sumItems], partial.buffer,
      result.buffer, UInt32(partial.stride), UInt32(partial.replicas))
    return result
  }

  private func sums(_ name: String, _ x: Tensor) throws -> Tensor {
    let partial = try partialSums(of: x)
    let kernel = try kernel(
      .reduction, kernelVariant.name(of: name), Buffer<Float>.self, Buffer<Float>.self, UInt32.self,
      UInt32.self)
    try kernel(
      queue, global: spanSize(partial), local: [sumItems, 1], x.buffer, partial.buffer,
      UInt32(x.stride), UInt32(partial.columns))
    return partial
  }

  private func sums(_ name: String, _ x: Tensor, _ y: Tensor) throws -> Tensor {
    precondition(x.rows == y.rows && x.columns == y.columns, "\(name) of \(x.shape), \(y.shape)")
    let partial = try partialSums(of: x)
    let kernel = try kernel(
      .reduction, kernelVariant.name(of: name), Buffer<Float>.self, Buffer<Float>.self,
      Buffer<Float>.self, UInt32.self, UInt32.self, UInt32.self)
    try kernel(
      queue, global: spanSize(partial), local: [sumItems, 1], x.buffer, y.buffer, partial.buffer,
      UInt32(y.replicaStride(in: x.replicas)), UInt32(x.stride), UInt32(partial.columns))
    return partial
  }

  /// Room for one sum a span; the spans' length is that of Kernels/reduction.cl and orthogonalization.cl.
  func partialSums(of x: Tensor) throws -> Tensor {
    try tensor(replicas: x.replicas, rows: 1, columns: spans(of: x))
  }

  /// Spans of 4096 elements that a replica of `x` is summed in.
  func spans(of x: Tensor) -> Int { (x.stride + 4095) / 4096 }

  private func spanSize(_ partial: Tensor) -> [Int] {
    [groups(partial.columns), partial.replicas]
  }

  /// Work-items of a group of Kernels/reduction.cl.
  var sumItems: Int { kernelVariant == .group ? 256 : 64 }

  /// The global size for `sums`: a group each, or an item.
  private func groups(_ sums: Int) -> Int {
    kernelVariant == .group ? sums * sumItems : roundUp(sums, sumItems)
  }
}
