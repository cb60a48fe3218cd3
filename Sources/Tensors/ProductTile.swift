import OpenCL

/// How a kernel of products cuts C and k into tiles; what it is compiled for.
public protocol ProductTile: Hashable, Sendable {
  /// Of C, a work-group.
  var rows: Int { get }
  /// Of C, a work-group.
  var columns: Int { get }
  /// Of k, at a time.
  var depth: Int { get }
  /// Work-items of a work-group.
  var workItems: Int { get }
  /// Local memory of a work-group, bytes.
  var localBytes: Int { get }
  /// Registers of 32 bits that a work-item holds sums and operands in; addresses come on top.
  var registers: Int { get }
  /// Whether the tile's parts fit together, whatever the device.
  var isWhole: Bool { get }
  /// What its kernel is compiled with, by name.
  var parameters: [String: Int] { get }
}

extension ProductTile {
  /// Tiles of C [m, n], or those that are not below its diagonal.
  func tiles(m: Int, n: Int, isHalved: Bool) -> Int {
    let (down, across) = ((m + rows - 1) / rows, (n + columns - 1) / columns)
    guard isHalved else { return down * across }
    return (0..<down).reduce(0) { $0 + max(0, across - $1 * rows / columns) }
  }

  /// Whether `device` can run the tile: local memory, work-group, registers (255 a work-item is
  /// what NVIDIA and AMD have; 40 of them are left to addresses).
  public func fits(_ device: Device) -> Bool { fits(KernelLimits(device)) }

  /// Whether a device of these limits can.
  func fits(_ limits: KernelLimits) -> Bool {
    isWhole && localBytes <= limits.localMemory && workItems <= limits.workGroup
      && registers <= 215
  }

  /// About how long C [m, n] of each replica takes, in units of one element of C on all `units`.
  ///
  /// Rounds of work-groups times a tile's area, over the share of the peak that a tile of its size
  /// can reach: operands read for each element computed go as 1/rows + 1/columns. A work-group of
  /// one of several slices of k has that part of the work. A guess that orders tiles.
  /// - isHalved: whether tiles below the diagonal are left out.
  func cost(
    m: Int, n: Int, replicas: Int, slices: Int = 1, isHalved: Bool = false, units: Int
  ) -> Double {
    let groups = tiles(m: m, n: n, isHalved: isHalved) * replicas * slices
    let rounds = (groups + units - 1) / units
    let side = 1 / (1 / Double(rows) + 1 / Double(columns))
    return Double(rounds * rows * columns) / Double(slices) * (side + 16) / side
  }
}
