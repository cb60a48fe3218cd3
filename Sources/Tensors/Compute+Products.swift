/// Matrix products and what layers do to them next.
extension Compute {
  /// C = α·op(A)·op(B) for every replica; an operand of one replica serves all.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func product(
    _ form: ProductForm, _ a: Tensor, _ b: Tensor, alpha: Float = 1
  ) throws -> Tensor {
    try product(form, a, b, alpha: alpha) { _ in .none }
  }

  /// A dense layer's z = α·h Wᵀ + b and φ(z); one tensor where φ is the identity.
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

  private func product(
    _ form: ProductForm, _ a: Tensor, _ b: Tensor, alpha: Float,
    epilogue: (Tensor) throws -> ProductEpilogue
  ) throws -> Tensor {
    let result = try tensor(
      replicas: max(a.replicas, b.replicas), rows: form == .tn ? a.columns : a.rows,
      columns: form == .nt ? b.rows : b.columns)
    try enqueue(
      MatrixProduct(form, a, b, alpha: alpha, epilogue: epilogue(result), into: result))
    return result
  }

  /// The product with its epilogue, by kernels of its own where the multiplier applies none.
  func enqueue(_ product: MatrixProduct) throws {
    if multiplier.fusesEpilogues { return try multiplier.multiply(product, compute: self) }
    let c = product.c
    try multiplier.multiply(
      MatrixProduct(product.form, product.a, product.b, alpha: product.alpha, into: c),
      compute: self)
    switch product.epilogue {
    case .none: break
    case .forward(let bias, let activation, let output):
      if let bias { try addBias(bias, to: c) }
      if let output { try activate(c, activation, into: output) }
    case .derivative(let derivative):
      try multiplyByDerivative(c, of: derivative.activation, at: derivative.z)
    }
  }
}
