import Networks
import OpenCL
import Spectral
import Tensors

/// How a gradient becomes a direction; only the optimizer knows rates and schedule.
///
/// A custom rule is passed to `Trainer`. One that treats every element alike is an
/// `ElementwiseUpdateRule`; one that makes a matrix of what such a snippet gives is a `MatrixUpdateRule`;
/// another makes its direction of the gradient and hands it to `UpdateStep.apply(direction:to:compute:)`.
public protocol UpdateRule: Sendable {
  /// How the update's size depends on the gradient's, which decides the rates that a
  /// parametrization gives it.
  var family: UpdateFamily { get }
  /// Tensors of the parameter's shape that the rule keeps between steps, 0 at first, by their names
  /// in checkpoints.
  var stateNames: [String] { get }
  /// ε, before the parametrization's factor; 0 of rules that have none.
  var epsilon: Double { get }
  /// η_l/η of a parameter of this shape where the rule says it itself, in place of the parametrization;
  /// decoupled decay then takes the share η·λ of W, without the factor. nil: the parametrization says it.
  func ownRateFactor(for shape: ParameterShape) -> Double?
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
  /// None.
  public var epsilon: Double { 0 }

  /// The parametrization says it.
  public func ownRateFactor(for shape: ParameterShape) -> Double? { nil }
}

/// A rule whose direction begins with one snippet of OpenCL C, which treats every element alike.
public protocol SnippetUpdateRule: UpdateRule {
  /// The snippet, with the names of what it keeps and of its numbers.
  var elementwise: ElementwiseRule { get }
  /// Values of the snippet's hyperparameters, in the order of its names.
  var hyperparameters: [Double] { get }
  /// Values of the snippet's corrections at step `step` ≥ 1, in the order of its names.
  func corrections(step: Int) -> [Double]
}

extension SnippetUpdateRule {
  /// None.
  public var hyperparameters: [Double] { [] }

  /// The snippet's.
  public var stateNames: [String] { elementwise.state }

  /// None.
  public func corrections(step: Int) -> [Double] { [] }
}

/// A rule that is the snippet and nothing else; its update is part of the gradient's product.
///
///     struct SignSGD: ElementwiseUpdateRule {
///       let elementwise = ElementwiseRule(name: "sign-sgd", direction: "T d = sign(g);")
///       let family = UpdateFamily.adam
///     }
public protocol ElementwiseUpdateRule: SnippetUpdateRule {}

extension ElementwiseUpdateRule {
  /// W ← W − s·η·d.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func update(
    _ weight: Tensor, gradient: ParameterGradient, state: [Tensor], step: UpdateStep,
    compute: Compute
  ) throws -> Tensor? {
    try step.apply(to: weight, gradient: gradient, state: state, compute: compute)
  }
}

/// A rule that makes its direction of what the snippet gives as a matrix, such as the nearest orthogonal one.
///
/// Matrices of one shape are handed over together, those of several parameters in place of replicas, so that a
/// network's small matrices fill the device: `update`, which is for a matrix alone, is not for rules to write.
public protocol MatrixUpdateRule: SnippetUpdateRule {
  /// The directions d that are made of `matrices`, one each; it may be called with some parameters' matrices
  /// or all.
  ///
  /// - matrices: [matrix, rows, columns], as the result.
  /// - Throws: `OpenCLError`, `CLBlastError`.
  func directions(of matrices: Tensor, compute: Compute) throws -> Tensor
}

extension MatrixUpdateRule {
  /// W ← W − s·η·d, of one parameter alone.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func update(
    _ weight: Tensor, gradient: ParameterGradient, state: [Tensor], step: UpdateStep,
    compute: Compute
  ) throws -> Tensor? {
    let matrices = try step.direction(
      of: weight, gradient: gradient, state: state, compute: compute)
    return try step.apply(
      direction: directions(of: matrices, compute: compute), to: weight, compute: compute)
  }
}

/// Where and how far an update goes: everything that is not the rule's own.
public struct UpdateStep {
  /// The parameter's rates in each replica.
  public let rates: UpdateRates
  /// 0 for replicas that have diverged and are frozen; [replica, 1, 1].
  public let active: Tensor
  /// Whether ΔW is to be kept, for an observer.
  public let recordsWeightDelta: Bool
  /// The schedule's factor and the numbers of the rule's snippet; of a rule without one, those of gradient
  /// descent.
  let numbers: RuleNumbers
  /// The schedule's factor, for directions that are made.
  let descent: RuleNumbers
  /// What `number` is.
  let stepNumber: Int
  let queue: CommandQueue
  /// What gradients are multiplied by; nil: 1.
  let gradientScale: Tensor?

  /// 1 for the first step. Steps whose rule asks for it are worked out every time; others are recorded
  /// and their launches made again.
  public var number: Int {
    queue.interruptRecording()
    return stepNumber
  }

  /// Updates `weight` by the elementwise rule: in the gradient's product where it comes by its factors.
  func apply(
    to weight: Tensor, gradient: ParameterGradient, state: [Tensor], compute: Compute
  ) throws -> Tensor? {
    let update = WeightUpdate(
      numbers, state: state, rates: rates, active: active, gradientScale: gradientScale)
    switch gradient {
    case .factors(let delta, let input, let scale):
      return try compute.apply(
        update, to: weight, delta: delta, input: input, scale: scale,
        recordsWeightDelta: recordsWeightDelta)
    case .whole(let gradient):
      try compute.apply(
        update, to: weight, gradient: gradient, recordsWeightDelta: recordsWeightDelta)
      return recordsWeightDelta ? gradient : nil
    }
  }

  /// What the snippet of a rule that is not elementwise makes of a gradient, of the weight's shape; 0 in
  /// frozen replicas. The rule's state is updated.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func direction(
    of weight: Tensor, gradient: ParameterGradient, state: [Tensor], compute: Compute
  ) throws -> Tensor {
    try compute.direction(
      of: snippetUpdate(state), at: weight, gradient: gradient.materialized(compute))
  }

  /// The same into part `part` of `matrices`, one weight's replicas after another's.
  func writeDirection(
    of weight: Tensor, gradient: ParameterGradient, state: [Tensor], to matrices: Tensor, part: Int,
    compute: Compute
  ) throws {
    try compute.writeDirection(
      of: snippetUpdate(state), at: weight, gradient: gradient.materialized(compute), to: matrices,
      part: part)
  }

  private func snippetUpdate(_ state: [Tensor]) -> WeightUpdate {
    WeightUpdate(numbers, state: state, rates: rates, active: active)
  }

  /// Updates `weight` along a direction d of the weight's shape, which the rule has made of the
  /// gradient.
  ///
  ///     W ← (1 − s·η_l·λ)·W − s·η_l·d,   with coupled decay d + λ·W in place of d
  ///
  /// Frozen replicas are left as they are.
  /// - scale: what each replica's direction is multiplied by, [replica, 1, 1]; nil: 1.
  /// - Returns: ΔW, where it is recorded, in the memory of `direction`.
  /// - Throws: `OpenCLError`.
  public func apply(
    direction: Tensor, scale: Tensor? = nil, to weight: Tensor, compute: Compute
  ) throws -> Tensor? {
    let update = WeightUpdate(
      descent, rates: rates, active: active, gradientScale: scale)
    try compute.apply(
      update, to: weight, gradient: direction, recordsWeightDelta: recordsWeightDelta)
    return recordsWeightDelta ? direction : nil
  }

  /// The same along part `part` of `directions`, one weight's replicas after another's.
  func apply(
    directions: Tensor, part: Int, to weight: Tensor, compute: Compute
  ) throws -> Tensor? {
    try compute.apply(
      WeightUpdate(descent, rates: rates, active: active), to: weight, gradient: directions,
      part: part, recordsWeightDelta: recordsWeightDelta)
    return recordsWeightDelta ? try compute.copy(part, of: directions, like: weight) : nil
  }
}
