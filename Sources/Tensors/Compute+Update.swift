import OpenCL

/// One tensor's rates in each replica, as the update kernels take them.
public struct UpdateRates {
  let buffer: Buffer<SIMD4<Float>>

  /// Rates for each replica.
  ///
  /// - learningRate: η_l. epsilon: Adam's ε_l. coupledDecay: λ_l, added to the gradient as λ_l·W.
  ///   decoupledDecay: share of W taken away each step, η_l·λ_l.
  /// - Throws: `OpenCLError`.
  public init(
    learningRate: [Float], epsilon: [Float], coupledDecay: [Float], decoupledDecay: [Float],
    compute: Compute
  ) throws {
    precondition(
      epsilon.count == learningRate.count && coupledDecay.count == learningRate.count
        && decoupledDecay.count == learningRate.count, "rates of different replica counts")
    buffer = try Buffer(
      queue: compute.queue,
      learningRate.indices.map {
        SIMD4(learningRate[$0], epsilon[$0], coupledDecay[$0], decoupledDecay[$0])
      })
  }
}

/// How a gradient becomes a direction, with the tensors of the weight's shape that the rule keeps.
public enum UpdateDirection {
  /// d = g.
  case gradient
  /// v ← μ·v + g;  d = v, or g + μ·v with Nesterov's look-ahead.
  case momentum(Float, nesterov: Bool, velocity: Tensor)
  /// d = m·c₁/(√(v·c₂) + ε) with the running means m and v of g and g²; c = 1/(1 − βᵗ), step t ≥ 1.
  case adam(
    mean: Tensor, square: Tensor, beta1: Float, beta2: Float, correction1: Varying<Float>,
    correction2: Varying<Float>)

  /// The tensors that the rule keeps.
  var state: [Tensor] {
    switch self {
    case .gradient: []
    case .momentum(_, _, let velocity): [velocity]
    case .adam(let mean, let square, _, _, _, _): [mean, square]
    }
  }
}

/// One update of a weight, but for its gradient.
public struct WeightUpdate {
  /// The rule.
  public let direction: UpdateDirection
  /// The weight's rates in each replica.
  public let rates: UpdateRates
  /// 0 for replicas that stand still; [replica, 1, 1].
  public let active: Tensor
  /// The learning rate's factor.
  public let schedule: Varying<Float>

  /// An update along `direction`.
  public init(
    along direction: UpdateDirection, rates: UpdateRates, active: Tensor,
    schedule: Varying<Float>
  ) {
    self.direction = direction
    self.rates = rates
    self.active = active
    self.schedule = schedule
  }
}

/// Update rules, in place, for every replica that `active` [replica, 1, 1] does not mark 0.
///
/// Where a change is recorded, the gradient's memory takes the step's ΔW, to the precision of ΔW
/// itself; NaN of a replica that stands still.
extension Compute {
  /// Updates `weight` by a gradient that is a matrix.
  ///
  /// - Throws: `OpenCLError`.
  public func apply(
    _ update: WeightUpdate, to weight: Tensor, gradient: Tensor, recordsChange: Bool = false
  ) throws {
    switch update.direction {
    case .gradient:
      try updateSGD(
        weight, gradient: gradient, rates: update.rates, active: update.active,
        schedule: update.schedule, recordsChange: recordsChange)
    case .momentum(let momentum, let nesterov, let velocity):
      try updateMomentum(
        weight, gradient: gradient, velocity: velocity, rates: update.rates,
        active: update.active, schedule: update.schedule, momentum: momentum, nesterov: nesterov,
        recordsChange: recordsChange)
    case .adam(let mean, let square, let beta1, let beta2, let correction1, let correction2):
      try updateAdam(
        weight, gradient: gradient, mean: mean, square: square, rates: update.rates,
        active: update.active, schedule: update.schedule, beta1: beta1, beta2: beta2,
        correction1: correction1, correction2: correction2, recordsChange: recordsChange)
    }
  }

  /// Updates `weight` by its gradient's factors, ∇W = scale·Δᵀ H, which need not become a matrix.
  ///
  /// - delta: Δ [replica, batch, fanOut]. input: H [replica, batch, fanIn].
  /// - Returns: ΔW, where it is to be recorded.
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func apply(
    _ update: WeightUpdate, to weight: Tensor, delta: Tensor, input: Tensor, scale: Float,
    recordsChange: Bool = false
  ) throws -> Tensor? {
    let change =
      recordsChange
      ? try tensor(replicas: weight.replicas, rows: weight.rows, columns: weight.columns) : nil
    try enqueue(
      MatrixProduct(
        .tn, delta, input, alpha: scale, epilogue: .update(update, change: change), into: weight))
    return change
  }

  /// W ← (1 − s·d)·W − s·η·(g + λ·W).
  ///
  /// - Throws: `OpenCLError`.
  public func updateSGD(
    _ weight: Tensor, gradient: Tensor, rates: UpdateRates, active: Tensor,
    schedule: Varying<Float>, recordsChange: Bool = false
  ) throws {
    check(weight, gradient, rates, active)
    let kernel = try kernel(
      .update, "update_sgd", Buffer<Float>.self, Buffer<Float>.self,
      Buffer<SIMD4<Float>>.self, Buffer<Float>.self, Varying<Float>.self, UInt32.self, UInt32.self)
    try kernel(
      queue, global: updateSize(weight), local: [64, 1], weight.buffer, gradient.buffer,
      rates.buffer, active.buffer, schedule, recordsChange ? 1 : 0,
      UInt32(weight.stride))
  }

  /// v ← μ·v + g, then a step along v, or along g + μ·v with Nesterov's look-ahead.
  ///
  /// - Throws: `OpenCLError`.
  public func updateMomentum(
    _ weight: Tensor, gradient: Tensor, velocity: Tensor, rates: UpdateRates, active: Tensor,
    schedule: Varying<Float>, momentum: Float, nesterov: Bool, recordsChange: Bool = false
  ) throws {
    check(weight, gradient, rates, active, velocity)
    let kernel = try kernel(
      .update, "update_momentum", Buffer<Float>.self, Buffer<Float>.self,
      Buffer<Float>.self, Buffer<SIMD4<Float>>.self, Buffer<Float>.self, Varying<Float>.self,
      Float.self, UInt32.self, UInt32.self, UInt32.self)
    try kernel(
      queue, global: updateSize(weight), local: [64, 1], weight.buffer, gradient.buffer,
      velocity.buffer, rates.buffer, active.buffer, schedule, momentum,
      nesterov ? 1 : 0, recordsChange ? 1 : 0, UInt32(weight.stride))
  }

  /// Adam's step: m·c₁/(√(v·c₂) + ε) with the running means m and v of g and g².
  ///
  /// - correction1, correction2: c = 1/(1 − βᵗ) for step t ≥ 1.
  /// - Throws: `OpenCLError`.
  public func updateAdam(
    _ weight: Tensor, gradient: Tensor, mean: Tensor, square: Tensor, rates: UpdateRates,
    active: Tensor, schedule: Varying<Float>, beta1: Float, beta2: Float,
    correction1: Varying<Float>, correction2: Varying<Float>, recordsChange: Bool = false
  ) throws {
    check(weight, gradient, rates, active, mean, square)
    let kernel = try kernel(
      .update, "update_adam", Buffer<Float>.self, Buffer<Float>.self,
      Buffer<Float>.self, Buffer<Float>.self, Buffer<SIMD4<Float>>.self, Buffer<Float>.self,
      Varying<Float>.self, Float.self, Float.self, Varying<Float>.self, Varying<Float>.self,
      UInt32.self, UInt32.self)
    try kernel(
      queue, global: updateSize(weight), local: [64, 1], weight.buffer, gradient.buffer,
      mean.buffer, square.buffer, rates.buffer, active.buffer, schedule,
      beta1, beta2, correction1, correction2, recordsChange ? 1 : 0, UInt32(weight.stride))
  }

  /// W ← (1 − s·d)·W − s·η·g/‖g‖; a gradient of norm 0 moves nothing. λ does not enter.
  ///
  /// - norms: ‖g‖ of each replica, [replica, 1, 1].
  /// - Throws: `OpenCLError`.
  public func updateNormalized(
    _ weight: Tensor, gradient: Tensor, norms: Tensor, rates: UpdateRates, active: Tensor,
    schedule: Varying<Float>, recordsChange: Bool = false
  ) throws {
    check(weight, gradient, rates, active)
    precondition(norms.count == weight.replicas, "norms \(norms.shape) for \(weight.shape)")
    let kernel = try kernel(
      .update, "update_normalized", Buffer<Float>.self, Buffer<Float>.self,
      Buffer<Float>.self, Buffer<SIMD4<Float>>.self, Buffer<Float>.self, Varying<Float>.self,
      UInt32.self, UInt32.self)
    try kernel(
      queue, global: updateSize(weight), local: [64, 1], weight.buffer, gradient.buffer,
      norms.buffer, rates.buffer, active.buffer, schedule,
      recordsChange ? 1 : 0, UInt32(weight.stride))
  }

  private func updateSize(_ weight: Tensor) -> [Int] {
    [roundUp((weight.stride + vectorWidth - 1) / vectorWidth, 64), weight.replicas]
  }

  private func check(
    _ weight: Tensor, _ gradient: Tensor, _ rates: UpdateRates, _ active: Tensor, _ state: Tensor...
  ) {
    let alike = [gradient] + state
    precondition(
      alike.allSatisfy { $0.shape == weight.shape }
        && rates.buffer.count == weight.replicas && active.count == weight.replicas,
      "update of \(weight.shape) with gradient and state \(alike.map(\.shape)), "
        + "\(rates.buffer.count) rates")
  }
}
