import OpenCL
import Spectral
import Tensors
import GPUTrainTestSupport
import Testing

/// Norms of gradients by their Gram matrices, against LAPACK's of the gradient formed in Double.
@Suite(.serialized) struct GradientNormTests {
  let compute: Compute

  init() throws {
    compute = try Compute.idle()
  }

  /// scale·Δᵀ H of one replica, as Float times `unit` to stay within its range.
  private func gradient(
    _ delta: ArraySlice<Float>, _ input: ArraySlice<Float>, batch: Int, rows: Int, columns: Int
  ) -> [Double] {
    let (delta, input) = (Array(delta), Array(input))
    var result = [Double](repeating: 0, count: rows * columns)
    for b in 0..<batch {
      for row in 0..<rows {
        let factor = Double(delta[b * rows + row])
        for column in 0..<columns {
          result[row * columns + column] += factor * Double(input[b * columns + column])
        }
      }
    }
    return result
  }

  static let sizes: [(batch: Int, rows: Int, columns: Int)] = [
    (1, 1, 1), (1, 30, 20), (2, 5, 7), (13, 40, 33), (17, 3, 50), (64, 48, 31), (127, 20, 60),
    (129, 70, 70),
  ]

  @Test(arguments: [4, 8]) func norms_holdForNarrowVectors(width: Int) throws {
    let narrow = try GradientNormTests(
      compute: Compute.idle(vectorWidth: width))
    for size in Self.sizes.suffix(4) {
      try narrow.check(
        gaussianNumbers(size.batch * size.rows, seed: 1),
        gaussianNumbers(size.batch * size.columns, seed: 2), replicas: 1, size: size, scale: 1,
        variant: .item)
    }
  }

  /// Results lie between sentinels, and those of other replicas are left alone.
  @Test(arguments: KernelVariant.allCases) func norms_writeNothingElse(_ variant: KernelVariant)
    throws
  {
    let queue = compute.queue
    let identity = try compute.tensor([4, 0, 0, 9], rows: 2, columns: 2)
    let vectors = try Buffer(queue: queue, [Float](repeating: 777, count: 9 * 16 + 8))
    let results = try (0..<3).map { _ in
      try Buffer(queue: queue, [Float](repeating: 777, count: 4))
    }
    let kernel = try compute.kernel(
      .gram, variant.name(of: "gradient_norms"), definitions: variant.definitions,
      Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self,
      Buffer<Float>.self, Buffer<Float>.self, Float.self, UInt32.self, UInt32.self, UInt32.self)
    let items = variant == .item ? 1 : 256
    try kernel(
      queue, global: [items], local: [items], identity.buffer, identity.buffer, vectors,
      results[0], results[1], results[2], 1, 2, 16, 100)
    // K L = diag(16, 81): norm 9, Frobenius √97.
    let got = try results.map { try $0.read(queue: queue) }
    #expect(abs(got[0][0] - 9) <= 1e-5)
    #expect(abs(got[1][0] - Float(97).squareRoot()) <= 1e-5)
    #expect(got[2][0] <= 1e-4)
    for values in got { #expect(values.suffix(3) == [777, 777, 777]) }
    #expect(try vectors.read(queue: queue).suffix(8).allSatisfy { $0 == 777 })
  }

  private init(compute: Compute) {
    self.compute = compute
  }

  private func check(
    _ delta: [Float], _ input: [Float], replicas: Int, size: (batch: Int, rows: Int, columns: Int),
    scale: Float, variant: KernelVariant, tolerance: Double = 1e-5
  ) throws {
    let (batch, rows, columns) = size
    let norms = try GradientNorm.norms(
      delta: compute.tensor(delta, replicas: replicas, rows: batch, columns: rows),
      input: compute.tensor(input, replicas: replicas, rows: batch, columns: columns),
      scale: scale, variant: variant, compute: compute)
    let spectral = try compute.read(norms.spectral[0])
    let frobenius = try compute.read(norms.frobenius[0])
    for replica in 0..<replicas {
      let d = delta[replica * batch * rows..<(replica + 1) * batch * rows]
      let h = input[replica * batch * columns..<(replica + 1) * batch * columns]
      let g = gradient(d, h, batch: batch, rows: rows, columns: columns)
      // Float rounding of G's elements changes its norms by 1e-7 at most.
      let unit = g.reduce(0) { max($0, abs($1)) }
      let single = g.map { unit == 0 ? 0 : Float($0 / unit) }
      let back = unit * Double(abs(scale))
      let want = referenceSingularValues(single, rows, columns)[0] * back
      let size = referenceFrobenius(single) * back
      #expect(abs(Double(spectral[replica]) - want) <= tolerance * want, "\(variant) \(self)")
      #expect(abs(Double(frobenius[replica]) - size) <= tolerance * size, "\(variant)")
    }
  }

  @Test(arguments: KernelVariant.allCases) func norms_matchTheFormedGradient(
    _ variant: KernelVariant
  ) throws {
    for size in Self.sizes {
      try check(
        gaussianNumbers(3 * size.batch * size.rows, seed: 1),
        gaussianNumbers(3 * size.batch * size.columns, seed: 2), replicas: 3, size: size,
        scale: 1 / Float(size.batch), variant: variant)
    }
  }

  /// Fewer features than rows: H Hᵀ has a kernel, in which what rounding leaves would grow; one gradient in
  /// ten came out up to 400 times too large.
  @Test(arguments: KernelVariant.allCases) func norms_holdWhereFeaturesAreFew(
    _ variant: KernelVariant
  ) throws {
    for (size, seed) in [((16, 40, 6), 21), ((5, 3, 2), 23)] as [((Int, Int, Int), UInt64)] {
      var random = Philox(seed: seed, stream: 0)
      let replicas = 300
      let input = (0..<replicas * size.0 * size.2).map { _ in random.uniform(-1, 1) }
      try check(
        gaussianNumbers(replicas * size.0 * size.1, seed: seed), input, replicas: replicas,
        size: (size.0, size.1, size.2), scale: 1, variant: variant)
    }
  }

  /// As in training: inputs that share a mean, few strong directions, small gradients.
  @Test(arguments: KernelVariant.allCases, [1, 1e-10, 1e12] as [Float])
  func norms_holdForCorrelatedFactors(_ variant: KernelVariant, factor: Float) throws {
    let (batch, rows, columns) = (96, 50, 80)
    let delta = MatrixFamily.decaying.make(batch, rows, seed: 3).map { $0 * factor }
    let input = gaussianNumbers(batch * columns, seed: 4).map { 0.5 + max(0, $0) }
    try check(
      delta, input, replicas: 1, size: (batch, rows, columns), scale: -0.5, variant: variant,
      // ‖Δ‖‖H‖ is some times ‖G‖ here: see the declaration.
      tolerance: 2e-5)
  }

  @Test(arguments: KernelVariant.allCases) func norms_ofZeroAreZero_andNaNStays(
    _ variant: KernelVariant
  )
    throws
  {
    let zeros = [Float](repeating: 0, count: 60)
    let delta = try compute.tensor(
      zeros + [.nan] + zeros.dropFirst() + zeros.map { _ in 1 },
      replicas: 3, rows: 6, columns: 10)
    let input = try compute.tensor(
      gaussianNumbers(3 * 6 * 5, seed: 1), replicas: 3, rows: 6, columns: 5)
    let norms = try GradientNorm.norms(
      delta: delta, input: input, variant: variant, compute: compute)
    let spectral = try compute.read(norms.spectral[0])
    let frobenius = try compute.read(norms.frobenius[0])
    #expect(spectral[0] == 0 && frobenius[0] == 0)
    #expect(spectral[1].isNaN && frobenius[1].isNaN)
    // All rows of Δ alike: rank one, so that the two norms are equal.
    #expect(abs(spectral[2] - frobenius[2]) <= 1e-5 * frobenius[2])
  }

  @Test(arguments: [1e-17, 1e20] as [Float]) func norms_outOfRangeAreNaN(_ factor: Float) throws {
    let norms = try gradientNorms(
      delta: compute.tensor(gaussianNumbers(60, seed: 1).map { $0 * factor }, rows: 6, columns: 10),
      input: compute.tensor(gaussianNumbers(30, seed: 2), rows: 6, columns: 5), compute: compute)
    #expect(!(try compute.read(norms.spectral)[0].isFinite))
    #expect(!(try compute.read(norms.frobenius)[0].isFinite))
  }

  @Test func norms_convergeAtALargeBatch() throws {
    let size = (batch: 512, rows: 90, columns: 110)
    for variant in KernelVariant.allCases {
      try check(
        gaussianNumbers(512 * 90, seed: 11), gaussianNumbers(512 * 110, seed: 12), replicas: 1,
        size: size, scale: 1, variant: variant)
    }
  }

  @Test func replica_doesNotDependOnItsGroup() throws {
    let delta = gaussianNumbers(2 * 20 * 30, seed: 1)
    let input = gaussianNumbers(2 * 20 * 40, seed: 2)
    func spectral(_ d: [Float], _ h: [Float], replicas: Int) throws -> [Float] {
      try compute.read(
        gradientNorms(
          delta: compute.tensor(d, replicas: replicas, rows: 20, columns: 30),
          input: compute.tensor(h, replicas: replicas, rows: 20, columns: 40), compute: compute
        ).spectral)
    }
    let group = try spectral(delta, input, replicas: 2)
    for replica in 0..<2 {
      let solo = try spectral(
        Array(delta[replica * 600..<(replica + 1) * 600]),
        Array(input[replica * 800..<(replica + 1) * 800]), replicas: 1)
      #expect(solo[0] == group[replica])
    }
  }
}
