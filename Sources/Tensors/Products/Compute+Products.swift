import OpenCL

/// Matrix products and what layers do to them next.
extension Compute {
  /// C = α·op(A)·op(B) for every replica; an operand of one replica serves all.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func product(
    _ mode: TransposeMode, _ a: Tensor, _ b: Tensor, alpha: Float = 1
  ) throws -> Tensor {
    try product(mode, a, b, alpha: alpha) { _ in .none }
  }

  /// C = α·op(A)·op(B) + S.
  ///
  /// - addend: S [replica, m, n].
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func product(
    _ mode: TransposeMode, _ a: Tensor, _ b: Tensor, alpha: Float = 1, adding addend: Tensor
  ) throws -> Tensor {
    try product(mode, a, b, alpha: alpha) { _ in .adding(addend) }
  }

  /// C = α·A Aᵀ + S of `nt`, α·Aᵀ A + S of `tn`, which are symmetric: where it pays, half of C is computed
  /// and the other half copied: on CPUs to the same bits.
  ///
  /// - mode: not `nn`. addend: S, symmetric; nil: 0.
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func gram(
    _ mode: TransposeMode, _ a: Tensor, alpha: Float = 1, adding addend: Tensor? = nil
  ) throws -> Tensor {
    try product(mode, a, a, alpha: alpha, isSymmetric: true) { _ in
      addend.map { .adding($0) } ?? .none
    }
  }

  /// A linear operation's z = α·h Wᵀ + b and φ(z); one tensor where φ is the identity.
  ///
  /// - input: h [replica, batch, fanIn]. weight: [replica, fanOut, fanIn]. bias: [replica, 1, fanOut].
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func layer(
    _ input: Tensor, weight: Tensor, bias: Tensor?, alpha: Float, activation: Activation
  ) throws -> (z: Tensor, output: Tensor) {
    var output: Tensor?
    let z = try product(.nt, input, weight, alpha: alpha) { z in
      if activation != .identity {
        output = try tensor(replicas: z.replicas, rows: z.rows, columns: z.columns)
      }
      return .forward(bias: bias, activation: activation, output: output)
    }
    return (z, output ?? z)
  }

  /// α·Δ W, by the derivative of what the result is passed back to, if any.
  ///
  /// - delta: Δ [replica, batch, fanOut]. weight: [replica, fanOut, fanIn].
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func passBack(
    _ delta: Tensor, weight: Tensor, alpha: Float, through derivative: ActivationDerivative?
  ) throws -> Tensor {
    try product(.nn, delta, weight, alpha: alpha) { _ in derivative.map { .derivative($0) } ?? .none
    }
  }

  /// C = op(A)·op(B) by another backend than the computation's own.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`.
  package func multiply(
    _ mode: TransposeMode, _ a: Tensor, _ b: Tensor, into c: Tensor,
    by backend: any GEMMBackend
  ) throws {
    try backend.multiply(MatrixProduct(mode, a, b, alpha: 1, into: c), compute: self)
  }

  /// Has the GEMM backend make the memory that all its products share.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`.
  package func makeWorkspace() throws {
    let one = try filled(1, replicas: 1, rows: 1, columns: 1)
    _ = try product(.nn, one, one)
    try releaseUnusedMemory()
  }

  private func product(
    _ mode: TransposeMode, _ a: Tensor, _ b: Tensor, alpha: Float, isSymmetric: Bool = false,
    epilogue: (Tensor) throws -> ProductEpilogue
  ) throws -> Tensor {
    let result = try tensor(
      replicas: max(a.replicas, b.replicas), rows: mode == .tn ? a.columns : a.rows,
      columns: mode == .nt ? b.rows : b.columns)
    try enqueue(
      MatrixProduct(
        mode, a, b, alpha: alpha, epilogue: epilogue(result), isSymmetric: isSymmetric,
        into: result))
    return result
  }

  /// The product with its epilogue, by the computation's backend, tried before. Where a kernel of the
  /// very product is wrong, another backend takes its place.
  func enqueue(_ product: MatrixProduct) throws {
    while true {
      if !backends.hasTried(product.mode) {
        try backends.prepare([product.mode], compute: self)
      }
      do {
        return try enqueue(product, by: backend)
      } catch let error where error is ProductTrialError || TrialError.isOfTheBuild(error) {
        try backends.giveWay(error)
      }
    }
  }

  /// The product with its epilogue, by kernels of its own where the backend does not apply it.
  func enqueue(_ product: MatrixProduct, by backend: any GEMMBackend) throws {
    let isHalved = product.isSymmetric && backend.halves(product)
    queue.context.recording?.multiplied(product.operations / (isHalved ? 2 : 1))
    if backend.fuses(product) {
      try backend.multiply(product, compute: self)
      if isHalved { try mirror(product.c) }
      return
    }
    let c = product.c
    func multiply(into result: Tensor) throws {
      try backend.multiply(
        MatrixProduct(product.mode, product.a, product.b, alpha: product.alpha, into: result),
        compute: self)
    }
    switch product.epilogue {
    case .none:
      try multiply(into: c)
    case .forward(let bias, let activation, let output):
      try multiply(into: c)
      if let bias { try addBias(bias, to: c) }
      if let output { try activate(c, activation, into: output) }
    case .derivative(let derivative):
      try multiply(into: c)
      try multiplyByDerivative(c, of: derivative.activation, at: derivative.z)
    case .adding(let addend):
      try multiply(into: c)
      try accumulate(addend, into: c)
    case .update(let update, let weightDelta):
      // The change is recorded in the gradient's memory.
      let gradient =
        try weightDelta ?? tensor(replicas: c.replicas, rows: c.rows, columns: c.columns)
      try multiply(into: gradient)
      try apply(update, to: c, gradient: gradient, recordsWeightDelta: weightDelta != nil)
    }
  }

  /// Copies what lies above the diagonal of each replica's square matrix below it.
  private func mirror(_ c: Tensor) throws {
    let kernel = try kernel(.symmetric, "mirror", Buffer<Float>.self, UInt32.self)
    let items = kernelVariant.groupItems
    let side = kernelVariant == .item ? vectorWidth : 32
    let blocks = (c.rows + side - 1) / side
    try kernel(
      queue, global: [items * blocks, blocks, c.replicas], local: [items, 1, 1], c.buffer,
      UInt32(c.rows))
  }
}
