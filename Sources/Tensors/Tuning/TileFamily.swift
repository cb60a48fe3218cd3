import OpenCL

/// The tiles of our GPU kernels of one precision, as tunings name them and searches vary them.
package struct TileFamily: Hashable, Sendable {
  /// What the kernels round operands to.
  package let precision: ProductPrecision

  /// Of each precision.
  package static let all = ProductPrecision.allCases.map(TileFamily.init)

  /// The family of `precision`.
  package init(_ precision: ProductPrecision) {
    self.precision = precision
  }

  /// As tunings name it: `tiled/fp32`.
  package var name: String { "tiled/\(precision.rawValue)" }

  /// The values that are worth trying.
  package var values: [String: [Int]] {
    let sides = ["TILE_M": [32, 64, 128, 256], "TILE_N": [32, 64, 128, 256]]
    let others =
      precision.needsTensorCores
      ? [
        "TILE_K": [16, 32, 64], "WARP_M": [16, 32, 64], "WARP_N": [16, 32, 64],
        "STAGES": [2, 3, 4, 5],
      ]
      : [
        "TILE_K": [8, 16, 32], "THREAD_M": [4, 8, 16], "THREAD_N": [4, 8, 16],
        "PADDING": [0, 4, 8],
      ]
    return sides.merging(others) { $1 }
  }

  /// The tiles that are used where nothing is tuned.
  package var known: [[String: Int]] { defaults.map(\.tile.parameters) }

  /// The kernels that are used where nothing is tuned, whatever the device.
  var defaults: [GPUProductKernel] {
    precision.needsTensorCores
      ? TensorTile.defaults.map { .tensor($0, precision) } : LocalTile.defaults.map { .local($0) }
  }

  /// The kernel with these parameters; nil where they are not its own, do not go together or are too
  /// much for a device of these limits.
  package func kernel(_ parameters: [String: Int], on limits: KernelLimits) -> GPUProductKernel? {
    guard Set(parameters.keys) == Set(values.keys),
      parameters.values.allSatisfy({ (0...1024).contains($0) }), limits.allow(precision),
      // A trial meets every place of such tiles.
      ["TILE_M", "TILE_N"].allSatisfy({ parameters[$0]!.nonzeroBitCount == 1 })
    else { return nil }
    let kernel: GPUProductKernel =
      precision.needsTensorCores
      ? .tensor(TensorTile(parameters), precision) : .local(LocalTile(parameters))
    return kernel.tile.fits(limits) ? kernel : nil
  }

  /// The kernels of a tuning, by class of products; those that cannot run are left out.
  func kernels(of tuning: DeviceTuning, on limits: KernelLimits)
    -> [ProductClass: GPUProductKernel]
  {
    var found: [ProductClass: GPUProductKernel] = [:]
    for shapes in ProductClass.allCases {
      found[shapes] = tuning.parameters(family: name, shapeClass: shapes.rawValue)
        .flatMap { kernel($0, on: limits) }
    }
    return found
  }
}

/// What bounds the kernels that a device can run.
package struct KernelLimits: Sendable {
  /// Most work-items of a group, and bytes of its local memory.
  let workGroup, localMemory: Int
  /// Whether it may have tensor cores: those are NVIDIA's.
  let mayHaveTensorCores: Bool

  /// The limits that `device` reports.
  package init(_ device: Device) {
    self.init(
      workGroup: min(device.maximumWorkGroupSize, device.maximumWorkItemSizes[0]),
      localMemory: Int(device.localMemory),
      mayHaveTensorCores: device.kind == .gpu && device.vendor.lowercased().contains("nvidia"))
  }

  /// The limits of tiles that a tuning may have on `device`: they may take as much local memory as
  /// the architecture's processors give one work-group, whatever the driver reports.
  ///
  /// A tile that the driver refuses after all fails its trial and is not used.
  package init(tuningTilesOn device: Device) {
    let reported = KernelLimits(device)
    self.init(
      workGroup: reported.workGroup,
      localMemory: max(
        reported.localMemory, Self.localMemory(computeCapability: device.computeCapability) ?? 0),
      mayHaveTensorCores: reported.mayHaveTensorCores)
  }

  /// Bytes of local memory that a work-group can have on NVIDIA's architectures from 7.0 on, whose
  /// OpenCL driver reports 48 KiB of them all; nil where that is not known.
  ///
  /// Source: CUDA C++ Programming Guide, Technical Specifications per Compute Capability, "Maximum
  /// amount of shared memory per thread block".
  static func localMemory(computeCapability version: (major: Int, minor: Int)?) -> Int? {
    guard let version else { return nil }
    let kibibytes: Int? =
      switch (version.major, version.minor) {
      case (7, 5): 64
      case (7, _): 96
      case (8, 0), (8, 7): 163
      case (8, _), (12, _): 99
      case (9, _), (10, _): 227
      default: nil
      }
    return kibibytes.map { $0 << 10 }
  }

  /// These limits, for tests.
  package init(workGroup: Int, localMemory: Int, mayHaveTensorCores: Bool = false) {
    (self.workGroup, self.localMemory) = (workGroup, localMemory)
    self.mayHaveTensorCores = mayHaveTensorCores
  }

  /// Whether products of `precision` can be had at all.
  package func allow(_ precision: ProductPrecision) -> Bool {
    mayHaveTensorCores || !precision.needsTensorCores
  }
}

/// Classes of products that tunings of our own tiles tell apart, by one replica's multiply-adds.
package enum ProductClass: String, CaseIterable, Sendable {
  /// Fewer than 384³: networks that train in groups.
  case small
  /// The rest.
  case large

  private static let border = 384.0 * 384 * 384

  /// The class of C [m, n] with inner length k.
  package init(m: Int, n: Int, k: Int) {
    self = Double(m) * Double(n) * Double(k) < Self.border ? .small : .large
  }
}
