import OpenCL

/// Which operands of a product are transposed; all matrices are row-major.
public enum TransposeMode: String, Sendable, CaseIterable {
  /// C = A B: a gradient passed back, Δ W.
  case nn
  /// C = A Bᵀ: a layer's forward product, H Wᵀ.
  case nt
  /// C = Aᵀ B: a weight's gradient, Δᵀ H.
  case tn
}

/// One product for every replica: C ← α·op(A)·op(B), C [replica, m, n], inner length k.
public struct MatrixProduct {
  let mode: TransposeMode
  let m, n, k: Int
  let alpha: Float
  let a, b, c: Tensor
  let epilogue: ProductEpilogue
  /// Whether C is symmetric, so that what lies below its diagonal need not be computed.
  let isSymmetric: Bool

  init(
    _ mode: TransposeMode, _ a: Tensor, _ b: Tensor, alpha: Float,
    epilogue: ProductEpilogue = .none, isSymmetric: Bool = false, into c: Tensor
  ) {
    let (rows, inner) = mode == .tn ? (a.columns, a.rows) : (a.rows, a.columns)
    let (otherInner, columns) = mode == .nt ? (b.columns, b.rows) : (b.rows, b.columns)
    precondition(
      inner == otherInner && c.rows == rows && c.columns == columns,
      "product \(mode.rawValue) of \(a.shape) and \(b.shape) into \(c.shape)")
    (self.mode, self.a, self.b, self.c) = (mode, a, b, c)
    (m, n, k) = (rows, columns, inner)
    self.alpha = alpha
    self.epilogue = epilogue
    self.isSymmetric = isSymmetric
    precondition(!isSymmetric || m == n && mode != .nn, "symmetric \(mode.rawValue) \(m)×\(n)")
    epilogue.check(c)
  }

  var replicas: Int { c.replicas }
  /// Floating-point operations, a multiplication and an addition each.
  var operations: Double { 2 * Double(m) * Double(n) * Double(k) * Double(replicas) }
  var strideA: Int { a.replicaStride(in: replicas) }
  var strideB: Int { b.replicaStride(in: replicas) }
}

/// A way to compute batched matrix products; every one passes the same conformance tests.
public protocol GEMMBackend {
  /// The name that `--gemm` takes.
  var name: String { get }
  /// What operands are rounded to.
  var precision: ProductPrecision { get }
  /// Whether `multiply` applies the product's epilogue; where not, it is given the product without.
  func fuses(_ product: MatrixProduct) -> Bool
  /// Whether `multiply` leaves out what lies below the diagonal of this product, which is symmetric.
  func halves(_ product: MatrixProduct) -> Bool
  /// Whether products take these parameters of a tuning.
  func takes(_ kernel: DeviceTuning.Kernel) -> Bool
  /// Compares small products of `modes` with the host's.
  ///
  /// - Throws: `ProductTrialError` where one is wrong; `OpenCLError`, `CLBlastError`.
  func tryOut(_ modes: [TransposeMode], compute: Compute) throws
  /// Enqueues the product.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`.
  func multiply(_ product: MatrixProduct, compute: Compute) throws
}

extension GEMMBackend {
  /// Float32 throughout.
  public var precision: ProductPrecision { .fp32 }
  /// Those of families that bear the backend's name.
  public func takes(_ kernel: DeviceTuning.Kernel) -> Bool {
    kernel.family.hasPrefix(name + "/")
  }
  /// Products of 64×64 and a little more.
  public func tryOut(_ modes: [TransposeMode], compute: Compute) throws {
    try tryOut(modes, size: 64, compute: compute)
  }

  /// Products a little larger than `size` each way, with rows at multiples of 16 bytes and not, and a
  /// weight's update.
  func tryOut(_ modes: [TransposeMode], size: Int, compute: Compute) throws {
    for mode in modes {
      let plain = [true, false].map { ProductVariant(mode, isAligned: $0, ending: .plain) }
      let update = ProductVariant(mode, isAligned: true, ending: .update(.gradientDescent))
      for variant in plain + (mode == .tn ? [update] : []) {
        try ProductTrial(
          variant: variant, rows: size, columns: size, depth: size, precision: precision
        ).run(compute: compute) { product, _, _ in try compute.enqueue(product, by: self) }
      }
    }
  }
  /// Products only.
  public func fuses(_ product: MatrixProduct) -> Bool { false }
  /// It computes all of C.
  public func halves(_ product: MatrixProduct) -> Bool { false }
}
