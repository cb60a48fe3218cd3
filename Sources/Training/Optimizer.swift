import Networks
import OpenCL
import Spectral
import Tensors

/// Steps parameters along an update rule's direction, each at its own rate in each replica.
///
///     η_l = η·learningRateFactor,   step = schedule·η_l·direction
public final class Optimizer {
  /// Adam's ε where nothing is said: PyTorch's.
  public static let defaultEpsilon = 1e-8

  /// Steps begun so far.
  public private(set) var step = 0
  /// 1 for each replica that trains, 0 for those that have diverged; [replica, 1, 1].
  public let active: Tensor
  /// How gradients become directions.
  public let rule: any UpdateRule
  /// Whether ΔW is −s·η_l·∇ and nothing else.
  public let isGradientDescent: Bool
  private let compute: Compute
  private var slots: [ObjectIdentifier: Slot] = [:]
  private let schedule = Varying<Float>(1)
  /// The rule's of the step.
  private let numbers: [Varying<Float>]
  private var observer: (any UpdateObserver)?

  private struct Slot {
    let rates: UpdateRates
    let state: [Tensor]
    let learningRates, epsilons: [Double]
  }

  /// Whether ΔW is the gradient times the rate, with nothing that has to be kept to know it.
  package static func isGradientDescent(_ rule: any UpdateRule, weightDecay: WeightDecay?) -> Bool {
    rule is SGD && weightDecay == nil
  }

  /// An optimizer of `parameters`.
  ///
  /// - learningRates: η of each replica. scalings: for each parameter, each replica's.
  /// - Throws: `OpenCLError.callFailed` where memory is short.
  public init(
    rule: any UpdateRule, parameters: [Parameter], learningRates: [Double],
    scalings: [[WidthScaling]], epsilon: Double = Optimizer.defaultEpsilon,
    weightDecay: WeightDecay? = nil, compute: Compute
  ) throws {
    precondition(
      scalings.count == parameters.count
        && scalings.allSatisfy { $0.count == learningRates.count },
      "scalings for \(parameters.count) parameters × \(learningRates.count) replicas")
    self.rule = rule
    numbers = rule.stepNumbers(1).map { Varying($0) }
    isGradientDescent = Self.isGradientDescent(rule, weightDecay: weightDecay)
    self.compute = compute
    let replicas = learningRates.count
    active = try compute.filled(1, replicas: replicas, rows: 1, columns: 1)
    for (parameter, scaling) in zip(parameters, scalings) {
      let rates = zip(learningRates, scaling).map { $0 * $1.learningRateFactor }
      let decay = scaling.map { (weightDecay?.strength ?? 0) * $0.weightDecayFactor }
      let epsilons = scaling.map { epsilon * $0.epsilonFactor }
      let coupled = weightDecay?.kind == .coupled
      let value = parameter.value
      slots[ObjectIdentifier(parameter)] = Slot(
        rates: try UpdateRates(
          learningRate: rates.map { Float($0) },
          epsilon: epsilons.map { Float($0) },
          coupledDecay: decay.map { coupled ? Float($0) : 0 },
          decoupledDecay: zip(rates, decay).map { coupled ? 0 : Float($0 * $1) },
          compute: compute),
        state: try rule.stateNames.map { _ in
          try compute.filled(
            0, replicas: value.replicas, rows: value.rows, columns: value.columns)
        }, learningRates: rates, epsilons: epsilons)
    }
  }

  /// Begins the next step, at `schedule` times the learning rates.
  ///
  /// - observer: is shown every update of this step.
  public func beginStep(schedule: Float, observer: (any UpdateObserver)? = nil) {
    step += 1
    self.schedule.value = schedule
    for (number, value) in zip(numbers, rule.stepNumbers(step)) { number.value = value }
    self.observer = observer
  }

  /// Updates one parameter by its gradient of this step.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func update(_ parameter: Parameter, _ gradient: ParameterGradient) throws {
    let slot = slot(of: parameter)
    let records = observer?.wantsChange(of: parameter) == true
    let change = try rule.update(
      parameter.value, gradient: gradient, state: slot.state,
      step: UpdateStep(
        rates: slot.rates, active: active, schedule: schedule, number: step,
        numbers: numbers, recordsChange: records, queue: compute.queue), compute: compute)
    try observer?.observe(
      ObservedUpdate(
        parameter: parameter, gradient: gradient, change: change, state: slot.state,
        schedule: schedule.value, step: step))
  }

  /// η_l of a parameter in each replica, before the schedule.
  public func learningRates(of parameter: Parameter) -> [Double] {
    slot(of: parameter).learningRates
  }

  /// ε_l of a parameter in each replica.
  public func epsilons(of parameter: Parameter) -> [Double] {
    slot(of: parameter).epsilons
  }

  /// The rule's state of a parameter, in the order of its names.
  func state(of parameter: Parameter) -> [Tensor] { slot(of: parameter).state }

  /// A parameter's rates as kernels take them.
  func rates(of parameter: Parameter) -> UpdateRates { slot(of: parameter).rates }

  /// Goes on as after `step` steps.
  func resume(afterSteps step: Int) { self.step = step }

  private func slot(of parameter: Parameter) -> Slot {
    guard let slot = slots[ObjectIdentifier(parameter)] else {
      preconditionFailure("\(parameter.name) is not among the optimizer's parameters")
    }
    return slot
  }
}
