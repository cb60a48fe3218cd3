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

/// A small product by one kernel, and its epilogue, against the host, before the kernel is used.
///
/// Its shape has whole tiles and tails in every direction. Every seventh element is compared, which
/// meets every place of a tile's rows and columns, powers of two long. Operands of
/// epilogues are such that C is the product, its negative or half of it.
struct ProductTrial {
  let variant: ProductVariant
  let precision: ProductPrecision
  /// What the product's sizes are a little above.
  private let rows, columns, depth: Int

  private static let replicas = 2

  /// A trial of a kernel of `tile`.
  init(variant: ProductVariant, tile: any ProductTile, precision: ProductPrecision) {
    self.init(
      variant: variant, rows: tile.rows, columns: tile.columns, depth: 5 * tile.depth,
      precision: precision)
  }

  /// A trial of a product a little larger than rows×columns×depth.
  init(
    variant: ProductVariant, rows: Int, columns: Int, depth: Int, precision: ProductPrecision
  ) {
    (self.variant, self.precision) = (variant, precision)
    (self.rows, self.columns, self.depth) = (rows, columns, depth)
  }
  /// Runs the product, in slices where the variant has them, by `multiply`, which takes further
  /// memory from the pool it is handed: that of the trial, which keeps nothing.
  ///
  /// - Throws: `ProductTrialError`; `OpenCLError`.
  func run(
    compute: Compute, multiply: (MatrixProduct, ProductSlices, BufferPool) throws -> Void
  ) throws {
    // Nothing is computed that could be wrong.
    if compute.queue.context.recording != nil { return }
    let memory = TrialMemory(compute)
    let (form, replicas) = (variant.form, Self.replicas)
    let (extra, odd) = variant.isAligned ? (4, 0) : (3, 2)
    let (m, n, k) = (rows + extra, columns + extra + odd, depth + extra)
    let a = Self.values(replicas * m * k, seed: 1)
    let b = Self.values(k * n, seed: 2)
    let (rowsA, columnsA) = form == .tn ? (k, m) : (m, k)
    let (rowsB, columnsB) = form == .nt ? (n, k) : (k, n)
    let left = try memory.tensor(a, replicas: replicas, rows: rowsA, columns: columnsA)
    let right = try memory.tensor(b, replicas: 1, rows: rowsB, columns: columnsB)
    let result = try memory.tensor(0, replicas: replicas, rows: m, columns: n)
    let (epilogue, factor) = try epilogue(like: result, memory)
    try multiply(
      MatrixProduct(form, left, right, alpha: 1, epilogue: epilogue, into: result),
      ProductSlices(k: k, depth: variant.ending == .slice ? 64 : k), memory.pool)

    let c = try compute.read(result)
    var got = c
    if case .forward(let bias?, _, _) = epilogue {
      let bias = try compute.read(bias)
      for index in got.indices { got[index] -= bias[index / (m * n) * n + index % n] }
    }
    let error = ProductReference(form: form, m: m, n: n, k: k, replicasB: 1)
      .greatestError(got, a: a, b: b, every: 7, sign: factor)
    let bound = precision.relativeBound(depth: k)
    let what = "\(form.rawValue) \(m)×\(n)×\(k), \(variant.ending)"
    guard error <= bound else {
      throw ProductTrialError(product: what, error: error, bound: bound)
    }
    guard case .forward(_, let activation, let output?) = epilogue else { return }
    for (got, z) in zip(try compute.read(output), c) {
      let expected = activation.value(at: Double(z))
      let error = abs(Double(got) - expected) / (1 + abs(expected))
      guard error <= Self.activationBound else {
        throw ProductTrialError(
          product: "\(what), output", error: error, bound: Self.activationBound)
      }
    }
  }

  /// What an activation on a device may be off by, over 1 + its size.
  private static let activationBound = 1e-5

  /// The variant's epilogue for a product C, which is 0, and the factor that C is the product times.
  private func epilogue(
    like c: Tensor, _ memory: TrialMemory
  ) throws -> (ProductEpilogue, factor: Double) {
    func filled(_ value: Float, rows: Int, columns: Int) throws -> Tensor {
      try memory.tensor(value, replicas: c.replicas, rows: rows, columns: columns)
    }
    switch variant.ending {
    case .slice: return (.none, 1)
    case .epilogue(let flags, let activation):
      if flags == 0 { return (.none, 1) }
      if flags & 4 != 0 {
        // φ'(0), but for the ReLU's 1 at 1.
        let z = try filled(activation == .relu ? 1 : 0, rows: c.rows, columns: c.columns)
        return (
          .derivative(ActivationDerivative(of: activation, at: z)), activation == .gelu ? 0.5 : 1
        )
      }
      let bias =
        flags & 1 == 0
        ? nil
        : try memory.tensor(
          Self.values(c.replicas * c.columns, seed: 3), replicas: c.replicas, rows: 1,
          columns: c.columns)
      let output = flags & 2 == 0 ? nil : try filled(0, rows: c.rows, columns: c.columns)
      return (.forward(bias: bias, activation: activation, output: output), 1)
    case .update(let rule):
      // W ← 0 − g under every rule: without memory, and Adam with an ε beside which g is nothing.
      func state() throws -> Tensor { try filled(0, rows: c.rows, columns: c.columns) }
      let direction: UpdateDirection =
        switch rule {
        case 1: .gradient
        case 2, 3: .momentum(0, nesterov: rule == 3, velocity: try state())
        default:
          .adam(
            mean: try state(), square: try state(), beta1: 0, beta2: 0, correction1: 1,
            correction2: 1)
        }
      let (large, zeros): (Float, [Float]) = (
        rule == 4 ? 0x1p40 : 1, [Float](repeating: 0, count: c.replicas)
      )
      let larges = zeros.map { _ in large }
      let update = WeightUpdate(
        along: direction,
        rates: try UpdateRates(
          learningRate: larges, epsilon: larges, coupledDecay: zeros, decoupledDecay: zeros,
          compute: memory.compute), active: try filled(1, rows: 1, columns: 1), schedule: 1)
      return (.update(update, change: nil), -1)
    }
  }

  private static func values(_ count: Int, seed: UInt64) -> [Float] {
    var random = Philox(seed: seed, stream: 0)
    return (0..<count).map { _ in random.uniform(-1, 1) }
  }
}

/// Tensors of a trial, in memory of their own: what runs keep is planned for.
private struct TrialMemory {
  let compute: Compute
  let pool: BufferPool

  init(_ compute: Compute) {
    self.compute = compute
    pool = BufferPool(context: compute.queue.context)
  }

  func tensor(_ values: [Float], replicas: Int, rows: Int, columns: Int) throws -> Tensor {
    let result = try Tensor(replicas: replicas, rows: rows, columns: columns, pool: pool)
    try result.buffer.write(values, queue: compute.queue)
    return result
  }

  func tensor(_ value: Float, replicas: Int, rows: Int, columns: Int) throws -> Tensor {
    try tensor(
      [Float](repeating: value, count: replicas * rows * columns), replicas: replicas, rows: rows,
      columns: columns)
  }
}
