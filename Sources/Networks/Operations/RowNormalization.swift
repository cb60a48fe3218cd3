import Spectral
import Tensors

/// Brings every row to a size of about 1, with a learned gain `weight` [columns] and, of layer normalisation, a
/// `bias` [columns].
///
///     rms     y = g ∘ x/√(mean x² + ε)
///     layer   y = g ∘ (x − mean x)/√(var x + ε) + b
///
/// Source: arXiv:1910.07467 and arXiv:1607.06450.
public struct RowNormalization: Operation {
  /// What is divided by.
  public enum Kind: String, Codable, Hashable, Sendable, CaseIterable {
    /// The root mean square.
    case rms
    /// The standard deviation, once the mean is subtracted.
    case layer
  }

  /// What is divided by.
  public let kind: Kind
  /// ε, beside mean squares of about 1.
  public let epsilon: Float

  /// A normalisation; the default ε is PyTorch's of layer normalisation.
  public init(_ kind: Kind, epsilon: Float = 1e-5) {
    (self.kind, self.epsilon) = (kind, epsilon)
  }

  /// Those of its input.
  public func columns(of inputs: [Extent]) -> Extent { inputs[0] }

  /// `weight`, the gain, which starts at 1; of layer normalisation also `bias`, which starts at 0.
  public func parameters(of inputs: [Extent]) -> [NetworkParameter] {
    let gain = NetworkParameter.gain("weight", inputs[0])
    return kind == .rms ? [gain] : [gain, .bias("bias", fanIn: inputs[0], fanOut: inputs[0])]
  }

  /// y; keeps the factors, and the means where there are any.
  ///
  /// - Throws: `OpenCLError`.
  public func forward(
    _ inputs: [Tensor], _ parameters: [Parameter], compute: Compute
  ) throws -> OperationValue {
    switch kind {
    case .rms:
      let (output, inverse) = try compute.rmsNorm(
        inputs[0], gain: parameters[0].value, epsilon: epsilon)
      return OperationValue(output, saved: [inverse])
    case .layer:
      let (output, mean, inverse) = try compute.layerNorm(
        inputs[0], gain: parameters[0].value, bias: parameters[1].value, epsilon: epsilon)
      return OperationValue(output, saved: [inverse, mean])
    }
  }

  /// The gradients of x, g and b.
  ///
  /// - Throws: `OpenCLError`, what `receive` throws.
  public func backward(
    _ gradient: Tensor, _ pass: BackwardPass, receive: GradientReceiver
  ) throws -> [Tensor?] {
    let gain = pass.parameters[0]
    switch kind {
    case .rms:
      let result = try pass.compute.rmsNormBackward(
        gradient, input: pass.inputs[0], inverse: pass.value.saved[0], gain: gain.value)
      if let gradient = result.gain { try receive(gain, .whole(gradient)) }
      return [result.input]
    case .layer:
      let result = try pass.compute.layerNormBackward(
        gradient, input: pass.inputs[0], mean: pass.value.saved[1], inverse: pass.value.saved[0],
        gain: gain.value, wantsBias: true)
      if let gradient = result.gain { try receive(gain, .whole(gradient)) }
      if let gradient = result.bias { try receive(pass.parameters[1], .whole(gradient)) }
      return [result.input]
    }
  }

  /// Divides by the input's size.
  public var signal: (any SignalRule)? { NormalizationSignal() }
}

/// Values leave at the size of the gain's multiplier, which is 1 but for queries, and gradients and changes
/// shrink as values do; the gain itself stays near 1.
struct NormalizationSignal: SignalRule {
  func size(of inputs: [Double], _ step: SignalStep) -> Double { step.parameters[0].multiplier }

  func pullBack(_ delta: Double, _ step: SignalStep) -> SignalPullback {
    SignalPullback(inputs: [step.parameters[0].multiplier * delta / step.inputs[0]])
  }

  func change(of inputs: [Double], _ step: SignalStep) -> Double {
    step.parameters[0].multiplier * inputs[0] / step.inputs[0]
  }
}
