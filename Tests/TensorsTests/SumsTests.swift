import OpenCL
import GPUTrainTestSupport
import Testing

@testable import Tensors

/// Sums over a replica's elements against sums in Double, by both variants of the kernels.
@Suite(.serialized) struct SumsTests {
  static let sizes = [1, 2, 17, 64, 1023, 4095, 4096, 4097, 8200, 12_289]

  private func compute(_ variant: KernelVariant) throws -> Compute {
    try Compute.idle(vectorWidth: variant == .group ? 4 : 16, kernelVariant: variant)
  }

  private func values(_ count: Int, seed: UInt64) -> [Float] {
    var random = Philox(seed: seed, stream: 0)
    return (0..<count).map { _ in random.uniform(-1, 1) }
  }

  /// Each replica's total of partial sums.
  private func totals(_ partial: Tensor, _ compute: Compute) throws -> [Double] {
    let values = try compute.read(partial)
    return (0..<partial.replicas).map { replica in
      values[replica * partial.stride..<(replica + 1) * partial.stride]
        .reduce(0) { $0 + Double($1) }
    }
  }

  /// A lane adds at most 4096/WIDTH terms: the error of a sum of n positive terms is below n·ε of it.
  private func expect(_ got: [Double], _ want: [Double]) {
    #expect(got.count == want.count)
    for (got, want) in zip(got, want) { #expect(abs(got - want) <= 4096 * 0x1p-24 * abs(want)) }
  }

  @Test(arguments: sizes, KernelVariant.allCases)
  func sums_matchDouble(count: Int, variant: KernelVariant) throws {
    let compute = try compute(variant)
    let (x, y) = (values(3 * count, seed: 1), values(3 * count, seed: 2))
    let a = try compute.tensor(x, replicas: 3, rows: 1, columns: count)
    let b = try compute.tensor(y, replicas: 3, rows: 1, columns: count)
    func reference(_ term: (Int) -> Double) -> [Double] {
      (0..<3).map { replica in
        (replica * count..<(replica + 1) * count).reduce(0) { $0 + term($1) }
      }
    }
    expect(
      try totals(compute.sumOfSquares(a), compute), reference { Double(x[$0]) * Double(x[$0]) })
    expect(try totals(compute.sumOfAbsolutes(a), compute), reference { abs(Double(x[$0])) })
    expect(
      try totals(compute.sumOfSquaredDifferences(a, b), compute),
      reference {
        let difference = Double(x[$0] - y[$0])
        return difference * difference
      })
    let norms = try compute.read(compute.rootOfTotal(compute.sumOfSquares(a)))
    expect(
      norms.map(Double.init),
      reference { Double(x[$0]) * Double(x[$0]) }.map { $0.squareRoot() })
    let one = try compute.tensor(Array(y.prefix(count)), rows: 1, columns: count)
    expect(
      try totals(compute.sumOfSquaredDifferences(a, one), compute),
      reference {
        let difference = Double(x[$0] - y[$0 % count])
        return difference * difference
      })
    #expect(
      try compute.read(compute.difference(a, b)) == zip(x, y).map { $0 - $1 })
    #expect(try compute.read(compute.copy(a)) == x)
  }

  @Test(arguments: sizes, KernelVariant.allCases)
  func smallRoots_areCounted(count: Int, variant: KernelVariant) throws {
    let compute = try compute(variant)
    let squares = values(2 * count, seed: 3).map(abs)
    let x = try compute.tensor(squares, replicas: 2, rows: 1, columns: count)
    let bounds = try compute.tensor([0.5, 0.9], replicas: 2, rows: 1, columns: 1)
    let got = try totals(compute.countOfSmallRoots(x, factor: 2, bounds: bounds), compute)
    for (replica, bound) in [0.5, 0.9].enumerated() {
      let part = squares[replica * count..<(replica + 1) * count]
      #expect(got[replica] == Double(part.count { (2 * Double($0)).squareRoot() <= bound }))
    }
  }

  /// Of weights that have made a step of +b, −b or none beside a decay by a share of themselves.
  @Test(arguments: sizes, KernelVariant.allCases)
  func steps_areCounted(count: Int, variant: KernelVariant) throws {
    let compute = try compute(variant)
    let before = values(2 * count, seed: 5)
    let numbers: [(decay: Float, bound: Float)] = [(0, 1e-4), (0.25, 0.01)]
    let deltas = before.enumerated().map { index, weight in
      let own = numbers[index / count]
      return -own.decay * weight + 2 * own.bound * [0, 1, -1, 1, 0][index % 5]
    }
    let got = try totals(
      compute.countOfSteps(
        compute.tensor(deltas, replicas: 2, rows: 1, columns: count),
        to: compute.tensor(
          zip(before, deltas).map(+), replicas: 2, rows: 1, columns: count),
        decaysAndBounds: compute.tensor(
          numbers.flatMap { [$0.decay, $0.bound] }, replicas: 2, rows: 1, columns: 2)), compute)
    for replica in 0..<2 {
      let part = replica * count..<(replica + 1) * count
      #expect(got[replica] == Double(part.count { (1...3).contains($0 % 5) }))
    }
  }

  /// Columns around the group's 32, rows around its 8 lanes; results lie between sentinels' replicas.
  @Test(arguments: [1, 31, 32, 33, 67, 129], KernelVariant.allCases)
  func rowSums_matchDouble(columns: Int, variant: KernelVariant) throws {
    let compute = try compute(variant)
    for rows in [1, 7, 8, 9, 64] {
      let x = values(2 * rows * columns, seed: 4)
      let got = try compute.read(
        compute.sumRows(compute.tensor(x, replicas: 2, rows: rows, columns: columns)))
      #expect(got.count == 2 * columns)
      for (index, sum) in got.enumerated() {
        let (replica, column) = (index / columns, index % columns)
        let terms = (0..<rows).map { Double(x[(replica * rows + $0) * columns + column]) }
        let bound = Double(rows) * 0x1p-24 * terms.reduce(0) { $0 + abs($1) }
        #expect(abs(Double(sum) - terms.reduce(0, +)) <= bound)
      }
    }
  }

  @Test(arguments: KernelVariant.allCases) func nan_staysInItsReplica(variant: KernelVariant) throws
  {
    let compute = try compute(variant)
    let x = try compute.tensor([1, .nan, 2, 3], replicas: 2, rows: 1, columns: 2)
    let got = try totals(compute.sumOfSquares(x), compute)
    #expect(got[0].isNaN && got[1] == 13)
  }
}
