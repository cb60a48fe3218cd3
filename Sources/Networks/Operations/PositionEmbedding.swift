import Foundation
import Spectral
import Tensors

/// A learned vector for each position, y[t] = x[t] + P[t], with `weight` [context, columns].
///
/// Rows are tokens: row s·context + t is at position t of sequence s.
public struct PositionEmbedding: Operation {
  /// Positions of a sequence.
  public let context: Int

  /// Vectors for `context` positions.
  public init(context: Int) {
    precondition(context >= 1, "a context of \(context)")
    self.context = context
  }

  /// Those of its input.
  public func columns(of inputs: [Extent]) -> Extent { inputs[0] }

  /// P, whose input, a position, is one-hot.
  public func parameters(of inputs: [Extent]) -> [NetworkParameter] {
    [.embedding("weight", count: context, columns: inputs[0])]
  }

  /// y.
  ///
  /// - Throws: `OpenCLError`.
  public func forward(
    _ inputs: [Tensor], _ parameters: [Parameter], compute: Compute
  ) throws -> OperationValue {
    let output = try compute.copy(inputs[0])
    let vectors = parameters[0].value
    try compute.addBias(
      vectors.reshaped(rows: 1, columns: vectors.stride), to: sequences(output))
    return OperationValue(output)
  }

  /// δ as it is; hands over its sum over sequences.
  ///
  /// - Throws: `OpenCLError`, what `receive` throws.
  public func backward(
    _ gradient: Tensor, _ pass: BackwardPass, receive: GradientReceiver
  ) throws -> [Tensor?] {
    try receive(
      pass.parameters[0],
      .whole(
        pass.compute.sumRows(sequences(gradient))
          .reshaped(rows: context, columns: gradient.columns)))
    return [gradient]
  }

  /// The table.
  public var observation: Observation? { .table }

  /// Sizes add up as those of independent values, changes as aligned ones.
  public var signal: (any SignalRule)? { PositionSignal() }

  /// Tokens of a sequence as one row.
  private func sequences(_ x: Tensor) -> Tensor {
    precondition(x.rows % context == 0, "\(x.rows) tokens in sequences of \(context)")
    return x.reshaped(rows: x.rows / context, columns: context * x.columns)
  }
}

/// Of x + P[t].
struct PositionSignal: SignalRule {
  private let table = EmbeddingSignal(scale: 1)

  func size(of inputs: [Double], _ step: SignalStep) -> Double {
    hypot(inputs[0], table.size(of: inputs, step))
  }

  func pullBack(_ delta: Double, _ step: SignalStep) -> SignalPullback {
    SignalPullback(inputs: [delta], updates: table.pullBack(delta, step).updates)
  }

  func change(of inputs: [Double], _ step: SignalStep) -> Double {
    inputs[0] + table.change(of: inputs, step)
  }
}
