import OpenCL
import Testing

@testable import Tensors

@Suite struct TileFamilyTests {
  @Test func kernels_areTheirParameters() throws {
    let device = try Device.find(.best)
    for kernel in TileFamily(.fp32).defaults where kernel.tile.fits(device) {
      #expect(TileFamily(.fp32).kernel(kernel.tile.parameters, on: KernelLimits(device)) == kernel)
    }
    for tile in TensorTile.defaults { #expect(TensorTile(tile.parameters) == tile) }
    for family in TileFamily.all {
      #expect(family.known.allSatisfy { Set($0.keys) == Set(family.values.keys) })
    }
  }

  /// Names that lack, values that do not go together or are too much: files come from outside.
  @Test func parameters_thatCannotRun_areRefused() throws {
    let limits = KernelLimits(workGroup: 1024, localMemory: 48 << 10)
    let family = TileFamily(.fp32)
    let good = family.known[1]
    for changes in [
      ["TILE_M": 48], ["TILE_M": 0], ["THREAD_N": 3], ["PADDING": 1 << 30], ["PADDING": 2],
      ["TILE_K": 4], ["TILE_M": 1024, "TILE_N": 1024], ["WARP_M": 16],
    ] {
      #expect(family.kernel(good.merging(changes) { $1 }, on: limits) == nil, "\(changes)")
    }
    #expect(family.kernel(good.filter { $0.key != "TILE_K" }, on: limits) == nil)
    let tensors = TileFamily(.tf32)
    #expect(tensors.kernel(tensors.known[0], on: limits) == nil)
    let nvidia = KernelLimits(workGroup: 1024, localMemory: 48 << 10, mayHaveTensorCores: true)
    #expect(tensors.kernel(tensors.known[0], on: nvidia) != nil)
  }

  /// What NVIDIA's driver reports is less than its architectures have.
  @Test func localMemory_isThatOfTheArchitecture() throws {
    let expected: [(Int, Int, Int?)] = [
      (6, 1, nil), (7, 0, 96), (7, 2, 96), (7, 5, 64), (8, 0, 163), (8, 6, 99), (8, 7, 163),
      (8, 9, 99), (9, 0, 227), (10, 0, 227), (12, 0, 99), (13, 0, nil),
    ]
    for (major, minor, kibibytes) in expected {
      #expect(
        KernelLimits.localMemory(computeCapability: (major, minor)) == kibibytes.map { $0 * 1024 },
        "\(major).\(minor)")
    }
    #expect(KernelLimits.localMemory(computeCapability: nil) == nil)
  }

  @Test(.enabled(if: try Device.find(.best).computeCapability == nil))
  func localMemory_withoutAnArchitecture_isThatOfTheDevice() throws {
    let device = try Device.find(.best)
    let large = TileFamily(.fp32).values.mapValues { $0.max()! }
    for limits in [KernelLimits(device), KernelLimits(tuningTilesOn: device)] {
      #expect(limits.localMemory == Int(device.localMemory))
      #expect(TileFamily(.fp32).kernel(large, on: limits) == nil)
    }
  }

  @Test func tuning_isUsedForItsClassOfProducts() throws {
    let device = try Device.find(.best)
    let tile = LocalTile(rows: 64, columns: 32, depth: 8, threadRows: 8, threadColumns: 4)
    func kernel(_ family: String, _ shapes: String, _ parameters: [String: Int])
      -> DeviceTuning.Kernel
    {
      DeviceTuning.Kernel(
        family: family, shapeClass: shapes, parameters: parameters, before: 2, after: 1)
    }
    let wrong = kernel("tiled/fp32", "large", ["TILE_M": 64])
    let tuning = DeviceTuning(
      key: .init(device), date: "2026-11-26T07:00:00Z",
      kernels: [kernel("tiled/fp32", "small", tile.parameters), wrong])
    #expect(tuning.kernelsRefused(by: device) == [wrong])
    let compute = try Compute(device: device, backend: .tiled, tuning: tuning)
    let tuned = try #require(compute.backend as? GPUBackend)
    let usual = try GPUBackend(device: device, precision: .fp32)
    #expect(tuned.kernel(m: 64, n: 64, k: 64, replicas: 1) == .local(tile))
    #expect(
      tuned.kernel(m: 512, n: 512, k: 512, replicas: 1)
        == usual.kernel(m: 512, n: 512, k: 512, replicas: 1))
    // Where most of its tiles would be empty, another is used.
    let wide = GPUBackend(
      kernels: usual.kernels, units: 1,
      tuned: [.large: .local(LocalTile.defaults[0])])
    #expect(wide.kernel(m: 4096, n: 512, k: 512, replicas: 1).tile.columns == 128)
    #expect(wide.kernel(m: 16384, n: 10, k: 4096, replicas: 1).tile.columns < 128)
    #expect(compute.deviceDescription == "\(device.name), tuning \(tuning.fingerprint)")
    // Another precision's tiles, and classes that there are not, are nothing to these products.
    for other in [
      kernel("tiled/tf32", "small", tile.parameters), kernel("tiled/fp32", "medium", [:]),
      kernel("clblast/Pad", "large", [:]),
    ] {
      #expect(!tuned.takes(other))
    }
    // An element's bits do not depend on the tile.
    let plain = try Compute(device: device, backend: .tiled)
    let values = (0..<70 * 50).map { Float($0 % 17) - 8.25 }
    let products = try [compute, plain].map { compute in
      let a = try compute.tensor(values, rows: 70, columns: 50)
      return try compute.read(compute.product(.nt, a, a))
    }
    #expect(products[0] == products[1])
  }

  /// A tuned tile that does not compile gives way to the defaults.
  @Test func tunedTile_givesWay() throws {
    let bad = LocalTile(rows: 64, columns: 64, depth: 16, threadRows: 64, threadColumns: 128)
    let good = LocalTile(rows: 32, columns: 32, depth: 16, threadRows: 4, threadColumns: 4)
    let backend = GPUBackend(
      kernels: [.local(good)], units: 1, tuned: [.small: .local(bad)])
    let compute = try Compute(device: .find(.best), backend: backend, vectorWidth: 4)
    let ones = try compute.filled(1, rows: 64, columns: 64)
    #expect(try compute.read(compute.product(.nn, ones, ones)).allSatisfy { $0 == 64 })
    #expect(backend.rejected.map { $0.tile.rows } == [64])
  }
}
