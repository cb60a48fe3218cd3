import Networks
import Spectral
import Tensors

/// Steps parameters along their update rules' directions, each at its own rate in each replica.
///
///     η_l = η·learningRateFactor,   step = schedule·η_l·direction
///
/// A parameter whose rate is 0 in every replica is frozen: it is not updated and keeps no state.
public final class Optimizer {
  /// Steps begun so far.
  public private(set) var step = 0
  /// 1 for each replica that trains, 0 for those that have diverged; [replica, 1, 1].
  public let active: Tensor
  private let compute: Compute
  private let totalSteps: Int
  private let replicas: Int
  private let scalesGradients: Bool
  private var slots: [ObjectIdentifier: Slot] = [:]
  /// Numbers of rules, shared by the parameters that have the same.
  private var numbers: [NumbersKey: RuleNumbers] = [:]
  private var observer: (any UpdateObserver)?
  private var gradientScale: Tensor?
  private var batches: [MatrixBatch] = []
  /// What holds the norms of parameters after their updates, where any are held.
  private(set) var heldNorms: HeldNorms?

  /// A parameter's rule, rates and state.
  private struct Slot {
    /// Of each replica, of one kind.
    let rules: [any UpdateRule]
    let numbers: RuleNumbers
    /// Of gradient descent on the same schedule.
    let descent: RuleNumbers
    let rates: UpdateRates
    let state: [Tensor]
    let learningRates, epsilons, decoupledDecays: [Double]
    let decays: Bool
    /// With which others its directions are made, where the rule makes them of matrices.
    var batch: MatrixBatch?
  }

  /// What parameters whose directions are made together have in common.
  private struct BatchKey: Hashable {
    let optimizer: OptimizerKind
    let namesOptimizer: Bool
    let muon: Muon.Settings
    let heads, rows, columns: Int
  }

  /// What a rule's numbers depend on, by replica.
  private struct NumbersKey: Hashable {
    let settings: [NumberSettings]
    /// Whether the numbers are the rule's own, or those of gradient descent on the same schedule.
    let isOwn: Bool
  }

  private struct NumberSettings: Hashable {
    let optimizer: OptimizerKind
    let namesOptimizer: Bool
    let hyperparameters: Hyperparameters
    let schedule: Schedule
  }

  /// Steps whose numbers are in device memory at a time, at most.
  static let mostStepsAhead = 1024

  /// An optimizer of `parameters`. Matrices whose norms are held are scaled so that they start there.
  ///
  /// - settings, scalings: for each parameter, each replica's, of one update rule.
  ///   learningRates: η of each replica.
  /// - totalSteps: those that schedules are laid out for.
  /// - custom: a custom rule for the parameters whose group names none.
  /// - scalesGradients: whether steps may come with a `gradientScale`.
  /// - Throws: `OpenCLError.callFailed` where memory is short.
  public init(
    parameters: [Parameter], settings: [[ParameterSettings]], learningRates: [Double],
    scalings: [[WidthScaling]], totalSteps: Int, custom: (any UpdateRule)? = nil,
    scalesGradients: Bool = false, compute: Compute
  ) throws {
    self.scalesGradients = scalesGradients
    replicas = learningRates.count
    precondition(
      scalings.count == parameters.count && settings.count == parameters.count
        && (scalings.map(\.count) + settings.map(\.count)).allSatisfy { $0 == learningRates.count },
      "scalings and settings of \(parameters.count) parameters × \(learningRates.count) replicas")
    (self.compute, self.totalSteps) = (compute, totalSteps)
    active = try compute.filled(1, replicas: replicas, rows: 1, columns: 1)
    var open: [BatchKey: MatrixBatch] = [:]
    var held: [(parameter: Parameter, constraints: [SpectralConstraint?])] = []
    for (parameter, (settings, scalings)) in zip(parameters, zip(settings, scalings)) {
      guard scalings.contains(where: { $0.learningRateFactor != 0 }) else { continue }
      precondition(
        settings.allSatisfy {
          $0.optimizer == settings[0].optimizer && $0.namesOptimizer == settings[0].namesOptimizer
            && $0.muon == settings[0].muon
        },
        "replicas with several update rules of \(parameter.name)")
      var slot = try slot(of: parameter, settings, scalings, learningRates, custom)
      if let rule = slot.rules[0] as? any MatrixUpdateRule {
        let value = parameter.value
        let key = BatchKey(
          optimizer: settings[0].optimizer, namesOptimizer: settings[0].namesOptimizer,
          muon: settings[0].muon, heads: settings[0].heads, rows: value.rows,
          columns: value.columns)
        if open[key]?.hasRoom(for: value) != true {
          let batch = MatrixBatch(rule, compute: compute)
          open[key] = batch
          batches.append(batch)
        }
        slot.batch = open[key]
        slot.batch!.enter()
      }
      slots[ObjectIdentifier(parameter)] = slot
      let constraints = zip(settings, scalings).map {
        $1.learningRateFactor == 0 ? nil : $0.constraint
      }
      if constraints.contains(where: { $0 != nil }) { held.append((parameter, constraints)) }
    }
    if !held.isEmpty {
      heldNorms = try HeldNorms(held, compute: compute)
      try holdNewWeights()
    }
  }

  /// Brings parameters whose norms are held within their bounds before the first step, after others have
  /// taken their place.
  func holdNewWeights() throws { try heldNorms?.begin(active: active) }

  private func slot(
    of parameter: Parameter, _ settings: [ParameterSettings], _ scalings: [WidthScaling],
    _ learningRates: [Double], _ custom: (any UpdateRule)?
  ) throws -> Slot {
    let rules = settings.map { $0.rule(or: custom) }
    let rates = zip(learningRates, scalings).map { $0 * $1.learningRateFactor }
    let epsilons = zip(rules, scalings).map { $0.epsilon * $1.epsilonFactor }
    let decay = zip(settings, scalings).map {
      ($0.weightDecay?.strength ?? 0) * $1.weightDecayFactor
    }
    // What is taken away beside the update: a share of W, which the schedule scales.
    let beside = settings.indices.map { replica -> Double in
      switch settings[replica].weightDecay?.kind {
      case .coupled, nil: 0
      case .decoupled, .decoupledScaled: rates[replica] * decay[replica]
      case .independent: decay[replica]
      }
    }
    let value = parameter.value
    let snippets = rules.compactMap { $0 as? any SnippetUpdateRule }
    let numbers = try numbers(of: settings, snippets)
    return Slot(
      rules: rules, numbers: numbers,
      descent: rules[0] is any ElementwiseUpdateRule
        ? numbers : try self.numbers(of: settings, []),
      rates: try UpdateRates(
        learningRate: rates.map { Float($0) }, epsilon: epsilons.map { Float($0) },
        coupledDecay: zip(settings, decay).map { $0.weightDecay?.kind == .coupled ? Float($1) : 0 },
        decoupledDecay: beside.map { Float($0) },
        compute: compute),
      state: try rules[0].stateNames.map { _ in
        try compute.filled(0, replicas: value.replicas, rows: value.rows, columns: value.columns)
      }, learningRates: rates, epsilons: epsilons, decoupledDecays: beside,
      decays: decay.contains { $0 != 0 })
  }

  /// The numbers of rules in each replica, or of gradient descent where there are none.
  private func numbers(
    of settings: [ParameterSettings], _ snippets: [any SnippetUpdateRule]
  ) throws -> RuleNumbers {
    let key = NumbersKey(
      settings: settings.map {
        NumberSettings(
          optimizer: $0.optimizer, namesOptimizer: $0.namesOptimizer,
          hyperparameters: $0.hyperparameters, schedule: $0.schedule)
      }, isOwn: !snippets.isEmpty)
    if let known = numbers[key] { return known }
    let made = try RuleNumbers(
      snippets.first?.elementwise ?? .gradientDescent,
      hyperparameters: settings.indices.map { replica in
        snippets.isEmpty ? [] : snippets[replica].hyperparameters.map { Float($0) }
      },
      capacity: min(totalSteps, Self.mostStepsAhead),
      values: StepValues(
        rules: snippets.isEmpty ? settings.map { _ in nil } : snippets,
        schedules: settings.map(\.schedule), totalSteps: totalSteps
      ).values,
      compute: compute)
    numbers[key] = made
    return made
  }

  /// Has the numbers of the next step in device memory, so that `beginStep` has nothing to write.
  ///
  /// - Throws: `OpenCLError`.
  func prepareStep() throws {
    precondition(step < totalSteps, "step \(step + 1) of \(totalSteps)")
    for own in numbers.values { try own.move(to: step) }
  }

  /// Begins the next step.
  ///
  /// - observer: is shown every update of this step.
  /// - gradientScale: what each replica's gradients are multiplied by, [replica, 1, 1]; nil: 1.
  /// - Throws: `OpenCLError`.
  public func beginStep(
    observer: (any UpdateObserver)? = nil, gradientScale: Tensor? = nil
  ) throws {
    try prepareStep()
    step += 1
    precondition(gradientScale == nil || scalesGradients, "gradients are not to be scaled")
    precondition(batches.allSatisfy(\.isFinished), "the step before has not been finished")
    (self.observer, self.gradientScale) = (observer, gradientScale)
  }

  /// Updates one parameter by its gradient of this step: at once, or in `finishStep` where its direction is
  /// made with others'.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func update(_ parameter: Parameter, _ gradient: ParameterGradient) throws {
    guard let slot = slots[ObjectIdentifier(parameter)] else { return }
    let records = observer?.wantsWeightDelta(of: parameter) == true
    var own = gradient
    let rule = slot.rules[0]
    if let gradientScale, !(rule is any ElementwiseUpdateRule) {
      own = .whole(try compute.scaled(gradient.materialized(compute), by: gradientScale))
    } else if records, case .whole(let matrix) = gradient {
      // Its memory takes ΔW.
      own = .whole(try compute.copy(matrix))
    }
    let updateStep = UpdateStep(
      rates: slot.rates, active: active, recordsWeightDelta: records, numbers: slot.numbers,
      descent: slot.descent,
      stepNumber: step, queue: compute.queue, gradientScale: gradientScale)
    let observed = observer
    func observe(_ weightDelta: Tensor?) throws {
      try observed?.observe(
        ObservedUpdate(
          parameter: parameter, gradient: gradient, weightDelta: weightDelta, state: slot.state,
          schedule: slot.numbers.values(step - 1).map { Double($0[0]) }, step: step))
    }
    // A matrix alone too waits for its direction, where that is to be looked at before the update.
    let shows = observed?.wantsDirection(of: parameter) == true
    if let batch = slot.batch, batch.size > 1 || shows {
      return try batch.take(
        parameter, gradient: own, state: slot.state, step: updateStep,
        observeDirection: shows
          ? { try observed?.observe(direction: $0, of: $1, for: parameter) } : nil,
        observe: observed == nil ? nil : observe)
    }
    try observe(
      rule.update(
        parameter.value, gradient: own, state: slot.state, step: updateStep, compute: compute))
  }

  /// Ends the step, after all gradients: updates the parameters that wait for one another, and brings norms
  /// that are held within their bounds.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`, and what the observer throws.
  public func finishStep() throws {
    defer { observer = nil }
    for batch in batches { try batch.finish() }
    try heldNorms?.hold(isFirst: step == 1, active: active)
  }

  /// Whether a parameter is not updated in any replica.
  public func isFrozen(_ parameter: Parameter) -> Bool { slots[ObjectIdentifier(parameter)] == nil }

  /// How a parameter's gradients become directions, in each replica; none of a frozen one.
  public func rules(of parameter: Parameter) -> [any UpdateRule] {
    slots[ObjectIdentifier(parameter)]?.rules ?? []
  }

  /// Whether ΔW is −s·η_l·∇ and nothing else, with nothing that has to be kept to know it.
  public func isGradientDescent(of parameter: Parameter) -> Bool {
    guard let slot = slots[ObjectIdentifier(parameter)] else { return false }
    return slot.rules[0] is SGD && !slot.decays && !scalesGradients
  }

  /// η_l of a parameter in each replica, before the schedule.
  public func learningRates(of parameter: Parameter) -> [Double] {
    slots[ObjectIdentifier(parameter)]?.learningRates ?? [Double](repeating: 0, count: replicas)
  }

  /// The share of W that decay beside the update takes away in each replica, η_l·λ_l or λ, before the
  /// schedule.
  func decoupledDecays(of parameter: Parameter) -> [Double] {
    slots[ObjectIdentifier(parameter)]?.decoupledDecays ?? [Double](repeating: 0, count: replicas)
  }

  /// ε_l of a parameter in each replica.
  public func epsilons(of parameter: Parameter) -> [Double] {
    slots[ObjectIdentifier(parameter)]?.epsilons ?? [Double](repeating: 0, count: replicas)
  }

  /// A parameter's state in the order of its rule's names; none of a frozen one.
  func state(of parameter: Parameter) -> [Tensor] {
    slots[ObjectIdentifier(parameter)]?.state ?? []
  }

  /// A parameter's rates as kernels take them; traps of a frozen one.
  func rates(of parameter: Parameter) -> UpdateRates { slots[ObjectIdentifier(parameter)]!.rates }

  /// The numbers that all parameters share, where they have one elementwise rule and none is frozen.
  func sharedNumbers(of parameters: [Parameter]) -> RuleNumbers? {
    let own = parameters.map { slots[ObjectIdentifier($0)] }
    guard let first = own[0], first.rules[0] is any ElementwiseUpdateRule,
      own.allSatisfy({ $0?.numbers === first.numbers })
    else { return nil }
    return first.numbers
  }

  /// Continues as after `step` steps.
  func resume(afterSteps step: Int) { self.step = step }
}

/// The numbers of each step and replica; computed once for replicas that have the same.
private struct StepValues {
  /// Rules and schedules that differ, and which of them each replica has.
  private var kinds: [(rule: (any SnippetUpdateRule)?, schedule: Schedule)] = []
  private var kindOfReplica: [Int] = []
  private let totalSteps: Int

  init(rules: [(any SnippetUpdateRule)?], schedules: [Schedule], totalSteps: Int) {
    self.totalSteps = totalSteps
    var known: [Key: Int] = [:]
    for (rule, schedule) in zip(rules, schedules) {
      let key = Key(hyperparameters: rule?.hyperparameters ?? [], schedule: schedule)
      if known[key] == nil {
        known[key] = kinds.count
        kinds.append((rule, schedule))
      }
      kindOfReplica.append(known[key]!)
    }
  }

  private struct Key: Hashable {
    let hyperparameters: [Double]
    let schedule: Schedule
  }

  /// The schedule's factor and the rule's corrections at step `step`, from 0, of each replica; zeros
  /// past the end.
  func values(_ step: Int) -> [[Float]] {
    let values = kinds.map { rule, schedule in
      let factor = step < totalSteps ? schedule.factor(step: step, of: totalSteps) : 0
      return [Float(factor)] + (rule?.corrections(step: step + 1) ?? []).map { Float($0) }
    }
    return kindOfReplica.map { values[$0] }
  }
}

/// One parameter's update as it was just made.
public struct ObservedUpdate {
  /// What was updated; its value is the new one.
  public let parameter: Parameter
  /// The loss's gradient, before it is clipped.
  public let gradient: ParameterGradient
  /// ΔW of the step, where the observer wanted it.
  public let weightDelta: Tensor?
  /// The rule's state after the update.
  public let state: [Tensor]
  /// The learning rate's factor in each replica.
  public let schedule: [Double]
  /// The step's number, from 1.
  public let step: Int
}

/// Looks at updates as they are made.
public protocol UpdateObserver: AnyObject {
  /// Whether the update's ΔW is to be kept for `observe`.
  func wantsWeightDelta(of parameter: Parameter) -> Bool
  /// Whether `observe(direction:of:for:)` is to be called, of a parameter whose rule is a `MatrixUpdateRule`.
  func wantsDirection(of parameter: Parameter) -> Bool
  /// Called before each update of such a parameter, at the end of the step.
  ///
  /// - direction: what the rule has made of `matrix`, before scale and rate; of the parameter's shape, 0 in
  ///   frozen replicas. Its memory may be used again once this returns.
  /// - matrix: what the rule's snippet has made of the gradient; likewise, and nobody else's from here on.
  /// - Throws: what keeps it from measuring.
  func observe(direction: Tensor, of matrix: Tensor, for parameter: Parameter) throws
  /// Called after each parameter's update: in the order of the way back, and of parameters that are updated
  /// together at the end of the step.
  ///
  /// - Throws: what keeps it from measuring.
  func observe(_ update: ObservedUpdate) throws
}

extension UpdateObserver {
  /// No.
  public func wantsDirection(of parameter: Parameter) -> Bool { false }

  /// Does nothing.
  public func observe(direction: Tensor, of matrix: Tensor, for parameter: Parameter) throws {}
}
