import Networks
import Spectral
import Training

/// Exponents that theory predicts of a family of networks, one a width, under one parametrization.
struct CheckPrediction {
  /// The widths, as the sweep counts them.
  let widths: [Double]
  private let networks: [PropagatedNetwork]
  private let wideNetworks: [PropagatedNetwork]

  /// A network of the family as signal propagation sees it.
  private struct PropagatedNetwork {
    /// The weight of each linear operation.
    let weights: [SignalParameter]
    /// Quantities of each linear operation; nil where the network's signals are not predicted.
    let layers: [[SpectralQuantity: Double]]?

    /// - graph: `configuration`'s network, at its width or another.
    init(
      _ graph: NetworkGraph, _ configuration: TrainingConfiguration,
      _ parametrization: any Parametrization
    ) {
      let scalings = configuration.scalings(of: graph, under: parametrization)
      let parameters = zip(graph.parameters, scalings).map { parameter, scaling in
        SignalParameter(
          shape: parameter.shape, initialStd: scaling.initialStd * parameter.initialFactor,
          learningRate: scaling.learningRateFactor,
          multiplier: scaling.multiplier * parameter.multiplier,
          family: configuration.optimization.settings(for: parameter).optimizer.family)
      }
      weights = graph.linearNodes.map { parameters[graph[$0].parameters[0]] }
      layers = SignalPropagation(graph, parameters: parameters)?.layers
    }
  }

  /// Factors of the width at which all sizes that stay fixed are of no account.
  private static let wideFactors = [1 << 34, 1 << 36]

  /// What theory predicts of these networks under `parametrization`.
  init(
    _ configurations: [TrainingConfiguration], widths: [Double],
    under parametrization: any Parametrization
  ) {
    self.widths = widths
    networks = configurations.map { PropagatedNetwork($0.network.graph, $0, parametrization) }
    let narrowest = configurations[0]
    let graph = narrowest.network.graph
    wideNetworks = Self.wideFactors.map {
      PropagatedNetwork(graph.widened(by: $0), narrowest, parametrization)
    }
  }

  private init(
    widths: [Double], networks: [PropagatedNetwork], wideNetworks: [PropagatedNetwork]
  ) {
    (self.widths, self.networks, self.wideNetworks) = (widths, networks, wideNetworks)
  }

  /// The same of the wider half of the networks, three at least.
  var widerHalf: CheckPrediction {
    let kept = max(3, (widths.count + 1) / 2)
    return CheckPrediction(
      widths: widths.suffix(kept), networks: networks.suffix(kept), wideNetworks: wideNetworks)
  }

  private static func slope(
    _ networks: [PropagatedNetwork], _ widths: [Double], _ value: (PropagatedNetwork) -> Double?
  ) -> Double? {
    let values = networks.compactMap(value)
    guard values.count == widths.count else { return nil }
    return ScalingExponent.slope(widths: widths, values: values)
  }

  /// The slope of a layer's quantity over the widths; nil where it has none.
  ///
  /// - layer: among the network's linear operations.
  func exponent(_ quantity: SpectralQuantity, layer: Int) -> Double? {
    Self.slope(networks, widths) { $0.layers?[layer][quantity] }
  }

  /// The same between widths far beyond all sizes that stay fixed.
  func limit(_ quantity: SpectralQuantity, layer: Int) -> Double? {
    Self.slope(wideNetworks, Self.wideFactors.map(Double.init)) { $0.layers?[layer][quantity] }
  }

  /// The slope of what is a layer's own in a quantity: its σ in sizes, its rate in updates.
  func ownExponent(_ quantity: SpectralQuantity, layer: Int) -> Double? {
    Self.slope(networks, widths) { network in
      switch quantity {
      case .weightNorm, .featureSize: network.weights[layer].initialStd
      case .updateNorm, .featureChange, .relativeUpdate, .relativeUpdateFrobenius:
        network.weights[layer].learningRate
      }
    }
  }
}
