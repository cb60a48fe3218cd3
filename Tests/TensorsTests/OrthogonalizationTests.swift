import Foundation
import OpenCL
import GPUTrainTestSupport
import Testing

@testable import Tensors

/// Newton–Schulz against matrices whose singular value decomposition is known in Double, by both variants
/// of the kernels.
@Suite(.serialized) struct OrthogonalizationTests {
  /// Square, wide, tall and thin ones, and one of several spans and no whole vectors.
  static let shapes = [
    (1, 1), (1, 7), (7, 1), (5, 5), (33, 17), (16, 64), (64, 16), (67, 131), (17, 241), (1, 4097),
  ]

  /// More spans than a group of work-items has, for which it goes round.
  @Test(arguments: KernelVariant.allCases)
  func longRows_areDividedByTheirNorm(variant: KernelVariant) throws {
    let compute = try Self.compute(variant)
    let count = 4096 * 130 + 5
    var row = [Float](repeating: 0, count: count)
    (row[3], row[count - 1]) = (-3, 4)
    let result = try compute.read(
      compute.orthogonalized(
        compute.tensor(row, rows: 1, columns: count), by: NewtonSchulz(.polarExpress, steps: 9)))
    #expect(abs(result[3] + 0.6) < 1e-5 && abs(result[count - 1] - 0.8) < 1e-5)
    #expect(result.count { $0 != 0 } == 2)
  }

  /// Singular values of a matrix of rank r, largest 1.
  enum Family: String, CaseIterable {
    /// Within a factor of ten.
    case even
    /// Falling by powers to 1e-6.
    case steep
    /// One that stands apart, as of gradients.
    case spiked
    /// Half of them 0.
    case deficient

    func values(_ count: Int) -> [Double] {
      (0..<count).map { index in
        let place = Double(index) / Double(max(1, count - 1))
        return switch self {
        case .even: pow(0.1, place)
        case .steep: pow(1e-6, place)
        case .spiked: index == 0 ? 1 : 0.02
        case .deficient: 2 * index < count ? 1 - 0.5 * place : 0
        }
      }
    }
  }

  static let iterations: [(name: String, iteration: NewtonSchulz)] = [
    ("polar-express", NewtonSchulz(.polarExpress)), ("jordan", NewtonSchulz(.jordan)),
    ("polar-express, 10 steps", NewtonSchulz(.polarExpress, steps: 10)),
  ]

  /// A matrix with its singular vectors.
  struct Problem {
    let rows, columns: Int
    let values: [Double]
    private let left, right: [[Double]]

    init(_ rows: Int, _ columns: Int, _ family: Family) {
      (self.rows, self.columns) = (rows, columns)
      values = family.values(min(rows, columns))
      var random = Philox(seed: UInt64(31 * rows + columns), stream: 0)
      left = Self.orthonormal(values.count, of: rows, &random)
      right = Self.orthonormal(values.count, of: columns, &random)
    }

    private static func orthonormal(
      _ count: Int, of size: Int, _ random: inout Philox
    ) -> [[Double]] {
      var vectors: [[Double]] = []
      for _ in 0..<count {
        var vector = (0..<size).map { _ in Double(random.uniform(-1, 1)) }
        // Twice is enough.
        for other in vectors + vectors {
          let share = zip(vector, other).reduce(0) { $0 + $1.0 * $1.1 }
          for index in vector.indices { vector[index] -= share * other[index] }
        }
        let norm = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
        vectors.append(vector.map { $0 / norm })
      }
      return vectors
    }

    /// U·diag(map(σ))·Vᵀ, row-major.
    func matrix(_ map: (Double) -> Double = { $0 }) -> [Double] {
      var result = [Double](repeating: 0, count: rows * columns)
      for (place, value) in values.enumerated() {
        let mapped = map(value)
        for row in 0..<rows {
          for column in 0..<columns {
            result[row * columns + column] += left[place][row] * mapped * right[place][column]
          }
        }
      }
      return result
    }

    var norm: Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }
  }

  private static func compute(_ variant: KernelVariant) throws -> Compute {
    try Compute.idle(
      backend: variant == .item ? .automatic : .tiled, vectorWidth: 8, kernelVariant: variant)
  }

  @Test(arguments: Family.allCases, KernelVariant.allCases)
  func singularValues_areMapped_andVectorsStay(family: Family, variant: KernelVariant) throws {
    let compute = try Self.compute(variant)
    for (rows, columns) in Self.shapes {
      let problem = Problem(rows, columns, family)
      let matrix = problem.matrix().map { Float($0) }
      for (name, iteration) in Self.iterations {
        let result = try compute.orthogonalized(
          compute.tensor(matrix, rows: rows, columns: columns), by: iteration)
        let expected = problem.matrix { iteration.value(ofShare: $0 / problem.norm) }
        let error = zip(try compute.read(result), expected).reduce(0) {
          $0 + pow(Double($1.0) - $1.1, 2)
        }.squareRoot()
        // Rounding of the matrix is raised like its least singular values, near a thousandfold.
        let bound = (family == .even ? 4e-5 : 1e-3) * Double(problem.values.count).squareRoot()
        #expect(error <= bound, "\(name), \(rows)×\(columns): \(error), at most \(bound)")
      }
    }
  }

  /// The published bands, by the scalar map; below them it is nearly a line.
  @Test func bands_areThePublishedOnes() {
    let shares = (0...4000).map { pow(10, -6 + 6 * Double($0) / 4000) }
    func values(_ coefficients: NewtonSchulz.Coefficients, from least: Double) -> [Double] {
      shares.filter { $0 >= least }.map(NewtonSchulz(coefficients).value(ofShare:))
    }
    let express = values(.polarExpress, from: 1.02e-3)
    #expect(express.allSatisfy { $0 >= 0.8588 && $0 <= 1.1412 })
    let jordan = values(.jordan, from: 3e-3)
    #expect(jordan.allSatisfy { $0 >= 0.68 && $0 <= 1.203 })
    #expect(!jordan.allSatisfy { $0 >= 0.8588 && $0 <= 1.1412 })
    let small = NewtonSchulz(.polarExpress).value(ofShare: 1e-6)
    #expect(abs(small - 989.47e-6 / 1.02) <= 1e-8)
    let converged = NewtonSchulz(.polarExpress, steps: 9)
    let errors = shares.filter { $0 >= 1.02e-3 }.map { abs(converged.value(ofShare: $0) - 1) }
    #expect(errors.max()! < 1e-9)
    func worst(from least: Double) -> Double {
      shares.filter { $0 >= least }.map { abs(NewtonSchulz.precise.value(ofShare: $0) - 1) }.max()!
    }
    #expect(worst(from: 5.8e-5) <= 1e-5 && worst(from: 5.5e-5) > 1e-5)
    #expect(shares.allSatisfy { NewtonSchulz.precise.value(ofShare: $0) > 0 })
    let tiny = (0...7000).map { pow(10, -7 + Double($0) / 1000) }.filter { $0 >= 2.2e-7 }
    let thorough = tiny.map { abs(NewtonSchulz.thorough.value(ofShare: $0) - 1) }
    #expect(thorough.max()! <= 1e-5)
    #expect(NewtonSchulz.thorough.value(ofShare: 1e-7) < 1 - 1e-5)
  }

  /// Scales by powers of two change no bit, as long as all entries are normal floats; a
  /// replica of zeros gives zeros, and one with a NaN concerns no other.
  @Test(arguments: KernelVariant.allCases)
  func scale_changesNothing_andReplicasStandAlone(variant: KernelVariant) throws {
    let compute = try Self.compute(variant)
    let (rows, columns) = (67, 131)
    let plain = Problem(rows, columns, .even).matrix().map { Float($0) }
    let largest = plain.map(abs).max()!
    // The largest entry becomes 1e-30, 1e12, 2e38 or so.
    let scales = [-100, 40, 127].map { $0 - Int(floor(log2(largest))) }
    var broken = plain
    broken[4711] = .nan
    var all = plain
    for scale in scales { all += plain.map { scalbn($0, scale) } }
    all += plain.map { _ in 0 } + broken + plain.map { -$0 }
    // What has died away below the normal floats is no direction any more.
    all += plain.map { $0 < 0 ? -0x1p-149 : 0x1p-130 }
    let got = try compute.read(
      compute.orthogonalized(
        compute.tensor(all, replicas: 8, rows: rows, columns: columns),
        by: NewtonSchulz(.polarExpress)))
    let replicas = (0..<8).map { Array(got[$0 * plain.count..<($0 + 1) * plain.count]) }
    #expect(replicas[0].allSatisfy { $0.isFinite })
    #expect(replicas[0].contains { $0 != 0 })
    for (index, scale) in scales.enumerated() {
      #expect(replicas[1 + index] == replicas[0], "times 2^\(scale)")
    }
    #expect(replicas[4].allSatisfy { $0 == 0 })
    #expect(replicas[5].allSatisfy { $0.isNaN })
    #expect(replicas[7].allSatisfy { $0 == 0 })
    let negative = replicas[0].map { -$0 }
    #expect(replicas[6] == negative)
  }
}
