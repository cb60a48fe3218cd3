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
  private let rule: any UpdateRule
  private let compute: Compute
  private var slots: [ObjectIdentifier: Slot] = [:]
  private var schedule: Float = 1

  private struct Slot {
    let rates: UpdateRates
    let state: [Tensor]
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
    self.compute = compute
    let replicas = learningRates.count
    active = try compute.filled(1, replicas: replicas, rows: 1, columns: 1)
    for (parameter, scaling) in zip(parameters, scalings) {
      let rates = zip(learningRates, scaling).map { $0 * $1.learningRateFactor }
      let decay = scaling.map { (weightDecay?.strength ?? 0) * $0.weightDecayFactor }
      let coupled = weightDecay?.kind == .coupled
      let value = parameter.value
      slots[ObjectIdentifier(parameter)] = Slot(
        rates: try UpdateRates(
          learningRate: rates.map { Float($0) },
          epsilon: scaling.map { Float(epsilon * $0.epsilonFactor) },
          coupledDecay: decay.map { coupled ? Float($0) : 0 },
          decoupledDecay: zip(rates, decay).map { coupled ? 0 : Float($0 * $1) },
          compute: compute),
        state: try (0..<rule.stateCount).map { _ in
          try compute.filled(
            0, replicas: value.replicas, rows: value.rows, columns: value.columns)
        })
    }
  }

  /// Begins the next step, at `schedule` times the learning rates.
  public func beginStep(schedule: Float) {
    step += 1
    self.schedule = schedule
  }

  /// Updates one parameter by its gradient of this step.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func update(_ parameter: Parameter, _ gradient: ParameterGradient) throws {
    guard let slot = slots[ObjectIdentifier(parameter)] else {
      preconditionFailure("\(parameter.name) is not among the optimizer's parameters")
    }
    try rule.update(
      parameter.value, gradient: gradient.materialized(compute), state: slot.state,
      rates: slot.rates, active: active, schedule: schedule, step: step, compute: compute)
  }
}
