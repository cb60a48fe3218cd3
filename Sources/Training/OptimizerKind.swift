import Spectral

/// The update rules that can be named in a configuration.
public enum OptimizerKind: String, Codable, Hashable, Sendable, CaseIterable {
  /// Plain gradient descent.
  case sgd
  /// A velocity v ← 0.9·v + g.
  case momentum
  /// The same with Nesterov's look-ahead.
  case nesterov
  /// Adam, its decay added to the gradient where nothing is said.
  case adam
  /// Adam, its decay beside the update where nothing is said.
  case adamw
  /// The gradient over its spectral norm: condition 2 of arXiv:2310.17813.
  case spectralNormalized = "spectral-normalized"
  /// The gradient over its Frobenius norm, for contrast.
  case frobeniusNormalized = "frobenius-normalized"

  /// The family whose learning-rate rule keeps this update at √(fan-out/fan-in).
  public var family: UpdateFamily { rule.family }

  /// How weight decay enters where a configuration does not say: AdamW decouples it, and so do
  /// normalised updates, whose norm is that of the gradient alone.
  public var defaultWeightDecayKind: WeightDecayKind {
    switch self {
    case .sgd, .momentum, .nesterov, .adam: .coupled
    case .adamw, .spectralNormalized, .frobeniusNormalized: .decoupled
    }
  }

  /// Whether decay can be added to the gradient.
  public var supportsCoupledDecay: Bool { family != .normalized }
}
