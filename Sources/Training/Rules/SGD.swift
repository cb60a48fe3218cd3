import Spectral
import Tensors

/// Direction g.
public struct SGD: ElementwiseUpdateRule {
  /// d = g.
  public let elementwise = ElementwiseRule.gradientDescent
  /// Proportional to the gradient.
  public let family = UpdateFamily.sgd

  /// Plain gradient descent.
  public init() {}
}
