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
