import GPUTrain

/// Signum: the sign of a running mean of gradients, every entry a step of the same size.
///
///     m ← β·m + (1 − β)·g,   d = sign(m)
///
/// Source: Bernstein et al., "signSGD: compressed optimisation for non-convex problems",
/// arXiv:1802.04434.
struct Signum: ElementwiseUpdateRule {
  /// β in [0, 1), the paper's.
  var beta = 0.9

  /// The update's entries are ±1 whatever the gradient's size, as Adam's are: with a gradient of low
  /// rank ‖d‖* = Θ(√(fan-out·fan-in)), and the parametrization's rates for Adam are right for it.
  let family = UpdateFamily.adam
  /// β, as the snippet takes it.
  var hyperparameters: [Double] { [beta] }
  /// m is kept, in checkpoints under its name. Rates, schedule, decay and what diagnostics record are
  /// not the rule's.
  var elementwise: ElementwiseRule { Self.snippet }

  private static let snippet = ElementwiseRule(
    name: "signum", state: ["mean"], hyperparameters: ["beta"],
    direction: """
      mean = beta * mean + (1.0f - beta) * g;
      T d = sign(mean);
      """)
}
