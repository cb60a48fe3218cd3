import Spectral
import Tensors
import Training

/// What makes no sense together.
extension Configuration {
  /// What is wrong with the settings together, for runs under these parametrizations and optimizers.
  ///
  /// - widths: of the runs.
  public func problems(
    parametrizations names: [String], optimizers: [OptimizerKind], widths: [Int]
  ) -> [SettingProblem] {
    let network = networkProblems(widths: widths)
    let heads = headProblems(widths: widths)
    // The rest looks at the network, which there is none with such heads.
    guard heads.isEmpty else { return network + heads + trainingProblems(optimizers) }
    return parametrizationProblems(names, parametrizedRules(optimizers)) + network
      + selectorProblems + startProblems(names, optimizers) + trainingProblems(optimizers)
      + optimizationProblems(optimizers)
  }

  private func parametrizationProblems(
    _ names: [String], _ rules: [OptimizerKind]
  ) -> [SettingProblem] {
    var problems: [SettingProblem] = []
    for name in names {
      do {
        _ = try parametrization(named: name)
      } catch {
        problems.append(
          SettingProblem("parametrization", error.detail, involved: ["parametrizations"]))
      }
      let family = parametrizations.first { $0.name == name }?.family
      if let family, let other = rules.first(where: { $0.family != family }) {
        problems.append(
          SettingProblem(
            "optimizer",
            "parametrization \(name) is for updates of family \(family.rawValue), got "
              + "\(other.rawValue) of family \(other.family.rawValue)",
            involved: ["parametrization", "parametrizations", "group"]))
      }
    }
    let what = isTied ? "a tied readout" : heads == nil ? nil : "the queries of heads that widen"
    if network == .transformer, let what,
      let custom = parametrizations.first(where: { names.contains($0.name) })
    {
      problems.append(
        SettingProblem(
          isTied ? "tied" : "heads",
          "parametrization \(custom.name) does not say what \(what) is multiplied by",
          involved: ["parametrization", "parametrizations"]))
    }
    for rule in rateRules {
      do {
        _ = try parametrization(named: rule.parametrization)
      } catch {
        problems.append(
          SettingProblem(
            "rate-rule", "\(rule.setting.optionText): \(error.detail)",
            involved: ["parametrizations"]))
      }
    }
    return problems
  }

  private func networkProblems(widths: [Int]) -> [SettingProblem] {
    var problems: [SettingProblem] = []
    let defaults = Configuration()
    func isChanged<Value: Equatable>(_ path: KeyPath<Configuration, Value>) -> Bool {
      self[keyPath: path] != defaults[keyPath: path]
    }
    func refuse(_ given: [(name: String, isGiven: Bool)], _ text: String) {
      problems += given.filter(\.isGiven).map {
        SettingProblem($0.name, text, involved: ["network"])
      }
    }
    if network == .mlp {
      refuse(
        [
          ("norm", isChanged(\.norm)), ("expansion", isChanged(\.expansion)),
          ("branch-multiplier", isChanged(\.branchMultiplier)),
          ("base-depth", isChanged(\.baseDepth)), ("depth-rule", isChanged(\.depthRule)),
          ("depth-rate-rule", isChanged(\.depthRateRules)),
        ], "is for networks residual-mlp and transformer")
    } else {
      refuse(
        [("hidden-pattern", isChanged(\.hiddenPattern))],
        "is for network mlp; expansion widens a block")
    }
    if network != .transformer {
      refuse(
        [
          ("context", isChanged(\.context)),
          ("head-size", headSize != nil && isChanged(\.headSize)),
          ("heads", isChanged(\.heads)), ("positions", isChanged(\.positions)),
          ("qk-norm", isChanged(\.normalizesQueries)),
          ("attention-multiplier", isChanged(\.attentionMultiplier)),
          ("attention-scale", isChanged(\.attentionScale)), ("gated", isChanged(\.isGated)),
          ("tied", isChanged(\.isTied)), ("zero-queries", isChanged(\.zeroQueries)),
          ("zero-projections", isChanged(\.zeroProjections)), ("tokens", isChanged(\.tokens)),
        ], "is for network transformer")
    } else {
      refuse(
        [("task", isChanged(\.task)), ("label", isChanged(\.label))],
        "is for rows of numbers; a transformer learns the next token")
      refuse(
        [("normalization", isChanged(\.normalization))], "is for rows of numbers, not for tokens")
      if loss != .crossEntropy {
        problems.append(
          SettingProblem(
            "loss", "expected cross-entropy for network transformer, got \(loss.rawValue)",
            involved: ["network"]))
      }
    }
    let widest = (widths + [baseWidth] + parametrizations.compactMap(\.baseWidth)).max()!
    let factors = [("hidden-pattern", hiddenPattern.factors), ("expansion", [expansion])]
    for (name, factors) in factors {
      if let factor = factors.first(where: { $0 > Limits.size / widest }) {
        problems.append(
          SettingProblem(
            name, "factor \(factor) at width \(widest) gives more than \(Limits.size) units",
            involved: ["widths", "width", "base-width", "parametrizations"]))
      }
    }
    return problems
  }

  /// Widths that heads do not divide, and heads that cannot be turned.
  private func headProblems(widths: [Int]) -> [SettingProblem] {
    guard network == .transformer else { return [] }
    var problems: [SettingProblem] = []
    let name = heads == nil ? "head-size" : "heads"
    if positions == .rotary, heads == nil, let headSize, !headSize.isMultiple(of: 2) {
      problems.append(
        SettingProblem(
          "head-size", "expected an even size for rotary positions, got \(headSize)",
          involved: ["positions"]))
    }
    if let heads, let widest = widths.max(), widest / heads > AttentionShape.largestHead {
      problems.append(
        SettingProblem(
          "heads",
          "\(heads) of them at width \(widest) have more than \(AttentionShape.largestHead) columns",
          involved: ["widths", "width"]))
    }
    let given =
      widths.map { (setting: "widths", text: "", width: $0) }
      + (absolute ? [] : [(setting: "base-width", text: "", width: baseWidth)])
      + parametrizations.compactMap { own in
        own.baseWidth.map {
          (setting: "parametrizations", text: "base-width of \(own.name): ", width: $0)
        }
      }
    if let odd = given.first(where: { !$0.width.isMultiple(of: widthUnit) }) {
      let what = heads == nil ? "heads of \(widthUnit)" : "\(heads ?? 1) heads"
      let even = heads != nil && positions == .rotary ? " of even size" : ""
      problems.append(
        SettingProblem(
          odd.setting,
          "\(odd.text)expected multiples of \(widthUnit) for \(what)\(even), got \(odd.width)",
          involved: [name, "network", "positions"]))
    }
    return problems
  }

  /// Selectors of tensors that select none of the network's.
  private var selectorProblems: [SettingProblem] {
    let given =
      rateRules.map { ("rate-rule", $0.selector) }
      + depthRateRules.map { ("depth-rate-rule", $0.selector) }
      + rateMultipliers.map { ("lr-multiplier", $0.selector) }
      + initialMultipliers.map { ("init-multiplier", $0.selector) }
      + groups.map { ("group", $0.selector) }
    if given.isEmpty { return [] }
    let parameters = smallestGraph.parameters
    let names = layerNames
    return given.filter { _, selector in
      !parameters.contains { $0.isSelected(by: selector) }
    }.map { name, selector in
      SettingProblem(
        name,
        "expected all, input, hidden, readout or \(names[0]) … \(names[names.count - 1]), got "
          + "'\(selector)'" + (selector.hasSuffix(".bias") && !bias ? " without bias" : ""),
        involved: ["network", "depth", "bias"])
    }
  }

  private func trainingProblems(_ optimizers: [OptimizerKind]) -> [SettingProblem] {
    var problems: [SettingProblem] = []
    if task == .regression && loss != .meanSquaredError {
      problems.append(
        SettingProblem(
          "loss", "expected mse for task regression, got \(loss.rawValue)", involved: ["task"]))
    }
    func add(_ text: String) {
      problems.append(SettingProblem("weight-decay", text, involved: ["optimizer"]))
    }
    if weightDecay.strength > 0 {
      let kinds = Set(optimizers.map { weightDecay.kind ?? $0.defaultWeightDecayKind })
      let strength = JSONValue.number(weightDecay.strength).optionText
      if kinds.count > 1 {
        add(
          "these optimizers take decay in different ways; name one: "
            + WeightDecayKind.allCases.map { "\(strength):\($0.rawValue)" }.joined(separator: ", "))
      } else if kinds == [.coupled],
        let rule = optimizers.first(where: { !$0.supportsCoupledDecay })
      {
        add("\(rule.rawValue) takes decay beside its update only")
      }
    }
    return problems + (steps.map(warmupProblems) ?? [])
  }

  /// Warm-ups that are as long as a run of `steps` steps.
  func warmupProblems(of steps: Int) -> [SettingProblem] {
    let schedules =
      [("schedule", schedule)]
      + groups.compactMap { group in
        group.schedule.map { ("group", $0) }
      }
    return schedules.compactMap { name, schedule in
      guard case .steps(let warmup) = schedule.warmup, warmup >= steps else { return nil }
      return SettingProblem(
        name, "expected a warm-up shorter than the run's \(steps) steps, got \(warmup)",
        involved: ["steps", "epochs"])
    }
  }
}

extension UnknownParametrizationError {
  /// What was expected and given, without the name of the option.
  fileprivate var detail: String {
    description.hasPrefix("parametrization: ") ? String(description.dropFirst(17)) : description
  }
}
