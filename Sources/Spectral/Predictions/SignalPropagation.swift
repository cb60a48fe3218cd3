import Tensors

/// A weight as signal propagation sees it: its shape, and what it starts and trains with.
public struct PropagatedLayer: Sendable {
  /// Shape [fanOut, fanIn] and role.
  public let shape: ParameterShape
  /// σ ≥ 0 of the initial entries; 0 starts the layer at zero.
  public let initialStd: Double
  /// η_l > 0.
  public let learningRate: Double
  /// a: the layer computes φ(a·W h).
  public let multiplier: Double

  /// A layer of the values given.
  public init(
    shape: ParameterShape, initialStd: Double, learningRate: Double, multiplier: Double
  ) {
    self.shape = shape
    self.initialStd = initialStd
    self.learningRate = learningRate
    self.multiplier = multiplier
  }
}

/// The quantities of the spectral condition that theory predicts of a network, layer by layer, at
/// its very widths and not only in their limit.
///
///     forward    rms z = a σ √fanIn rms h,          rms h = √E φ(z)²
///     weight     ‖W‖_* = σ(√fanOut + √fanIn),       ‖W‖_F = σ √(fanOut·fanIn)
///     backward   ‖δ_{l−1}‖ = a_l σ_l √fanIn_l ‖δ_l‖ √E φ'²,     ‖∇_l‖_* = c a_l ‖δ_l‖ ‖h_{l−1}‖
///     update     sgd η‖∇‖_*;   adam η √(fanOut·fanIn);   normalized η
///     change     ‖Δz‖ = a ‖W‖_* ‖Δh‖ + a ‖ΔW‖_* ‖h‖,   rms Δh = rms Δz √E φ'²
///
/// Inputs do not align with random weights, but changes do: Δh comes of the gradient Wᵀδ, so W
/// passes it on at its spectral norm, as ΔW does h.
///
/// c, the logits' gradient and the size of the inputs do not depend on width: they are 1 here, and
/// so only slopes over width mean something. Updates count as aligned and of low rank.
///
/// A layer that starts at zero takes its first step before the others can: quantities are then
/// those of the second step, with the layer's weight its first update, aligned with h.
///
/// Source: arXiv:2310.17813; arXiv:1606.05340 for the moments.
public struct SignalPropagation: Sendable {
  /// The layers' quantities, from input to readout; a layer without a value for a quantity, such
  /// as the weight norm of a layer that starts at zero, lacks it.
  public let layers: [[SpectralQuantity: Double]]

  /// Propagates through `layers`, from input to readout, with φ after every one but the last.
  public init(layers: [PropagatedLayer], activation: Activation, family: UpdateFamily) {
    let moments = ActivationMoments(activation)
    let last = layers.count - 1
    // Forward: ‖h_{l−1}‖ into each layer, rms z out of it.
    var inputNorms: [Double] = []
    var gains: [Double] = []
    var sizes: [Double] = []
    var rms = 1.0
    for (index, layer) in layers.enumerated() {
      let fanIn = Double(layer.shape.fanIn).squareRoot()
      inputNorms.append(fanIn * rms)
      let z = layer.multiplier * layer.initialStd * fanIn * rms
      gains.append(index == last ? 1 : moments.backward(z))
      rms = index == last ? z : moments.forward(z)
      sizes.append(rms)
    }
    // Backward: ‖δ_l‖ and with it the updates.
    var updates = [Double](repeating: 0, count: layers.count)
    var deltaNorm = 1.0
    for (index, layer) in layers.enumerated().reversed() {
      let gradient = layer.multiplier * deltaNorm * inputNorms[index]
      updates[index] =
        layer.learningRate * family.updateNorm(gradient: gradient, shape: layer.shape)
      // What W multiplies δ by: at random, or, for a layer that started at zero, its own update.
      let transfer =
        layer.initialStd > 0
        ? layer.initialStd * Double(layer.shape.fanIn).squareRoot() : updates[index]
      deltaNorm *= layer.multiplier * transfer * (index > 0 ? gains[index - 1] : 1)
    }
    var change = 0.0
    var result: [[SpectralQuantity: Double]] = []
    for (index, layer) in layers.enumerated() {
      let (fanOut, fanIn) = (Double(layer.shape.fanOut), Double(layer.shape.fanIn))
      let target = (fanOut / fanIn).squareRoot()
      let norm = layer.initialStd * layer.shape.normRatio
      let inherited = (norm > 0 ? norm : updates[index]) * fanIn.squareRoot() * change
      let own = updates[index] * inputNorms[index]
      change = layer.multiplier * (inherited + own) / fanOut.squareRoot() * gains[index]
      var values: [SpectralQuantity: Double] = [
        .updateNorm: updates[index] / target, .featureChange: change,
      ]
      if layer.initialStd > 0 {
        let frobenius = layer.initialStd * (fanOut * fanIn).squareRoot()
        values[.weightNorm] = norm / target
        values[.featureSize] = sizes[index]
        values[.relativeUpdate] = updates[index] / norm
        values[.relativeUpdateFrobenius] = updates[index] / frobenius
      }
      result.append(values)
    }
    self.layers = result
  }
}

extension UpdateFamily {
  /// ‖ΔW‖_* per unit of learning rate, for a gradient of that spectral norm and of low rank.
  func updateNorm(gradient: Double, shape: ParameterShape) -> Double {
    switch self {
    case .sgd: gradient
    case .adam: (Double(shape.fanOut) * Double(shape.fanIn)).squareRoot()
    case .normalized: 1
    }
  }
}
