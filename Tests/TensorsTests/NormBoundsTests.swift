import OpenCL
import Testing

@testable import Tensors

@Suite struct NormBoundsTests {
  /// By the norms that are given, whatever the elements are; 2·norm and ½·norm as bounds.
  @Test(arguments: [1, 7, 64, 257, 1031])
  func matrices_areScaledToTheBounds_orStayAsTheyAre(count: Int) throws {
    let compute = try Compute(device: .find(.best))
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
}
