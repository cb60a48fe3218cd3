import Foundation
import Tensors

/// How a gradient becomes a direction; only the optimizer knows rates and schedule.
public protocol UpdateRule: Sendable {
  /// Tensors of the parameter's shape that the rule keeps between steps, 0 at first.
  var stateCount: Int { get }
  /// Updates `weight` by its gradient g, with weight decay as `rates` say.
  ///
  /// - step: 1 for the first. schedule: the learning rate's factor.
  /// - Throws: `OpenCLError`.
  func update(
    _ weight: Tensor, gradient: Tensor, state: [Tensor], rates: UpdateRates, active: Tensor,
    schedule: Float, step: Int, compute: Compute
  ) throws
}

/// Direction g.
public struct SGD: UpdateRule {
  /// None.
  public let stateCount = 0

  /// Plain gradient descent.
  public init() {}

  /// W ← W − s·η·g.
  ///
  /// - Throws: `OpenCLError`.
  public func update(
    _ weight: Tensor, gradient: Tensor, state: [Tensor], rates: UpdateRates, active: Tensor,
    schedule: Float, step: Int, compute: Compute
  ) throws {
    try compute.updateSGD(
      weight, gradient: gradient, rates: rates, active: active, schedule: schedule)
  }
}

/// Direction v ← μ·v + g, or g + μ·v with Nesterov's look-ahead; no dampening, as in PyTorch.
public struct Momentum: UpdateRule {
  /// μ in [0, 1).
  public let momentum: Float
  /// Whether the direction looks one step ahead.
  public let nesterov: Bool
  /// The velocity v.
  public let stateCount = 1

  /// Momentum μ; 0.9 is PyTorch's and most papers' value.
  public init(_ momentum: Float = 0.9, nesterov: Bool = false) {
    self.momentum = momentum
    self.nesterov = nesterov
  }

  /// W ← W − s·η·v.
  ///
  /// - Throws: `OpenCLError`.
  public func update(
    _ weight: Tensor, gradient: Tensor, state: [Tensor], rates: UpdateRates, active: Tensor,
    schedule: Float, step: Int, compute: Compute
  ) throws {
    try compute.updateMomentum(
      weight, gradient: gradient, velocity: state[0], rates: rates, active: active,
      schedule: schedule, momentum: momentum, nesterov: nesterov)
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
  public let stateCount = 2

  /// The defaults are the paper's and PyTorch's.
  public init(beta1: Double = 0.9, beta2: Double = 0.999) {
    self.beta1 = beta1
    self.beta2 = beta2
  }

  /// W ← W − s·η·(m/c₁)/(√(v/c₂) + ε).
  ///
  /// - Throws: `OpenCLError`.
  public func update(
    _ weight: Tensor, gradient: Tensor, state: [Tensor], rates: UpdateRates, active: Tensor,
    schedule: Float, step: Int, compute: Compute
  ) throws {
    try compute.updateAdam(
      weight, gradient: gradient, mean: state[0], square: state[1], rates: rates, active: active,
      schedule: schedule, beta1: Float(beta1), beta2: Float(beta2),
      correction1: Float(1 / (1 - pow(beta1, Double(step)))),
      correction2: Float(1 / (1 - pow(beta2, Double(step)))))
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
    }
  }
}
