import OpenCL

/// Elementwise operations, losses and random numbers of tensors.
extension Compute {
  /// Adds `bias` [replica, 1, columns] to every row of `z`, in place.
  ///
  /// - Throws: `OpenCLError`.
  public func addBias(_ bias: Tensor, to z: Tensor) throws {
    precondition(
      bias.replicas == z.replicas && bias.rows == 1 && bias.columns == z.columns,
      "bias \(bias.shape) for \(z.shape)")
    let kernel = try kernel(
      .activation, "add_bias", Buffer<Float>.self, Buffer<Float>.self, UInt32.self)
    try kernel(
      queue, global: [roundUp(z.columns, 64), z.rows, z.replicas], local: [64, 1, 1], z.buffer,
      bias.buffer, UInt32(z.columns))
  }

  /// φ(z), elementwise.
  ///
  /// - Throws: `OpenCLError`.
  public func activate(_ z: Tensor, _ activation: Activation) throws -> Tensor {
    let result = try tensor(replicas: z.replicas, rows: z.rows, columns: z.columns)
    try activate(z, activation, into: result)
    return result
  }

  func activate(_ z: Tensor, _ activation: Activation, into result: Tensor) throws {
    try apply("activation_forward", activation, z, result)
  }

  /// δ ← δ ∘ φ'(z), in place.
  ///
  /// - Throws: `OpenCLError`.
  public func multiplyByDerivative(_ delta: Tensor, of activation: Activation, at z: Tensor) throws
  {
    try apply("activation_backward", activation, z, delta)
  }

  private func apply(
    _ name: String, _ activation: Activation, _ z: Tensor, _ other: Tensor
  ) throws {
    precondition(z.shape == other.shape, "\(name) of \(z.shape) and \(other.shape)")
    let kernel = try kernel(
      .activation, name, Buffer<Float>.self, Buffer<Float>.self, UInt32.self, UInt32.self)
    try kernel(
      queue, global: [roundUp(z.columns, 64), z.rows, z.replicas], local: [64, 1, 1], z.buffer,
      other.buffer, activation.kernelCode, UInt32(z.columns))
  }

  /// Σ over rows: [replica, rows, columns] to [replica, 1, columns], in a fixed order.
  ///
  /// - Throws: `OpenCLError`.
  public func sumRows(_ x: Tensor) throws -> Tensor {
    let result = try tensor(replicas: x.replicas, rows: 1, columns: x.columns)
    let kernel = try kernel(
      .reduction, kernelVariant.name(of: "sum_rows"), Buffer<Float>.self, Buffer<Float>.self,
      UInt32.self, UInt32.self)
    // A group of the group variant adds up 32 columns.
    let items =
      kernelVariant == .group
      ? roundUp(x.columns, 32) / 32 * sumItems : roundUp(x.columns, sumItems)
    try kernel(
      queue, global: [items, x.replicas], local: [sumItems, 1], x.buffer, result.buffer,
      UInt32(x.rows), UInt32(x.columns))
    return result
  }

  /// A tensor whose every element is `value`.
  ///
  /// - Throws: `OpenCLError`.
  public func filled(_ value: Float, replicas: Int = 1, rows: Int, columns: Int) throws -> Tensor {
    let result = try tensor(replicas: replicas, rows: rows, columns: columns)
    try fill(result.buffer, value)
    return result
  }

  /// Every element of `buffer` ← `value`.
  package func fill(_ buffer: Buffer<Float>, _ value: Float) throws {
    let kernel = try kernel(.fill, "fill", Buffer<Float>.self, Float.self, UInt64.self)
    try kernel(
      queue, global: [roundUp(buffer.count, 256)], local: [256], buffer, value,
      UInt64(buffer.count))
  }

  /// x − y, elementwise.
  ///
  /// - Throws: `OpenCLError`.
  public func difference(_ x: Tensor, _ y: Tensor) throws -> Tensor {
    precondition(x.shape == y.shape, "difference of \(x.shape) and \(y.shape)")
    let result = try tensor(replicas: x.replicas, rows: x.rows, columns: x.columns)
    let kernel = try kernel(
      .arithmetic, "subtract", Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self,
      UInt64.self)
    try kernel(
      queue, global: vectors(x), local: [64], x.buffer, y.buffer, result.buffer, UInt64(x.count))
    return result
  }

  /// A weighted sum, elementwise, rounded once.
  ///
  ///     firstScale·x + scale·y
  ///
  /// For example, a residual branch:
  ///
  ///     let next = try compute.add(x, branch, scale: 1 / Float(depth))
  ///
  /// - x, y: [replica, rows, columns], as the result. firstScale: where it is 1 the sum is rounded once, else
  ///   its product with x before.
  /// - Throws: `OpenCLError`.
  public func add(
    _ x: Tensor, _ y: Tensor, scale: Float, firstScale: Float = 1
  ) throws -> Tensor {
    precondition(x.shape == y.shape, "sum of \(x.shape) and \(y.shape)")
    let result = try tensor(replicas: x.replicas, rows: x.rows, columns: x.columns)
    let kernel = try kernel(
      .arithmetic, "add_scaled", Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self,
      Float.self, Float.self, UInt64.self)
    try kernel(
      queue, global: vectors(x), local: [64], x.buffer, y.buffer, result.buffer, scale, firstScale,
      UInt64(x.count))
    return result
  }

  /// Adds a multiple of `y` to `x`, elementwise, in place, rounded once.
  ///
  ///     x ← x + scale·y
  ///
  /// For example, the gradient of a value that is used twice:
  ///
  ///     try compute.accumulate(second, into: first)
  ///
  /// - x, y: [replica, rows, columns]; they may be one tensor.
  /// - Throws: `OpenCLError`.
  public func accumulate(_ y: Tensor, into x: Tensor, scale: Float = 1) throws {
    precondition(x.shape == y.shape, "sum of \(x.shape) and \(y.shape)")
    let kernel = try kernel(
      .arithmetic, "accumulate", Buffer<Float>.self, Buffer<Float>.self, Float.self, UInt64.self)
    try kernel(
      queue, global: vectors(x), local: [64], x.buffer, y.buffer, scale, UInt64(x.count))
  }

  /// A multiple of a tensor.
  ///
  ///     scale·x
  ///
  /// For example, a branch's gradient:
  ///
  ///     let branch = try compute.scaled(delta, by: 1 / Float(depth))
  ///
  /// - x: [replica, rows, columns], as the result.
  /// - Throws: `OpenCLError`.
  public func scaled(_ x: Tensor, by scale: Float) throws -> Tensor {
    let result = try tensor(replicas: x.replicas, rows: x.rows, columns: x.columns)
    let kernel = try kernel(
      .arithmetic, "multiply_by", Buffer<Float>.self, Buffer<Float>.self, Float.self, UInt64.self)
    try kernel(
      queue, global: vectors(x), local: [64], x.buffer, result.buffer, scale, UInt64(x.count))
    return result
  }

  /// x ∘ y, elementwise.
  ///
  /// For example, a gated layer: `let h = try compute.elementwiseProduct(gate, up)`.
  ///
  /// - x, y: [replica, rows, columns], as the result.
  /// - Throws: `OpenCLError`.
  public func elementwiseProduct(_ x: Tensor, _ y: Tensor) throws -> Tensor {
    precondition(x.shape == y.shape, "elementwise product of \(x.shape) and \(y.shape)")
    let result = try tensor(replicas: x.replicas, rows: x.rows, columns: x.columns)
    let kernel = try kernel(
      .arithmetic, "multiply", Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self,
      UInt64.self)
    try kernel(
      queue, global: vectors(x), local: [64], x.buffer, y.buffer, result.buffer, UInt64(x.count))
    return result
  }

  /// Subtracts a multiple of the identity from square matrices, in place.
  ///
  ///     x ← x − value·I
  ///
  /// For example, what is left of Gram matrices of nearly orthogonal rows:
  ///
  ///     try compute.subtract(compute.filled(1, rows: 1, columns: 1), fromDiagonalOf: gram)
  ///
  /// - values: of each replica, [replica, 1, 1]. x: [replica, n, n].
  /// - Throws: `OpenCLError`.
  public func subtract(_ values: Tensor, fromDiagonalOf x: Tensor) throws {
    precondition(
      x.rows == x.columns && values.count == x.replicas,
      "\(values.shape) from the diagonal of \(x.shape)")
    let kernel = try kernel(
      .arithmetic, "subtract_from_diagonal", Buffer<Float>.self, Buffer<Float>.self, UInt32.self)
    try kernel(
      queue, global: [roundUp(x.rows, 64), x.replicas], local: [64, 1], x.buffer, values.buffer,
      UInt32(x.rows))
  }

  /// The global size for a vector a work-item of Kernels/arithmetic.cl.
  private func vectors(_ x: Tensor) -> [Int] {
    [roundUp((x.count + vectorWidth - 1) / vectorWidth, 64)]
  }

  /// The global size for work-items, 64 a group, that take `vectorWidth` neighbours of a replica each.
  func vectorItems(of x: Tensor) -> [Int] {
    [roundUp((x.stride + vectorWidth - 1) / vectorWidth, 64), x.replicas]
  }

  /// A tensor of its own with the values of `x`.
  ///
  /// - Throws: `OpenCLError`.
  public func copy(_ x: Tensor) throws -> Tensor {
    let result = try tensor(replicas: x.replicas, rows: x.rows, columns: x.columns)
    try result.buffer.copy(from: x.buffer, queue: queue)
    return result
  }

  /// A copy of part `part` of matrices of `other`'s shape, [part · replica, rows, columns].
  ///
  /// - Throws: `OpenCLError`.
  package func copy(_ part: Int, of matrices: Tensor, like other: Tensor) throws -> Tensor {
    let result = try tensor(replicas: other.replicas, rows: other.rows, columns: other.columns)
    try result.buffer.copy(from: matrices.buffer, at: part * other.count, queue: queue)
    return result
  }

  /// Random numbers N(0, std²) by Philox 4x32-10 and Box–Muller.
  ///
  /// - seeds: one for each replica; std: likewise. `stream` tells tensors of one seed apart.
  /// - Throws: `OpenCLError`.
  public func normal(
    seeds: [UInt64], std: [Float], stream: UInt64, rows: Int, columns: Int
  ) throws -> Tensor {
    precondition(seeds.count == std.count, "\(seeds.count) seeds, \(std.count) deviations")
    let result = try tensor(replicas: seeds.count, rows: rows, columns: columns)
    let kernel = try kernel(
      .random, "fill_normal", Buffer<UInt64>.self, Buffer<Float>.self, Buffer<Float>.self,
      UInt64.self, UInt32.self)
    try kernel(
      queue, global: [roundUp((result.stride + 3) / 4, 64), seeds.count], local: [64, 1],
      Buffer(queue: queue, seeds), Buffer(queue: queue, std), result.buffer, stream,
      UInt32(result.stride))
    return result
  }

  /// `count` rounded up to a multiple of `multiple`: the global size of `count` work-items in groups
  /// of `multiple`.
  public func roundUp(_ count: Int, _ multiple: Int) -> Int {
    (count + multiple - 1) / multiple * multiple
  }
}

extension Activation {
  /// The number that Kernels/nonlinearity.cl knows the activation by.
  var kernelCode: UInt32 {
    switch self {
    case .identity: 0
    case .relu: 1
    case .tanh: 2
    case .gelu: 3
    case .silu: 4
    }
  }
}
