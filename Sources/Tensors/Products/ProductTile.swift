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

/// A tile of Kernels/multiply_local.cl: float32 by fused multiply-adds.
public struct LocalTile: ProductTile {
  /// Of C, a work-group.
  public var rows, columns: Int
  /// Of k, at a time.
  public var depth: Int
  /// Of C, a work-item.
  public var threadRows, threadColumns: Int
  /// Floats behind each row in local memory.
  public var padding: Int

  /// A tile; whether its parts fit together `isWhole` says.
  public init(
    rows: Int, columns: Int, depth: Int, threadRows: Int, threadColumns: Int, padding: Int = 4
  ) {
    (self.rows, self.columns, self.depth) = (rows, columns, depth)
    (self.threadRows, self.threadColumns, self.padding) = (threadRows, threadColumns, padding)
  }

  /// Work-items of a work-group.
  public var workItems: Int { rows / threadRows * (columns / threadColumns) }
  /// Both operands' tiles, twice.
  public var localBytes: Int { 4 * 2 * depth * (rows + columns + 2 * padding) }
  /// Sums, one row's and one column's factors, the next tiles on their way.
  public var registers: Int {
    threadRows * threadColumns + threadColumns + 4 + depth * (rows + columns) / workItems
  }
  /// Every length a multiple of 4 and of what divides it, and each work-item brings in as many
  /// whole fours of an operand, two of a row side by side.
  public var isWhole: Bool {
    let lengths = [rows, columns, depth, threadRows, threadColumns]
    guard lengths.allSatisfy({ $0 > 0 && $0 % 4 == 0 }), depth % 8 == 0, padding >= 0,
      padding % 4 == 0, rows % threadRows == 0, columns % threadColumns == 0
    else { return false }
    return [rows, columns].allSatisfy { $0 * depth % (4 * workItems) == 0 }
  }

  /// What Kernels/multiply_local.cl is compiled with.
  public var parameters: [String: Int] {
    [
      "TILE_M": rows, "TILE_N": columns, "TILE_K": depth, "THREAD_M": threadRows,
      "THREAD_N": threadColumns, "PADDING": padding,
    ]
  }

  /// The tile of `parameters`, all of them there.
  init(_ parameters: [String: Int]) {
    self.init(
      rows: parameters["TILE_M"]!, columns: parameters["TILE_N"]!, depth: parameters["TILE_K"]!,
      threadRows: parameters["THREAD_M"]!, threadColumns: parameters["THREAD_N"]!,
      padding: parameters["PADDING"]!)
  }

  /// Large, for products that fill a device with it, down to small.
  static let defaults = [
    LocalTile(rows: 128, columns: 128, depth: 16, threadRows: 8, threadColumns: 8),
    LocalTile(rows: 64, columns: 64, depth: 16, threadRows: 4, threadColumns: 4),
    LocalTile(rows: 32, columns: 32, depth: 16, threadRows: 4, threadColumns: 4),
  ]
}

/// A tile of Kernels/multiply_tensor.cl: tensor cores, operands on their way several tiles ahead.
public struct TensorTile: ProductTile {
  /// Of C, a work-group.
  public var rows, columns: Int
  /// Of k, at a time.
  public var depth: Int
  /// Of C, a warp of 32 work-items.
  public var warpRows, warpColumns: Int
  /// Tiles of k in local memory.
  public var stages: Int

  /// A tile; whether its parts fit together `isWhole` says.
  public init(
    rows: Int, columns: Int, depth: Int, warpRows: Int, warpColumns: Int, stages: Int
  ) {
    (self.rows, self.columns, self.depth) = (rows, columns, depth)
    (self.warpRows, self.warpColumns, self.stages) = (warpRows, warpColumns, stages)
  }

  /// Work-items of a work-group.
  public var workItems: Int { 32 * (rows / warpRows) * (columns / warpColumns) }
  /// Both operands' tiles, `stages` times.
  public var localBytes: Int { 4 * stages * depth * (rows + columns) }
  /// Sums, fragments of 16 of k as they are and as they are multiplied.
  public var registers: Int { (warpRows * warpColumns + 2 * 16 * (warpRows + warpColumns)) / 32 }
  /// Warps are of whole mma tiles, 16×8 of C and 16 of k; rows in local memory of whole rounds of
  /// its banks; and each work-item copies as many whole fours of an operand.
  public var isWhole: Bool {
    guard [rows, columns, depth, warpRows, warpColumns].allSatisfy({ $0 > 0 }), stages >= 2,
      [16, 32, 64].contains(depth), warpRows % 16 == 0, warpColumns % 8 == 0, rows % 32 == 0,
      columns % 32 == 0, rows % warpRows == 0, columns % warpColumns == 0
    else { return false }
    return [rows, columns].allSatisfy { $0 * depth % (4 * workItems) == 0 }
  }

  /// What Kernels/multiply_tensor.cl is compiled with.
  public var parameters: [String: Int] {
    [
      "TILE_M": rows, "TILE_N": columns, "TILE_K": depth, "WARP_M": warpRows,
      "WARP_N": warpColumns, "STAGES": stages,
    ]
  }

  /// The tile of `parameters`, all of them there.
  init(_ parameters: [String: Int]) {
    self.init(
      rows: parameters["TILE_M"]!, columns: parameters["TILE_N"]!, depth: parameters["TILE_K"]!,
      warpRows: parameters["WARP_M"]!, warpColumns: parameters["WARP_N"]!,
      stages: parameters["STAGES"]!)
  }

  /// Large, for products that fill a device with it, down to small.
  static let defaults = [
    TensorTile(rows: 128, columns: 128, depth: 16, warpRows: 64, warpColumns: 32, stages: 3),
    TensorTile(rows: 64, columns: 64, depth: 16, warpRows: 32, warpColumns: 32, stages: 4),
    TensorTile(rows: 32, columns: 32, depth: 16, warpRows: 16, warpColumns: 16, stages: 4),
  ]
}

/// A tile of Kernels/multiply_warpgroup.cl: two warpgroups on an NVIDIA GPU of compute capability 9.0,
/// operands that are packed before (`PackedOperand`) on their way several blocks ahead.
public struct WarpgroupTile: ProductTile {
  /// Of C, a work-group: 64 a warpgroup.
  public var rows: Int { 128 }
  /// Of C, a work-group: 128 or 256.
  public let columns: Int
  /// Of k, at a time: 128 bytes of a packed operand.
  public let depth: Int
  /// Blocks of k in local memory.
  public let stages: Int
  /// Of an operand in what is multiplied, as packed.cl has them.
  private let parts: Int

  /// The tile of `columns` for a precision that has tensor cores, with as many stages as an H100's local
  /// memory has room for; `stages` of others are for tests.
  init(columns: Int, precision: ProductPrecision, stages: Int? = nil) {
    self.columns = columns
    depth = PackedOperand.depth(precision)
    parts = PackedOperand.parts(precision)
    self.stages = stages ?? 12 * 128 / ((128 + columns) * parts)
  }

  /// Two warpgroups, and a warp whose first work-item asks for blocks.
  public var workItems: Int { 288 }
  /// Both operands' blocks, `stages` times, with two barriers each, from a multiple of 1024 on.
  public var localBytes: Int { stages * ((rows + columns) * 128 * parts + 16) + 1024 }
  /// Sums, and of two parts those of one block.
  public var registers: Int { columns / 2 * parts }
  /// Whole blocks, at least two stages, and no more sums than there are registers.
  public var isWhole: Bool { [128, 256].contains(columns) && stages >= 2 && registers <= 128 }

  /// What Kernels/multiply_warpgroup.cl is compiled with.
  public var parameters: [String: Int] { ["TILE_N": columns, "STAGES": stages] }

  /// Large, for products that fill a device with it, and small. Two parts' sums leave no room for large.
  static func defaults(_ precision: ProductPrecision) -> [WarpgroupTile] {
    [256, 128].map { WarpgroupTile(columns: $0, precision: precision) }.filter(\.isWhole)
  }
}
