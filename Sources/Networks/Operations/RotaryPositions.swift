import Spectral
import Tensors

/// Queries or keys turned by their positions, so that their products depend on distances alone.
///
/// Rows are tokens: row s·context + t is at position t of sequence s.
/// Source: Su et al., arXiv:2104.09864.
public struct RotaryPositions: Operation {
  /// Columns of a head, even.
  public let headSize: Extent
  /// Positions of a sequence.
  public let context: Int

  /// Rotations of heads of so many columns.
  public init(headSize: Extent, context: Int) {
    precondition(
      headSize.size.isMultiple(of: 2) && context >= 1,
      "rotations of heads of \(headSize.size) columns, context \(context)")
    (self.headSize, self.context) = (headSize, context)
  }

  /// Those of its input.
  public func columns(of inputs: [Extent]) -> Extent { inputs[0] }

  /// The turned heads.
  ///
  /// - Throws: `OpenCLError`.
  public func forward(
    _ inputs: [Tensor], _ parameters: [Parameter], compute: Compute
  ) throws -> OperationValue {
    OperationValue(
      try compute.rotated(inputs[0], headSize: headSize.size, context: context))
  }

  /// δ turned back.
  ///
  /// - Throws: `OpenCLError`.
  public func backward(
    _ gradient: Tensor, _ pass: BackwardPass, receive: GradientReceiver
  ) throws -> [Tensor?] {
    guard pass.wantsInput[0] else { return [nil] }
    return [
      try pass.compute.rotated(
        gradient, headSize: headSize.size, context: context, backward: true)
    ]
  }

  /// Sizes stay as they are.
  public var signal: (any SignalRule)? { SameSizeSignal() }

  /// The rotations of wider heads, where heads grow.
  public func widened(by factor: Int) -> RotaryPositions {
    RotaryPositions(headSize: headSize.widened(by: factor), context: context)
  }
}

/// Of an operation that leaves sizes, gradients and changes as they are.
struct SameSizeSignal: SignalRule {
  func size(of inputs: [Double], _ step: SignalStep) -> Double { inputs[0] }

  func pullBack(_ delta: Double, _ step: SignalStep) -> SignalPullback {
    SignalPullback(inputs: [delta])
  }

  func change(of inputs: [Double], _ step: SignalStep) -> Double { inputs[0] }
}
