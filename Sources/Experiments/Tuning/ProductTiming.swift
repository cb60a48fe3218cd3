import Foundation
import Tensors

/// Products whose operands lie on the device, to be timed by different backends in turn.
final class ProductTiming {
  /// What is timed.
  let products: [ProductBench]
  private let operands: [(a: Tensor, b: Tensor, c: Tensor)]
  private let compute: Compute
  /// Repetitions of each product, found at the first timing: the same for all backends.
  private var repetitions: [Int] = []

  private let blockLength: Duration

  /// - blockLength: how long a product is repeated, long against the wait at the end.
  /// - Throws: `OpenCLError` where memory is short.
  init(_ products: [ProductBench], blockLength: Duration, compute: Compute) throws {
    (self.products, self.blockLength, self.compute) = (products, blockLength, compute)
    operands = try products.map { product in
      let (a, b) = try product.operands(compute)
      return (
        a, b, try compute.tensor(replicas: product.replicas, rows: product.m, columns: product.n)
      )
    }
  }

  /// Milliseconds of one product each, after one that is not counted: it may compile.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`.
  func milliseconds(_ backend: any GEMMBackend) throws -> [Double] {
    try products.indices.map { index in
      let (a, b, c) = operands[index]
      func time(_ count: Int) throws -> Duration {
        try compute.queue.finish()
        let start = ContinuousClock.now
        for _ in 0..<count {
          try compute.multiply(products[index].mode, a, b, into: c, by: backend)
        }
        try compute.queue.finish()
        return max(ContinuousClock.now - start, .nanoseconds(1))
      }
      _ = try time(1)
      if index == repetitions.count {
        repetitions.append(min(max(1, Int(blockLength / (try time(1)))), 1000))
      }
      return try time(repetitions[index]) / .milliseconds(1) / Double(repetitions[index])
    }
  }
}

/// Compares a backend's products with another's, sizes that tiles divide and others among them.
final class ProductCheck {
  private let expected: any GEMMBackend
  private let compute: Compute
  private var references: [[Float]] = []

  private static let products = TransposeMode.allCases.flatMap { mode in
    [
      ProductBench(mode: mode, m: 97, n: 131, k: 75, replicas: 2),
      ProductBench(mode: mode, m: 128, n: 256, k: 128, replicas: 2),
    ]
  }

  /// Multiply-adds of each product.
  static let works = products.map { Double($0.m) * Double($0.n) * Double($0.k) }

  init(expected: any GEMMBackend, compute: Compute) {
    (self.expected, self.compute) = (expected, compute)
  }

  /// Whether every element differs from the expected one by no more than rounding may:
  ///
  ///     |c − c′| ≤ 8 √k ε ‖a‖‖b‖,  ‖a‖‖b‖ ≤ 2k for rows and columns of normal numbers
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`.
  func isRight(_ backend: any GEMMBackend) throws -> Bool {
    if references.isEmpty { references = try Self.products.map { try result($0, expected) } }
    return try zip(Self.products, references).allSatisfy { product, reference in
      let k = Double(product.k)
      let bound = Float(16 * k.squareRoot() * Double(Float.ulpOfOne) * k)
      return try zip(result(product, backend), reference).allSatisfy { abs($0 - $1) <= bound }
    }
  }

  private func result(_ product: ProductBench, _ backend: any GEMMBackend) throws
    -> [Float]
  {
    let (a, b) = try product.operands(compute)
    // What a kernel leaves out is not a number, and so never right.
    let count = product.replicas * product.m * product.n
    let c = try compute.tensor(
      [Float](repeating: .nan, count: count), replicas: product.replicas, rows: product.m,
      columns: product.n)
    try compute.multiply(product.mode, a, b, into: c, by: backend)
    return try compute.read(c)
  }
}
