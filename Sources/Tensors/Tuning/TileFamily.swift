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
