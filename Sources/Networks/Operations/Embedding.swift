import Spectral
import Tensors

/// Rows of a table by number, y = s·E[id], with `weight` [count, columns].
///
/// The input is a column of whole numbers. As a matrix, E takes a one-hot input, whose norm is 1: its fan-in
/// is 1.
public struct Embedding: Operation {
  /// Rows of the table: the vocabulary.
  public let count: Int
  /// Columns of the value.
  public let outputs: Extent
  /// s.
  public let scale: Double
  /// The factor of the table's initial standard deviation, beside the parametrization's.
  public let initialFactor: Double
  /// Where a readout shares the table: the factor of its logits; nil where none does.
  public let tiedMultiplier: Double?

  /// An embedding of the values given.
  public init(
    count: Int, outputs: Extent, scale: Double = 1, initialFactor: Double = 1,
    tiedMultiplier: Double? = nil
  ) {
    precondition(count >= 1, "an embedding of \(count) tokens")
    (self.count, self.outputs, self.scale) = (count, outputs, scale)
    (self.initialFactor, self.tiedMultiplier) = (initialFactor, tiedMultiplier)
  }

  /// `outputs`, of a column of numbers.
  public func columns(of inputs: [Extent]) -> Extent {
    precondition(inputs[0].size == 1, "an embedding of \(inputs[0].size) columns")
    return outputs
  }

  /// The table.
  public func parameters(of inputs: [Extent]) -> [NetworkParameter] {
    [
      .embedding(
        "weight", count: count, columns: outputs, multiplier: tiedMultiplier ?? 1,
        initialFactor: initialFactor, isTied: tiedMultiplier != nil)
    ]
  }

  /// y.
  ///
  /// - Throws: `OpenCLError`.
  public func forward(
    _ inputs: [Tensor], _ parameters: [Parameter], compute: Compute
  ) throws -> OperationValue {
    OperationValue(
      try compute.embed(inputs[0], table: parameters[0].value, scale: Float(scale)))
  }

  /// Hands over the table's gradient; numbers have none.
  ///
  /// - Throws: `OpenCLError`, what `receive` throws.
  public func backward(
    _ gradient: Tensor, _ pass: BackwardPass, receive: GradientReceiver
  ) throws -> [Tensor?] {
    try receive(
      pass.parameters[0],
      .whole(
        pass.compute.embedBackward(
          gradient, ids: pass.inputs[0], count: count, scale: Float(scale))))
    return [nil]
  }

  /// The table.
  public var observation: Observation? { .table }

  /// Each token is a row of the table, which its own gradient updates.
  public var signal: (any SignalRule)? { EmbeddingSignal(scale: scale) }

  /// The embedding with as many more columns.
  public func widened(by factor: Int) -> Embedding {
    Embedding(
      count: count, outputs: outputs.widened(by: factor), scale: scale,
      initialFactor: initialFactor, tiedMultiplier: tiedMultiplier)
  }
}

/// Of s·E[id]: a one-hot input has norm 1, and so a row's norm is the matrix's.
struct EmbeddingSignal: SignalRule {
  let scale: Double

  func size(of inputs: [Double], _ step: SignalStep) -> Double {
    scale * step.parameters[0].initialStd
  }

  func pullBack(_ delta: Double, _ step: SignalStep) -> SignalPullback {
    let table = step.parameters[0]
    let update =
      table.learningRate * table.family.updateNorm(gradient: scale * delta, shape: table.shape)
    return SignalPullback(inputs: [0], updates: [0: update])
  }

  func change(of inputs: [Double], _ step: SignalStep) -> Double {
    scale * (step.updates[0] ?? 0) / Double(step.parameters[0].shape.fanOut).squareRoot()
  }
}
