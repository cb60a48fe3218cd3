/// φ'(z), which a gradient with respect to φ(z) is multiplied by.
public struct ActivationDerivative {
  /// φ.
  public let activation: Activation
  /// Where the derivative is taken.
  public let z: Tensor

  /// The derivative of `activation` at `z`.
  public init(of activation: Activation, at z: Tensor) {
    self.activation = activation
    self.z = z
  }
}

/// What is done to a product's elements before they are stored.
///
///     none         C = P
///     forward      C = P + b,  output = φ(C)
///     derivative   C = P ∘ φ'(z)
///     adding       C = P + S
///     update       C ← C updated by the gradient P
enum ProductEpilogue {
  case none
  /// bias: b [replica, 1, n]. output: of C's shape; nil where φ is the identity.
  case forward(bias: Tensor?, activation: Activation, output: Tensor?)
  case derivative(ActivationDerivative)
  /// S, of C's shape.
  case adding(Tensor)
  /// weightDelta: takes ΔC, of C's shape.
  case update(WeightUpdate, weightDelta: Tensor?)

  /// Traps where the tensors' shapes do not fit a product of `c`'s.
  func check(_ c: Tensor) {
    switch self {
    case .none: break
    case .forward(let bias, _, let output):
      precondition(
        (bias.map { $0.shape == [c.replicas, 1, c.columns] } ?? true)
          && (output.map { $0.shape == c.shape } ?? true),
        "bias \(bias?.shape ?? []), output \(output?.shape ?? []) for a product \(c.shape)")
    case .derivative(let derivative):
      precondition(
        derivative.z.shape == c.shape, "derivative at \(derivative.z.shape) for \(c.shape)")
    case .adding(let addend):
      precondition(addend.shape == c.shape, "addend \(addend.shape) for a product \(c.shape)")
    case .update(let update, let weightDelta):
      update.check(c, alike: weightDelta.map { [$0] } ?? [])
    }
  }
}
