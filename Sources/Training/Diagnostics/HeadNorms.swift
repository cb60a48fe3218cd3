import Spectral
import Tensors

/// Follows the spectral norms of attention's heads: of the rows of the queries' and keys' matrices that are a
/// head's.
///
/// With G the smaller Gram matrix of a head's rows W, ‖W‖_*² = ‖G‖_*: G is [headSize, headSize] as a rule, so
/// that what is kept of an iteration on it is little, however wide the network.
final class HeadNorms {
  let follower: NormFollower
  /// Of each matrix.
  let heads: [Int]
  private let compute: Compute

  /// - matrices: shapes, and the heads that rows are split into.
  /// - Throws: `OpenCLError` where memory is short.
  init(_ matrices: [(shape: PowerIteration.Shape, heads: Int)], compute: Compute) throws {
    (heads, self.compute) = (matrices.map(\.heads), compute)
    follower = try NormFollower(
      matrices.map { shape, heads in
        let side = min(shape.rows / heads, shape.columns)
        return (replicas: shape.replicas * heads, rows: side, columns: side)
      }, compute: compute)
  }

  /// ‖W‖_*² of every head, [replica·heads, 1, 1] of each matrix; nothing waits for the device.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`.
  func squares(of matrices: [Tensor], effort: NormEffort) throws -> [Tensor] {
    let grams = try zip(matrices, heads).map { matrix, heads in
      let rows = matrix.split(into: heads)
      return try compute.gram(rows.rows <= rows.columns ? .nt : .tn, rows)
    }
    return try follower.norms(of: grams, effort: effort).spectral
  }
}
