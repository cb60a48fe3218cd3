/// How the size of an update depends on its gradient; the learning-rate rules differ by family.
public enum UpdateFamily: String, Codable, Hashable, Sendable, CaseIterable {
  /// The update is proportional to the gradient: SGD, momentum, Nesterov.
  case sgd
  /// The update's entries are Θ(1) whatever the gradient's size: Adam, AdamW.
  case adam
}

/// How weight decay enters an update with learning rate η_l = η·factor and schedule s.
public enum WeightDecayKind: String, Codable, Hashable, Sendable, CaseIterable {
  /// λ_l·W is added to the gradient (L2 regularisation).
  case coupled
  /// W ← (1 − s·η_l·λ_l)·W beside the update (AdamW).
  case decoupled
  /// As decoupled, with λ_l = λ/factor: η_l·λ_l does not depend on width.
  case independent
}
