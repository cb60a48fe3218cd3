import OpenCL
import Testing

@testable import Tensors

/// Products on GPUs whose k is cut into slices, because they have few tiles.
@Suite(.serialized) struct ProductSlicesTests {
  /// Tails in every direction and of the last slice, rows that are aligned and not; one readout.
  static let shapes = [
    (64, 10, 2048), (5, 9, 1031), (64, 64, 1100), (68, 132, 520), (1, 1, 4099), (37, 200, 704),
  ]

  /// Tiles of float32, and of one precision whose tensor cores are emulated.
  static func computes() throws -> [Compute] {
    try MatrixProductTests.ownComputes().suffix(2)
      + [
        MatrixProductTests.compute(
          .tensor(GPUBackendTests.tensorTiles[1], .tf32, emulation: .late))
      ]
  }

  @Test func slices_areForFewTilesAndLongSums() {
    func slices(_ m: Int, _ n: Int, _ k: Int, replicas: Int = 1) -> Int {
      ProductSlices(m: m, n: n, k: k, replicas: replicas).count
    }
    #expect(slices(64, 10, 4096) == 32)
    #expect(slices(64, 4096, 4096) == 4)
    #expect(slices(64, 4096, 4096, replicas: 32) == 1)
    #expect(slices(64, 512, 512) == 4)
    #expect(slices(64, 64, 511) == 1)
    #expect(slices(4096, 4096, 64) == 1)
    #expect(slices(4096, 4096, 4096) == 1)
  }

  /// Every k belongs to one slice, and what the plan of memory has for one replica is enough for
  /// any group.
  @Test func slices_areWholeAndBounded() {
    let sizes = [1, 10, 64, 65, 300, 512, 1000, 1024, 4096, 5000, 1 << 17]
    for (m, n) in [(1, 1), (64, 10), (64, 64), (65, 300), (64, 4096), (700, 1000)] {
      for k in sizes {
        let room = ProductSlices.elements(m: m, n: n, k: k)
        for replicas in [1, 2, 3, 7, 64, 1000] {
          let slices = ProductSlices(m: m, n: n, k: k, replicas: replicas)
          #expect((slices.count - 1) * slices.depth < k && k <= slices.count * slices.depth)
          #expect(slices.count == 1 || slices.depth.isMultiple(of: 64) && slices.depth >= 128)
          #expect(slices.count == 1 || slices.count * m * n <= room)
        }
      }
    }
  }

  @Test(arguments: TransposeMode.allCases) func slicedProducts_matchDoubleLoops(
    mode: TransposeMode
  ) throws {
    for compute in try Self.computes() {
      for (m, n, k) in Self.shapes {
        for replicas in [1, 3] {
          let a = Philox.values(replicas * m * k, seed: 1)
          let b = Philox.values(k * n, seed: 2)
          let (rowsA, columnsA) = mode == .tn ? (k, m) : (m, k)
          let (rowsB, columnsB) = mode == .nt ? (n, k) : (k, n)
          let got = try compute.read(
            compute.product(
              mode, compute.tensor(a, replicas: replicas, rows: rowsA, columns: columnsA),
              compute.tensor(b, rows: rowsB, columns: columnsB)))
          let error = ProductReference(mode: mode, m: m, n: n, k: k, replicasB: 1)
            .greatestError(got, a: a, b: b)
          #expect(
            error <= compute.backend.precision.relativeBound(depth: k),
            "\(compute.backend.precision) \(mode) \(m)×\(n)×\(k), \(replicas) replicas")
        }
      }
    }
  }

  /// Every epilogue against a product alone and kernels of their own; α is applied once.
  @Test(arguments: Activation.allCases) func slicedEpilogues_areThoseOfTheProduct(
    activation: Activation
  ) throws {
    let compute = try Self.computes()[1]
    for (m, n, k) in [(64, 64, 1100), (5, 9, 1031)] {
      for replicas in [1, 3] {
        func tensor(_ rows: Int, _ columns: Int, _ seed: UInt64) throws -> Tensor {
          try compute.tensor(
            Philox.values(replicas * rows * columns, seed: seed), replicas: replicas, rows: rows,
            columns: columns)
        }
        func expectAlike(_ got: Tensor, _ want: Tensor, _ what: String) throws {
          #expect(
            zip(try compute.read(got), try compute.read(want))
              .allSatisfy { abs($0 - $1) <= 2e-6 * (1 + abs($1)) }, "\(what) \(m)×\(n)×\(k)")
        }
        let (input, weight) = (try tensor(m, k, 1), try tensor(n, k, 2))
        for bias in [nil, try tensor(1, n, 3)] {
          let (z, output) = try compute.layer(
            input, weight: weight, bias: bias, alpha: 0.25, activation: activation)
          let plain = try compute.product(.nt, input, weight, alpha: 0.25)
          if let bias { try compute.addBias(bias, to: plain) }
          try expectAlike(z, plain, "z")
          try expectAlike(output, compute.activate(plain, activation), "φ(z)")
        }
        let (delta, back, z) = (try tensor(m, k, 4), try tensor(k, n, 5), try tensor(m, n, 6))
        let got = try compute.passBack(
          delta, weight: back, alpha: 0.5, through: ActivationDerivative(of: activation, at: z))
        let plain = try compute.product(.nn, delta, back, alpha: 0.5)
        try compute.multiplyByDerivative(plain, of: activation, at: z)
        try expectAlike(got, plain, "φ'")
      }
    }
  }

  /// A long batch's update is made in one piece; the gradient as a matrix is sliced.
  @Test func updateOfALongBatch_isThatOfTheMatrix() throws {
    let compute = try Self.computes()[1]
    let (m, n, k) = (20, 36, 1000)
    let (delta, input) = (
      try compute.tensor(Philox.values(k * m, seed: 1), rows: k, columns: m),
      try compute.tensor(Philox.values(k * n, seed: 2), rows: k, columns: n)
    )
    let weights = try (0..<2).map { _ in try compute.filled(1, rows: m, columns: n) }
    let update = WeightUpdate(
      try RuleNumbers(.gradientDescent, compute: compute),
      rates: try UpdateRates(
        learningRate: [0.01], epsilon: [0], coupledDecay: [0], decoupledDecay: [0],
        compute: compute), active: try compute.filled(1, rows: 1, columns: 1))
    _ = try compute.apply(update, to: weights[0], delta: delta, input: input, scale: 0.5)
    try compute.apply(
      update, to: weights[1], gradient: compute.product(.tn, delta, input, alpha: 0.5))
    #expect(
      zip(try compute.read(weights[0]), try compute.read(weights[1]))
        .allSatisfy { abs($0 - $1) <= 1e-6 })
  }

  /// NaN behind the operands must not come in, and nothing be written behind the result.
  @Test func slicedProduct_staysWithinItsTensors() throws {
    let sentinel: Float = -77
    for compute in try Self.computes() {
      func tensor(_ rows: Int, _ columns: Int, _ fill: Float) throws -> Tensor {
        let tensor = try Tensor(
          replicas: 2, rows: rows, columns: columns, guarded: 64, pool: compute.pool)
        try tensor.buffer.write(
          [Float](repeating: 1, count: tensor.count) + [Float](repeating: fill, count: 64),
          queue: compute.queue)
        return tensor
      }
      for (m, n, k) in Self.shapes {
        for mode in TransposeMode.allCases {
          let (rowsA, columnsA) = mode == .tn ? (k, m) : (m, k)
          let (rowsB, columnsB) = mode == .nt ? (n, k) : (k, n)
          let c = try tensor(m, n, sentinel)
          try compute.enqueue(
            MatrixProduct(
              mode, tensor(rowsA, columnsA, .nan), tensor(rowsB, columnsB, .nan), alpha: 1,
              into: c))
          let got = try compute.read(c)
          #expect(
            got.dropLast(64).allSatisfy { $0 == Float(k) }
              && got.suffix(64).allSatisfy { $0 == sentinel }, "\(mode) \(m)×\(n)×\(k)")
        }
      }
    }
  }

  /// The sums of slices are of the pool, so that a repeated product allocates nothing.
  @Test func repeatedSlicedProduct_allocatesNothing() throws {
    let compute = try Compute(device: .find(.best), backend: .tiled)
    let a = try compute.filled(1, rows: 8, columns: 1024)
    _ = try compute.product(.nt, a, a)
    let (before, bytes) = (compute.allocations, compute.tensorBytes)
    for _ in 0..<5 { _ = try compute.product(.nt, a, a) }
    #expect(compute.allocations == before && compute.tensorBytes == bytes)
    #expect(before >= 3)
  }
}
