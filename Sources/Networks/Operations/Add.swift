import Spectral
import Tensors

/// x + s·y, of two values of one shape: what joins a residual branch to its stream.
public struct Add: Operation {
  /// s.
  public let scale: Double

  /// The sum with y `scale` times as large.
  public init(scale: Double = 1) {
    self.scale = scale
  }

  /// Those of both inputs, which must be alike.
  public func columns(of inputs: [Extent]) -> Extent {
    precondition(inputs[0] == inputs[1], "a sum of \(inputs[0].size) and \(inputs[1].size) columns")
    return inputs[0]
  }

  /// x + s·y.
  ///
  /// - Throws: `OpenCLError`.
  public func forward(
    _ inputs: [Tensor], _ parameters: [Parameter], compute: Compute
  ) throws -> OperationValue {
    OperationValue(try compute.add(inputs[0], inputs[1], scale: Float(scale)))
  }

  /// δ, and s·δ.
  ///
  /// - Throws: `OpenCLError`.
  public func backward(
    _ gradient: Tensor, _ pass: BackwardPass, receive: GradientReceiver
  ) throws -> [Tensor?] {
    [
      pass.wantsInput[0] ? gradient : nil,
      pass.wantsInput[1]
        ? scale == 1 ? gradient : try pass.compute.scaled(gradient, by: Float(scale)) : nil,
    ]
  }

  /// Sizes add up as those of independent values do; changes as aligned ones.
  public var signal: (any SignalRule)? { AddSignal(scale: scale) }
}

/// Of x + s·y.
struct AddSignal: SignalRule {
  let scale: Double

  func size(of inputs: [Double], _ step: SignalStep) -> Double {
    (inputs[0] * inputs[0] + scale * scale * inputs[1] * inputs[1]).squareRoot()
  }

  func pullBack(_ delta: Double, _ step: SignalStep) -> SignalPullback {
    SignalPullback(inputs: [delta, abs(scale) * delta])
  }

  func change(of inputs: [Double], _ step: SignalStep) -> Double {
    inputs[0] + abs(scale) * inputs[1]
  }
}
