import Networks
import Spectral
import Training

extension Configuration {
  /// How a run's parameters are updated under `optimizer`.
  ///
  /// - totalSteps: of the run.
  public func optimization(_ optimizer: OptimizerKind, totalSteps: Int) -> Optimization {
    var result = Optimization(
      optimizer, hyperparameters: hyperparameters, weightDecay: weightDecay.decay(for: optimizer),
      decaysVectors: decayVectors, schedule: schedule.schedule(of: totalSteps),
      groups: rateMultipliers.map { ParameterGroup($0.selector, rateFactor: $0.factor) }
        + groups.map { $0.group(totalSteps: totalSteps) },
      clipNorm: clipNorm)
    result.muon = Muon.Settings(
      scale: muonScale, coefficients: newtonSchulz, steps: newtonSchulzSteps,
      nesterov: muonNesterov, perHead: muonPerHead)
    result.companionRateFactor = adamwLearningRateMultiplier
    result.constraint = constraint
    return result
  }

  /// How all matrices' norms are held, beside groups' own.
  var constraint: SpectralConstraint? {
    spectralSphere.map { SpectralConstraint(.sphere, multiple: $0) }
      ?? spectralCap.map { SpectralConstraint(.cap, multiple: $0) }
      ?? spectralClip.map { SpectralConstraint(.clip, multiple: $0) }
  }

  /// The update rule's numbers; those that are nil are the rule's own.
  private var hyperparameters: Hyperparameters {
    Hyperparameters(momentum: momentum, beta1: beta1, beta2: beta2, epsilon: epsilon)
  }

  /// What makes no sense together of the settings that say how parameters are updated.
  func optimizationProblems(_ optimizers: [OptimizerKind]) -> [SettingProblem] {
    var problems: [SettingProblem] = []
    for name in hyperparameters.given
    where !optimizers.contains(where: { $0.allHyperparameters.contains(name) }) {
      let having = OptimizerKind.allCases.filter { $0.allHyperparameters.contains(name) }
      problems.append(
        SettingProblem(
          name.rawValue, "is for \(having.map(\.rawValue).joined(separator: ", "))",
          involved: ["optimizer"]))
    }
    let parameters = smallestGraph.parameters
    for group in groups {
      let own = parameters.filter { $0.isSelected(by: group.selector) }
      let rules = rules(of: own, optimizers)
      for name in group.hyperparameters.given
      where !rules.isEmpty && !rules.contains(where: { $0.hyperparameters.contains(name) }) {
        let names = rules.map(\.rawValue).uniqued().joined(separator: " and ")
        problems.append(
          SettingProblem(
            "group", "\(group.selector): \(names) has no \(name.rawValue)",
            involved: ["optimizer"]))
      }
    }
    problems += muonProblems(optimizers, parameters) + constraintProblems(parameters)
    for optimizer in optimizers where !groups.isEmpty {
      let settings = parameters.map(optimization(optimizer, totalSteps: .max).settings)
      if let own = settings.first(where: {
        $0.weightDecay?.kind == .coupled && !$0.optimizer.supportsCoupledDecay
      }) {
        problems.append(
          SettingProblem(
            "group", "\(own.optimizer.rawValue) takes decay beside its update only",
            involved: ["weight-decay"]))
      }
    }
    if let microBatch, microBatch > batchSize {
      problems.append(
        SettingProblem(
          "micro-batch", "expected at most the \(batchSize) rows of a step, got \(microBatch)",
          involved: ["batch-size"]))
    }
    return problems
  }

  /// Settings of Muon where nothing is Muon's, parameters of rules that are not for them, and rates of what
  /// has its own factor.
  private func muonProblems(
    _ optimizers: [OptimizerKind], _ parameters: [NetworkParameter]
  ) -> [SettingProblem] {
    var problems: [SettingProblem] = []
    let used = Set(optimizers + groups.compactMap(\.optimizer))
    for name in Self.muonNames where changes[name] != nil && !used.contains(.muon) {
      problems.append(SettingProblem(name, "is for muon", involved: ["optimizer", "group"]))
    }
    if changes["adamw-lr-multiplier"] != nil && optimizers.allSatisfy({ $0.companion == nil }) {
      let having = OptimizerKind.allCases.filter { $0.companion != nil }.map(\.rawValue)
      problems.append(
        SettingProblem(
          "adamw-lr-multiplier", "is for \(having.joined(separator: ", "))",
          involved: ["optimizer"]))
    }
    for group in groups {
      let own = parameters.filter { $0.isSelected(by: group.selector) }
      if let served = group.optimizer?.servedKind, !own.isEmpty,
        own.allSatisfy({ $0.shape.kind != served })
      {
        let use =
          served == .weight ? "muon orthogonalises matrices" : "row-normalized is for embeddings"
        problems.append(
          SettingProblem(
            "group", "\(group.selector): \(use), and this is \(Self.kind(of: own[0]))"))
      }
    }
    for rule in rateRules {
      let own = parameters.filter { $0.isSelected(by: rule.selector) }
      let rules = rules(of: own, optimizers)
      if !rules.isEmpty && rules.allSatisfy(\.hasOwnRateFactor) {
        let factor = rules[0] == .muon ? "muon-scale" : "a factor of its own"
        problems.append(
          SettingProblem(
            "rate-rule",
            "\(rule.selector): what \(rules[0].rawValue) updates has \(factor) in place of a rate rule",
            involved: ["optimizer", "group"]))
      }
    }
    return problems
  }

  /// Norms of vectors that are to be held, and groups that hold one in several ways.
  private func constraintProblems(_ parameters: [NetworkParameter]) -> [SettingProblem] {
    var problems: [SettingProblem] = []
    for group in groups where !group.constraints.isEmpty {
      let own = parameters.filter { $0.isSelected(by: group.selector) }
      if !own.isEmpty && own.allSatisfy({ $0.shape.kind != .weight }) {
        problems.append(
          SettingProblem(
            "group",
            "\(group.selector): \(group.constraints[0].settingName) is for matrices, and "
              + "this is \(Self.kind(of: own[0]))"))
      }
      let held = group.constraints.filter { $0.multiple != nil }
      if held.count > 1 {
        let names = held.map(\.settingName).joined(separator: ", ")
        problems.append(SettingProblem("group", "\(group.selector): give one of \(names)"))
      }
    }
    return problems
  }

  private static func kind(of parameter: NetworkParameter) -> String {
    switch parameter.kind {
    case .embedding: "an embedding"
    case .weight: "a matrix"
    default: "a vector"
    }
  }

  /// The update rules whose rates the parametrization gives, under each of the optimizers: all but those
  /// with a factor of their own.
  func parametrizedRules(_ optimizers: [OptimizerKind]) -> [OptimizerKind] {
    let parameters = smallestGraph.parameters
    return rules(of: parameters, optimizers).uniqued().filter { !$0.hasOwnRateFactor }
  }

  /// The update rules that parameters have under each of the optimizers.
  private func rules(
    of parameters: [NetworkParameter], _ optimizers: [OptimizerKind]
  ) -> [OptimizerKind] {
    optimizers.flatMap { optimizer in
      let optimization = optimization(optimizer, totalSteps: .max)
      return parameters.map { optimization.settings(for: $0).optimizer }
    }
  }

  /// Settings that only Muon has.
  private static let muonNames = [
    "muon-scale", "newton-schulz", "newton-schulz-steps", "muon-nesterov", "muon-per-head",
  ]

  /// Whether weights decay and all vectors, of which there are some, do not.
  public func leavesVectorsOutOfDecay(under optimizer: OptimizerKind) -> Bool {
    let optimization = optimization(optimizer, totalSteps: .max)
    let parameters = smallestGraph.parameters
    let decays = parameters.map { optimization.settings(for: $0).weightDecay != nil }
    let vectors = zip(parameters, decays).filter { $0.0.shape.isVector }
    return decays.contains(true) && !vectors.isEmpty && !vectors.contains { $0.1 }
  }
}

/// Parameters that are updated in their own way: `readout=optimizer:sgd,lr:0.5,weight-decay:0`.
public struct GroupChoice: SettingValue {
  /// Which parameters, as of `ParameterGroup`.
  public let selector: String
  /// The update rule; nil: the others'.
  public private(set) var optimizer: OptimizerKind?
  /// The rule's numbers.
  public private(set) var hyperparameters = Hyperparameters()
  /// A factor on the learning rate; 0 freezes.
  public private(set) var rateFactor: Double?
  /// Weight decay; nil: the others'.
  public private(set) var weightDecay: WeightDecayChoice?
  /// The learning rate over training; nil: the others'.
  public private(set) var schedule: ScheduleChoice?
  /// How spectral norms are held, of each kind at most one; none: as the others'.
  public private(set) var constraints: [SpectralConstraint] = []

  /// Reads SELECTOR=KEY:VALUE,KEY:VALUE…
  public init?(setting: JSONValue) {
    guard let (selector, text) = setting.pair else { return nil }
    self.selector = selector
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let sides = part.split(separator: ":", maxSplits: 1).map {
        $0.trimmingCharacters(in: .whitespaces)
      }
      guard sides.count == 2, read(sides[0], .string(sides[1])) else { return nil }
    }
  }

  private mutating func read(_ key: String, _ value: JSONValue) -> Bool {
    switch key {
    case "optimizer": optimizer = OptimizerKind(setting: value)
    case "lr": rateFactor = Double(setting: value).flatMap { $0 >= 0 ? $0 : nil }
    case "weight-decay": weightDecay = WeightDecayChoice(setting: value)
    case "schedule": schedule = ScheduleChoice(setting: value)
    default:
      if let kind = SpectralConstraint.Kind(settingName: key) {
        guard let constraint = SpectralConstraint(kind, setting: value) else { return false }
        constraints = constraints.filter { $0.kind != kind } + [constraint]
        constraints.sort { $0.settingName > $1.settingName }
        return true
      }
      guard let name = Hyperparameters.Name(rawValue: key), let number = Double(setting: value),
        number >= 0, name == .epsilon || number < 1
      else { return false }
      hyperparameters[name] = number
      return true
    }
    return keys.contains { $0.name == key }
  }

  /// What the group says, by its keys.
  private var keys: [(name: String, value: JSONValue)] {
    let all: [(String, JSONValue?)] =
      [("optimizer", optimizer?.setting), ("lr", rateFactor?.setting)]
      + hyperparameters.given.map { ($0.rawValue, hyperparameters[$0]?.setting) }
      + [("weight-decay", weightDecay?.setting), ("schedule", schedule?.setting)]
      + constraints.map { ($0.settingName, $0.multiple?.setting ?? .string("none")) }
    return all.compactMap { name, value in value.map { (name, $0) } }
  }

  /// The text.
  public var setting: JSONValue {
    .string(
      "\(selector)=" + keys.map { "\($0.name):\($0.value.optionText)" }.joined(separator: ","))
  }
  /// For errors.
  public static var expected: String {
    let names = ["optimizer", "lr"] + Hyperparameters.Name.allCases.map(\.rawValue)
    return
      "SELECTOR=KEY:VALUE,… with keys \(names.joined(separator: ", ")), weight-decay, schedule, "
      + SpectralConstraint.Kind.allCases.map(\.settingName).joined(separator: ", ")
      + " (a number \(SettingBounds.spectralMultiple.text), or none)"
  }
  /// Once for each group.
  public static var shape: SettingDeclaration.Shape { .repeated }
  /// Yes.
  public static var takesPairs: Bool { true }

  /// As the trainer takes it.
  func group(totalSteps: Int) -> ParameterGroup {
    ParameterGroup(
      selector, optimizer: optimizer, hyperparameters: hyperparameters, rateFactor: rateFactor,
      weightDecay: weightDecay.map { WeightDecay(strength: $0.strength, kind: $0.kind) },
      schedule: schedule?.schedule(of: totalSteps),
      constraint: constraints.first { $0.multiple != nil } ?? constraints.first)
  }
}

extension SpectralConstraint.Kind {
  /// The setting, and the key of a group, by whose name it is given.
  var settingName: String { "spectral-\(rawValue)" }

  init?(settingName name: String) {
    guard let kind = Self.allCases.first(where: { $0.settingName == name }) else { return nil }
    self = kind
  }
}

extension SpectralConstraint {
  /// Its kind's.
  var settingName: String { kind.settingName }

  /// Reads a multiple, or `none`.
  fileprivate init?(_ kind: Kind, setting: JSONValue) {
    if setting == .string("none") {
      self.init(kind, multiple: nil)
    } else {
      guard let multiple = Double(setting: setting), Self.range.contains(multiple) else {
        return nil
      }
      self.init(kind, multiple: multiple)
    }
  }
}
