import OpenCL

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
