import Spectral
import Tensors

/// A fully connected layer, z = α·h Wᵀ + b, with `weight` [fanOut, fanIn] and, if any, `bias` [fanOut].
///
/// Its weight may be an embedding's table, [fanOut, fanIn] too, which the two then share.
public struct Linear: Operation {
  /// Columns of z.
  public let outputs: Extent
  /// Whether b is added.
  public let hasBias: Bool
  /// α beside the parametrization's own multiplier.
  public let multiplier: Double
  /// The factor of the weight's initial standard deviation, beside the parametrization's.
  public let initialFactor: Double

  /// Whether the weight is an embedding's table.
  public let isTied: Bool
  /// Of attention's queries, keys and values: columns of a head.
  public let headSize: Extent?
  /// Whether z are queries, whose size a width-scaling rule may set.
  public let isQuery: Bool

  /// A layer of the values given.
  public init(
    outputs: Extent, hasBias: Bool = false, multiplier: Double = 1, initialFactor: Double = 1,
    isTied: Bool = false, headSize: Extent? = nil, isQuery: Bool = false
  ) {
    (self.outputs, self.hasBias) = (outputs, hasBias)
    (self.multiplier, self.initialFactor) = (multiplier, initialFactor)
    (self.isTied, self.headSize, self.isQuery) = (isTied, headSize, isQuery)
  }

  /// `outputs`.
  public func columns(of inputs: [Extent]) -> Extent { outputs }

  /// The weight, then the bias.
  public func parameters(of inputs: [Extent]) -> [NetworkParameter] {
    let weight =
      isTied
      ? NetworkParameter.embedding(
        "weight", count: outputs.size, columns: inputs[0], multiplier: multiplier,
        initialFactor: initialFactor, isTied: true)
      : NetworkParameter.weight(
        "weight", fanIn: inputs[0], fanOut: outputs, multiplier: multiplier,
        initialFactor: initialFactor, headSize: headSize, isQuery: isQuery)
    guard hasBias else { return [weight] }
    return [
      weight,
      .bias(
        "bias", fanIn: inputs[0], fanOut: outputs, headSize: isQuery ? headSize : nil),
    ]
  }

  /// z.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func forward(
    _ inputs: [Tensor], _ parameters: [Parameter], compute: Compute
  ) throws -> OperationValue {
    OperationValue(try forward(inputs[0], parameters, then: .identity, compute: compute).z)
  }

  /// z, and φ(z) in the same product.
  func forward(
    _ input: Tensor, _ parameters: [Parameter], then activation: Activation, compute: Compute
  ) throws -> (z: Tensor, output: Tensor) {
    try compute.layer(
      input, weight: parameters[0].value, bias: hasBias ? parameters[1].value : nil,
      alpha: parameters[0].multiplier, activation: activation)
  }

  /// α·h Wᵀ, before the bias.
  func product(_ input: Tensor, _ parameters: [Parameter], compute: Compute) throws -> Tensor {
    try compute.product(.nt, input, parameters[0].value, alpha: parameters[0].multiplier)
  }

  /// α·δ W; hands over Σ δ for the bias, and the weight's gradient by its factors δ and h.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`, what `receive` throws.
  public func backward(
    _ gradient: Tensor, _ pass: BackwardPass, receive: GradientReceiver
  ) throws -> [Tensor?] {
    [try backward(gradient, through: nil, pass, receive: receive)]
  }

  /// The same, with the input's gradient multiplied by `derivative` in the product: the gradient of what
  /// the activation before took.
  func backward(
    _ gradient: Tensor, through derivative: ActivationDerivative?, _ pass: BackwardPass,
    receive: GradientReceiver
  ) throws -> Tensor? {
    let weight = pass.parameters[0]
    let input =
      pass.wantsInput[0]
      ? try pass.compute.passBack(
        gradient, weight: weight.value, alpha: weight.multiplier, through: derivative) : nil
    if hasBias {
      try receive(pass.parameters[1], .whole(pass.compute.sumRows(gradient)))
    }
    try receive(
      weight, .factors(delta: gradient, input: pass.inputs[0], scale: weight.multiplier))
    return input
  }

  /// The matrix.
  public var observation: Observation? { .matrix }

  /// By the norms of Gaussian matrices and of updates of low rank.
  public var signal: (any SignalRule)? { LinearSignal() }

  /// The layer with outputs that grow `factor` times as many.
  public func widened(by factor: Int) -> Linear {
    Linear(
      outputs: outputs.widened(by: factor), hasBias: hasBias, multiplier: multiplier,
      initialFactor: initialFactor, isTied: isTied, headSize: headSize?.widened(by: factor),
      isQuery: isQuery)
  }
}

/// Inputs do not align with a random W, which passes them on at σ√fanIn; what training changes does, so
/// that W passes changes on at its spectral norm, as ΔW does inputs.
struct LinearSignal: SignalRule {
  func size(of inputs: [Double], _ step: SignalStep) -> Double {
    let weight = step.parameters[0]
    return weight.multiplier * weight.initialStd * weight.fanIn.squareRoot() * inputs[0]
  }

  func pullBack(_ delta: Double, _ step: SignalStep) -> SignalPullback {
    let weight = step.parameters[0]
    let gradient = weight.multiplier * delta * weight.fanIn.squareRoot() * step.inputs[0]
    let update =
      weight.learningRate * weight.family.updateNorm(gradient: gradient, shape: weight.matrix)
    // What W multiplies δ by: at random, or, of a layer that starts at zero, its own first update.
    let transfer =
      weight.initialStd > 0 ? weight.initialStd * weight.fanIn.squareRoot() : update
    return SignalPullback(inputs: [delta * weight.multiplier * transfer], updates: [0: update])
  }

  func change(of inputs: [Double], _ step: SignalStep) -> Double {
    let weight = step.parameters[0]
    let update = step.updates[0] ?? 0
    let norm = weight.initialNorm
    let inherited = (norm > 0 ? norm : update) * weight.fanIn.squareRoot() * inputs[0]
    let own = update * weight.fanIn.squareRoot() * step.inputs[0]
    return weight.multiplier * (inherited + own) / weight.fanOut.squareRoot()
  }
}
