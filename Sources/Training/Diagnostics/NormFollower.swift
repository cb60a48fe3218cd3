import Spectral
import Tensors

/// Follows the norms of matrices that change slowly: each call starts from what the last one found.
final class NormFollower {
  let iteration: PowerIteration

  init(_ shapes: [PowerIteration.Shape], compute: Compute) throws {
    iteration = try PowerIteration(shapes: shapes, seed: 1, compute: compute)
  }

  /// - passes: over each matrix.
  func norms(of matrices: [Tensor], passes: Int) throws -> NormTensors {
    try iteration.enqueue(matrices, iterations: passes)
  }

  /// What the next call starts from, [matrix][replica]; nil before the first.
  func memory() throws -> [[[Float]]]? { try iteration.memory() }

  /// Goes on from what `memory` gave.
  func restore(_ memory: [[[Float]]]) throws {
    try iteration.restore(memory)
  }
}

/// How many passes a measurement's norms take.
struct NormPasses {
  /// Steps from one measurement to the next.
  let every: Int

  /// Enough from a cold start for 10⁻³ on random matrices.
  private static let cold = 24
  /// Measurements that start cold: a readout that starts at zero, the updates of the layers before
  /// it and the change since the start are zero at first, and nothing can be followed from there.
  private static let coldMeasurements = 3
  /// Enough at every step for errors of at most 1 % at high rates, of weights and of Adam's updates:
  /// width 256, batch 64, rate 2⁻⁷, a hundred steps. Two give 2 % and 18 %.
  private static let eachStep = 3

  /// Passes of the measurement after `step` steps.
  func count(step: Int) -> Int {
    if step / every < Self.coldMeasurements { return Self.cold }
    return every == 1 ? Self.eachStep : min(Self.cold, 4 + every / 2)
  }
}
