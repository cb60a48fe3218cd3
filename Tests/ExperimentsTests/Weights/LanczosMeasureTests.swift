import Foundation
import OpenCL
import Spectral
import Tensors
import GPUTrainTestSupport
import Testing

@testable import Experiments

@Suite struct LanczosMeasureTests {
  /// Rows of an array, with a count of how often they were read.
  final class Rows: MatrixRows {
    let rows, columns: Int
    let values: [Float]
    let isRounded = false
    private(set) var largestRead = 0
    private(set) var valuesRead = 0

    init(_ values: [Float], rows: Int, columns: Int) {
      (self.rows, self.columns, self.values) = (rows, columns, values)
    }

    func values(_ range: Range<Int>) -> [Float] {
      largestRead = max(largestRead, range.count)
      valuesRead += range.count * columns
      return Array(values[(range.lowerBound * columns)..<(range.upperBound * columns)])
    }
  }

  static func compute() throws -> Compute {
    try Compute.idle()
  }

  private func random(_ rows: Int, _ columns: Int, seed: UInt64) -> [Float] {
    var generator = SplitMix(state: seed)
    return (0..<(rows * columns)).map { _ in Float.random(in: -1...1, using: &generator) }
  }

  private func check(
    _ values: [Float], rows: Int, columns: Int, blockBytes: Int? = nil, compute: Compute,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let measure = LanczosMeasure(
      compute: compute, maximumBlockBytes: blockBytes,
      maximumResidentBytes: blockBytes == nil ? nil : 0)
    let got = try measure.norms(of: Rows(values, rows: rows, columns: columns))
    let singular = singularValues(values, rows: rows, columns: columns)
    let frobenius = singular.reduce(0) { $0 + $1 * $1 }.squareRoot()
    let spectral = singular[0]
    // The products are float32's; 1e-5 is what `gputrain norms` promises.
    #expect(abs(got.spectral - spectral) <= 1e-5 * spectral, sourceLocation: sourceLocation)
    #expect(abs(got.frobenius - frobenius) <= 1e-9 * frobenius, sourceLocation: sourceLocation)
    #expect(
      got.lower <= spectral && spectral <= got.upper && got.lower <= got.spectral
        && got.spectral <= got.upper, sourceLocation: sourceLocation)
  }

  @Test func norms_agreeWithJacobi_whateverTheShape() throws {
    let compute = try Self.compute()
    for (rows, columns) in [
      (1, 1), (1, 7), (7, 1), (2, 2), (17, 16), (16, 17), (31, 64), (64, 31), (10, 97),
    ] {
      let values = random(rows, columns, seed: UInt64(rows * 100 + columns))
      try check(values, rows: rows, columns: columns, compute: compute)
    }
  }

  /// Blocks of one row, of three, and of all but one: the same numbers.
  @Test func blocks_giveTheSameNorms() throws {
    let compute = try Self.compute()
    let values = random(23, 19, seed: 3)
    let whole = try LanczosMeasure(compute: compute)
      .norms(of: Rows(values, rows: 23, columns: 19))
    for height in [1, 3, 22] {
      let rows = Rows(values, rows: 23, columns: 19)
      let blocks = try LanczosMeasure(
        compute: compute, maximumBlockBytes: 4 * 19 * height, maximumResidentBytes: 0
      ).norms(of: rows)
      #expect(rows.largestRead == height && rows.valuesRead > 10 * values.count)
      let resident = Rows(values, rows: 23, columns: 19)
      let kept = try LanczosMeasure(
        compute: compute, maximumBlockBytes: 4 * 19 * height,
        maximumResidentBytes: 4 * values.count
      ).norms(of: resident)
      #expect(resident.valuesRead == 2 * values.count)
      #expect(abs(kept.spectral - whole.spectral) <= 1e-6 * whole.spectral)
      #expect(abs(blocks.spectral - whole.spectral) <= 1e-6 * whole.spectral)
      #expect(abs(blocks.frobenius - whole.frobenius) <= 1e-12 * whole.frobenius)
      try check(values, rows: 23, columns: 19, blockBytes: 4 * 19 * height, compute: compute)
    }
    // Less than a row: a row at a time all the same.
    try check(values, rows: 23, columns: 19, blockBytes: 1, compute: compute)
  }

  @Test func specialSpectra() throws {
    let compute = try Self.compute()
    let count = 24
    let identity = (0..<(count * count)).map { Float($0 / count == $0 % count ? 1 : 0) }
    try check(identity, rows: count, columns: count, compute: compute)
    // One value a little above the others, which are equal.
    var spike = identity
    spike[0] = 1.001
    try check(spike, rows: count, columns: count, compute: compute)
    try check(
      [Float](repeating: 0.5, count: count * count), rows: count, columns: count, compute: compute)
    var single = [Float](repeating: 0, count: count * count)
    single[77] = -3
    try check(single, rows: count, columns: count, compute: compute)
    let steep = (0..<count * count).map {
      $0 / count == $0 % count ? Float(pow(0.5, Double($0 / count))) : 0
    }
    try check(steep, rows: count, columns: count, compute: compute)
    let zero = try LanczosMeasure(compute: compute)
      .norms(of: Rows([0, 0, 0, 0, 0, 0], rows: 2, columns: 3))
    #expect(zero == MatrixNorms(spectral: 0, lower: 0, upper: 0, frobenius: 0))
  }

  /// σ(cA) = |c|·σ(A), exactly for powers of two, also where float32's squares would overflow or
  /// vanish.
  @Test(arguments: [-120, -80, -1, 1, 60, 126]) func scale_passesThrough(exponent: Int) throws {
    let compute = try Self.compute()
    let values = random(13, 9, seed: 11)
    let factor = Float(sign: .minus, exponent: exponent, significand: 1)
    let measure = LanczosMeasure(compute: compute)
    let plain = try measure.norms(of: Rows(values, rows: 13, columns: 9))
    let scaled = try measure.norms(of: Rows(values.map { $0 * factor }, rows: 13, columns: 9))
    #expect(scaled.spectral == plain.spectral * abs(Double(factor)))
    #expect(scaled.frobenius == plain.frobenius * abs(Double(factor)))
    #expect(scaled.stableRank == plain.stableRank)
  }

  @Test(arguments: [Float.leastNonzeroMagnitude, 0x1p-127, .greatestFiniteMagnitude])
  func extremeValues_areMeasured(value: Float) throws {
    let measure = LanczosMeasure(compute: try Self.compute())
    let norms = try measure.norms(of: Rows([0, 0, -value, 0, 0, 0], rows: 2, columns: 3))
    #expect(abs(norms.spectral - Double(value)) <= 1e-6 * Double(value))
    #expect(norms.frobenius == Double(value))
    #expect(norms.lower <= Double(value) && Double(value) <= norms.upper)
  }

  /// Values of a float64 file are rounded on their way, which the bracket of the true norm allows for.
  @Test func float64Files_haveBracketsOfTheirOwnValues() throws {
    let value = 1 + 0x1p-25 - 0x1p-40
    let folder = try TemporaryFolder()
    let values = [Double](repeating: value, count: 12)
    let path = try folder.write("w.npy", npy("<f8", [3, 4], raw(values)))
    let measure = LanczosMeasure(compute: try Self.compute())
    let norms = try #require(WeightAudit([WeightFile(path: path)]).run(measure)[0].norms)
    let expected = value * 12.squareRoot()
    #expect(norms.lower <= expected && expected <= norms.upper)
    #expect(norms.upper - norms.lower <= 3e-7 * expected)
  }

  /// Beyond the size of certain brackets, whole and in blocks, against an estimator that shares no
  /// code with this one.
  @Test(arguments: [(530, 700), (700, 530)]) func largeMatrices_agreeWithGolubKahan(
    rows: Int, columns: Int
  ) throws {
    let compute = try Self.compute()
    #expect(min(rows, columns) > LanczosMeasure.certainSide)
    let values = random(rows, columns, seed: 21)
    let tensor = try compute.tensor(values, rows: rows, columns: columns)
    let expected = try GolubKahanLanczos(tolerance: 1e-11)
      .estimate([tensor], compute: compute)[0][0]
    for blockBytes in [nil, 4 * columns * 100] {
      let got = try LanczosMeasure(
        compute: compute, maximumBlockBytes: blockBytes,
        maximumResidentBytes: blockBytes == nil ? nil : 0
      ).norms(of: Rows(values, rows: rows, columns: columns))
      #expect(abs(got.spectral - expected.norm) <= 1e-5 * expected.norm)
      #expect(abs(got.frobenius - expected.frobeniusNorm) <= 1e-9 * expected.frobeniusNorm)
      #expect(got.lower <= expected.norm && expected.norm <= got.upper)
      // Blocks are read no more often than convergence needs, which says less of the upper bound.
      #expect(got.upper <= (blockBytes == nil ? 1.02 : 1.5) * got.lower)
    }
  }

  /// 2 − 2cos(πj/(k + 1)) for the matrix (−1, 2, −1), in closed form.
  @Test(arguments: [1, 2, 3, 50, 200]) func tridiagonal_eigenvaluesAreTheKnownOnes(count: Int) {
    let eigenvalues = TridiagonalEigenvalues(
      diagonal: [Double](repeating: 2, count: count),
      offDiagonal: [Double](repeating: -1, count: count - 1))
    for (index, pair) in eigenvalues.pairs.enumerated() {
      let angle = Double.pi * Double(count - index) / Double(count + 1)
      #expect(abs(pair.value - (2 - 2 * cos(angle))) <= 1e-13 * Double(count))
      // The eigenvector's last component is √(2/(k + 1))·sin(jkπ/(k + 1)), up to its sign.
      let component = (2 / Double(count + 1)).squareRoot() * sin(angle * Double(count))
      #expect(abs(abs(pair.lastComponent) - abs(component)) <= 1e-12)
    }
  }
}
