import Networks
import OpenCL
import Tensors

/// The gradients of one step, all there before any parameter is updated: summed over the parts of a
/// batch, and clipped by the norm of all together.
///
/// A step that needs neither hands each gradient to its update as it comes.
final class CollectedGradients {
  private var gradients: [(parameter: Parameter, gradient: ParameterGradient)] = []
  private var places: [ObjectIdentifier: Int] = [:]
  private let compute: Compute

  /// None yet.
  init(compute: Compute) { self.compute = compute }

  /// Takes a gradient of the whole batch.
  func take(_ parameter: Parameter, _ gradient: ParameterGradient) {
    gradients.append((parameter, gradient))
  }

  /// Adds the gradient of the mean loss over a part of the batch.
  ///
  /// - share: the part's share of the batch's rows.
  /// - Throws: `OpenCLError`, `CLBlastError`.
  func add(_ parameter: Parameter, _ gradient: ParameterGradient, share: Float) throws {
    let matrix: Tensor
    switch gradient {
    case .factors(let delta, let input, let scale):
      matrix = try compute.product(.tn, delta, input, alpha: scale * share)
    case .whole(let tensor): matrix = try compute.scaled(tensor, by: share)
    }
    if let place = places[ObjectIdentifier(parameter)],
      case .whole(let sum) = gradients[place].gradient
    {
      try compute.accumulate(matrix, into: sum)
    } else {
      places[ObjectIdentifier(parameter)] = gradients.count
      gradients.append((parameter, .whole(matrix)))
    }
  }

  /// Hands over what was taken, in order, and lets go of it.
  ///
  /// - Throws: what `receive` throws.
  func handOver(to receive: GradientReceiver) throws {
    for (parameter, gradient) in gradients { try receive(parameter, gradient) }
    gradients = []
    places = [:]
  }

  /// Σ ‖∇_l‖_F² of each replica over the parameters that are not frozen in it, [replica, 1, 1].
  ///
  /// A gradient that comes by its factors stays so where its Gram matrices are less work:
  /// ‖scale·Δᵀ H‖_F² = scale²·Σ ΔΔᵀ ∘ HHᵀ.
  /// - Throws: `OpenCLError`, `CLBlastError`.
  func squaredNorms(of optimizer: Optimizer) throws -> Tensor {
    let total = try compute.filled(
      0, replicas: optimizer.active.replicas, rows: 1, columns: 1)
    for index in gradients.indices {
      let rates = optimizer.rates(of: gradients[index].parameter)
      switch gradients[index].gradient {
      case .factors(let delta, let input, let scale)
      where delta.rows * (delta.columns + input.columns) < delta.columns * input.columns:
        let products = try compute.sumOfProducts(
          compute.product(.nt, delta, delta), compute.product(.nt, input, input))
        try compute.addTotal(of: products, factor: scale, rates: rates, to: total)
      case .factors, .whole:
        let matrix = try gradients[index].gradient.materialized(compute)
        gradients[index].gradient = .whole(matrix)
        try compute.addTotal(
          of: compute.sumOfSquares(matrix), factor: 1, rates: rates, to: total)
      }
    }
    return total
  }
}

/// The greatest norm of each replica's gradients, and the norms of the steps so far.
final class GradientClipping {
  private let limits: Buffer<Float>
  /// Whether each replica's gradients are clipped.
  let clips: [Bool]
  private let norms: SumHistory
  private let compute: Compute

  /// - limits: of each replica; nil: not clipped.
  /// - capacity: steps whose norms wait on the device.
  /// - Throws: `OpenCLError`.
  init(limits: [Double?], capacity: Int, compute: Compute) throws {
    self.compute = compute
    clips = limits.map { $0 != nil }
    self.limits = try Buffer(queue: compute.queue, limits.map { $0.map { Float($0) } ?? .infinity })
    norms = try SumHistory(capacity: capacity, replicas: limits.count, compute: compute)
  }

  /// What the gradients are multiplied by; their norms go to `slot`.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`.
  func scales(
    of gradients: CollectedGradients, by optimizer: Optimizer, slot: Varying<UInt32>
  ) throws -> Tensor {
    try compute.clipScales(
      squaredNorms: gradients.squaredNorms(of: optimizer), limits: limits, norms: norms,
      slot: slot)
  }

  /// The norms of the first `slots` steps, [step][replica]; NaN of replicas that are not clipped.
  func read(slots: Int) throws -> [[Float]] {
    try norms.read(slots: slots).map { zip($0, clips).map { $1 ? $0 : .nan } }
  }
}
