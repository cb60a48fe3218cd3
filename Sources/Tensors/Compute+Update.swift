import OpenCL

/// One tensor's rates in each replica, as the update kernels take them.
public struct UpdateRates {
  let buffer: Buffer<SIMD4<Float>>

  /// Rates for each replica.
  ///
  /// - learningRate: η_l. epsilon: Adam's ε_l. coupledDecay: λ_l, added to the gradient as λ_l·W.
  ///   decoupledDecay: share of W taken away each step, η_l·λ_l or λ; the schedule scales it.
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

/// An elementwise rule's numbers in each replica, in device memory: those that stay, and those of many
/// steps in advance.
public final class RuleNumbers {
  /// What the numbers are of.
  public let rule: ElementwiseRule
  /// Steps whose numbers are in device memory at a time.
  public let capacity: Int
  let hyperparameters, steps: Buffer<Float>
  /// The schedule's factor and the corrections of each replica at a step, from 0.
  public let values: (_ step: Int) -> [[Float]]
  let replicas: Int
  /// The first replica's row of `steps` at the step that was moved to.
  let row = Varying<UInt32>(0)
  /// The step's place among those in device memory.
  private(set) var slot = 0
  private let compute: Compute
  /// The steps, from 0, whose numbers are there.
  private var filled = 0..<0

  /// Numbers of `rule`.
  ///
  /// - hyperparameters: of each replica, in the order of the rule's names.
  /// - capacity: ≥ 1.
  /// - values: the schedule's factor and the corrections of each replica at a step, from 0.
  /// - Throws: `OpenCLError`.
  public init(
    _ rule: ElementwiseRule, hyperparameters: [[Float]], capacity: Int,
    values: @escaping (_ step: Int) -> [[Float]], compute: Compute
  ) throws {
    precondition(
      hyperparameters.allSatisfy { $0.count == rule.hyperparameters.count } && capacity >= 1,
      "\(rule.name) has hyperparameters \(rule.hyperparameters), got \(hyperparameters)")
    (self.rule, self.capacity, self.compute) = (rule, capacity, compute)
    self.values = values
    replicas = hyperparameters.count
    let own = hyperparameters.flatMap { $0 }
    self.hyperparameters = try Buffer(queue: compute.queue, own.isEmpty ? [0] : own)
    steps = try Buffer(
      context: compute.queue.context, count: capacity * replicas * rule.stepNumbers)
  }

  /// Moves to a step, so that updates enqueued from here on take its numbers. Where they are not in device
  /// memory, those of `capacity` steps are written, which waits for the device.
  ///
  /// - step: from 0.
  /// - Throws: `OpenCLError`.
  public func move(to step: Int) throws {
    if !filled.contains(step) {
      let first = step - step % capacity
      filled = first..<first + capacity
      if compute.queue.context.recording == nil {
        var table: [Float] = []
        table.reserveCapacity(steps.count)
        for step in filled { for own in values(step) { table += own } }
        precondition(table.count == steps.count, "\(table.count) numbers, not \(steps.count)")
        try steps.write(table, queue: compute.queue)
      }
    }
    slot = step - filled.lowerBound
    row.value = UInt32(slot * replicas)
  }
}

extension RuleNumbers {
  /// The same numbers in every replica and at every step.
  ///
  /// - hyperparameters: in the order of the rule's names. step: the schedule's factor and the
  ///   corrections.
  /// - Throws: `OpenCLError`.
  public convenience init(
    _ rule: ElementwiseRule, replicas: Int = 1, hyperparameters: [Float] = [], step: [Float] = [1],
    compute: Compute
  ) throws {
    try self.init(
      rule, hyperparameters: [[Float]](repeating: hyperparameters, count: replicas), capacity: 1,
      values: { _ in [[Float]](repeating: step, count: replicas) }, compute: compute)
    try move(to: 0)
  }
}

/// One update of a weight, but for its gradient.
public struct WeightUpdate {
  /// The rule with its numbers at this step.
  public let numbers: RuleNumbers
  /// What the rule keeps, tensors of the weight's shape in the order of its names.
  public let state: [Tensor]
  /// The weight's rates in each replica.
  public let rates: UpdateRates
  /// 0 for replicas that are frozen; [replica, 1, 1].
  public let active: Tensor
  /// What each replica's gradient is multiplied by, [replica, 1, 1]; nil: 1.
  public let gradientScale: Tensor?

  /// The rule.
  public var rule: ElementwiseRule { numbers.rule }

  /// An update by a rule.
  public init(
    _ numbers: RuleNumbers, state: [Tensor] = [], rates: UpdateRates, active: Tensor,
    gradientScale: Tensor? = nil
  ) {
    (self.numbers, self.state, self.rates) = (numbers, state, rates)
    (self.active, self.gradientScale) = (active, gradientScale)
  }

  /// Traps where tensors and numbers do not fit a weight.
  func check(_ weight: Tensor, alike: [Tensor]) {
    let alike = alike + state
    precondition(
      alike.allSatisfy { $0.shape == weight.shape } && state.count == rule.state.count
        && rates.buffer.count == weight.replicas && active.count == weight.replicas
        && numbers.replicas == weight.replicas
        && (gradientScale?.count ?? weight.replicas) == weight.replicas,
      "update of \(weight.shape) by \(rule.name) with tensors \(alike.map(\.shape)), "
        + "\(rates.buffer.count) rates")
  }

  /// What kernels take of a weight in memory `weight`: state that a rule does not have is not touched,
  /// and `active` is 1 where it is read, which no gradient is changed by.
  func kernelArguments(
    of weight: Buffer<Float>
  ) -> (
    rates: Buffer<SIMD4<Float>>, hyperparameters: Buffer<Float>, steps: Buffer<Float>,
    active: Buffer<Float>, scales: Buffer<Float>, first: Buffer<Float>, second: Buffer<Float>,
    row: Varying<UInt32>
  ) {
    (
      rates.buffer, numbers.hyperparameters, numbers.steps, active.buffer,
      (gradientScale ?? active).buffer, state.first?.buffer ?? weight,
      state.count > 1 ? state[1].buffer : weight, numbers.row
    )
  }
}

/// Update rules, in place, for every replica that `active` [replica, 1, 1] does not mark 0.
///
/// Where ΔW is recorded, the gradient's memory takes the step's ΔW, to the precision of ΔW
/// itself; NaN of a frozen replica.
extension Compute {
  /// Updates `weight` by a gradient that is a matrix.
  ///
  /// - Throws: `OpenCLError`.
  public func apply(
    _ update: WeightUpdate, to weight: Tensor, gradient: Tensor, recordsWeightDelta: Bool = false
  ) throws {
    update.check(weight, alike: [gradient])
    try apply(
      update, to: weight, gradient: gradient, part: 0, recordsWeightDelta: recordsWeightDelta)
  }

  /// Updates `weight` by part `part` of matrices of its shape, one part after another in `gradients`
  /// [part · replica, rows, columns].
  ///
  /// - Throws: `OpenCLError`.
  package func apply(
    _ update: WeightUpdate, to weight: Tensor, gradient gradients: Tensor, part: Int,
    recordsWeightDelta: Bool
  ) throws {
    checkPart(part, of: gradients, like: weight)
    update.check(weight, alike: [])
    let kernel = try kernel(
      .update, "update", rule: update.rule, Buffer<Float>.self, Buffer<Float>.self,
      Buffer<Float>.self, Buffer<Float>.self, Buffer<SIMD4<Float>>.self, Buffer<Float>.self,
      Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self, Varying<UInt32>.self, UInt32.self,
      UInt32.self, UInt64.self)
    let own = update.kernelArguments(of: weight.buffer)
    try kernel(
      queue,
      global: vectorItems(of: weight),
      local: [64, 1], weight.buffer, gradients.buffer, own.first, own.second, own.rates,
      own.hyperparameters, own.steps, own.active, own.scales, own.row, recordsWeightDelta ? 1 : 0,
      UInt32(weight.stride), UInt64(part * weight.count))
  }

  private func checkPart(_ part: Int, of matrices: Tensor, like weight: Tensor) {
    precondition(
      matrices.rows == weight.rows && matrices.columns == weight.columns
        && (part + 1) * weight.replicas <= matrices.replicas,
      "part \(part) of \(matrices.shape) for \(weight.shape)")
  }

  /// The direction of `update`'s rule alone, which updates its state; 0 in frozen replicas.
  ///
  /// - weight, gradient: [replica, rows, columns], as the result; `gradientScale` is not applied.
  /// - Throws: `OpenCLError`.
  public func direction(
    of update: WeightUpdate, at weight: Tensor, gradient: Tensor
  ) throws -> Tensor {
    let result = try tensor(replicas: weight.replicas, rows: weight.rows, columns: weight.columns)
    try writeDirection(of: update, at: weight, gradient: gradient, to: result, part: 0)
    return result
  }

  /// The same into part `part` of `directions` [part · replica, rows, columns].
  ///
  /// - Throws: `OpenCLError`.
  package func writeDirection(
    of update: WeightUpdate, at weight: Tensor, gradient: Tensor, to directions: Tensor, part: Int
  ) throws {
    update.check(weight, alike: [gradient])
    checkPart(part, of: directions, like: weight)
    precondition(update.gradientScale == nil, "a direction's gradient is scaled before")
    let kernel = try kernel(
      .update, "direction", rule: update.rule, Buffer<Float>.self, Buffer<Float>.self,
      Buffer<Float>.self, Buffer<Float>.self, Buffer<SIMD4<Float>>.self, Buffer<Float>.self,
      Buffer<Float>.self, Buffer<Float>.self, Buffer<Float>.self, Varying<UInt32>.self, UInt32.self,
      UInt64.self)
    let own = update.kernelArguments(of: weight.buffer)
    try kernel(
      queue,
      global: vectorItems(of: weight),
      local: [64, 1], weight.buffer, gradient.buffer, own.first, own.second, own.rates,
      own.hyperparameters, own.steps, own.active, directions.buffer, own.row,
      UInt32(weight.stride), UInt64(part * weight.count))
  }

  /// Updates `weight` by its gradient's factors, ∇W = scale·Δᵀ H, which need not become a matrix.
  ///
  /// - delta: Δ [replica, batch, fanOut]. input: H [replica, batch, fanIn].
  /// - Returns: ΔW, where it is to be recorded.
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func apply(
    _ update: WeightUpdate, to weight: Tensor, delta: Tensor, input: Tensor, scale: Float,
    recordsWeightDelta: Bool = false
  ) throws -> Tensor? {
    let weightDelta =
      recordsWeightDelta
      ? try tensor(replicas: weight.replicas, rows: weight.rows, columns: weight.columns) : nil
    try enqueue(
      MatrixProduct(
        .tn, delta, input, alpha: scale, epilogue: .update(update, weightDelta: weightDelta),
        into: weight))
    return weightDelta
  }
}
