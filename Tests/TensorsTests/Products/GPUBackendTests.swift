import OpenCL
import Testing

@testable import Tensors

/// Our products for GPUs: tiles, precisions, and tensor cores emulated as the PTX ISA has them.
@Suite(.serialized) struct GPUBackendTests {
  /// Stages, depths and warps of several kinds.
  static let tensorTiles = [
    TensorTile(rows: 32, columns: 32, depth: 16, warpRows: 16, warpColumns: 16, stages: 2),
    TensorTile(rows: 64, columns: 32, depth: 32, warpRows: 32, warpColumns: 32, stages: 3),
    TensorTile(rows: 32, columns: 64, depth: 64, warpRows: 32, warpColumns: 16, stages: 2),
  ]
  static let settings: [(ProductPrecision, GPUProductKernel.Emulation)] = [
    (.bf16, .early), (.tf32, .late), (.tf32x3, .late),
  ]

  /// Every mode with tails of every kind, with and without an update.
  @Test(arguments: zip(tensorTiles, settings)) func emulatedTensorCores_passTheTrial(
    tile: TensorTile, setting: (ProductPrecision, GPUProductKernel.Emulation)
  ) throws {
    let backend = GPUBackend(
      kernels: [.tensor(tile, setting.0, emulation: setting.1)], units: 2)
    let compute = try Compute(device: .find(.best), backend: backend, vectorWidth: 4)
    try backend.tryAll(compute: compute)
    #expect(backend.rejected.isEmpty)
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
      for mode in TransposeMode.allCases {
        let (rowsA, columnsA) = mode == .tn ? (k, m) : (m, k)
        let (rowsB, columnsB) = mode == .nt ? (n, k) : (k, n)
        let results = try kernels.map { kernel in
          let compute = try MatrixProductTests.compute(kernel)
          return try compute.read(
            compute.product(
              mode, compute.tensor(a, rows: rowsA, columns: columnsA),
              compute.tensor(b, rows: rowsB, columns: columnsB)))
        }
        #expect(results.allSatisfy { $0 == results[0] }, "\(mode)")
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
    // Slices of k are work-groups too, of less work each.
    let tile = LocalTile.defaults[2]
    #expect(
      tile.cost(m: 64, n: 64, replicas: 1, slices: 32, units: 128)
        == tile.cost(m: 64, n: 64, replicas: 1, units: 128) / 32)
    #expect(
      tile.cost(m: 4096, n: 4096, replicas: 1, slices: 2, units: 128)
        == tile.cost(m: 4096, n: 4096, replicas: 1, units: 128))
  }

  /// Nothing is used that is wrong: here a kernel that multiplies by tf32 and is held to float32.
  @Test func wrongKernel_isNotUsed() throws {
    let compute = try MatrixProductTests.compute(
      .tensor(Self.tensorTiles[0], .tf32, emulation: .early))
    for variant in ProductVariant.trialled where variant.mode == .tn && variant.ending != .slice {
      let trial = ProductTrial(variant: variant, tile: Self.tensorTiles[0], precision: .fp32)
      #expect(throws: ProductTrialError.self) {
        try trial.run(compute: compute) { product, _, _ in try compute.enqueue(product) }
      }
      #expect(throws: ProductTrialError.self) {
        try trial.run(compute: compute) { product, _, _ in
          try product.c.buffer.write(
            [Float](repeating: .nan, count: product.c.count), queue: compute.queue)
        }
      }
    }
  }

  /// A trial sees a wrong bias, output, derivative and update where the product itself is right.
  @Test func wrongEpilogue_isNotUsed() throws {
    let compute = try Compute(device: .find(.best), backend: .tiled)
    let tile = LocalTile.defaults[2]
    for ending in [
      ProductVariant.Ending.epilogue(flags: 1, .identity), .epilogue(flags: 2, .tanh),
      .epilogue(flags: 4, .gelu), .update(.adam),
    ] {
      let variant = ProductVariant(.tn, isAligned: true, ending: ending)
      let trial = ProductTrial(variant: variant, tile: tile, precision: .fp32)
      try trial.run(compute: compute) { product, _, _ in try compute.enqueue(product) }
      #expect(throws: ProductTrialError.self, "\(ending)") {
        try trial.run(compute: compute) { product, _, _ in
          try compute.enqueue(
            MatrixProduct(.tn, product.a, product.b, alpha: product.alpha, into: product.c))
        }
      }
    }
  }

  /// One program for each variant that is used, and no more.
  @Test func variants_areCompiledWhenTheyAreUsed() throws {
    let compute = try MatrixProductTests.newCompute(.local(LocalTile.defaults[2]))
    let x = try compute.tensor([Float](repeating: 1, count: 64), rows: 8, columns: 8)
    _ = try compute.product(.nt, x, x)
    #expect(compute.programCount == 1)
    _ = try compute.layer(x, weight: x, bias: nil, alpha: 1, activation: .identity)
    #expect(compute.programCount == 1)
    _ = try compute.layer(x, weight: x, bias: nil, alpha: 1, activation: .relu)
    #expect(compute.programCount == 2)
    let long = try compute.tensor([Float](repeating: 1, count: 8192), rows: 8, columns: 1024)
    #expect(try compute.read(compute.product(.nt, long, long)).allSatisfy { $0 == 1024 })
    // The slices, and their sums.
    #expect(compute.programCount == 4)
  }

  /// Every transpose mode by one tile, and no other tile is compiled.
  @Test func tryOut_compilesThreePrograms() throws {
    let backend = GPUBackend(kernels: LocalTile.defaults.map { .local($0) }, units: 2)
    let compute = try Compute(device: .find(.best), backend: backend, vectorWidth: 4)
    try backend.tryOut(TransposeMode.allCases, compute: compute)
    #expect(compute.programCount == 3 && backend.rejected.isEmpty)
    try backend.tryOut(TransposeMode.allCases, compute: compute)
    #expect(compute.programCount == 3)
  }

  @Test func tryOut_withoutAnyThatCompiles_throws() throws {
    let bad = LocalTile(rows: 64, columns: 64, depth: 16, threadRows: 64, threadColumns: 128)
    let worse = LocalTile(rows: 64, columns: 64, depth: 16, threadRows: 128, threadColumns: 64)
    let good = LocalTile.defaults[2]
    let one = GPUBackend(kernels: [.local(good), .local(bad)], units: 1)
    try one.tryOut(
      TransposeMode.allCases,
      compute: Compute(device: .find(.best), backend: one, vectorWidth: 4))
    #expect(one.rejected.count == 1 && one.kernels == [.local(good)])
    let none = GPUBackend(kernels: [.local(worse), .local(bad)], units: 1)
    let compute = try Compute(device: .find(.best), backend: none, vectorWidth: 4)
    #expect(throws: OpenCLError.self) { try none.tryOut(TransposeMode.allCases, compute: compute) }
  }

  /// Programs compiled at once are those compiled one by one; what cannot be compiled is left out.
  @Test func prepare_compilesWhatIsMissing() throws {
    let compute = try MatrixProductTests.newCompute(.local(LocalTile.defaults[2]))
    let device = compute.queue.device
    let kernel = GPUProductKernel.local(
      LocalTile(rows: 32, columns: 64, depth: 8, threadRows: 4, threadColumns: 4))
    var keys = ProductVariant.trialled.map { kernel.program($0, platform: device.platform) }
    compute.prepare(keys)
    #expect(compute.programCount == keys.count && compute.buildTime > .zero)
    keys.append(ProgramKey(source: .multiplyLocal))
    keys.append(ProgramKey(source: .fill))
    compute.prepare(keys + keys)
    #expect(compute.programCount == keys.count - 1)
    let values = try compute.filled(3, rows: 5, columns: 7)
    #expect(try compute.read(values).allSatisfy { $0 == 3 })
    #expect(compute.programCount == keys.count - 1)
  }

  /// NVIDIA's compiler alone knows the option, and only some kernels are helped by it.
  @Test func registers_areLimitedOnNVIDIAOnly() {
    let large = GPUProductKernel.local(LocalTile.defaults[0])
    let plain = ProductVariant(.nt, isAligned: true, ending: .plain)
    let update = ProductVariant(.tn, isAligned: true, ending: .update(.adam))
    let slice = ProductVariant(.nt, isAligned: true, ending: .slice)
    let limit = ["-cl-nv-maxrregcount=128"]
    // A kernel that says its group's size would not be limited.
    #expect(large.program(plain, platform: Device.nvidiaPlatform).definitions["LIMITED"] == "1")
    #expect(large.program(slice, platform: Device.nvidiaPlatform).definitions["LIMITED"] == nil)
    #expect(large.program(plain, platform: "Portable Computing Language").options.isEmpty)
    #expect(large.buildOptions(plain, platform: Device.nvidiaPlatform) == limit)
    #expect(large.buildOptions(update, platform: Device.nvidiaPlatform) == limit)
    #expect(large.buildOptions(slice, platform: Device.nvidiaPlatform) == [])
    for platform in ["Portable Computing Language", "AMD Accelerated Parallel Processing", ""] {
      #expect(large.buildOptions(plain, platform: platform) == [])
    }
    for tile in LocalTile.defaults.dropFirst() {
      #expect(GPUProductKernel.local(tile).buildOptions(plain, platform: "NVIDIA CUDA") == [])
    }
    func tensor(_ precision: ProductPrecision, _ variant: ProductVariant) -> [String] {
      GPUProductKernel.tensor(TensorTile.defaults[0], precision)
        .buildOptions(variant, platform: "NVIDIA CUDA")
    }
    for variant in [plain, update] {
      #expect(tensor(.bf16, variant) == limit && tensor(.tf32, variant) == limit)
      #expect(tensor(.tf32x3, variant) == [])
    }
  }

  /// A tile whose kernel does not compile gives way to the next, and is named.
  @Test func tileThatDoesNotCompile_givesWay() throws {
    let bad = LocalTile(rows: 64, columns: 64, depth: 16, threadRows: 64, threadColumns: 128)
    let good = LocalTile(rows: 32, columns: 32, depth: 16, threadRows: 4, threadColumns: 4)
    let backend = GPUBackend(kernels: [.local(bad), .local(good)], units: 1)
    let compute = try Compute(device: .find(.best), backend: backend, vectorWidth: 4)
    let ones = try compute.filled(1, rows: 64, columns: 64)
    #expect(try compute.read(compute.product(.nn, ones, ones)).allSatisfy { $0 == 64 })
    #expect(backend.rejected.map { $0.tile.rows } == [64])
  }

  @Test(
    .enabled(if: try Device.find(.best).kind != .gpu),
    arguments: [ProductPrecision.tf32, .bf16, .tf32x3])
  func precision_withoutTensorCores_isRefused(precision: ProductPrecision) throws {
    let device = try Device.find(.best)
    let error = #expect(throws: PrecisionError.self) {
      try Compute(device: device, precision: precision)
    }
    #expect(
      error?.description.contains("precision \(precision.rawValue) needs NVIDIA tensor cores")
        == true)
    let other = #expect(throws: PrecisionError.self) {
      try Compute(device: device, backend: .clblast, precision: precision)
    }
    #expect(other?.description.contains("clblast") == true)
  }
}
