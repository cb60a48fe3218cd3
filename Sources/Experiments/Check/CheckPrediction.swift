import Networks
import Spectral
import Training

/// Exponents that theory predicts of a family of networks, one a width or depth, under one parametrization.
struct CheckPrediction {
  /// The widths, or what else grows.
  let sizes: [Double]
  private let networks: [PropagatedNetwork]
  /// Networks so large that all sizes that stay fixed are of no account, and their sizes.
  private let largeNetworks: [PropagatedNetwork]
  private let largeSizes: [Double]

  /// A network of the family as signal propagation sees it.
  private struct PropagatedNetwork {
    /// The weight of each layer that is compared; nil of attention.
    let weights: [SignalParameter?]
    /// Heads that each layer's update is put together from; 1 where it is of one piece.
    let heads: [Int]
    /// Quantities of each of them; nil where the network's signals are not predicted.
    let layers: [[SpectralQuantity: Double]]?

    /// - graph: `configuration`'s network, at its width or another.
    /// - places: the layers that are compared, among those that are observed; nil: all.
    init(
      _ graph: NetworkGraph, _ configuration: TrainingConfiguration,
      _ parametrization: any Parametrization, places: [Int]? = nil
    ) {
      let scalings = configuration.scalings(of: graph, under: parametrization)
      let settings = graph.parameters.map(configuration.optimization.settings(for:))
      let parameters = graph.parameters.indices.map { index in
        let (parameter, scaling) = (graph.parameters[index], scalings[index])
        return SignalParameter(
          shape: parameter.shape, initialStd: scaling.initialStd * parameter.initialFactor,
          // Heads of norm 1 that align.
          learningRate: scaling.learningRateFactor
            * Double(settings[index].heads).squareRoot(),
          multiplier: scaling.multiplier * parameter.multiplier,
          family: settings[index].optimizer.family, weightInit: configuration.weightInit)
      }
      let nodes = graph.observedNodes
      let places = places ?? Array(nodes.indices)
      weights = places.map { graph[nodes[$0]].parameters.first.map { parameters[$0] } }
      heads = places.map { place in
        graph.heads(of: nodes[place])
          ?? graph[nodes[place]].parameters.first.map { settings[$0].heads } ?? 1
      }
      layers = SignalPropagation(graph, parameters: parameters).map { signal in
        places.map { signal.layers[$0] }
      }
    }
  }

  /// What theory predicts of networks of these widths under `parametrization`.
  init(
    _ configurations: [TrainingConfiguration], widths: [Double],
    under parametrization: any Parametrization
  ) {
    sizes = widths
    networks = configurations.map { PropagatedNetwork($0.network.graph, $0, parametrization) }
    let narrowest = configurations[0]
    let graph = narrowest.network.graph
    // Multiples of the narrowest.
    largeSizes = NetworkScale.width.limits.map(Double.init)
    largeNetworks = NetworkScale.width.limits.map {
      PropagatedNetwork(graph.widened(by: $0), narrowest, parametrization)
    }
  }

  /// What theory predicts of networks of these depths under `parametrization`.
  ///
  /// - configurations: one a depth, and after them those of `NetworkScale.depth.limits`.
  /// - layers: those that are compared, of all of these.
  init(
    _ configurations: [TrainingConfiguration], depths: [Double], layers: [ComparedLayer],
    under parametrization: any Parametrization
  ) {
    let all = configurations.indices.map { index in
      PropagatedNetwork(
        configurations[index].network.graph, configurations[index], parametrization,
        places: layers.map { $0.indices[index] })
    }
    sizes = depths
    networks = Array(all.prefix(depths.count))
    largeSizes = NetworkScale.depth.limits.map(Double.init)
    largeNetworks = Array(all.dropFirst(depths.count))
  }

  private init(
    sizes: [Double], networks: [PropagatedNetwork], largeNetworks: [PropagatedNetwork],
    largeSizes: [Double]
  ) {
    (self.sizes, self.networks) = (sizes, networks)
    (self.largeNetworks, self.largeSizes) = (largeNetworks, largeSizes)
  }

  /// The same of the larger half of the networks, three at least.
  var largerHalf: CheckPrediction {
    let kept = max(3, (sizes.count + 1) / 2)
    return CheckPrediction(
      sizes: sizes.suffix(kept), networks: networks.suffix(kept), largeNetworks: largeNetworks,
      largeSizes: largeSizes)
  }

  private static func slope(
    _ networks: [PropagatedNetwork], _ sizes: [Double], _ value: (PropagatedNetwork) -> Double?
  ) -> Double? {
    let values = networks.compactMap(value)
    guard values.count == sizes.count else { return nil }
    return ScalingExponent.slope(over: sizes, values: values)
  }

  /// The slope of a layer's quantity over the sizes; nil where it has none.
  ///
  /// - layer: among those that are compared.
  func exponent(_ quantity: SpectralQuantity, layer: Int) -> Double? {
    Self.slope(networks, sizes) { $0.layers?[layer][quantity] }
  }

  /// The same between sizes far beyond all that stay fixed.
  func limit(_ quantity: SpectralQuantity, layer: Int) -> Double? {
    Self.slope(largeNetworks, largeSizes) { $0.layers?[layer][quantity] }
  }

  /// The slope of what is a layer's own in a quantity: its σ in sizes, its rate in updates.
  func ownExponent(_ quantity: SpectralQuantity, layer: Int) -> Double? {
    Self.slope(networks, sizes) { network in
      switch quantity {
      case .weightNorm, .featureSize: network.weights[layer]?.initialStd
      case .updateNorm, .featureChange, .relativeUpdate, .relativeUpdateFrobenius:
        network.weights[layer]?.learningRate
      }
    }
  }

  /// Whether a layer has a weight.
  func hasWeight(_ layer: Int) -> Bool { networks[0].weights[layer] != nil }

  /// Whether a layer's update is put together from several heads, as of queries and keys.
  func isOfHeads(_ layer: Int) -> Bool { hasWeight(layer) && networks[0].heads[layer] > 1 }

  /// Whether a layer's update is put together from heads, of which wider networks have more.
  func hasMoreHeads(_ layer: Int) -> Bool {
    networks[0].heads[layer] < networks[networks.count - 1].heads[layer]
  }

  /// Whether a layer makes queries of heads that widen, which share their scale with attention.
  func makesQueriesOfWideningHeads(_ layer: Int) -> Bool {
    let uses = [networks[0], networks[networks.count - 1]].map { $0.weights[layer]?.shape.use }
    guard case .queries(let narrow) = uses[0], case .queries(let wide) = uses[1] else {
      return false
    }
    return narrow != wide
  }
}
