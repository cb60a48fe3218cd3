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
/// Its shape has whole tiles and tails in every direction. Some 4096 elements are compared, an odd number
/// apart, which meets every place of a tile's rows and columns, powers of two long. Operands of
/// epilogues are such that C is the product, its negative, half of it, or the product and what is added.
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
    let (mode, replicas) = (variant.mode, Self.replicas)
    let (extra, odd) = variant.isAligned ? (4, 0) : (3, 2)
    let isHalved = variant.ending.isHalved
    let side = max(rows, columns) + extra + odd
    let (m, n) = isHalved ? (side, side) : (rows + extra, columns + extra + odd)
    let k = depth + extra
    let a = Self.values(replicas * m * k, seed: 1)
    let b = Self.values(k * n, seed: 2)
    let (rowsA, columnsA) = mode == .tn ? (k, m) : (m, k)
    let (rowsB, columnsB) = mode == .nt ? (n, k) : (k, n)
    let left = try memory.tensor(a, replicas: replicas, rows: rowsA, columns: columnsA)
    let right = try memory.tensor(b, replicas: 1, rows: rowsB, columns: columnsB)
    if let rule = variant.rule, ![.gradientDescent, .adam].contains(rule) {
      return try run(rule, left, right, a: a, b: b, memory: memory) {
        try multiply($0, ProductSlices(k: k, depth: k), memory.pool)
      }
    }
    let result = try memory.tensor(0, replicas: replicas, rows: m, columns: n)
    let (epilogue, factor) = try epilogue(like: result, memory)
    try multiply(
      MatrixProduct(mode, left, right, alpha: 1, epilogue: epilogue, into: result),
      ProductSlices(k: k, depth: variant.ending == .slice ? 64 : k), memory.pool)

    let c = try compute.read(result)
    var got = c
    if case .forward(let bias?, _, _) = epilogue {
      let bias = try compute.read(bias)
      for index in got.indices { got[index] -= bias[index / (m * n) * n + index % n] }
    }
    if case .adding(let addend) = epilogue {
      got = zip(got, try compute.read(addend)).map { $0 - $1 }
    }
    let error = ProductReference(mode: mode, m: m, n: n, k: k, replicasB: 1)
      .greatestError(
        got, a: a, b: b, every: (got.count / 4096) | 1, sign: factor, upper: isHalved)
    let bound = precision.relativeBound(depth: k)
    let what = "\(mode.rawValue) \(m)×\(n)×\(k), \(variant.ending)"
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

  /// An update by a rule of whatever kind: in the product, and by the plain kernel after the host's.
  ///
  /// A rule may make anything of a gradient's rounding, as a sign does where it is next to nothing: one
  /// element in a hundred may differ.
  private func run(
    _ rule: ElementwiseRule, _ left: Tensor, _ right: Tensor, a: [Float], b: [Float],
    memory: TrialMemory, multiply: (MatrixProduct) throws -> Void
  ) throws {
    let (m, n, k) = (left.columns, right.columns, left.rows)
    let numbers = try RuleNumbers(
      rule, replicas: Self.replicas, hyperparameters: rule.hyperparameters.map { _ in 0.5 },
      step: [Float](repeating: 1, count: rule.stepNumbers), compute: memory.compute)
    let halves = [Float](repeating: 0.5, count: Self.replicas)
    let rates = try UpdateRates(
      learningRate: halves, epsilon: halves, coupledDecay: halves, decoupledDecay: halves,
      compute: memory.compute)
    let active = try memory.tensor(1, replicas: Self.replicas, rows: 1, columns: 1)
    func subject() throws -> (update: WeightUpdate, tensors: [Tensor]) {
      let tensors = try (0...rule.state.count).map {
        try memory.tensor(
          Self.values(Self.replicas * m * n, seed: UInt64(3 + $0)).map { abs($0) },
          replicas: Self.replicas, rows: m, columns: n)
      }
      let state = Array(tensors.dropFirst())
      return (WeightUpdate(numbers, state: state, rates: rates, active: active), tensors)
    }
    let (fused, plain) = (try subject(), try subject())
    try multiply(
      MatrixProduct(
        .tn, left, right, alpha: 1, epilogue: .update(fused.update, weightDelta: nil),
        into: fused.tensors[0]))
    let product = ProductReference(mode: .tn, m: m, n: n, k: k, replicasB: 1).product(a, b)
    try memory.compute.apply(
      plain.update, to: plain.tensors[0],
      gradient: memory.tensor(product, replicas: Self.replicas, rows: m, columns: n))
    let bound = min(0.1, 100 * precision.relativeBound(depth: k))
    for (got, expected) in zip(fused.tensors, plain.tensors) {
      let pairs = zip(try memory.compute.read(got), try memory.compute.read(expected))
      let errors = pairs.map { Double(abs($0 - $1) / (1 + abs($1))) }
      let wrong = errors.count { !($0 <= bound) }
      guard 100 * wrong <= errors.count else {
        throw ProductTrialError(
          product: "\(variant.mode.rawValue) \(m)×\(n)×\(k), update by \(rule)",
          error: errors.max { !($1 <= $0) }!, bound: bound)
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
      if flags & 16 != 0 {
        let addend = try memory.tensor(
          Self.values(c.count, seed: 4), replicas: c.replicas, rows: c.rows, columns: c.columns)
        return (.adding(addend), 1)
      }
      if flags & 7 == 0 { return (.none, 1) }
      if flags & 4 != 0 {
        // φ'(0), but for the ReLU's 1 at 1.
        let z = try filled(activation == .relu ? 1 : 0, rows: c.rows, columns: c.columns)
        return (
          .derivative(ActivationDerivative(of: activation, at: z)),
          [.gelu, .silu].contains(activation) ? 0.5 : 1
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
      // W ← 0 − g: plain descent, and Adam without memory and with an ε beside which g is nothing.
      let zeros = [Float](repeating: 0, count: c.replicas)
      let larges = zeros.map { _ in rule == .adam ? Float(0x1p40) : 1 }
      let update = WeightUpdate(
        try RuleNumbers(
          rule, replicas: c.replicas, hyperparameters: rule.hyperparameters.map { _ in 0 },
          step: [Float](repeating: 1, count: rule.stepNumbers), compute: memory.compute),
        state: try rule.state.map { _ in try filled(0, rows: c.rows, columns: c.columns) },
        rates: try UpdateRates(
          learningRate: larges, epsilon: larges, coupledDecay: zeros, decoupledDecay: zeros,
          compute: memory.compute), active: try filled(1, rows: 1, columns: 1))
      return (.update(update, weightDelta: nil), -1)
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

/// Products of one mode and shape in Double.
package struct ProductReference {
  let mode: TransposeMode
  let m, n, k: Int
  /// Of b: as many as a's, or 1 that serves all.
  let replicasB: Int

  package init(mode: TransposeMode, m: Int, n: Int, k: Int, replicasB: Int) {
    (self.mode, self.m, self.n, self.k, self.replicasB) = (mode, m, n, k, replicasB)
  }

  /// Every element, rounded.
  func product(_ a: [Float], _ b: [Float]) -> [Float] {
    let (rowA, stepA) = mode == .tn ? (1, m) : (k, 1)
    let (columnB, stepB) = mode == .nt ? (k, 1) : (1, n)
    return (0..<a.count / k * n).map { index in
      let (replica, i, j) = (index / (m * n), index / n % m, index % n)
      let x = replica * m * k + i * rowA
      let y = (replicasB == 1 ? 0 : replica * k * n) + j * columnB
      return Float(
        (0..<k).reduce(0.0) { $0 + Double(a[x + $1 * stepA]) * Double(b[y + $1 * stepB]) })
    }
  }

  /// The greatest |got − sign·Σ a·b| over Σ|a·b| of every `step`-th element; NaN where one is.
  ///
  /// - got: [replica, m, n]. a, b: as the mode has them. upper: whether what lies below the diagonal is
  ///   left out.
  package func greatestError(
    _ got: [Float], a: [Float], b: [Float], every step: Int = 1, sign: Double = 1,
    upper: Bool = false
  ) -> Double {
    let (rowA, stepA) = mode == .tn ? (1, m) : (k, 1)
    let (columnB, stepB) = mode == .nt ? (k, 1) : (1, n)
    var greatest = 0.0
    a.withUnsafeBufferPointer { a in
      b.withUnsafeBufferPointer { b in
        for index in stride(from: 0, to: got.count, by: step) {
          let (replica, i, j) = (index / (m * n), index / n % m, index % n)
          if upper && i > j { continue }
          var x = replica * m * k + i * rowA
          var y = (replicasB == 1 ? 0 : replica * k * n) + j * columnB
          var (sum, magnitude) = (0.0, 0.0)
          var left = k
          while left > 0 {
            let term = Double(a[x]) * Double(b[y])
            sum += term
            magnitude += term.magnitude
            x += stepA
            y += stepB
            left -= 1
          }
          let error = abs(Double(got[index]) - sign * sum)
          let relative = error == 0 ? 0 : error / magnitude
          if !(relative <= greatest) { greatest = relative }
          if greatest.isNaN { return }
        }
      }
    }
    return greatest
  }
}
