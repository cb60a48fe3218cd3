import Spectral

/// The update rules that can be named in a configuration.
public enum OptimizerKind: String, Codable, Hashable, Sendable, CaseIterable {
  case sgd, momentum, nesterov, adam, adamw

  /// The family whose learning-rate rule keeps this update at √(fan-out/fan-in).
  public var family: UpdateFamily {
    switch self {
    case .sgd, .momentum, .nesterov: .sgd
    case .adam, .adamw: .adam
    }
  }

  /// How weight decay enters where a configuration does not say: AdamW decouples it.
  public var defaultWeightDecayKind: WeightDecayKind {
    self == .adamw ? .decoupled : .coupled
  }
}
