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
