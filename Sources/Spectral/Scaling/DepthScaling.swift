import Foundation

/// How the branches of a residual network scale with their number L.
///
///     none        x ← x + m·f(x)
///     depth-mup   x ← x + m·r^(−½)·f(x)
///     complete-p  x ← x + m·r^(−1)·f(x)
///     modular     x ← ((L−1)/L)·x + (m/L)·f(x)
///
/// r is L over the base depth, at which a network is as it would be without a rule. The sum of `modular` is
/// convex at every depth, a single branch takes the stream's place, and only rates and ε follow r. Rates
/// follow from the branches' factor (`DepthScaling`). α = ½ and α = 1 both keep features and their change
/// Θ(1); under α = ½ the part of a branch's change that is not linear in its weights vanishes with depth,
/// under α = 1 it stays.
///
/// Sources: depth-muP, arXiv:2310.02244; CompleteP, arXiv:2505.01618; the convex form, Large et al.,
/// "Scalable Optimization in the Modular Norm", arXiv:2405.14813.
public enum DepthRule: String, Codable, Hashable, Sendable, CaseIterable {
  /// Branches and rates are the same at every depth.
  case none
  /// α = ½.
  case depthMuP = "depth-mup"
  /// α = 1.
  case completeP = "complete-p"
  /// A convex sum of stream and branch; rates as under α = 1.
  case modular

  /// α: how a branch's factor falls with depth.
  public var exponent: Double {
    switch self {
    case .none: 0
    case .depthMuP: 0.5
    case .completeP, .modular: 1
    }
  }
}

/// A depth rule at a depth: what a residual branch and the tensors in it get.
///
/// With α the rule's exponent and r the depth over the base depth, weights, biases and gains of a branch
/// alike:
///
///     sgd               η·r^(2α−1)
///     adam, normalized  η·r^(α−1),   of adam ε·r^(−α)
///
/// λ is the same at every depth, but for `decoupled-scaled`, which keeps η·λ. A branch's gradient has the factor
/// r^(−α) of its result; so the change r^(−α)·ΔW·h that each of L branches makes is 1/L of the stream's.
/// Under `none` every factor is 1.
///
/// Source: CompleteP, arXiv:2505.01618, table 1.
public struct DepthScaling: Codable, Hashable, Sendable {
  /// The rule.
  public let rule: DepthRule
  /// Number of branches, ≥ 1.
  public let depth: Int
  /// The number at which the rule changes nothing, ≥ 1.
  public let baseDepth: Int
  /// m: multiplies a branch's result beside the rule.
  public let multiplier: Double

  /// `rule` at a depth. Traps unless both depths are ≥ 1.
  public init(_ rule: DepthRule, depth: Int, baseDepth: Int = 1, multiplier: Double = 1) {
    precondition(depth >= 1 && baseDepth >= 1, "depths must be ≥ 1, got \(depth), \(baseDepth)")
    (self.rule, self.depth, self.baseDepth) = (rule, depth, baseDepth)
    self.multiplier = multiplier
  }

  /// r.
  private var ratio: Double { Double(depth) / Double(baseDepth) }

  /// What a branch's result is multiplied by.
  public var branchScale: Double {
    switch rule {
    case .none: multiplier
    case .depthMuP, .completeP: multiplier * pow(ratio, -rule.exponent)
    case .modular: multiplier / Double(depth)
    }
  }

  /// What the stream is multiplied by before a branch's result is added: 1 but under `modular`.
  public var streamScale: Double {
    rule == .modular ? Double(depth - 1) / Double(depth) : 1
  }

  /// What a tensor in a branch gets, where `scaling` is what its width gives it.
  ///
  /// - rates: the rule of its rate and ε, in place of the branch's own.
  public func applied(
    to scaling: WidthScaling, family: UpdateFamily, decay: WeightDecayKind,
    rates: DepthRule? = nil
  ) -> WidthScaling {
    let rule = rates ?? rule
    guard rule != .none else { return scaling }
    let alpha = rule.exponent
    let rate = pow(ratio, family == .sgd ? 2 * alpha - 1 : alpha - 1)
    var scaled = scaling
    scaled.learningRateFactor *= rate
    if family == .adam { scaled.epsilonFactor *= pow(ratio, -alpha) }
    if decay == .decoupledScaled { scaled.weightDecayFactor /= rate }
    return scaled
  }
}

/// The depth rule of some tensors' rates in place of their branch's own: what would happen if a rate did not
/// follow the depth, or by another exponent. Written `SELECTOR=RULE`; the branch's factor stays.
public struct DepthRateRule: Codable, Hashable, Sendable {
  /// Which tensors, as of a `RateRule`.
  public let selector: String
  /// The rule that gives their rates and ε.
  public let rule: DepthRule

  /// `rule` for the rates at `selector`.
  public init(selector: String, rule: DepthRule) {
    (self.selector, self.rule) = (selector, rule)
  }
}
