import Foundation
import OpenCL
import GPUTrainTestSupport
import Testing

@testable import Tensors

@Suite struct NormBoundsTests {
  /// By the norms that are given, whatever the elements are; 2·norm and ½·norm as bounds.
  @Test(arguments: [1, 7, 64, 257, 1031])
  func matrices_areScaledToTheBounds_orStayAsTheyAre(count: Int) throws {
    let compute = try Compute.idle()
    let cases: [(norm: Float, least: Float, most: Float, active: Float, factor: Float)] = [
      (4, 8, 8, 1, 2), (4, 1, 1, 1, 0.25), (4, 0, 2, 1, 0.5), (4, 0, 5, 1, 1),
      (4, 0, .infinity, 1, 1), (0, 3, 3, 1, 1), (.nan, 3, 3, 1, 1), (.infinity, 3, 3, 1, 1),
      (4, 8, 8, 0, 1), (1e-39, 3, 3, 1, 1),
    ]
    let values = (0..<cases.count * count).map { Float($0 % 31) - 15 }
    let x = try compute.tensor(values, replicas: cases.count, rows: 1, columns: count)
    func perReplica(_ values: [Float]) throws -> Tensor {
      try compute.tensor(
        values, replicas: cases.count, rows: 1, columns: values.count / cases.count)
    }
    try compute.bringWithin(
      perReplica(cases.flatMap { [$0.least, $0.most] }), x, norms: perReplica(cases.map(\.norm)),
      active: perReplica(cases.map(\.active)))
    #expect(
      try compute.read(x) == values.enumerated().map { $1 * cases[$0 / count].factor })
  }

  private typealias Problem = OrthogonalizationTests.Problem

  /// Against the singular value decomposition in Double: values above the cap, below, at it, near 0.
  @Test(arguments: OrthogonalizationTests.Family.allCases, [0.95, 0.5, 0.2, 0.02, 0.01])
  func singularValuesAboveTheCap_areClipped_andOthersStay(
    family: OrthogonalizationTests.Family, cap: Double
  ) throws {
    let compute = try Compute.idle()
    for (rows, columns) in OrthogonalizationTests.shapes where rows * columns < 4097 * 2 {
      let problem = Problem(rows, columns, family)
      let x = try compute.tensor(problem.matrix().map { Float($0) }, rows: rows, columns: columns)
      func one(_ value: Double) throws -> Tensor {
        try compute.filled(Float(value), rows: 1, columns: 1)
      }
      try compute.clipSingularValues(
        of: x, at: one(cap), above: one(0.97 * cap), norms: one(1), active: one(1))
      let expected = problem.matrix { min($0, cap) }
      let error = zip(try compute.read(x), expected).reduce(0) {
        $0 + pow(Double($1.0) - $1.1, 2)
      }.squareRoot()
      // Rounding is of the size of the largest singular value, 1.
      let bound = (1e-4 * cap + 2e-6) * Double(problem.values.count).squareRoot()
      #expect(error <= bound, "\(rows)×\(columns): \(error), at most \(bound)")
    }
  }

  @Test func replicasBelowTheThreshold_orNotActive_stayBitForBit() throws {
    let compute = try Compute.idle()
    let (rows, columns) = (33, 17)
    let matrix = Problem(rows, columns, .even).matrix().map { Float($0) }
    let cases: [(norm: Float, cap: Float, active: Float)] = [
      (1, 0.5, 1), (0.48, 0.5, 1), (1, .infinity, 1), (1, 0.5, 0), (.nan, 0.5, 1),
      (.infinity, 0.5, 1), (1, 0.5, 1), (1, 0.5, 1),
    ]
    func clipped(_ matrices: [[Float]], _ cases: [(norm: Float, cap: Float, active: Float)]) throws
      -> [[UInt32]]
    {
      let count = cases.count
      func perReplica(_ values: [Float]) throws -> Tensor {
        try compute.tensor(values, replicas: count, rows: 1, columns: 1)
      }
      let x = try compute.tensor(
        matrices.flatMap { $0 }, replicas: count, rows: rows, columns: columns)
      try compute.clipSingularValues(
        of: x, at: perReplica(cases.map(\.cap)), above: perReplica(cases.map { 0.97 * $0.cap }),
        norms: perReplica(cases.map(\.norm)), active: perReplica(cases.map(\.active)))
      let bits = try compute.read(x).map(\.bitPattern)
      return (0..<count).map { Array(bits[$0 * matrix.count..<($0 + 1) * matrix.count]) }
    }
    var matrices = cases.map { _ in matrix }
    matrices[6][5] = .nan
    let got = try clipped(matrices, cases)
    let before = matrix.map(\.bitPattern)
    for replica in 1...5 { #expect(got[replica] == before, "replica \(replica)") }
    #expect(got[0] != before && got[7] == got[0])
    if compute.queue.device.supportsNativeKernels {
      #expect(try clipped([matrix], [cases[0]]) == [got[0]])
    }
  }
}
