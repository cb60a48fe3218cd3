import Spectral
import Tensors

/// φ(x), entry by entry.
public struct ActivationOperation: Operation {
  /// φ.
  public let activation: Activation

  /// φ as an operation.
  public init(_ activation: Activation) {
    self.activation = activation
  }

  /// Those of its input.
  public func columns(of inputs: [Extent]) -> Extent { inputs[0] }

  /// φ(x).
  ///
  /// - Throws: `OpenCLError`.
  public func forward(
    _ inputs: [Tensor], _ parameters: [Parameter], compute: Compute
  ) throws -> OperationValue {
    OperationValue(try compute.activate(inputs[0], activation))
  }

  /// δ ∘ φ'(x).
  ///
  /// - Throws: `OpenCLError`.
  public func backward(
    _ gradient: Tensor, _ pass: BackwardPass, receive: GradientReceiver
  ) throws -> [Tensor?] {
    guard pass.wantsInput[0] else { return [nil] }
    let result = pass.mayOverwrite ? gradient : try pass.compute.copy(gradient)
    try pass.compute.multiplyByDerivative(result, of: activation, at: pass.inputs[0])
    return [result]
  }

  /// By Gaussian moments.
  public var signal: (any SignalRule)? { ActivationSignal(moments: ActivationMoments(activation)) }
}

/// φ of Gaussian values.
struct ActivationSignal: SignalRule {
  let moments: ActivationMoments

  func size(of inputs: [Double], _ step: SignalStep) -> Double { moments.forward(inputs[0]) }

  func pullBack(_ delta: Double, _ step: SignalStep) -> SignalPullback {
    SignalPullback(inputs: [delta * moments.backward(step.inputs[0])])
  }

  func change(of inputs: [Double], _ step: SignalStep) -> Double {
    inputs[0] * moments.backward(step.inputs[0])
  }
}
