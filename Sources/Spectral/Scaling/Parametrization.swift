/// A rule that scales initial values and learning rates with a network's shape.
///
/// Rules are pure values: they touch no device, and an update rule never sees them. All are given
/// in effective form, `multiplier` 1 but for what `ParameterShape.Use` names, so that runs under different parametrizations differ in
/// scalars alone and can train in one group. Nothing is lost by it: a form with multipliers and
/// its effective form train the same function (`WidthScaling.equivalent(multiplier:family:decay:)`;
/// Tensor Programs V, arXiv:2203.03466, Lemma J.1).
public protocol Parametrization: Sendable {
  /// The name in configurations and on the command line: lower case, unique.
  var name: String { get }
  /// One line on what the rule does, for help texts.
  var summary: String { get }
  /// The absolute rule: what a tensor of this shape gets, whatever other widths are trained.
  ///
  /// - shape: the tensor's kind, role, fan-in and fan-out.
  /// - Result: `multiplier` 1 for plain uses; `epsilonFactor` 1 for the sgd family, which has no ε.
  func scaling(
    of shape: ParameterShape, family: UpdateFamily, decay: WeightDecayKind
  ) -> WidthScaling
  /// The rule relative to a base shape; nil for the absolute rule.
  func scaling(
    of shape: ParameterShape, relativeTo base: ParameterShape?, family: UpdateFamily,
    decay: WeightDecayKind
  ) -> WidthScaling
}

extension Parametrization {
  /// The rule relative to a base shape, at which it equals standard parametrization bit for bit.
  ///
  ///     σ_l = σ_SP(base) · (rule(shape)/rule(base)),   factors = rule(shape)/rule(base)
  ///
  /// What was tuned at the base width stays as it is there. σ = 0 at the base stays 0.
  ///
  /// - base: the same tensor of the base network, of the same kind and role, else traps; nil for
  ///   the absolute rule.
  ///
  /// Source: base shapes of the mup package, Tensor Programs V (arXiv:2203.03466).
  public func scaling(
    of shape: ParameterShape, relativeTo base: ParameterShape?,
    family: UpdateFamily, decay: WeightDecayKind
  ) -> WidthScaling {
    let rule = scaling(of: shape, family: family, decay: decay)
    guard let base else { return rule }
    precondition(
      shape.kind == base.kind && shape.role == base.role,
      "base shape must be a \(shape.role) \(shape.kind), got a \(base.role) \(base.kind)")
    let ruleAtBase = scaling(of: base, family: family, decay: decay)
    let standard = StandardParametrization().scaling(of: base, family: family, decay: decay)
    // The quotients come first: x/x is exactly 1, (σ·x)/x need not be σ.
    let stdRatio = ruleAtBase.initialStd == 0 ? 0 : rule.initialStd / ruleAtBase.initialStd
    return WidthScaling(
      multiplier: rule.multiplier / ruleAtBase.multiplier,
      initialStd: standard.initialStd * stdRatio,
      learningRateFactor: rule.learningRateFactor / ruleAtBase.learningRateFactor,
      epsilonFactor: rule.epsilonFactor / ruleAtBase.epsilonFactor,
      weightDecayFactor: rule.weightDecayFactor / ruleAtBase.weightDecayFactor)
  }
}
