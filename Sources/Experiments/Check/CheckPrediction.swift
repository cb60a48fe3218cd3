import Spectral
import Training

/// Exponents that theory predicts of a family of networks, one a width.
struct CheckPrediction {
  /// [width]: the networks measured.
  let configurations: [TrainingConfiguration]
  /// The widths, as the sweep counts them.
  let widths: [Double]

  /// The same networks with every rate the parametrization's own.
  var withoutRateRules: CheckPrediction {
    CheckPrediction(
      configurations: configurations.map {
        var plain = $0
        plain.rateRules = []
        return plain
      }, widths: widths)
  }

  /// The wider half of the networks, three at least.
  var widerHalf: CheckPrediction {
    let kept = max(3, (widths.count + 1) / 2)
    return CheckPrediction(
      configurations: configurations.suffix(kept), widths: widths.suffix(kept))
  }

  /// What a rule gives a layer, in the order of `layers`.
  private func layers(
    _ configuration: TrainingConfiguration, _ parametrization: any Parametrization
  ) -> [PropagatedLayer] {
    let scalings = configuration.scalings(under: parametrization)
    return zip(configuration.network.shape.parameters, scalings)
      .filter { $0.0.shape.kind == .weight }
      .map { parameter, scaling in
        PropagatedLayer(
          shape: parameter.shape,
          initialStd: scaling.initialStd
            * configuration.network.initialFactor(of: parameter.shape),
          learningRate: scaling.learningRateFactor,
          multiplier: scaling.multiplier * configuration.network.multiplier(of: parameter.shape))
      }
  }

  private func slope(
    _ configurations: [TrainingConfiguration], _ widths: [Double],
    _ parametrization: any Parametrization,
    _ value: ([PropagatedLayer], SignalPropagation) ->
      Double?
  ) -> Double? {
    let values = configurations.compactMap { configuration in
      let layers = layers(configuration, parametrization)
      return value(
        layers,
        SignalPropagation(
          layers: layers, activation: configuration.network.activation,
          family: configuration.optimizer.family))
    }
    guard values.count == widths.count else { return nil }
    return ScalingExponent.slope(widths: widths, values: values)
  }

  /// The slope of a layer's quantity over the widths; nil where it has none.
  func exponent(
    _ quantity: SpectralQuantity, layer: Int, under parametrization: any Parametrization
  ) -> Double? {
    slope(configurations, widths, parametrization) { $1.layers[layer][quantity] }
  }

  /// The same between widths far beyond all sizes that stay fixed.
  func limit(
    _ quantity: SpectralQuantity, layer: Int, under parametrization: any Parametrization
  ) -> Double? {
    let factors = [1 << 34, 1 << 36]
    return slope(
      factors.map { configurations[0].widened(by: $0) }, factors.map(Double.init), parametrization
    ) { $1.layers[layer][quantity] }
  }

  /// The slope of what is a layer's own in a quantity: its σ in sizes, its rate in updates.
  func ownExponent(
    _ quantity: SpectralQuantity, layer: Int, under parametrization: any Parametrization
  ) -> Double? {
    slope(configurations, widths, parametrization) { layers, _ in
      switch quantity {
      case .weightNorm, .featureSize: layers[layer].initialStd
      case .updateNorm, .featureChange, .relativeUpdate, .relativeUpdateFrobenius:
        layers[layer].learningRate
      }
    }
  }
}

extension TrainingConfiguration {
  /// The network with every hidden layer `factor` times as wide.
  fileprivate func widened(by factor: Int) -> TrainingConfiguration {
    var wide = self
    let shape = network.shape
    wide.network.shape = MLPShape(
      inputs: shape.inputs, hidden: shape.hidden.map { $0 * factor }, outputs: shape.outputs,
      bias: shape.bias)
    return wide
  }
}
