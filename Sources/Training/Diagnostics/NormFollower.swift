import Spectral
import Tensors

/// Follows the norms of matrices that change slowly: finds them at first, then keeps up.
final class NormFollower {
  /// Passes from a cold start: enough for 10⁻³ on random matrices.
  private static let coldPasses = 24
  let iteration: PowerIteration
  private let passes: Int
  private var isCold = true

  init(_ shapes: [PowerIteration.Shape], passes: Int, compute: Compute) throws {
    iteration = try PowerIteration(shapes: shapes, seed: 1, compute: compute)
    self.passes = passes
  }

  func norms(of matrices: [Tensor]) throws -> NormTensors {
    defer { isCold = false }
    return try iteration.enqueue(matrices, iterations: isCold ? Self.coldPasses : passes)
  }

  /// What the next call starts from, [matrix][replica]; nil before the first.
  func memory() throws -> [[[Float]]]? { try iteration.memory() }

  /// Goes on from what `memory` gave.
  func restore(_ memory: [[[Float]]]) throws {
    try iteration.restore(memory)
    isCold = false
  }
}
