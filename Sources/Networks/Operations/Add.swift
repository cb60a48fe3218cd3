import Foundation
import Spectral
import Tensors

/// a·x + s·y, of two values of one shape: what joins a residual branch to its stream.
public struct Add: Operation {
  /// s.
  public let scale: Double
  /// a.
  public let streamScale: Double

  /// The sum with y `scale` and x `streamScale` times as large.
  public init(scale: Double = 1, streamScale: Double = 1) {
    (self.scale, self.streamScale) = (scale, streamScale)
  }

  /// Those of both inputs, which must be alike.
  public func columns(of inputs: [Extent]) -> Extent {
    precondition(inputs[0] == inputs[1], "a sum of \(inputs[0].size) and \(inputs[1].size) columns")
    return inputs[0]
  }

  /// a·x + s·y.
  ///
  /// - Throws: `OpenCLError`.
  public func forward(
    _ inputs: [Tensor], _ parameters: [Parameter], compute: Compute
  ) throws -> OperationValue {
    OperationValue(
      try compute.add(
        inputs[0], inputs[1], scale: Float(scale), firstScale: Float(streamScale)))
  }

  /// a·δ and s·δ.
  ///
  /// - Throws: `OpenCLError`.
  public func backward(
    _ gradient: Tensor, _ pass: BackwardPass, receive: GradientReceiver
  ) throws -> [Tensor?] {
    try [streamScale, scale].enumerated().map { input, factor in
      guard pass.wantsInput[input] else { return nil }
      return factor == 1 ? gradient : try pass.compute.scaled(gradient, by: Float(factor))
    }
  }

  /// Sizes add up as those of independent values do; changes as aligned ones.
  public var signal: (any SignalRule)? { AddSignal(scale: scale, streamScale: streamScale) }
}

/// Of a·x + s·y.
struct AddSignal: SignalRule {
  let scale, streamScale: Double

  func size(of inputs: [Double], _ step: SignalStep) -> Double {
    hypot(streamScale * inputs[0], scale * inputs[1])
  }

  func pullBack(_ delta: Double, _ step: SignalStep) -> SignalPullback {
    SignalPullback(inputs: [abs(streamScale) * delta, abs(scale) * delta])
  }

  func change(of inputs: [Double], _ step: SignalStep) -> Double {
    abs(streamScale) * inputs[0] + abs(scale) * inputs[1]
  }
}
