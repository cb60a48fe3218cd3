import Spectral
import Tensors

/// x ∘ y, of two values of one shape: what joins a gate to what it lets through.
public struct Multiply: Operation {
  /// The product.
  public init() {}

  /// Those of both inputs, which must be alike.
  public func columns(of inputs: [Extent]) -> Extent {
    precondition(
      inputs[0] == inputs[1], "a product of \(inputs[0].size) and \(inputs[1].size) columns")
    return inputs[0]
  }

  /// x ∘ y.
  ///
  /// - Throws: `OpenCLError`.
  public func forward(
    _ inputs: [Tensor], _ parameters: [Parameter], compute: Compute
  ) throws -> OperationValue {
    OperationValue(try compute.elementwiseProduct(inputs[0], inputs[1]))
  }

  /// δ ∘ y and δ ∘ x.
  ///
  /// - Throws: `OpenCLError`.
  public func backward(
    _ gradient: Tensor, _ pass: BackwardPass, receive: GradientReceiver
  ) throws -> [Tensor?] {
    try [1, 0].map { other in
      pass.wantsInput[1 - other]
        ? try pass.compute.elementwiseProduct(gradient, pass.inputs[other]) : nil
    }
  }

  /// Sizes multiply, as of independent values; changes as aligned ones.
  public var signal: (any SignalRule)? { MultiplySignal() }
}

/// Of x ∘ y.
struct MultiplySignal: SignalRule {
  func size(of inputs: [Double], _ step: SignalStep) -> Double { inputs[0] * inputs[1] }

  func pullBack(_ delta: Double, _ step: SignalStep) -> SignalPullback {
    SignalPullback(inputs: [delta * step.inputs[1], delta * step.inputs[0]])
  }

  func change(of inputs: [Double], _ step: SignalStep) -> Double {
    inputs[0] * step.inputs[1] + step.inputs[0] * inputs[1]
  }
}
