import Foundation
import Spectral
import Tensors

/// Direction (m/c₁)/(√(v/c₂) + ε) with running means m of g and v of g², c = 1 − βᵗ.
///
/// Source: Kingma & Ba, arXiv:1412.6980. AdamW is this rule with decoupled decay.
public struct Adam: ElementwiseUpdateRule {
  /// β₁ in [0, 1).
  public let beta1: Double
  /// β₂ in [0, 1).
  public let beta2: Double
  /// ε ≥ 0.
  public let epsilon: Double
  /// m and v, and the direction.
  public let elementwise = ElementwiseRule.adam
  /// Of entries Θ(1).
  public let family = UpdateFamily.adam

  /// The defaults are the paper's and PyTorch's.
  public init(beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8) {
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
  }

  /// β₁ and β₂.
  public var hyperparameters: [Double] { [beta1, beta2] }

  /// 1/(1 − β₁ᵗ) and 1/(1 − β₂ᵗ), by which m and v are short of the means of g and g² at step t.
  public func corrections(step: Int) -> [Double] {
    [beta1, beta2].map { 1 / (1 - pow($0, Double(step))) }
  }
}
