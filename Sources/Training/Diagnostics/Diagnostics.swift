import Networks
import Spectral
import Tensors

/// Measures a network's linear operations while it trains: norms of weights and updates, features on a
/// probe batch, alignment.
///
/// Everything is enqueued; sums wait in device memory and are read when their room is used up, or
/// when `records` are asked for. Training stays as without, on CPUs bit for bit.
public final class Diagnostics {
  /// How much is measured.
  public enum Contents: String, Codable, Hashable, Sendable, CaseIterable {
    /// Norms of W and of each step's ΔW.
    case norms
    /// Also gradients, features, alignment, the change since the start, and what a rule's direction is
    /// made of: Muon's singular values, Lion's signs.
    case all
  }

  /// A linear operation, which is measured, and the value that its features are.
  public struct Layer {
    /// Its module's path, `layers.0`.
    public let name: String
    /// W.
    public let weight: Parameter
    let node, features: Node
  }

  /// What is measured, in the order of the graph.
  public let layers: [Layer]
  private let network: Network
  private let contents: Contents
  let every: Int
  let probe: Tensor?
  private let optimizer: Optimizer
  let compute: Compute
  private let reading: DiagnosticReading
  let weightNorms: NormFollower
  /// The layers whose ΔW is kept to be measured: not those of plain gradient descent, whose updates are
  /// known by their gradients, and not frozen ones.
  let updated: [Int]
  /// Of the updates of these; nil where there are none.
  let updateNorms: NormFollower?
  let totalNorms: [NormFollower]
  /// The layers whose directions Muon makes; none of `norms`.
  let orthogonalized: [Int]
  /// Of these layers' directions; nil where there are none.
  let directionNorms: DirectionNorms?
  /// The layers that Lion updates; none of `norms`.
  private let signed: Set<Int>
  let initialWeights: [Tensor]
  private let initialStds: [[Double]]
  /// 10 ε of each layer's weight in each replica, of Adam's.
  private let epsilonBounds: [Tensor?]
  var initialFeatures: [Tensor] = []
  /// This step's probe inputs of each layer, and updates as they come.
  private var inputs: [Int: Tensor] = [:]
  /// Of the measurement under way.
  private var effort: NormEffort
  private var changes: [Int: Tensor] = [:]
  /// Layers by the operation's node, and by the value that is its features.
  private let layerOfNode, layerOfFeatures: [Node: Int]
  var measured = false

  /// Diagnostics of `network`.
  ///
  /// - initialStds: σ of each of the network's parameters, [parameter][replica].
  /// - probe: [replica, rows, inputs]; needed for `all`, not used for `norms`.
  /// - every: steps from one measurement to the next, ≥ 1; the first is at step 0.
  /// - Throws: `OpenCLError` where memory is short: a copy of the weights and one set of updates.
  public init(
    network: Network, optimizer: Optimizer, initialStds: [[Double]], probe: Tensor?, every: Int,
    contents: Contents, compute: Compute
  ) throws {
    let graph = network.graph
    layers = graph.linearNodes.map { node in
      Layer(
        name: graph[node].name, weight: network.parameters[graph[node].parameters[0]], node: node,
        features: graph.features(of: node))
    }
    precondition(
      !layers.isEmpty && every >= 1 && (contents == .norms || probe != nil),
      "diagnostics of no linear operation, or of features without a probe batch")
    self.network = network
    layerOfNode = Dictionary(
      uniqueKeysWithValues: layers.enumerated().map { ($1.node, $0) })
    layerOfFeatures = Dictionary(
      uniqueKeysWithValues: layers.enumerated().map { ($1.features, $0) })
    (self.optimizer, self.contents, self.compute) = (optimizer, contents, compute)
    (self.every, self.probe) = (every, contents == .all ? probe : nil)
    effort = .after(step: 0, every: every)
    self.initialStds = graph.linearNodes.map { initialStds[graph[$0].parameters[0]] }
    epsilonBounds = try layers.map { layer in
      guard contents == .all, optimizer.rules(of: layer.weight).first is Adam else { return nil }
      let bounds = optimizer.epsilons(of: layer.weight).map { Float(10 * $0) }
      return try compute.tensor(bounds, replicas: bounds.count, rows: 1, columns: 1)
    }
    let weights = layers.map(\.weight)
    let values = weights.map(\.value)
    let shapes = values.map { (replicas: $0.replicas, rows: $0.rows, columns: $0.columns) }
    weightNorms = try NormFollower(shapes, compute: compute)
    updated = weights.indices.filter {
      let weight = weights[$0]
      return !optimizer.isFrozen(weight) && !optimizer.isGradientDescent(of: weight)
    }
    updateNorms =
      updated.isEmpty ? nil : try NormFollower(updated.map { shapes[$0] }, compute: compute)
    totalNorms =
      contents == .norms
      ? []
      : try shapes.map {
        try NormFollower([$0], compute: compute)
      }
    orthogonalized = weights.indices.filter {
      contents == .all && optimizer.rules(of: weights[$0]).first is Muon
    }
    directionNorms =
      orthogonalized.isEmpty
      ? nil : try DirectionNorms(orthogonalized.map { shapes[$0] }, compute: compute)
    signed = Set(
      weights.indices.filter {
        contents == .all && optimizer.rules(of: weights[$0]).first is Lion
      })
    initialWeights =
      contents == .norms ? [] : try values.map { try compute.copy($0) }
    reading = try DiagnosticReading(replicas: values[0].replicas, compute: compute)
  }

  /// Whether a measurement is due after `step` steps.
  public func isDue(step: Int) -> Bool { step % every == 0 }

  /// Measures weights and features as they are after `step` steps; updates that the optimizer then
  /// shows belong to the same record.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func measure(step: Int) throws {
    reading.begin(step: step)
    let weights = layers.map(\.weight.value)
    effort = NormEffort.after(step: step, every: every)
    let norms = try weightNorms.norms(of: weights, effort: effort)
    for layer in layers.indices {
      try reading.note(.weightSpectral, layer, norms.spectral[layer])
      try reading.note(.weightResidual, layer, norms.residual[layer])
      try reading.note(.weightFrobenius, layer, norms.frobenius[layer])
    }
    if let probe { try measureFeatures(probe) }
    if contents == .all && measured {
      for (layer, weight) in weights.enumerated() {
        let change = try compute.difference(weight, initialWeights[layer])
        let norms = try totalNorms[layer].norms(of: [change], effort: effort)
        try reading.note(.totalSpectral, layer, norms.spectral[0])
        try reading.note(.totalFrobenius, layer, norms.frobenius[0])
      }
    }
    measured = true
  }

  private func measureFeatures(_ probe: Tensor) throws {
    inputs = [:]
    var features: [Int: Tensor] = [:]
    try network.trace(probe) { value in
      if value.isProduct, let layer = layerOfNode[value.node] {
        inputs[layer] = value.inputs[0]
        try reading.note(.input, layer, compute.sumOfSquares(value.inputs[0]))
        try reading.note(.product, layer, compute.sumOfSquares(value.tensor))
      }
      guard !value.isProduct, let layer = layerOfFeatures[value.node] else { return }
      try reading.note(.features, layer, compute.sumOfSquares(value.tensor))
      try reading.note(.featureAbsolutes, layer, compute.sumOfAbsolutes(value.tensor))
      if initialFeatures.isEmpty {
        features[layer] = value.tensor
      } else {
        try reading.note(
          .featureChanges, layer,
          compute.sumOfSquaredDifferences(value.tensor, initialFeatures[layer]))
      }
    }
    if initialFeatures.isEmpty { initialFeatures = layers.indices.map { features[$0]! } }
  }

  /// Ends the measurements of a step, after its updates.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func finishStep() throws {
    defer { (changes, inputs) = ([:], [:]) }
    for (layer, norms) in zip(orthogonalized, try directionNorms?.norms() ?? []) {
      try reading.note(.momentumSpectral, layer, norms.momentumSpectral)
      try reading.note(.momentumFrobenius, layer, norms.momentumFrobenius)
      try reading.note(.directionSquare, layer, norms.square)
      try reading.note(.directionGap, layer, norms.gap)
    }
    guard let updateNorms, changes.count == updated.count else { return }
    let norms = try updateNorms.norms(of: updated.map { changes[$0]! }, effort: effort)
    for (place, layer) in updated.enumerated() {
      let update = changes[layer]!
      try reading.note(.updateSpectral, layer, norms.spectral[place])
      try reading.note(.updateResidual, layer, norms.residual[place])
      try reading.note(.updateFrobenius, layer, norms.frobenius[place])
      if probe != nil {
        let product = try compute.product(.nt, inputs[layer]!, update)
        try reading.note(.updateProduct, layer, compute.sumOfSquares(product))
      }
    }
  }

  /// All records so far, in order, from the restored state on where there is one; waits for the
  /// device.
  ///
  /// - count: how many to leave out at the beginning, by one who has them.
  /// - Throws: `OpenCLError`.
  public func records(after count: Int = 0) throws -> [DiagnosticRecord] {
    let rows = probe?.rows ?? 1
    return try reading.records().dropFirst(count).map { record in
      DiagnosticRecord(
        step: record.step, names: layers.map(\.name),
        layers: layers.enumerated().map { index, layer in
          DiagnosticValues(
            raw: record.layers[index] ?? [:], weight: layer.weight, rows: rows
          ).quantities
        })
    }
  }
}

extension Diagnostics: UpdateObserver {
  /// Every weight's but those of plain gradient descent, whose ΔW = −s·η·∇ is known by its factors.
  public func wantsWeightDelta(of parameter: Parameter) -> Bool {
    index(of: parameter).map(updated.contains) ?? false
  }

  /// Every matrix's that Muon orthogonalises.
  public func wantsDirection(of parameter: Parameter) -> Bool {
    index(of: parameter).map(orthogonalized.contains) ?? false
  }

  /// Takes what is measured of a direction until `finishStep`.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func observe(direction: Tensor, of matrix: Tensor, for parameter: Parameter) throws {
    guard let layer = index(of: parameter), let place = orthogonalized.firstIndex(of: layer)
    else { return }
    try directionNorms?.take(direction, of: matrix, index: place)
  }

  /// Takes note of a weight's gradient and keeps its update until `finishStep`.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func observe(_ update: ObservedUpdate) throws {
    guard let layer = index(of: update.parameter) else { return }
    changes[layer] = update.weightDelta
    let rates = optimizer.learningRates(of: update.parameter)
    reading.note(.learningRate, layer, zip(rates, update.schedule).map(*))
    reading.note(.initialStd, layer, initialStds[layer])
    if contents == .all || update.weightDelta == nil {
      let norms = try update.gradient.norms(compute)
      try reading.note(.gradientSpectral, layer, norms.spectral)
      try reading.note(.gradientFrobenius, layer, norms.frobenius)
    }
    if probe != nil, update.weightDelta == nil {
      try reading.note(
        .gradientProduct, layer, compute.sumOfSquares(product(update.gradient, inputs[layer]!)))
    }
    if signed.contains(layer), let weightDelta = update.weightDelta {
      let decays = optimizer.decoupledDecays(of: update.parameter)
      let numbers = update.schedule.indices.flatMap { replica in
        [decays[replica], rates[replica] / 2].map { Float(update.schedule[replica] * $0) }
      }
      try reading.note(
        .signs, layer,
        compute.countOfSteps(
          weightDelta, to: update.parameter.value,
          decaysAndBounds: compute.tensor(numbers, replicas: rates.count, rows: 1, columns: 2)))
    }
    if let bounds = epsilonBounds[layer] {
      let corrections = optimizer.rules(of: update.parameter).map {
        Float(($0 as? Adam)?.corrections(step: update.step)[1] ?? 1)
      }
      let count =
        try Set(corrections).count == 1
        ? compute.countOfSmallRoots(update.state[1], factor: corrections[0], bounds: bounds)
        : compute.countOfSmallRoots(
          compute.scaled(
            update.state[1],
            by: compute.tensor(corrections, replicas: corrections.count, rows: 1, columns: 1)),
          factor: 1, bounds: bounds)
      try reading.note(.smallSquares, layer, count)
    }
  }

  /// ∇h of each row h of a layer's input; of a gradient that comes by its factors scale·Δᵀ(H h), two
  /// thin products in place of a matrix.
  private func product(_ gradient: ParameterGradient, _ input: Tensor) throws -> Tensor {
    switch gradient {
    case .factors(let delta, let own, let scale):
      try compute.product(.nn, compute.product(.nt, input, own, alpha: scale), delta)
    case .whole(let matrix): try compute.product(.nt, input, matrix)
    }
  }

  private func index(of parameter: Parameter) -> Int? {
    layers.firstIndex { $0.weight === parameter }
  }
}
