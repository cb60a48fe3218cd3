import OpenCL
import Tensors
import GPUTrainTestSupport
import Testing

@testable import Spectral

/// The pass over a matrix on its own, into buffers that are full of sentinels.
@Suite(.serialized) struct PassKernelTests {
  static let sentinel: Float = 777

  struct Case: Sendable, CustomTestStringConvertible {
    let variant: KernelVariant
    let width: Int
    var testDescription: String { "\(variant.rawValue), vectors of \(width)" }
  }

  /// The vectors of every CPU; GPUs have 4.
  static let cases = [
    Case(variant: .item, width: 4), Case(variant: .item, width: 8), Case(variant: .item, width: 16),
    Case(variant: .group, width: 4),
  ]

  @Test(arguments: cases) func pass_writesItsPartialSumsAndNothingElse(_ test: Case) throws {
    let compute = try Compute.idle(vectorWidth: test.width)
    for vectors in [1, 2, 4, 8] {
      for (rows, columns) in [(1, 1), (9, 37), (64, 127), (65, 129), (130, 16)] {
        try check(test.variant, vectors, over: 2 * vectors..<3 * vectors, rows, columns, compute)
        try check(test.variant, vectors, over: 0..<3 * vectors, rows, columns, compute)
      }
    }
  }

  /// Around each number of columns at which a GPU's items get more of them, and in between; with rows
  /// at multiples of 16 bytes and not; blocks of one row and of several tiles.
  @Test(arguments: [
    1, 3, 4, 1021, 1023, 1024, 1025, 1028, 2048, 2049, 2052, 4096, 4097, 8191, 8192, 8193, 8196,
  ])
  func pass_isRightAroundTheColumnsOfAGroup(columns: Int) throws {
    let compute = try Compute.idle(vectorWidth: 4)
    for (rows, vectors) in [(1, 1), (7, 2), (17, 4)] {
      try check(.group, vectors, over: 2 * vectors..<3 * vectors, rows, columns, compute)
      try check(.group, vectors, over: 0..<3 * vectors, rows, columns, compute)
    }
  }

  private func check(
    _ variant: KernelVariant, _ k: Int, over basis: Range<Int>, _ rows: Int, _ columns: Int,
    _ compute: Compute
  ) throws {
    let plan = PassPlan(
      shapes: [(1, rows, columns)], vectors: k, variant: variant)
    let queue = compute.queue
    let guardSize = 64
    let matrix = gaussianNumbers(rows * columns, seed: 1)
    let tensor = try compute.tensor(matrix, rows: rows, columns: columns)
    var problem = plan.problemTable
    let (pitch, blockRows, blocks) = (Int(problem[5]), Int(problem[6]), Int(problem[7]))
    problem[9] = UInt32(guardSize)  // partial sums start behind a guard
    let vectors = gaussianNumbers(plan.vectorCount, seed: 2)
    let workspace = try Buffer(queue: queue, vectors)
    let partials = try Buffer(
      queue: queue,
      [Float](repeating: Self.sentinel, count: plan.partialCount + 2 * guardSize))
    let stats = try Buffer(queue: queue, [Float](repeating: Self.sentinel, count: 2 * blocks + 2))
    var state = [Float](repeating: 0, count: plan.stateStride)
    state[0] = 0.5
    let shape = variant.shape(columns: columns)
    let (name, definitions) = shape.kernel(rows: basis.count)
    let kernel = try compute.kernel(
      .spectral, name, definitions: definitions,
      Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self,
      Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self,
      Buffer<UInt32>.self, Buffer<UInt32>.self, Buffer<Float>.self, Buffer<Float>.self,
      Buffer<Float>.self, Buffer<Float>.self, UInt32.self, UInt32.self, UInt32.self, UInt32.self,
      UInt32.self, UInt32.self)
    let m = tensor.buffer
    // Fewer groups than blocks, where there are several.
    try kernel(
      queue, global: [max(1, blocks - 1) * shape.items], local: [shape.items], m, m, m, m, m, m, m,
      m,
      Buffer(queue: queue, problem), Buffer(queue: queue, plan.unitTable), workspace, partials,
      stats, Buffer(queue: queue, state), UInt32(basis.lowerBound), UInt32(basis.count),
      UInt32(plan.stateStride), 0, UInt32(blocks), 1)

    let got = try partials.read(queue: queue)
    var expected = [Double?](repeating: nil, count: got.count)
    var magnitude = [Double](repeating: 0, count: got.count)
    for block in 0..<blocks {
      for (place, vector) in basis.enumerated() {
        let start = guardSize + (block * basis.count + place) * pitch
        for column in 0..<columns { expected[start + column] = 0 }
        for row in block * blockRows..<min(rows, (block + 1) * blockRows) {
          var (u, size) = (0.0, 0.0)
          for column in 0..<columns {
            let term =
              Double(matrix[row * columns + column])
              * Double(vectors[vector * pitch + column])
            u += term
            size += abs(term)
          }
          for column in 0..<columns {
            let value = Double(matrix[row * columns + column])
            expected[start + column]! += 0.25 * u * value
            magnitude[start + column] += 0.25 * size * abs(value)
          }
        }
      }
    }
    for (index, value) in got.enumerated() {
      if let want = expected[index] {
        // Two sums, of up to 130 terms each; 4√n·ε of the terms' sizes.
        let bound = 4 * Double(max(rows, columns)).squareRoot() * 6e-8 * magnitude[index]
        #expect(abs(Double(value) - want) <= bound, "element \(index)")
      } else {
        #expect(value == Self.sentinel, "element \(index)")
      }
    }
    let found = try stats.read(queue: queue)
    for block in 0..<blocks {
      let own = matrix[block * blockRows * columns..<min(rows, (block + 1) * blockRows) * columns]
      let square = own.reduce(0) { $0 + Double($1) * Double($1) } / 4
      #expect(abs(Double(found[2 * block]) - square) <= 1e-5 * square)
      #expect(found[2 * block + 1] == own.map(abs).max())
    }
    #expect(found.suffix(2) == [Self.sentinel, Self.sentinel])
  }
}
