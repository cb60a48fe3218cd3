import OpenCL
import Tensors
import GPUTrainTestSupport
import Testing

@testable import Spectral

@Suite(.serialized) struct PowerIterationTests {
  let compute: Compute

  init() throws {
    compute = try Compute.idle()
  }

  struct Variant: Sendable, CustomTestStringConvertible {
    let kernels: KernelVariant
    let vectors: Int
    /// Of the kernels' own vectors.
    var width = 16
    var testDescription: String { "\(kernels.rawValue) \(vectors), width \(width)" }
    static let all = KernelVariant.allCases.flatMap { kernels in
      [1, 2, 4, 8].map { Variant(kernels: kernels, vectors: $0) }
    }
    static let narrow = [
      Variant(kernels: .item, vectors: 2, width: 8), Variant(kernels: .item, vectors: 4, width: 4),
      Variant(kernels: .group, vectors: 2, width: 4),
    ]
  }

  /// Both forms of the kernels and every block size, on shapes off their vectors, tiles, blocks and
  /// groups, ten tensors a call so that it takes two launches.
  @Test(arguments: Variant.all + Variant.narrow)
  func enqueue_matchesLAPACK_inEveryForm(_ variant: Variant) throws {
    let compute = try Compute.idle(vectorWidth: variant.width)
    let shapes = [
      (1, 1, 1), (2, 3, 5), (1, 9, 127), (1, 128, 129), (3, 67, 33), (1, 15, 1031), (1, 1031, 15),
      (1, 131, 257), (2, 64, 64), (1, 1, 19),
    ].map { (replicas: $0.0, rows: $0.1, columns: $0.2) }
    let values = shapes.enumerated().map {
      MatrixFamily.decaying.make($1.replicas * $1.rows, $1.columns, seed: UInt64($0))
    }
    let tensors = try zip(shapes, values).map {
      try compute.tensor($1, replicas: $0.replicas, rows: $0.rows, columns: $0.columns)
    }
    let iteration = try PowerIteration(
      shapes: shapes, vectors: variant.vectors, seed: 9, variant: variant.kernels, compute: compute)
    let norms = try iteration.enqueue(tensors, iterations: 30)
    for (index, shape) in shapes.enumerated() {
      let spectral = try compute.read(norms.spectral[index])
      let frobenius = try compute.read(norms.frobenius[index])
      let residual = try compute.read(norms.residual[index])
      #expect(spectral.count == shape.replicas)
      for replica in 0..<shape.replicas {
        let size = shape.rows * shape.columns
        let own = Array(values[index][replica * size..<(replica + 1) * size])
        let want = referenceSingularValues(own, shape.rows, shape.columns)[0]
        // 30 steps reach float32's rounding where the values decay.
        #expect(abs(Double(spectral[replica]) - want) <= 1e-5 * want, "\(shape)")
        #expect(
          abs(Double(frobenius[replica]) - referenceFrobenius(own)) <= 1e-5 * want * 10, "\(shape)")
        #expect(residual[replica] <= 1e-3, "\(shape)")
      }
    }
  }

  /// Some singular value lies within the residual of σ, and the residual is that of the vectors
  /// found: far from 0 before the iteration is done, and falling.
  @Test(arguments: KernelVariant.allCases) func residual_boundsTheDistanceToASingularValue(
    _ variant: KernelVariant
  ) throws {
    let (rows, columns) = (90, 70)
    for family in [MatrixFamily.gaussian, .decaying] {
      let values = family.make(rows, columns, seed: 12)
      let tensor = try compute.tensor(values, rows: rows, columns: columns)
      let singular = referenceSingularValues(values, rows, columns)
      var last = Double.infinity
      for passes in [2, 3, 5, 40] {
        let iteration = try PowerIteration(
          shapes: [(1, rows, columns)], vectors: 2, seed: 3, variant: variant, compute: compute)
        let norms = try iteration.enqueue([tensor], iterations: passes)
        let sigma = Double(try compute.read(norms.spectral[0])[0])
        let residual = Double(try compute.read(norms.residual[0])[0])
        let nearest = singular.map { abs($0 - sigma) }.min() ?? .infinity
        #expect(nearest <= (residual + 1e-5) * sigma, "\(family) after \(passes) passes")
        if passes == 3 { #expect(residual > 1e-3, "\(family): \(residual)") }
        #expect(residual <= 2 * last, "\(family) after \(passes) passes")
        last = residual
      }
      #expect(last <= 1e-3)
    }
  }

  @Test(arguments: KernelVariant.allCases) func result_doesNotDependOnItsGroup(
    _ variant: KernelVariant
  ) throws {
    let values = gaussianNumbers(3 * 90 * 110, seed: 1)
    let group = try compute.tensor(values, replicas: 3, rows: 90, columns: 110)
    let other = try compute.tensor(gaussianNumbers(20 * 300, seed: 2), rows: 20, columns: 300)
    let together = try PowerIteration(
      shapes: [(1, 20, 300), (3, 90, 110)], vectors: 4, seed: 1, variant: variant, compute: compute)
    var last: [Float] = []
    for _ in 0..<2 {
      last = try compute.read(together.enqueue([other, group], iterations: 3).spectral[1])
    }
    for replica in 0..<3 {
      let own = Array(values[replica * 9900..<(replica + 1) * 9900])
      let solo = try PowerIteration(
        shapes: [(1, 90, 110)], vectors: 4, seed: 1, variant: variant, compute: compute)
      let tensor = try compute.tensor(own, rows: 90, columns: 110)
      _ = try solo.enqueue([tensor], iterations: 3)
      let alone = try compute.read(solo.enqueue([tensor], iterations: 3).spectral[0])
      #expect(alone[0] == last[replica])
    }
  }

  @Test func norm_isHomogeneousOverTheRangeOfFloats() throws {
    let values = gaussianNumbers(70 * 50, seed: 4)
    let want = referenceSingularValues(values, 70, 50)[0]
    let factors: [Float] = [1, 1e-12, 1e12, -3, 1e-20, 1e15, 1e-30, 1e28]
    for variant in KernelVariant.allCases {
      let iteration = try PowerIteration(
        shapes: factors.map { _ in (1, 70, 50) }, vectors: 4, seed: 2, variant: variant,
        compute: compute)
      let tensors = try factors.map { factor in
        try compute.tensor(values.map { $0 * factor }, rows: 70, columns: 50)
      }
      let norms = try iteration.enqueue(tensors, iterations: 25)
      for (index, factor) in factors.enumerated() {
        let got = Double(try compute.read(norms.spectral[index])[0])
        #expect(abs(got - want * Double(abs(factor))) <= 2e-4 * want * Double(abs(factor)))
        let frobenius = Double(try compute.read(norms.frobenius[index])[0])
        let size = referenceFrobenius(values) * Double(abs(factor))
        #expect(abs(frobenius - size) <= 1e-5 * size)
      }
    }
  }

  /// The scale of one call serves the next within 2⁵⁰; beyond, the call says NaN and the next is
  /// right.
  @Test func warmStart_survivesAnyChangeOfScale() throws {
    let values = gaussianNumbers(64 * 64, seed: 4)
    let want = referenceSingularValues(values, 64, 64)[0]
    let iteration = try PowerIteration(
      shapes: [(1, 64, 64)], vectors: 4, seed: 2, compute: compute)
    func norm(_ factor: Float, iterations: Int) throws -> Double {
      let tensor = try compute.tensor(values.map { $0 * factor }, rows: 64, columns: 64)
      return Double(
        try compute.read(iteration.enqueue([tensor], iterations: iterations).spectral[0])[0])
    }
    #expect(abs(try norm(1, iterations: 25) - want) <= 1e-3 * want)
    #expect(abs(try norm(1e12, iterations: 2) / 1e12 - want) <= 1e-3 * want)
    #expect(try norm(0, iterations: 2) == 0)
    #expect(abs(try norm(1, iterations: 25) - want) <= 1e-3 * want)
    #expect(try norm(1e-25, iterations: 2).isNaN)
    #expect(abs(try norm(1e-25, iterations: 25) / 1e-25 - want) <= 1e-3 * want)
    #expect(try norm(.nan, iterations: 2).isNaN)
    // Its vectors are of no use, and neither is its scale, which the first call after finds.
    _ = try norm(1, iterations: 1)
    #expect(abs(try norm(1, iterations: 25) - want) <= 1e-3 * want)
  }

  /// One pass a call follows a matrix that changes: after a few calls to its norm.
  @Test(arguments: [1, 4]) func warmStart_convergesOverCalls(vectors: Int) throws {
    let values = MatrixFamily.decaying.make(80, 120, seed: 4)
    let want = referenceSingularValues(values, 80, 120)[0]
    let iteration = try PowerIteration(
      shapes: [(1, 80, 120)], vectors: vectors, seed: 2, compute: compute)
    let tensor = try compute.tensor(values, rows: 80, columns: 120)
    var norms: [Double] = []
    for _ in 0..<60 {
      norms.append(
        Double(try compute.read(iteration.enqueue([tensor], iterations: 1).spectral[0])[0]))
    }
    #expect(norms[0] <= want * (1 + 1e-5) && norms[0] < 0.9 * want)
    #expect(abs(norms[59] - want) <= 1e-3 * want)
    try iteration.reset()
    let again = try compute.read(iteration.enqueue([tensor], iterations: 1).spectral[0])[0]
    #expect(Double(again) == norms[0])
  }

  /// Weights in training: a step moves them by one direction of 1 % of their norm, and one pass a
  /// step is made.
  @Test(arguments: [1, 2, 4])
  func warmStart_followsWeightsAsTheyMove(vectors: Int) throws {
    let (rows, columns) = (64, 96)
    var values = gaussianNumbers(rows * columns, seed: 9)
    let iteration = try PowerIteration(
      shapes: [(1, rows, columns)], vectors: vectors, seed: 2, compute: compute)
    for step in 0..<120 {
      let u = gaussianNumbers(rows, seed: UInt64(1000 + step))
      let v = gaussianNumbers(columns, seed: UInt64(2000 + step))
      // ‖u‖‖v‖ ≈ √(64·96), ‖W‖ ≈ √64 + √96.
      let size = Float(0.01 * (8 + 9.8) / (8 * 9.8))
      for row in 0..<rows {
        for column in 0..<columns { values[row * columns + column] += size * u[row] * v[column] }
      }
      let tensor = try compute.tensor(values, rows: rows, columns: columns)
      let norm = Double(
        try compute.read(iteration.enqueue([tensor], iterations: 1).spectral[0])[0])
      guard step >= 60 && step % 6 == 0 else { continue }
      let want = referenceSingularValues(values, rows, columns)[0]
      #expect(norm <= want * (1 + 1e-5) && want - norm <= 1e-4 * want)
    }
  }

  /// A matrix whose only direction has left the span of what was found is found again.
  @Test(arguments: [1, 2, 4]) func warmStart_leavesAStaleDirection(vectors: Int) throws {
    var (one, two) = ([Float](repeating: 0, count: 400), [Float](repeating: 0, count: 400))
    one[0] = 2
    two[399] = 3
    let iteration = try PowerIteration(
      shapes: [(1, 20, 20)], vectors: vectors, seed: 2, compute: compute)
    let first = try iteration.enqueue(
      [compute.tensor(one, rows: 20, columns: 20)], iterations: 5)
    #expect(abs(try compute.read(first.spectral[0])[0] - 2) <= 2e-5)
    let second = try iteration.enqueue(
      [compute.tensor(two, rows: 20, columns: 20)], iterations: 5)
    #expect(abs(try compute.read(second.spectral[0])[0] - 3) <= 3e-5)
  }

  @Test func estimate_saysPassesAndEndsAtItsLimit() throws {
    let tensor = try compute.tensor(gaussianNumbers(200 * 200, seed: 8), rows: 200, columns: 200)
    let iteration = try PowerIteration(
      shapes: [(1, 200, 200)], vectors: 4, seed: 2, compute: compute)
    let limited = try iteration.estimate([tensor], tolerance: 1e-9, maximumIterations: 3)[0][0]
    #expect(limited.iterations == 3)
    let first = try iteration.estimate([tensor], tolerance: 1e-3, maximumIterations: 100)[0][0]
    let second = try iteration.estimate([tensor], tolerance: 1e-3, maximumIterations: 100)[0][0]
    #expect(first.iterations <= 20 && second.iterations <= first.iterations)
    #expect(second.norm >= first.norm * (1 - 1e-6))
  }

  /// A first pass at the wrong scale is made again, so that a cold start has the whole range.
  @Test(arguments: [1e-28, 1e-18, 1e18, 1e28] as [Float])
  func estimate_findsTheScale(_ factor: Float) throws {
    let values = MatrixFamily.decaying.make(30, 40, seed: 4).map { $0 * factor }
    let want = referenceSingularValues(values, 30, 40)[0]
    let tensor = try compute.tensor(values, rows: 30, columns: 40)
    let iteration = try PowerIteration(shapes: [(1, 30, 40)], vectors: 4, seed: 2, compute: compute)
    let found = try iteration.estimate([tensor], tolerance: 1e-3, maximumIterations: 50)[0][0]
    #expect(abs(found.norm - want) <= 1e-3 * want)
  }

  /// Long after convergence nothing but rounding changes: the images of the vectors stay theirs.
  @Test(arguments: Variant.all) func norm_staysWhereItHasConverged(_ variant: Variant) throws {
    let shapes = [(1, 33, 47), (1, 5, 300), (1, 20, 6)].map {
      (replicas: $0.0, rows: $0.1, columns: $0.2)
    }
    let values = shapes.map { gaussianNumbers($0.rows * $0.columns, seed: 21) }
    let tensors = try zip(shapes, values).map {
      try compute.tensor($1, rows: $0.rows, columns: $0.columns)
    }
    let iteration = try PowerIteration(
      shapes: shapes, vectors: variant.vectors, seed: 3, variant: variant.kernels, compute: compute)
    let norms = try iteration.enqueue(tensors, iterations: 300)
    for (index, shape) in shapes.enumerated() {
      let want = referenceSingularValues(values[index], shape.rows, shape.columns)[0]
      // 300 linear combinations in float32, each of a few ε.
      #expect(abs(Double(try compute.read(norms.spectral[index])[0]) - want) <= 3e-5 * want)
    }
  }

  /// A matrix that needs no more passes keeps what it has, bit for bit, beside one that does, in
  /// whatever launch; and so does an iteration that goes on from its memory.
  @Test(arguments: Variant.all) func tolerance_leavesOutPassesOfSettledMatrices(
    _ variant: Variant
  ) throws {
    let pairs = 5
    let shapes = (0..<2 * pairs).map { (replicas: 1, rows: $0 % 2 == 0 ? 40 : 60, columns: 50) }
    let settled = try compute.tensor(
      MatrixFamily.decaying.make(40, 50, seed: 4), rows: 40, columns: 50)
    let moving = try [5, 6].map {
      try compute.tensor(gaussianNumbers(60 * 50, seed: $0), rows: 60, columns: 50)
    }
    func matrices(_ second: Tensor) -> [Tensor] {
      (0..<pairs).flatMap { _ in [settled, second] }
    }
    func made() throws -> PowerIteration {
      try PowerIteration(
        shapes: shapes, vectors: variant.vectors, seed: 3, variant: variant.kernels,
        compute: compute)
    }
    func values(_ norms: NormTensors) throws -> [Float] {
      try (norms.spectral + norms.residual).map { try compute.read($0)[0] }
    }
    func norms(iterations: Int, tolerance: Double?) throws -> [Float] {
      let iteration = try made()
      _ = try iteration.enqueue(matrices(moving[0]), iterations: 10)
      let norms = try iteration.enqueue(
        matrices(moving[1]), iterations: iterations, tolerance: tolerance)
      let memory = try #require(try iteration.memory())
      // One call more, which starts from what the passes left.
      let next = try values(iteration.enqueue(matrices(moving[1]), iterations: 1))
      let restored = try made()
      try restored.restore(memory)
      #expect(try values(restored.enqueue(matrices(moving[1]), iterations: 1)) == next)
      return try values(norms) + next
    }
    let once = try norms(iterations: 1, tolerance: nil)
    let four = try norms(iterations: 4, tolerance: nil)
    let tolerant = try norms(iterations: 4, tolerance: 0.03)
    for figure in stride(from: 0, to: once.count, by: 2) {
      #expect(tolerant[figure] == once[figure])
      #expect(tolerant[figure + 1] == four[figure + 1])
      #expect(once[figure + 1] != four[figure + 1])
    }
  }

  @Test func tolerance_holdsForMatricesWithoutANorm() throws {
    let iteration = try PowerIteration(
      shapes: [(1, 20, 30), (1, 20, 30), (1, 20, 30)], seed: 2, compute: compute)
    let values = MatrixFamily.decaying.make(20, 30, seed: 4)
    let matrices = try [[Float](repeating: 0, count: 600), [.nan] + values.dropFirst(), values].map
    {
      try compute.tensor($0, rows: 20, columns: 30)
    }
    _ = try iteration.enqueue(matrices, iterations: 20)
    let norms = try iteration.enqueue(matrices, iterations: 3, tolerance: 0.1)
    let found = try norms.spectral.map { Double(try compute.read($0)[0]) }
    let want = referenceSingularValues(values, 20, 30)[0]
    #expect(found[0] == 0 && found[1].isNaN && abs(found[2] - want) <= 1e-4 * want)
  }

  @Test func norms_goIntoAHistoryWithoutARead() throws {
    let values = gaussianNumbers(2 * 50 * 60, seed: 8)
    let tensor = try compute.tensor(values, replicas: 2, rows: 50, columns: 60)
    let iteration = try PowerIteration(shapes: [(2, 50, 60)], seed: 2, compute: compute)
    let history = try SumHistory(capacity: 3, replicas: 2, compute: compute)
    var want: [[Float]] = []
    for slot in 0..<3 {
      let norms = try iteration.enqueue([tensor], iterations: 2)
      try history.record(norms.spectral[0], slot: slot)
      want.append(try compute.read(norms.spectral[0]))
    }
    #expect(try history.read(slots: 3) == want)
  }

  /// The worst of many starts on matrices whose top values crowd: what `estimate` promises.
  @Test func estimate_keepsItsToleranceOverManyStarts() throws {
    let values = (0..<4).flatMap { gaussianNumbers(160 * 160, seed: 50 + $0) }
    let want = (0..<4).map {
      referenceSingularValues(Array(values[$0 * 25600..<($0 + 1) * 25600]), 160, 160)[0]
    }
    let tensor = try compute.tensor(values, replicas: 4, rows: 160, columns: 160)
    for seed in 0..<12 as Range<UInt64> {
      let iteration = try PowerIteration(
        shapes: [(4, 160, 160)], vectors: 4, seed: seed, compute: compute)
      let found = try iteration.estimate([tensor], tolerance: 1e-3, maximumIterations: 100)[0]
      for (estimate, want) in zip(found, want) {
        #expect(abs(estimate.norm - want) <= 1e-3 * want, "seed \(seed)")
        #expect(estimate.norm <= want * (1 + 1e-5))
      }
    }
  }
}
