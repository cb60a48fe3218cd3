import Spectral
import Tensors

/// Follows the norms of matrices that change slowly: each call starts from what the last one found.
final class NormFollower {
  let iteration: PowerIteration

  init(_ shapes: [PowerIteration.Shape], compute: Compute) throws {
    iteration = try PowerIteration(shapes: shapes, seed: 1, compute: compute)
  }

  func norms(of matrices: [Tensor], effort: NormEffort) throws -> NormTensors {
    try iteration.enqueue(matrices, iterations: effort.passes, tolerance: effort.tolerance)
  }

  /// What the next call starts from, [matrix][replica]; nil before the first.
  func memory() throws -> [[[Float]]]? { try iteration.memory() }

  /// Continues from what `memory` gave.
  func restore(_ memory: [[[Float]]]) throws {
    try iteration.restore(memory)
  }
}

/// How far a measurement goes after its norms.
///
/// Passes are few as each starts from what the last measurement found, and fewer where that still
/// holds. Measured on MLPs 3072–256–256–10, batch 64, by SGD and Adam, at rates up to those at which
/// the loss no longer falls: at every step 1.0 to 1.1 passes over W and 1.0 to 1.6 over ΔW, with a mean
/// error of at most 0.2 % and a greatest of 2.5 %, where a step turns W by most of its own size; at
/// every fourth or tenth 1 to 2.6, with an error of at most 0.5 %.
struct NormEffort: Equatable {
  /// Over each matrix, at most.
  let passes: Int
  /// The relative residual below which a matrix's further passes are left out.
  let tolerance: Double?

  /// Enough from a cold start for 10⁻³ on random matrices.
  private static let cold = NormEffort(passes: 24, tolerance: nil)
  /// Measurements that start cold: a readout that starts at zero, the updates of the layers before
  /// it and the change since the start are zero at first, and nothing can be followed from there.
  private static let coldMeasurements = 3
  /// Measurements in which all passes are made: a direction that outgrows one found before is small
  /// at first, and the residual does not tell of it.
  private static let fullMeasurements = 20

  /// Of the measurement after `step` steps, where there is one every `every` steps.
  static func after(step: Int, every: Int) -> NormEffort {
    let measurement = step / every
    if measurement < coldMeasurements { return cold }
    let full = measurement < fullMeasurements
    return every == 1
      ? NormEffort(passes: 3, tolerance: full ? nil : 0.15)
      : NormEffort(passes: min(cold.passes, 4 + every / 2), tolerance: full ? nil : 0.03)
  }
}
