import Foundation
import Networks
import OpenCL
import Spectral
import Tensors

/// Where and how far an update goes: everything that is not the rule's own.
public struct UpdateStep {
  /// The parameter's rates in each replica.
  public let rates: UpdateRates
  /// 0 for replicas that have diverged and stand still; [replica, 1, 1].
  public let active: Tensor
  /// The rule's `stepNumbers` of this step.
  public let numbers: [Varying<Float>]
  /// Whether ΔW is to be kept, for someone who looks at it.
  public let recordsChange: Bool
  /// The learning rate's factor, for kernels: it goes along when the step is recorded and made again.
  let scheduleFactor: Varying<Float>
  /// What `number` is.
  let stepNumber: Int
  private let queue: CommandQueue

  init(
    rates: UpdateRates, active: Tensor, schedule: Varying<Float>, number: Int,
    numbers: [Varying<Float>], recordsChange: Bool, queue: CommandQueue
  ) {
    (self.rates, self.active, self.numbers) = (rates, active, numbers)
    (scheduleFactor, stepNumber, self.queue) = (schedule, number, queue)
    self.recordsChange = recordsChange
  }

  /// The learning rate's factor. A step whose rule asks for it is worked out every time; `apply` asks for
  /// it in a way that can be recorded.
  public var schedule: Float {
    queue.interruptRecording()
    return scheduleFactor.value
  }

  /// 1 for the first step. A step whose rule asks for it is worked out every time; `numbers` can be
  /// recorded.
  public var number: Int {
    queue.interruptRecording()
    return stepNumber
  }

  /// Updates `weight` along `direction`: in the gradient's product where it comes by its factors.
  ///
  /// - Returns: ΔW, where it is recorded.
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func apply(
    _ direction: UpdateDirection, to weight: Tensor, gradient: ParameterGradient, compute: Compute
  ) throws -> Tensor? {
    let update = WeightUpdate(
      along: direction, rates: rates, active: active, schedule: scheduleFactor)
    switch gradient {
    case .factors(let delta, let input, let scale):
      return try compute.apply(
        update, to: weight, delta: delta, input: input, scale: scale,
        recordsChange: recordsChange)
    case .whole(let gradient):
      try compute.apply(update, to: weight, gradient: gradient, recordsChange: recordsChange)
      return recordsChange ? gradient : nil
    }
  }
}

extension UpdateStep {
  /// Updates `weight` along a direction d of the weight's shape, which the rule has made of the
  /// gradient.
  ///
  ///     W ← (1 − s·η_l·λ)·W − s·η_l·d,   with coupled decay d + λ·W in place of d
  ///
  /// Replicas that stand still are left as they are.
  /// - Returns: ΔW, where it is recorded, in the memory of `direction`.
  /// - Throws: `OpenCLError`.
  public func apply(direction: Tensor, to weight: Tensor, compute: Compute) throws -> Tensor? {
    try apply(.gradient, to: weight, gradient: .whole(direction), compute: compute)
  }
}

/// How a gradient becomes a direction; only the optimizer knows rates and schedule.
///
/// A rule of one's own is passed to `Trainer`; it makes its direction of the gradient and hands it
/// to `UpdateStep.apply(direction:to:compute:)`.
public protocol UpdateRule: Sendable {
  /// How the update's size depends on the gradient's, which decides the rates that a
  /// parametrization gives it.
  var family: UpdateFamily { get }
  /// Whether the rule makes a matrix of a gradient that comes by its factors, for which room is then
  /// planned; true where a rule does not say.
  var formsGradient: Bool { get }
  /// Tensors of the parameter's shape that the rule keeps between steps, 0 at first, by their names
  /// in checkpoints.
  var stateNames: [String] { get }
  /// Numbers that the rule takes from the step's alone, 1 for the first, to hand them to kernels; none
  /// where it does not say. In `update` they are `step.numbers`.
  func stepNumbers(_ step: Int) -> [Float]
  /// Updates `weight` by its gradient g, with weight decay as the step's rates say.
  ///
  /// What is enqueued may be enqueued again for later steps without a call: it depends on nothing but
  /// the arguments.
  /// - Returns: ΔW, where the step records it.
  /// - Throws: `OpenCLError`, `CLBlastError`.
  func update(
    _ weight: Tensor, gradient: ParameterGradient, state: [Tensor], step: UpdateStep,
    compute: Compute
  ) throws -> Tensor?
}

extension UpdateRule {
  /// True: a direction of one's own is made of the matrix.
  public var formsGradient: Bool { true }
  /// None.
  public func stepNumbers(_ step: Int) -> [Float] { [] }
}

/// Direction g.
public struct SGD: UpdateRule {
  /// None.
  public let stateNames: [String] = []
  /// Proportional to the gradient.
  public let family = UpdateFamily.sgd
  /// False: the update is part of the gradient's product.
  public let formsGradient = false

  /// Plain gradient descent.
  public init() {}

  /// W ← W − s·η·g.
  ///
  /// - Throws: `OpenCLError`.
  public func update(
    _ weight: Tensor, gradient: ParameterGradient, state: [Tensor], step: UpdateStep,
    compute: Compute
  ) throws -> Tensor? {
    try step.apply(.gradient, to: weight, gradient: gradient, compute: compute)
  }
}

/// Direction v ← μ·v + g, or g + μ·v with Nesterov's look-ahead; no dampening, as in PyTorch.
public struct Momentum: UpdateRule {
  /// μ in [0, 1).
  public let momentum: Float
  /// Whether the direction looks one step ahead.
  public let nesterov: Bool
  /// The velocity v.
  public let stateNames = ["velocity"]
  /// Proportional to the gradient.
  public let family = UpdateFamily.sgd
  /// False: the update is part of the gradient's product.
  public let formsGradient = false

  /// Momentum μ; 0.9 is PyTorch's and most papers' value.
  public init(_ momentum: Float = 0.9, nesterov: Bool = false) {
    self.momentum = momentum
    self.nesterov = nesterov
  }

  /// W ← W − s·η·v.
  ///
  /// - Throws: `OpenCLError`.
  public func update(
    _ weight: Tensor, gradient: ParameterGradient, state: [Tensor], step: UpdateStep,
    compute: Compute
  ) throws -> Tensor? {
    try step.apply(
      .momentum(momentum, nesterov: nesterov, velocity: state[0]), to: weight, gradient: gradient,
      compute: compute)
  }
}

/// Direction (m/c₁)/(√(v/c₂) + ε) with running means m of g and v of g², c = 1 − βᵗ.
///
/// Source: Kingma & Ba, arXiv:1412.6980. AdamW is this rule with decoupled decay.
public struct Adam: UpdateRule {
  /// β₁ in [0, 1).
  public let beta1: Double
  /// β₂ in [0, 1).
  public let beta2: Double
  /// m and v.
  public let stateNames = ["mean", "square"]
  /// Of entries Θ(1).
  public let family = UpdateFamily.adam
  /// False: the update is part of the gradient's product.
  public let formsGradient = false

  /// The defaults are the paper's and PyTorch's.
  public init(beta1: Double = 0.9, beta2: Double = 0.999) {
    self.beta1 = beta1
    self.beta2 = beta2
  }

  /// 1/(1 − β₁ᵗ), by which m is short of the mean of g at step t ≥ 1.
  func meanCorrection(step: Int) -> Double { 1 / (1 - pow(beta1, Double(step))) }

  /// 1/(1 − β₂ᵗ), by which v is short of the mean of g² at step t ≥ 1.
  func squareCorrection(step: Int) -> Double { 1 / (1 - pow(beta2, Double(step))) }

  /// 1/(1 − β₁ᵗ) and 1/(1 − β₂ᵗ).
  public func stepNumbers(_ step: Int) -> [Float] {
    [Float(meanCorrection(step: step)), Float(squareCorrection(step: step))]
  }

  /// W ← W − s·η·(m/c₁)/(√(v/c₂) + ε).
  ///
  /// - Throws: `OpenCLError`.
  public func update(
    _ weight: Tensor, gradient: ParameterGradient, state: [Tensor], step: UpdateStep,
    compute: Compute
  ) throws -> Tensor? {
    try step.apply(
      .adam(
        mean: state[0], square: state[1], beta1: Float(beta1), beta2: Float(beta2),
        correction1: step.numbers[0], correction2: step.numbers[1]),
      to: weight, gradient: gradient, compute: compute)
  }
}

extension OptimizerKind {
  /// The rule with its default hyperparameters.
  public var rule: any UpdateRule {
    switch self {
    case .sgd: SGD()
    case .momentum: Momentum()
    case .nesterov: Momentum(nesterov: true)
    case .adam, .adamw: Adam()
    case .spectralNormalized: NormalizedUpdate(.spectral)
    case .frobeniusNormalized: NormalizedUpdate(.frobenius)
    }
  }
}
