import Spectral
import Tensors

/// Root-mean-square normalisation of each head's columns, with one gain `weight` [headSize] that all heads
/// share: what keeps attention logits bounded when it is put on queries and keys.
///
/// Source: Dehghani et al., arXiv:2302.05442, section 2, with the mean left in.
public struct HeadNormalization: Operation {
  /// Columns of a head.
  public let headSize: Extent
  /// Whether the heads are queries, whose size a width-scaling rule may set.
  public let isQuery: Bool
  private let rows = RowNormalization(.rms)

  /// Normalisation of heads of so many columns.
  public init(headSize: Extent, isQuery: Bool = false) {
    (self.headSize, self.isQuery) = (headSize, isQuery)
  }

  /// Those of its input, a multiple of a head's.
  public func columns(of inputs: [Extent]) -> Extent {
    precondition(
      inputs[0].size.isMultiple(of: headSize.size),
      "heads of \(headSize.size) in \(inputs[0].size) columns")
    return inputs[0]
  }

  /// The gain.
  public func parameters(of inputs: [Extent]) -> [NetworkParameter] {
    [.gain("weight", headSize, headSize: isQuery ? headSize : nil)]
  }

  /// The normalised heads, times the gain's multiplier.
  ///
  /// - Throws: `OpenCLError`.
  public func forward(
    _ inputs: [Tensor], _ parameters: [Parameter], compute: Compute
  ) throws -> OperationValue {
    let value = try rows.forward([heads(inputs[0])], parameters, compute: compute)
    let output = try scaled(value.output, by: parameters[0].multiplier, compute)
    return OperationValue(
      output.reshaped(rows: inputs[0].rows, columns: inputs[0].columns), saved: value.saved)
  }

  /// The gradients of x and g.
  ///
  /// - Throws: `OpenCLError`, what `receive` throws.
  public func backward(
    _ gradient: Tensor, _ pass: BackwardPass, receive: GradientReceiver
  ) throws -> [Tensor?] {
    let passed = try rows.backward(
      scaled(heads(gradient), by: pass.parameters[0].multiplier, pass.compute),
      BackwardPass(
        inputs: [heads(pass.inputs[0])], value: pass.value, parameters: pass.parameters,
        wantsInput: pass.wantsInput, mayOverwrite: pass.mayOverwrite, compute: pass.compute),
      receive: receive)
    return passed.map { $0?.reshaped(rows: gradient.rows, columns: gradient.columns) }
  }

  /// Divides by the input's size.
  public var signal: (any SignalRule)? { NormalizationSignal() }

  /// The normalisation of wider heads, where heads grow.
  public func widened(by factor: Int) -> HeadNormalization {
    HeadNormalization(headSize: headSize.widened(by: factor), isQuery: isQuery)
  }

  private func scaled(_ x: Tensor, by factor: Float, _ compute: Compute) throws -> Tensor {
    factor == 1 ? x : try compute.scaled(x, by: factor)
  }

  private func heads(_ x: Tensor) -> Tensor {
    x.reshaped(rows: x.rows * x.columns / headSize.size, columns: headSize.size)
  }
}
