import Tensors

/// A fully connected layer.
///
///     z = α·h Wᵀ + b,   output = φ(z)
///
/// Input [replica, batch, fanIn], output [replica, batch, fanOut].
public struct Dense: Layer {
  /// W, [replica, fanOut, fanIn].
  public let weight: Parameter
  /// b, [replica, 1, fanOut].
  public let bias: Parameter?
  /// φ.
  public let activation: Activation
  /// α, the same for every replica.
  public let multiplier: Float

  /// A layer of the parameters given.
  public init(
    weight: Parameter, bias: Parameter? = nil, activation: Activation = .identity,
    multiplier: Float = 1
  ) {
    self.weight = weight
    self.bias = bias
    self.activation = activation
    self.multiplier = multiplier
  }

  /// The weight, then the bias.
  public var parameters: [Parameter] { [weight] + (bias.map { [$0] } ?? []) }

  /// α·h Wᵀ, before bias and activation.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func product(with input: Tensor, compute: Compute) throws -> Tensor {
    try compute.product(.nt, input, weight.value, alpha: multiplier)
  }

  /// φ(z + b) for a product; the bias is added to `product` in place, which then is z.
  ///
  /// - Throws: `OpenCLError`.
  public func output(of product: Tensor, compute: Compute) throws -> Tensor {
    if let bias { try compute.addBias(bias.value, to: product) }
    return activation == .identity ? product : try compute.activate(product, activation)
  }

  /// The output and the pullback.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func callAsFunction(_ input: Tensor, compute: Compute) throws -> (
    output: Tensor, pullback: Pullback
  ) {
    let (z, output) = try compute.layer(
      input, weight: weight.value, bias: bias?.value, alpha: multiplier, activation: activation)
    let derivative =
      activation == .identity ? nil : ActivationDerivative(of: activation, at: z)
    let pullback = Pullback(derivative: derivative, compute: compute) {
      delta, through, wantsInput, receive in
      // The input's gradient first: receiving a parameter's gradient may change the weight.
      let inputGradient =
        wantsInput
        ? try compute.passBack(delta, weight: weight.value, alpha: multiplier, through: through)
        : nil
      if let bias { try receive(bias, .whole(compute.sumRows(delta))) }
      try receive(weight, .factors(delta: delta, input: input, scale: multiplier))
      return inputGradient
    }
    return (output, pullback)
  }
}
