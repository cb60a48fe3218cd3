import OpenCL
import Testing

@testable import Tensors

/// Every multiplier against plain loops in Double.
@Suite(.serialized) struct MatrixProductTests {
  static let shapes = [
    (1, 1, 1), (7, 13, 5), (64, 65, 63), (31, 17, 101), (10, 64, 64), (3, 200, 129),
    (170, 171, 173), (65, 700, 301),
  ]

  /// The multipliers that this machine's default device can use.
  static func computes() throws -> [Compute] {
    let device = try Device.find(.best)
    var result = [try Compute(device: device, multiplier: .clblast)]
    if device.supportsNativeKernels {
      result.append(try Compute(device: device, multiplier: .openblas))
    }
    return result
  }

  /// Deterministic values in [−1, 1).
  func values(_ count: Int, seed: UInt32) -> [Float] {
    var state = seed
    return (0..<count).map { _ in
      state = state &* 1_664_525 &+ 1_013_904_223
      return Float(state >> 8) / Float(1 << 23) - 1
    }
  }

  @Test func products_matchDoubleLoops_allFormsShapesAndBroadcasts() throws {
    for compute in try Self.computes() {
      for form in ProductForm.allCases {
        for (m, n, k) in Self.shapes {
          for (replicasA, replicasB) in [(1, 1), (3, 3), (1, 3), (3, 1)] {
            try expectProduct(compute, form, m, n, k, replicasA, replicasB)
          }
        }
      }
    }
  }

  private func expectProduct(
    _ compute: Compute, _ form: ProductForm, _ m: Int, _ n: Int, _ k: Int, _ replicasA: Int,
    _ replicasB: Int
  ) throws {
    let a = values(replicasA * m * k, seed: 1)
    let b = values(replicasB * k * n, seed: 2)
    let (rowsA, columnsA) = form == .tn ? (k, m) : (m, k)
    let (rowsB, columnsB) = form == .nt ? (n, k) : (k, n)
    let alpha: Float = 0.75
    let product = try compute.product(
      form, compute.tensor(a, replicas: replicasA, rows: rowsA, columns: columnsA),
      compute.tensor(b, replicas: replicasB, rows: rowsB, columns: columnsB), alpha: alpha)
    let got = try compute.read(product)
    let replicas = max(replicasA, replicasB)
    #expect(product.shape == [replicas, m, n])
    var worst = 0.0
    for replica in 0..<replicas {
      let startA = replicasA == 1 ? 0 : replica * m * k
      let startB = replicasB == 1 ? 0 : replica * k * n
      for i in 0..<m {
        for j in 0..<n {
          var sum = 0.0
          var magnitude = 0.0
          for l in 0..<k {
            let x = Double(a[startA + (form == .tn ? l * m + i : i * k + l)])
            let y = Double(b[startB + (form == .nt ? j * k + l : l * n + j)])
            sum += x * y
            magnitude += abs(x * y)
          }
          let error = abs(Double(got[(replica * m + i) * n + j]) - Double(alpha) * sum)
          // Rounding of k additions grows as √k; 4 covers the products' own rounding.
          let bound =
            4 * Double(k).squareRoot() * Double(Float.ulpOfOne) * magnitude * Double(alpha)
          worst = max(worst, error / max(bound, .leastNormalMagnitude))
        }
      }
    }
    #expect(
      worst <= 1,
      "\(compute.multiplier.name) \(form) \(m)×\(n)×\(k) replicas \(replicasA), \(replicasB)")
  }

  @Test func replica_isBitForBitTheSoloProduct_onCPU() throws {
    guard try Device.find(.best).supportsNativeKernels else { return }
    let compute = try Compute(device: .find(.best), multiplier: .openblas)
    for size in [24, 100, 200, 330] {
      let a = values(4 * size * size, seed: 3)
      let b = values(4 * size * size, seed: 4)
      let group = try compute.read(
        compute.product(
          .nt, compute.tensor(a, replicas: 4, rows: size, columns: size),
          compute.tensor(b, replicas: 4, rows: size, columns: size)))
      let range = 2 * size * size..<3 * size * size
      let solo = try compute.read(
        compute.product(
          .nt, compute.tensor(Array(a[range]), rows: size, columns: size),
          compute.tensor(Array(b[range]), rows: size, columns: size)))
      #expect(Array(group[range]) == solo)
    }
  }

  @Test func repeatedProduct_allocatesNothing() throws {
    let compute = try Compute(device: .find(.best))
    let a = try compute.tensor(values(64, seed: 5), rows: 8, columns: 8)
    _ = try compute.product(.nn, a, a)
    let before = compute.allocations
    for _ in 0..<5 { _ = try compute.product(.nn, a, a) }
    #expect(compute.allocations == before)
  }
}
