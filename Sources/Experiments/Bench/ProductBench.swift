import Tensors

/// Times one matrix product, C = op(A)·op(B) with C [m, n] and inner length k.
public struct ProductBench: Sendable {
  /// Which operands are transposed.
  public var mode: TransposeMode
  /// Rows and columns of C, and the inner length.
  public var m, n, k: Int
  /// Products of one launch, each with operands of its own.
  public var replicas: Int

  /// A bench of these sizes, all ≥ 1.
  public init(mode: TransposeMode, m: Int, n: Int, k: Int, replicas: Int) {
    precondition([m, n, k, replicas].allSatisfy { $0 >= 1 }, "sizes below 1")
    (self.mode, self.m, self.n, self.k, self.replicas) = (mode, m, n, k, replicas)
  }

  /// Times the product for about `seconds`.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func run(seconds: Double, compute: Compute) throws -> BenchFigure {
    let (a, b) = try operands(compute)
    let timing = try BlockTiming(seconds: seconds, compute: compute) {
      _ = try compute.product(mode, a, b)
    }
    let error = try relativeError(compute.product(mode, a, b), a, b, compute)
    let (m, n, k) = (Double(m), Double(n), Double(k))
    return BenchFigure(
      "gemm \(mode.rawValue) \(self.m)×\(self.n)×\(self.k)"
        + (replicas == 1 ? "" : ", \(replicas) replicas"), timing,
      operations: 2 * m * n * k * Double(replicas),
      bytes: 4 * (m * k + k * n + m * n) * Double(replicas),
      details: ["relative_error": error], compute: compute)
  }

  /// Multiply-adds in Double that the error may take: some tenths of a second.
  private static let mostChecked = 1 << 24

  /// The greatest error over Σ|a·b| of evenly spread elements, against sums in Double.
  ///
  /// - Throws: `OpenCLError`.
  private func relativeError(
    _ product: Tensor, _ a: Tensor, _ b: Tensor, _ compute: Compute
  ) throws -> Double {
    let sampled = min(product.count, max(1, Self.mostChecked / k))
    // Odd, so that columns, powers of two as a rule, are all met.
    let step = (product.count / sampled) | 1
    let reference = ProductReference(mode: mode, m: m, n: n, k: k, replicasB: replicas)
    return try reference.greatestError(
      compute.read(product), a: compute.read(a), b: compute.read(b), every: step)
  }

  /// A and B of standard normal numbers, the same at every call.
  ///
  /// - Throws: `OpenCLError`.
  func operands(_ compute: Compute) throws -> (a: Tensor, b: Tensor) {
    func random(_ stream: UInt64, rows: Int, columns: Int) throws -> Tensor {
      try compute.normal(
        seeds: (0..<replicas).map(UInt64.init), std: [Float](repeating: 1, count: replicas),
        stream: stream, rows: rows, columns: columns)
    }
    return (
      try random(0, rows: mode == .tn ? k : m, columns: mode == .tn ? m : k),
      try random(1, rows: mode == .nt ? n : k, columns: mode == .nt ? k : n)
    )
  }
}
