/// Into how many slices our GPU kernels cut k of a product whose tiles are too few for a GPU.
///
/// The sums of a slice are stored and then added in the order of the slices. How k is cut depends
/// on the product's shape and the number of replicas alone, neither on the tile nor on the device:
///
///     slices = min(256 / tiles, k / 128, 32),  tiles = ⌈m/64⌉·⌈n/64⌉·replicas;  1 where k < 512
///
/// 256 work-groups give every processor of the largest GPUs of today one or two. A slice of 128 is
/// eight rounds of a usual tile, about as long as the second launch takes.
package struct ProductSlices: Equatable, Sendable {
  /// How many there are, at least 1.
  package let count: Int
  /// Of k in each but the last, which may have less; a multiple of every tile's depth where there
  /// are several.
  package let depth: Int

  private static let side = 64
  private static let (workGroups, mostSlices) = (256, 32)
  private static let (leastDepth, leastDepthCut) = (128, 512)
  /// The deepest tiles' depth; rows of a slice of aligned matrices are aligned.
  private static let unit = 64

  /// The slices of C [m, n] of each replica with inner length k.
  package init(m: Int, n: Int, k: Int, replicas: Int) {
    func tiles(_ length: Int) -> Double { Double((length + Self.side - 1) / Self.side) }
    // In Double: the plan of memory asks for any sizes.
    let groups = Double(Self.workGroups) / (tiles(m) * tiles(n) * Double(replicas))
    let wanted = min(Int(groups), k / Self.leastDepth, Self.mostSlices)
    guard k >= Self.leastDepthCut, wanted > 1 else {
      self.init(k: k, depth: k)
      return
    }
    let unit = Self.unit
    let depth = ((k + wanted - 1) / wanted + unit - 1) / unit * unit
    self.init(k: k, depth: depth)
  }

  /// The slices of `product`. Updates are not sliced: k is a batch then, and where it is long the
  /// weights are too few to matter.
  init(_ product: MatrixProduct) {
    if case .update = product.epilogue {
      self.init(k: product.k, depth: product.k)
    } else {
      self.init(m: product.m, n: product.n, k: product.k, replicas: product.replicas)
    }
  }

  /// Slices of a given depth.
  init(k: Int, depth: Int) {
    self.count = (k + depth - 1) / depth
    self.depth = depth
  }

  /// Floats that the slices' sums take for each replica, in whatever group: 0 where k is not cut.
  ///
  /// More replicas are cut into no more slices, so this is what one replica alone takes.
  package static func elements(m: Int, n: Int, k: Int) -> Int {
    let slices = ProductSlices(m: m, n: n, k: k, replicas: 1).count
    return slices > 1 ? slices * m * n : 0
  }
}
