/// How an operand of a product lies for Kernels/multiply_warpgroup.cl: rounded, in blocks of 128 rows and
/// 128 bytes of k, padded with 0 (Kernels/packed.cl). Rows are A's rows, or B's columns.
struct PackedOperand: Equatable {
  /// Of one replica.
  let rows, depth: Int
  let precision: ProductPrecision

  /// Rows and bytes of a block.
  static let (blockRows, blockBytes) = (128, 128 * 128)

  /// Of k in a block.
  static func depth(_ precision: ProductPrecision) -> Int { precision == .bf16 ? 64 : 32 }
  /// Summands of a value.
  static func parts(_ precision: ProductPrecision) -> Int { precision == .tf32x3 ? 2 : 1 }

  private var rowBlocks: Int { (rows + Self.blockRows - 1) / Self.blockRows }
  private var depthBlocks: Int {
    (depth + Self.depth(precision) - 1) / Self.depth(precision)
  }

  /// Blocks of one replica, and floats that a block takes the room of.
  var blocks: Int { rowBlocks * depthBlocks * Self.parts(precision) }
  static let blockFloats = blockBytes / 4
  /// Work-items of Kernels/pack.cl: 256 for 32 rows of a block.
  var packingItems: Int { rowBlocks * (Self.blockRows / 32) * depthBlocks * 256 }

  /// What Kernels/pack.cl is compiled for.
  func program(isAligned: Bool) -> ProgramKey {
    ProgramKey(
      source: .pack,
      definitions: ["PRECISION": "\(precision.kernelCode!)", "ALIGNED": isAligned ? "1" : "0"])
  }
}
