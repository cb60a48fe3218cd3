import Networks
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

  /// A network of the family as signal propagation sees it.
  private struct PropagatedNetwork {
    let graph: NetworkGraph
    let parameters: [SignalParameter]

    /// Of each linear operation, its weight.
    func weight(_ layer: Int) -> SignalParameter {
      parameters[graph[graph.linearNodes[layer]].parameters[0]]
    }
  }

  /// The network of `configuration` in `graph`, at its width or another.
  private func propagated(
    _ graph: NetworkGraph, _ configuration: TrainingConfiguration,
    _ parametrization: any Parametrization
  ) -> PropagatedNetwork {
    let scalings = configuration.scalings(of: graph, under: parametrization)
    return PropagatedNetwork(
      graph: graph,
      parameters: zip(graph.parameters, scalings).map { parameter, scaling in
        SignalParameter(
          shape: parameter.shape, initialStd: scaling.initialStd * parameter.initialFactor,
          learningRate: scaling.learningRateFactor,
          multiplier: scaling.multiplier * parameter.multiplier,
          family: configuration.optimizer.family)
      })
  }

  private func slope(
    _ networks: [PropagatedNetwork], _ widths: [Double],
    _ value: (PropagatedNetwork) -> Double?
  ) -> Double? {
    let values = networks.compactMap(value)
    guard values.count == widths.count else { return nil }
    return ScalingExponent.slope(widths: widths, values: values)
  }

  private func networks(under parametrization: any Parametrization) -> [PropagatedNetwork] {
    configurations.map { propagated($0.network.graph, $0, parametrization) }
  }

  private static func predicted(
    _ quantity: SpectralQuantity, layer: Int
  ) -> (PropagatedNetwork) -> Double? {
    { network in
      SignalPropagation(network.graph, parameters: network.parameters)?.layers[layer][quantity]
    }
  }

  /// The slope of a layer's quantity over the widths; nil where it has none.
  func exponent(
    _ quantity: SpectralQuantity, layer: Int, under parametrization: any Parametrization
  ) -> Double? {
    slope(
      networks(under: parametrization), widths, Self.predicted(quantity, layer: layer))
  }

  /// The same between widths far beyond all sizes that stay fixed.
  func limit(
    _ quantity: SpectralQuantity, layer: Int, under parametrization: any Parametrization
  ) -> Double? {
    let factors = [1 << 34, 1 << 36]
    let narrowest = configurations[0]
    return slope(
      factors.map {
        propagated(narrowest.network.graph.widened(by: $0), narrowest, parametrization)
      }, factors.map(Double.init), Self.predicted(quantity, layer: layer))
  }

  /// The slope of what is a layer's own in a quantity: its σ in sizes, its rate in updates.
  func ownExponent(
    _ quantity: SpectralQuantity, layer: Int, under parametrization: any Parametrization
  ) -> Double? {
    slope(networks(under: parametrization), widths) { network in
      let weight = network.weight(layer)
      return switch quantity {
      case .weightNorm, .featureSize: weight.initialStd
      case .updateNorm, .featureChange, .relativeUpdate, .relativeUpdateFrobenius:
        weight.learningRate
      }
    }
  }
}
