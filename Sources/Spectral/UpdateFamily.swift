/// How the size of an update depends on its gradient; the learning-rate rules differ by family.
///
/// Per unit of learning rate, for a gradient of low rank under the spectral condition:
///
///     sgd   ‖ΔW‖_* = ‖∇‖_* = Θ(√(fanIn/fanOut))
///     adam  ‖ΔW‖_* = Θ(√(fanOut·fanIn))
///     normalized  ‖ΔW‖_* = 1, or by the Frobenius norm between 1/√rank and 1
///
/// Source: arXiv:2310.17813; Tensor Programs IVb (arXiv:2308.01814) for adaptive updates.
public enum UpdateFamily: String, Codable, Hashable, Sendable, CaseIterable {
  /// The update is proportional to the gradient: SGD, momentum, Nesterov.
  case sgd
  /// The update's entries are Θ(1) whatever the gradient's size: Adam, AdamW.
  case adam
  /// The gradient divided by its norm: spectral (explicit spectral normalisation, condition 2 of
  /// the paper) or Frobenius, which is the same while the gradient's stable rank stays put.
  case normalized
}
