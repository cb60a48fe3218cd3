import Spectral
import Tensors

/// Direction sign(β₁·m + (1 − β₁)·g) with a running mean m ← β₂·m + (1 − β₂)·g of gradients: every
/// entry a step of the same size.
///
/// Source: Chen et al., "Symbolic discovery of optimization algorithms", arXiv:2302.06675.
public struct Lion: ElementwiseUpdateRule {
  /// β₁ in [0, 1).
  public let beta1: Double
  /// β₂ in [0, 1).
  public let beta2: Double
  /// The update's entries are ±1 whatever the gradient's size, as Adam's are: the parametrization's
  /// rates for Adam are right for it.
  public let family = UpdateFamily.adam

  /// The defaults are the paper's.
  public init(beta1: Double = 0.9, beta2: Double = 0.99) {
    self.beta1 = beta1
    self.beta2 = beta2
  }

  /// β₁ and β₂.
  public var hyperparameters: [Double] { [beta1, beta2] }

  /// The mean and the direction.
  public var elementwise: ElementwiseRule { Self.snippet }

  private static let snippet = ElementwiseRule(
    name: "lion", state: ["mean"], hyperparameters: ["beta1", "beta2"],
    direction: """
      T d = sign(beta1 * mean + (1.0f - beta1) * g);
      mean = beta2 * mean + (1.0f - beta2) * g;
      """)
}
