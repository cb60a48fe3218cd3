import Foundation
import OpenCL
import Spectral
import Tensors
import GPUTrainTestSupport
import Testing

/// The estimators on the host: their own promises beyond the conformance table.
@Suite(.serialized) struct HostEstimatorTests {
  let compute: Compute

  init() throws {
    compute = try Compute.idle()
  }

  @Test func lanczos_findsTheLeadingValues() throws {
    let values = gaussianNumbers(150 * 90, seed: 6)
    let reference = referenceSingularValues(values, 150, 90)
    let tensor = try compute.tensor(values, rows: 150, columns: 90)
    let found = try GolubKahanLanczos().leading(10, of: [tensor], compute: compute)[0][0]
    #expect(found.singularValues.count == 10 && found.residuals.count == 10)
    for (value, want) in zip(found.singularValues, reference) {
      #expect(abs(value - want) <= 1e-6 * reference[0])
    }
    let all = try GolubKahanLanczos(tolerance: 1e-14)
      .leading(500, of: [tensor], compute: compute)[0][0]
    #expect(all.singularValues.count == 90 && all.steps == 90)
    for (value, want) in zip(all.singularValues, reference) {
      #expect(abs(value - want) <= 1e-12 * reference[0])
    }
  }

  /// The orthogonal matrix breaks the iteration down in every step.
  @Test(arguments: [MatrixFamily.orthogonal, .rankOne, .rankDeficient, .zero, .decaying])
  func lanczos_goesOnAfterABreakdown(_ family: MatrixFamily) throws {
    let values = family.make(23, 40, seed: 3)
    let reference = referenceSingularValues(values, 23, 40)
    let tensor = try compute.tensor(values, rows: 23, columns: 40)
    let found = try GolubKahanLanczos().leading(3, of: [tensor], compute: compute)[0][0]
    for (value, want) in zip(found.singularValues, reference) {
      #expect(abs(value - want) <= 1e-6 * max(reference[0], 1e-30))
    }
  }

  @Test(arguments: MatrixFamily.allCases, [0, 2, 6, 12])
  func bracket_holdsTheNorm(_ family: MatrixFamily, squarings: Int) throws {
    for (rows, columns) in [(1, 1), (7, 13), (31, 200), (200, 31), (96, 96)] {
      for factor in [1, 1e-20, 1e18] as [Float] {
        let values = family.make(rows, columns, seed: 2).map { $0 * factor }
        let want = referenceSingularValues(values, rows, columns)[0]
        let tensor = try compute.tensor(values, rows: rows, columns: columns)
        let found = try NormBracket.brackets(
          of: [tensor], squarings: squarings, compute: compute)[0][0]
        // LAPACK's own error is a few units in the last place of its value.
        #expect(found.lower <= want * (1 + 1e-14) && want * (1 - 1e-14) <= found.upper)
        let excess = Double(min(rows, columns)).logarithm2 / Double(1 << (squarings + 2))
        #expect(found.upper <= want * excess.exponential2 * (1 + 1e-9))
        #expect(found.lower >= 0 && found.lower.isFinite)
      }
    }
  }
}

extension Double {
  fileprivate var logarithm2: Double { log2(self) }
  fileprivate var exponential2: Double { exp2(self) }
}
