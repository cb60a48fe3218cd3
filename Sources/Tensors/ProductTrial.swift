import Foundation
import OpenCL

/// A kernel of products that compiles but does not compute them.
public struct ProductTrialError: Error, CustomStringConvertible {
  let product: String
  let error, bound: Double

  /// The product, its error and what it may be.
  public var description: String {
    String(
      format: "product %@ is wrong on this device: error %.1e of Σ|a·b|, at most %.1e expected",
      product, error, bound)
  }
}

/// Small products by one kernel against the host, before the kernel is used.
///
/// Two shapes with whole tiles and tails of every kind: rows that begin at multiples of 16 bytes,
/// and rows that do not. Every seventh element is compared, which meets every place of a tile's
/// rows and columns, powers of two long.
struct ProductTrial {
  let form: ProductForm
  let precision: ProductPrecision
  /// What the products' sizes are a little above.
  private let rows, columns, depth: Int

  private static let replicas = 2

  /// A trial of the kernels of `tile`.
  init(form: ProductForm, tile: any ProductTile, precision: ProductPrecision) {
    self.init(
      form: form, rows: tile.rows, columns: tile.columns, depth: 5 * tile.depth,
      precision: precision)
  }

  /// A trial of products a little larger than rows×columns×depth.
  init(
    form: ProductForm, rows: Int = 64, columns: Int = 64, depth: Int = 80,
    precision: ProductPrecision
  ) {
    (self.form, self.precision) = (form, precision)
    (self.rows, self.columns, self.depth) = (rows, columns, depth)
  }

  /// Runs the products by `multiplier`, and what it does not apply itself by kernels of their own.
  ///
  /// - Throws: `ProductTrialError`; `OpenCLError`, `CLBlastError`.
  func run(by multiplier: any MatrixMultiplier, compute: Compute) throws {
    try run(compute: compute) { try compute.enqueue($0, by: multiplier) }
  }

  /// Runs the products by `multiply`, and gives their memory back.
  ///
  /// - Throws: `ProductTrialError`; `OpenCLError`.
  func run(compute: Compute, multiply: (MatrixProduct) throws -> Void) throws {
    try runProducts(compute: compute, multiply: multiply)
    try compute.releaseUnusedMemory()
  }

  private func runProducts(compute: Compute, multiply: (MatrixProduct) throws -> Void) throws {
    for (extra, odd) in [(4, 0), (3, 1)] {
      let (m, n, k) = (rows + extra, columns + extra + odd, depth + extra)
      let a = Self.values(Self.replicas * m * k, seed: 1)
      let b = Self.values(k * n, seed: 2)
      let (rowsA, columnsA) = form == .tn ? (k, m) : (m, k)
      let (rowsB, columnsB) = form == .nt ? (n, k) : (k, n)
      let left = try compute.tensor(a, replicas: Self.replicas, rows: rowsA, columns: columnsA)
      let right = try compute.tensor(b, rows: rowsB, columns: columnsB)
      let result = try compute.tensor(replicas: Self.replicas, rows: m, columns: n)
      let what = "\(form.rawValue) \(m)×\(n)×\(k)"
      let reference = ProductReference(form: form, m: m, n: n, k: k, replicasB: 1)
      func compare(sign: Double, _ what: String) throws {
        let error = try reference.greatestError(
          compute.read(result), a: a, b: b, every: 7, sign: sign)
        let bound = precision.relativeBound(depth: k)
        guard error <= bound else {
          throw ProductTrialError(product: what, error: error, bound: bound)
        }
      }
      try multiply(MatrixProduct(form, left, right, alpha: 1, into: result))
      try compare(sign: 1, what)
      guard form == .tn else { continue }
      // W ← 0 − g.
      try result.buffer.write([Float](repeating: 0, count: result.count), queue: compute.queue)
      let (zeros, ones) = (
        [Float](repeating: 0, count: Self.replicas), [Float](repeating: 1, count: Self.replicas)
      )
      let update = WeightUpdate(
        along: .gradient,
        rates: try UpdateRates(
          learningRate: ones, epsilon: zeros, coupledDecay: zeros, decoupledDecay: zeros,
          compute: compute),
        active: try compute.tensor(ones, replicas: Self.replicas, rows: 1, columns: 1), schedule: 1)
      try multiply(
        MatrixProduct(
          form, left, right, alpha: 1, epilogue: .update(update, change: nil), into: result))
      try compare(sign: -1, "\(what) with an update")
    }
  }

  private static func values(_ count: Int, seed: UInt64) -> [Float] {
    var random = Philox(seed: seed, stream: 0)
    return (0..<count).map { _ in random.uniform(-1, 1) }
  }
}
