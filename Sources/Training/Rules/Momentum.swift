import Spectral
import Tensors

/// Direction v ← μ·v + g, or g + μ·v with Nesterov's look-ahead; no dampening, as in PyTorch.
public struct Momentum: ElementwiseUpdateRule {
  /// μ in [0, 1).
  public let momentum: Double
  /// Whether the direction looks one step ahead.
  public let nesterov: Bool
  /// Proportional to the gradient.
  public let family = UpdateFamily.sgd

  /// Momentum μ; 0.9 is PyTorch's and most papers' value.
  public init(_ momentum: Double = 0.9, nesterov: Bool = false) {
    self.momentum = momentum
    self.nesterov = nesterov
  }

  /// v ← μ·v + g and the direction.
  public var elementwise: ElementwiseRule { nesterov ? Self.lookingAhead : Self.plain }

  /// μ.
  public var hyperparameters: [Double] { [momentum] }

  private static let plain = ElementwiseRule(
    name: "momentum", state: ["velocity"], hyperparameters: ["momentum"],
    direction: """
      velocity = momentum * velocity + g;
      T d = velocity;
      """)

  private static let lookingAhead = ElementwiseRule(
    name: "nesterov", state: ["velocity"], hyperparameters: ["momentum"],
    direction: """
      velocity = momentum * velocity + g;
      T d = g + momentum * velocity;
      """)
}
