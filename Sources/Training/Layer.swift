import Tensors

/// Takes each parameter's gradient as it comes; the parameter may be changed at once.
public typealias GradientReceiver = (Parameter, ParameterGradient) throws -> Void

/// Maps the output's gradient to the input's and hands over the parameters' gradients.
///
/// For an output φ(z) the gradient is first multiplied by φ'(z). Whoever gets it from a product may
/// have the product do that: `derivative` says with what, and `callAsFunction(preactivation:…)`
/// goes on from there.
public struct Pullback {
  /// What the output's gradient is multiplied by first, if anything.
  public let derivative: ActivationDerivative?
  private let compute: Compute
  private let body: Body

  /// From the gradient with respect to z on.
  ///
  /// - through: what the input's gradient is to be multiplied by, the derivative that the pullback
  ///   before begins with.
  public typealias Body = (
    _ delta: Tensor, _ through: ActivationDerivative?, _ wantsInput: Bool,
    _ receive: GradientReceiver
  ) throws -> Tensor?

  /// A pullback that multiplies by `derivative` and then does `body`.
  public init(derivative: ActivationDerivative?, compute: Compute, body: @escaping Body) {
    self.derivative = derivative
    self.compute = compute
    self.body = body
  }

  /// A pullback from the output's gradient, for layers that leave products to others.
  ///
  /// - body: gives the input's gradient, nil where it is not wanted, and hands over parameters'
  ///   gradients; called at most once, and may write over the tensor that it is given.
  public init(
    compute: Compute,
    body:
      @escaping (
        _ outputGradient: Tensor, _ wantsInput: Bool, _ receive: GradientReceiver
      ) throws -> Tensor?
  ) {
    self.init(derivative: nil, compute: compute) { delta, through, wantsInput, receive in
      let gradient = try body(delta, wantsInput, receive)
      if let gradient, let through {
        try compute.multiplyByDerivative(gradient, of: through.activation, at: through.z)
      }
      return gradient
    }
  }

  /// The input's gradient, nil where `wantsInput` is false. May reuse `outputGradient`'s memory.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`, what `receive` throws.
  public func callAsFunction(
    _ outputGradient: Tensor, _ wantsInput: Bool, _ receive: GradientReceiver
  ) throws -> Tensor? {
    if let derivative {
      try compute.multiplyByDerivative(
        outputGradient, of: derivative.activation, at: derivative.z)
    }
    return try body(outputGradient, nil, wantsInput, receive)
  }

  /// The same from a gradient that has been multiplied by `derivative`; the result has been by
  /// `through`.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`, what `receive` throws.
  public func callAsFunction(
    preactivation delta: Tensor, through: ActivationDerivative?, _ wantsInput: Bool,
    _ receive: GradientReceiver
  ) throws -> Tensor? {
    try body(delta, through, wantsInput, receive)
  }
}

/// A function of tensors with parameters; it gives its value together with its pullback.
public protocol Layer {
  /// Everything that training changes, in order.
  var parameters: [Parameter] { get }
  /// The output and its pullback, for an input [replica, batch, fanIn].
  ///
  /// The pullback may reuse the output gradient's memory and is to be called at most once.
  /// - Throws: `OpenCLError`, `CLBlastError`.
  func callAsFunction(_ input: Tensor, compute: Compute) throws -> (
    output: Tensor, pullback: Pullback
  )
}

/// Layers one after another.
public struct Sequential: Layer {
  /// The layers, from input to output.
  public let layers: [any Layer]

  /// The composition of `layers`, the first applied first.
  public init(_ layers: [any Layer]) {
    self.layers = layers
  }

  /// Every layer's parameters, from input to output.
  public var parameters: [Parameter] { layers.flatMap(\.parameters) }

  /// The last layer's output and the chain of pullbacks.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func callAsFunction(_ input: Tensor, compute: Compute) throws -> (
    output: Tensor, pullback: Pullback
  ) {
    var value = input
    var pullbacks: [Pullback] = []
    for layer in layers {
      let (output, pullback) = try layer(value, compute: compute)
      value = output
      pullbacks.append(pullback)
    }
    return (
      value,
      Pullback(derivative: pullbacks.last?.derivative, compute: compute) {
        [pullbacks] delta, through, wantsInput, receive in
        var gradient: Tensor? = delta
        for (index, pullback) in pullbacks.enumerated().reversed() {
          guard let delta = gradient else { break }
          gradient = try pullback(
            preactivation: delta, through: index > 0 ? pullbacks[index - 1].derivative : through,
            wantsInput || index > 0, receive)
        }
        return gradient
      }
    )
  }
}
