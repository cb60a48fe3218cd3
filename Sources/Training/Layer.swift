import Tensors

/// Takes each parameter's gradient as it comes; the parameter may be changed at once.
public typealias GradientReceiver = (Parameter, ParameterGradient) throws -> Void

/// Maps the output's gradient to the input's and hands over the parameters' gradients.
///
/// - wantsInput: whether the input's gradient is needed; where not, the result is nil.
public typealias Pullback = (
  _ outputGradient: Tensor, _ wantsInput: Bool, _ receive: GradientReceiver
) throws -> Tensor?

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
      { [pullbacks] outputGradient, wantsInput, receive in
        var pullbacks = pullbacks
        var gradient: Tensor? = outputGradient
        while let pullback = pullbacks.popLast(), let delta = gradient {
          gradient = try pullback(delta, wantsInput || !pullbacks.isEmpty, receive)
        }
        return gradient
      }
    )
  }
}
