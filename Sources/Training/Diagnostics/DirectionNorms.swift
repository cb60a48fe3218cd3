import Spectral
import Tensors

/// Follows the extreme singular values of orthogonalised directions, and the norms of what they are made of.
///
/// With G the smaller Gram matrix of a direction O, [n, n], by power iteration:
///
///     σ_max² = ‖G‖_*,   σ_min² = σ_max² − ‖G − σ_max²·I‖_*,   ‖G − I‖_* = max(σ_max² − 1, 1 − σ_min²)
///
/// Nothing waits for the device. The norms of G and of what lies below are right to 1e-3 after `passes`, of
/// crowded singular values; the differences are taken on the host, in Double.
final class DirectionNorms {
  /// Of the momenta, of G, and of G − σ_max²·I.
  let followers: [(name: String, follower: NormFollower)]
  /// Matrices that each one's rows are cut into, with a direction each.
  private let heads: [Int]
  private let compute: Compute
  /// What has come of a step, by matrix.
  private var momenta, grams: [Int: Tensor]

  /// Every pass is made at every measurement: singular values that lie close together have a small residual
  /// long before they are told apart.
  private static let effort = NormEffort(passes: 24, tolerance: nil)

  /// - shapes: of the matrices. heads: that each is orthogonalised by.
  /// - Throws: `OpenCLError` where memory is short.
  init(_ shapes: [PowerIteration.Shape], heads: [Int], compute: Compute) throws {
    (self.heads, self.compute) = (heads, compute)
    (momenta, grams) = ([:], [:])
    let squares = zip(shapes, heads).map { shape, heads in
      let side = min(shape.rows / heads, shape.columns)
      return (replicas: shape.replicas * heads, rows: side, columns: side)
    }
    followers = [
      ("momenta", try NormFollower(shapes, compute: compute)),
      ("grams", try NormFollower(squares, compute: compute)),
      ("gaps", try NormFollower(squares, compute: compute)),
    ]
  }

  /// Takes a step's direction and what it was made of. The direction is not used afterwards.
  ///
  /// - index: of the matrix, among the shapes.
  /// - Throws: `OpenCLError`, `CLBlastError`.
  func take(_ direction: Tensor, of momentum: Tensor, index: Int) throws {
    momenta[index] = momentum
    let direction = direction.split(into: heads[index])
    grams[index] = try compute.gram(direction.rows <= direction.columns ? .nt : .tn, direction)
  }

  /// One matrix's numbers on the device.
  struct Norms {
    /// ‖u‖_*, ‖u‖_F of the momentum, [replica, 1, 1].
    let momentumSpectral, momentumFrobenius: Tensor
    /// σ_max², and σ_max² − σ_min², of each head's direction, [replica·heads, 1, 1].
    let square, gap: Tensor
  }

  /// The numbers of every matrix, once all of a step have come; they are forgotten then.
  ///
  /// - Returns: nil where a matrix has not come.
  /// - Throws: `OpenCLError`.
  func norms() throws -> [Norms]? {
    defer { (momenta, grams) = ([:], [:]) }
    let count = followers[0].follower.iteration.shapes.count
    guard grams.count == count else { return nil }
    func norms(_ place: Int, _ matrices: [Int: Tensor]) throws -> NormTensors {
      try followers[place].follower.norms(
        of: (0..<count).map { matrices[$0]! }, effort: Self.effort)
    }
    let ofMomenta = try norms(0, momenta)
    let squares = try norms(1, grams).spectral
    for index in 0..<count {
      try compute.subtract(squares[index], fromDiagonalOf: grams[index]!)
    }
    let gaps = try norms(2, grams).spectral
    return (0..<count).map {
      Norms(
        momentumSpectral: ofMomenta.spectral[$0], momentumFrobenius: ofMomenta.frobenius[$0],
        square: squares[$0], gap: gaps[$0])
    }
  }
}
