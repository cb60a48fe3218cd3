import OpenCL
import Testing

@testable import Tensors

/// Our products for GPUs: tiles, precisions, and tensor cores emulated as the PTX ISA has them.
@Suite(.serialized) struct GPUMultiplierTests {
  /// Stages, depths and warps of several kinds.
  static let tensorTiles = [
    TensorTile(rows: 32, columns: 32, depth: 16, warpRows: 16, warpColumns: 16, stages: 2),
    TensorTile(rows: 64, columns: 32, depth: 32, warpRows: 32, warpColumns: 32, stages: 3),
    TensorTile(rows: 32, columns: 64, depth: 64, warpRows: 32, warpColumns: 16, stages: 2),
  ]
  static let settings: [(ProductPrecision, GPUProductKernel.Emulation)] = [
    (.bf16, .early), (.tf32, .late), (.tf32x3, .late),
  ]

  /// Every form with tails of every kind, with and without an update.
  @Test(arguments: zip(tensorTiles, settings)) func emulatedTensorCores_passTheTrial(
    tile: TensorTile, setting: (ProductPrecision, GPUProductKernel.Emulation)
  ) throws {
    let multiplier = GPUMultiplier(
      kernels: [.tensor(tile, setting.0, emulation: setting.1)], units: 2)
    let compute = try Compute(device: .find(.best), multiplier: multiplier, vectorWidth: 4)
    try multiplier.tryAll(compute: compute)
    #expect(multiplier.rejected.isEmpty)
  }

  /// What a precision rounds operands to, bit by bit.
  @Test func precisions_roundAsTheirFormatsDo() throws {
    // Between two neighbours: below, at and above the middle, both signs; large and small.
    let cases: [(ProductPrecision, Float, Float)] = [
      (.tf32, 1 + 0x1p-12, 1), (.tf32, 1 + 0x1p-11, 1 + 0x1p-10),
      (.tf32, -1 - 0x1p-11, -1 - 0x1p-10),
      (.tf32, 1 + 0x1.8p-10, 1 + 0x1p-9), (.tf32, 0x1.004p100, 0x1.004p100),
      (.bf16, 1 + 0x1p-9, 1), (.bf16, 1 + 0x1p-8, 1), (.bf16, 1 + 0x1.8p-7, 1 + 0x1p-6),
      (.bf16, -1 - 0x1.8p-8, -1 - 0x1p-7), (.bf16, 0x1.02p-100, 0x1.02p-100),
      (.tf32x3, 1 + 0x1p-12, 1 + 0x1p-12), (.tf32x3, -1 - 0x1p-21, -1 - 0x1p-21),
    ]
    for (precision, value, rounded) in cases {
      let compute = try MatrixProductTests.compute(
        .tensor(Self.tensorTiles[0], precision, emulation: .early))
      let one = try compute.tensor([1], rows: 1, columns: 1)
      let x = try compute.tensor([value], rows: 1, columns: 1)
      #expect(try compute.read(compute.product(.nn, x, one)) == [rounded], "\(precision) \(value)")
      #expect(try compute.read(compute.product(.nn, one, x)) == [rounded], "\(precision) \(value)")
    }
  }

  /// The sums' order is that of k, whatever the tile.
  @Test func tile_decidesNoBit() throws {
    let (m, n, k) = (40, 45, 133)
    let (a, b) = (Philox.values(m * k, seed: 1), Philox.values(k * n, seed: 2))
    let tiles: [[GPUProductKernel]] = [
      LocalTile.defaults.map { .local($0) },
      Self.tensorTiles.dropFirst().map { .tensor($0, .bf16, emulation: .early) },
    ]
    for kernels in tiles {
      for form in ProductForm.allCases {
        let (rowsA, columnsA) = form == .tn ? (k, m) : (m, k)
        let (rowsB, columnsB) = form == .nt ? (n, k) : (k, n)
        let results = try kernels.map { kernel in
          let compute = try MatrixProductTests.compute(kernel)
          return try compute.read(
            compute.product(
              form, compute.tensor(a, rows: rowsA, columns: columnsA),
              compute.tensor(b, rows: rowsB, columns: columnsB)))
        }
        #expect(results.allSatisfy { $0 == results[0] }, "\(form)")
      }
    }
  }

  @Test func defaults_fitWhatEveryGPUHas() {
    #expect(LocalTile.defaults.allSatisfy(\.isWhole) && TensorTile.defaults.allSatisfy(\.isWhole))
    #expect(LocalTile.defaults.allSatisfy { $0.localBytes <= 49152 && $0.workItems <= 256 })
    #expect(TensorTile.defaults.allSatisfy { $0.localBytes <= 49152 && $0.workItems <= 256 })
  }

  @Test func tile_thatDoesNotFitTogether_isNotWhole() {
    for tile in [
      LocalTile(rows: 64, columns: 64, depth: 4, threadRows: 4, threadColumns: 4),
      LocalTile(rows: 64, columns: 64, depth: 16, threadRows: 6, threadColumns: 4),
      LocalTile(rows: 128, columns: 32, depth: 8, threadRows: 4, threadColumns: 4, padding: 2),
      LocalTile(rows: 0, columns: 64, depth: 16, threadRows: 4, threadColumns: 4),
    ] { #expect(!tile.isWhole, "\(tile)") }
    for tile in [
      TensorTile(rows: 64, columns: 64, depth: 8, warpRows: 32, warpColumns: 32, stages: 3),
      TensorTile(rows: 64, columns: 64, depth: 16, warpRows: 8, warpColumns: 32, stages: 3),
      TensorTile(rows: 64, columns: 48, depth: 16, warpRows: 32, warpColumns: 16, stages: 3),
      TensorTile(rows: 64, columns: 64, depth: 16, warpRows: 32, warpColumns: 32, stages: 1),
    ] { #expect(!tile.isWhole, "\(tile)") }
  }

  /// A large product on many units takes the large tile, a small one the small.
  @Test func cost_ordersTilesBySize() {
    func best(_ m: Int, _ n: Int, replicas: Int = 1) -> Int {
      LocalTile.defaults.min {
        $0.cost(m: m, n: n, replicas: replicas, units: 132)
          < $1.cost(m: m, n: n, replicas: replicas, units: 132)
      }!.rows
    }
    #expect(best(8192, 8192) == 128)
    #expect(best(64, 128) == 32)
    #expect(best(64, 64, replicas: 4096) == 64)
  }

  /// Nothing is used that is wrong: here a kernel that multiplies by tf32 and is held to float32.
  @Test func wrongKernel_isNotUsed() throws {
    let compute = try MatrixProductTests.compute(
      .tensor(Self.tensorTiles[0], .tf32, emulation: .early))
    let trial = ProductTrial(form: .tn, tile: Self.tensorTiles[0], precision: .fp32)
    #expect(throws: ProductTrialError.self) {
      try trial.run(compute: compute) { try compute.enqueue($0) }
    }
    #expect(throws: ProductTrialError.self) {
      try trial.run(compute: compute) { product in
        try product.c.buffer.write(
          [Float](repeating: .nan, count: product.c.count), queue: compute.queue)
      }
    }
  }

  /// A tile whose kernel does not compile gives way to the next, and is named.
  @Test func tileThatDoesNotCompile_givesWay() throws {
    let bad = LocalTile(rows: 64, columns: 64, depth: 16, threadRows: 64, threadColumns: 3)
    let good = LocalTile(rows: 32, columns: 32, depth: 16, threadRows: 4, threadColumns: 4)
    let multiplier = GPUMultiplier(kernels: [.local(bad), .local(good)], units: 1)
    let compute = try Compute(device: .find(.best), multiplier: multiplier, vectorWidth: 4)
    let ones = try compute.filled(1, rows: 64, columns: 64)
    #expect(try compute.read(compute.product(.nn, ones, ones)).allSatisfy { $0 == 64 })
    #expect(multiplier.rejected.map { $0.tile.rows } == [64])
  }

  @Test(arguments: [ProductPrecision.tf32, .bf16, .tf32x3])
  func precision_withoutTensorCores_isRefused(precision: ProductPrecision) throws {
    let device = try Device.find(.best)
    guard device.kind != .gpu else { return }
    let error = #expect(throws: PrecisionError.self) {
      try Compute(device: device, precision: precision)
    }
    #expect(
      error?.description.contains("precision \(precision.rawValue) needs NVIDIA tensor cores")
        == true)
    let other = #expect(throws: PrecisionError.self) {
      try Compute(device: device, multiplier: .clblast, precision: precision)
    }
    #expect(other?.description.contains("clblast") == true)
  }
}
