import Networks
import Spectral
import Tensors

/// Measures a network's matrices, tables and attention while it trains: norms of weights and updates,
/// features on a probe batch, alignment.
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

  /// An operation that is measured, and the value that its features are.
  public struct Layer {
    /// Its path, `layers.0`.
    public let name: String
    /// W; nil of attention.
    public let weight: Parameter?
    let observation: Observation
    let node, features: Node
    /// Columns of the features: units, of attention heads.
    let columns: Int
    /// Heads that are measured each for itself, of attention and of the queries' and keys' matrices.
    let heads: Int?
  }

  /// What is measured, in the order of the graph.
  public let layers: [Layer]
  let network: Network
  let contents: Contents
  let every: Int
  let probe: Tensor?
  let compute: Compute
  let reading: DiagnosticReading
  /// The layers that multiply by a matrix, and those that pick from a table.
  let matrices, tables: [Int]
  /// Of the matrices.
  let weightNorms: NormFollower
  /// The matrices whose ΔW is kept to be measured: not those of plain gradient descent, whose updates are
  /// known by their gradients, and not frozen ones.
  let updated: [Int]
  /// Of the updates of these; nil where there are none.
  let updateNorms: NormFollower?
  /// The tables whose ΔW is kept to be measured.
  let updatedTables: [Int]
  /// Of the matrices' changes since the start; none of `norms`.
  let totalNorms: [NormFollower]
  /// The matrices whose heads have norms of their own; none of `norms`.
  let headed: [Int]
  /// Of these; nil where there are none.
  let headNorms: HeadNorms?
  /// The layers whose directions Muon makes; none of `norms`.
  let orthogonalized: [Int]
  /// Of these layers' directions; nil where there are none.
  let directionNorms: DirectionNorms?
  /// The layers that Lion updates; none of `norms`.
  let signed: Set<Int>
  /// How each layer's weight is updated; nil of attention. The optimizer itself is not kept: it keeps what it shows
  /// its updates to.
  let updateFacts: [UpdateFacts?]
  /// By the weight's name; none of `norms`.
  let initialWeights: [String: Tensor]
  let initialStds: [[Double]]
  /// 10 ε of each layer's weight in each replica, of Adam's.
  let epsilonBounds: [Tensor?]
  var initialFeatures: [Tensor] = []
  /// This step's probe inputs of each layer, and updates as they come.
  var inputs: [Int: Tensor] = [:]
  /// Of the measurement under way.
  private var effort: NormEffort
  var changes: [Int: Tensor] = [:]
  /// Layers by the operation's node, and by the value that is its features.
  private let layerOfNode, layerOfFeatures: [Node: Int]
  var measured = false

  /// Diagnostics of `network`.
  ///
  /// - optimizer: the one that will show its updates.
  /// - initialStds: σ of each of the network's parameters, [parameter][replica].
  /// - probe: [replica, rows, inputs]; needed for `all`, not used for `norms`.
  /// - every: steps from one measurement to the next, ≥ 1; the first is at step 0.
  /// - Throws: `OpenCLError` where memory is short: a copy of the weights and one set of updates.
  public init(
    network: Network, optimizer: Optimizer, initialStds: [[Double]], probe: Tensor?, every: Int,
    contents: Contents, compute: Compute
  ) throws {
    let graph = network.graph
    let layers = graph.observedNodes.map { node in
      let (step, columns) = (graph[node], graph[node].columns.size)
      let headSize = (step.operation as? Attention)?.headSize.size
      return Layer(
        name: step.name, weight: step.parameters.first.map { network.parameters[$0] },
        observation: step.operation!.observation!, node: node,
        features: graph.features(of: node), columns: columns / (headSize ?? 1),
        heads: graph.heads(of: node))
    }
    self.layers = layers
    let matrices = layers.indices.filter { layers[$0].observation == .matrix }
    self.matrices = matrices
    tables = layers.indices.filter { layers[$0].observation == .table }
    precondition(
      !matrices.isEmpty && every >= 1 && (contents == .norms || probe != nil),
      "diagnostics of no linear operation, or of features without a probe batch")
    self.network = network
    layerOfNode = Dictionary(
      uniqueKeysWithValues: layers.enumerated().map { ($1.node, $0) })
    layerOfFeatures = Dictionary(
      uniqueKeysWithValues: layers.enumerated().map { ($1.features, $0) })
    (self.contents, self.compute) = (contents, compute)
    (self.every, self.probe) = (every, contents == .all ? probe : nil)
    effort = .after(step: 0, every: every)
    self.initialStds = graph.observedNodes.map { node in
      graph[node].parameters.first.map { initialStds[$0] } ?? []
    }
    updateFacts = layers.map { $0.weight.map { UpdateFacts(of: $0, by: optimizer) } }
    epsilonBounds = try layers.map { layer in
      guard contents == .all, let weight = layer.weight,
        optimizer.rules(of: weight).first is Adam
      else { return nil }
      let bounds = optimizer.epsilons(of: weight).map { Float(10 * $0) }
      return try compute.tensor(bounds, replicas: bounds.count, rows: 1, columns: 1)
    }
    func shapes(_ places: [Int]) -> [PowerIteration.Shape] {
      places.map { layers[$0].weight!.value }.map {
        (replicas: $0.replicas, rows: $0.rows, columns: $0.columns)
      }
    }
    weightNorms = try NormFollower(shapes(matrices), compute: compute)
    func isUpdated(_ layer: Int) -> Bool {
      guard let weight = layers[layer].weight else { return false }
      return !optimizer.isFrozen(weight) && !optimizer.isGradientDescent(of: weight)
    }
    updated = matrices.filter(isUpdated)
    updatedTables = tables.filter(isUpdated)
    updateNorms = updated.isEmpty ? nil : try NormFollower(shapes(updated), compute: compute)
    totalNorms =
      contents == .norms
      ? [] : try shapes(matrices).map { try NormFollower([$0], compute: compute) }
    headed = contents == .norms ? [] : matrices.filter { layers[$0].heads != nil }
    headNorms =
      headed.isEmpty
      ? nil
      : try HeadNorms(
        zip(shapes(headed), headed).map { (shape: $0, heads: layers[$1].heads!) }, compute: compute)
    func are<Rule: UpdateRule>(_ rule: Rule.Type) -> [Int] {
      matrices.filter {
        contents == .all && optimizer.rules(of: layers[$0].weight!).first is Rule
      }
    }
    orthogonalized = are(Muon.self)
    let directionHeads = orthogonalized.map {
      (optimizer.rules(of: layers[$0].weight!)[0] as! Muon).heads
    }
    directionNorms =
      orthogonalized.isEmpty
      ? nil
      : try DirectionNorms(shapes(orthogonalized), heads: directionHeads, compute: compute)
    signed = Set(are(Lion.self))
    var initialWeights: [String: Tensor] = [:]
    for weight in contents == .norms ? [] : layers.compactMap(\.weight)
    where initialWeights[weight.name] == nil {
      initialWeights[weight.name] = try compute.copy(weight.value)
    }
    self.initialWeights = initialWeights
    reading = try DiagnosticReading(
      replicas: network.parameters[0].value.replicas,
      heads: Set(contents == .norms ? [] : layers.compactMap(\.heads) + directionHeads),
      compute: compute)
  }

  /// Whether a measurement is due after `step` steps.
  public func isDue(step: Int) -> Bool { step % every == 0 }

  /// Measures weights and features as they are after `step` steps; updates that the optimizer then
  /// shows belong to the same record.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func measure(step: Int) throws {
    reading.begin(step: step)
    let weights = layers.map { $0.weight?.value }
    func change(of layer: Int) throws -> Tensor {
      try compute.difference(weights[layer]!, initialWeights[layers[layer].weight!.name]!)
    }
    effort = NormEffort.after(step: step, every: every)
    let norms = try weightNorms.norms(of: matrices.map { weights[$0]! }, effort: effort)
    for (place, layer) in matrices.enumerated() {
      try reading.note(.weightSpectral, layer, norms.spectral[place])
      try reading.note(.weightResidual, layer, norms.residual[place])
      try reading.note(.weightFrobenius, layer, norms.frobenius[place])
    }
    for layer in tables { try note(.weightSpectral, .weightFrobenius, layer, weights[layer]!) }
    let headSquares = try headNorms?.squares(of: headed.map { weights[$0]! }, effort: effort) ?? []
    for (layer, squares) in zip(headed, headSquares) {
      try reading.note(.weightSquare, layer, squares, heads: layers[layer].heads)
    }
    if let probe { try measureFeatures(probe) }
    if contents == .all && measured {
      for (place, layer) in matrices.enumerated() {
        let norms = try totalNorms[place].norms(of: [change(of: layer)], effort: effort)
        try reading.note(.totalSpectral, layer, norms.spectral[0])
        try reading.note(.totalFrobenius, layer, norms.frobenius[0])
      }
      for layer in tables {
        try note(.totalSpectral, .totalFrobenius, layer, change(of: layer))
      }
    }
    measured = true
  }

  /// Notes a table's norm, that of its largest row, and its Frobenius norm.
  func note(
    _ spectral: RawQuantity, _ frobenius: RawQuantity, _ layer: Int, _ table: Tensor
  ) throws {
    try reading.note(spectral, layer, compute.largestRow(table))
    try reading.note(frobenius, layer, compute.rootOfTotal(compute.sumOfSquares(table)))
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
      var tensor = value.tensor
      if let attention = network.graph[value.node].operation as? Attention {
        try noteAttention(attention, value.inputs, layer)
        tensor = try attention.ownLogits(value.inputs, compute: compute)
      }
      try reading.note(.features, layer, compute.sumOfSquares(tensor))
      try reading.note(.featureAbsolutes, layer, compute.sumOfAbsolutes(tensor))
      if initialFeatures.isEmpty {
        features[layer] = tensor
      } else {
        try reading.note(
          .featureChanges, layer,
          compute.sumOfSquaredDifferences(tensor, initialFeatures[layer]))
      }
    }
    if initialFeatures.isEmpty { initialFeatures = layers.indices.map { features[$0]! } }
  }

  private func noteAttention(_ attention: Attention, _ inputs: [Tensor], _ layer: Int) throws {
    let found = try compute.attentionStatistics(
      query: inputs[0], key: inputs[1], shape: attention.shape(of: inputs[0]),
      scale: Float(attention.scale))
    let heads = layers[layer].heads!
    for (quantity, values) in [
      (RawQuantity.largestLogit, found.largestLogit), (.entropy, found.entropy),
    ] {
      try reading.note(
        quantity, layer, values.reshaped(rows: heads, columns: 1).split(into: heads), heads: heads)
    }
  }

  /// Ends the measurements of a step, after its updates.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func finishStep() throws {
    defer { (changes, inputs) = ([:], [:]) }
    for (layer, norms) in zip(orthogonalized, try directionNorms?.norms() ?? []) {
      try reading.note(.momentumSpectral, layer, norms.momentumSpectral)
      try reading.note(.momentumFrobenius, layer, norms.momentumFrobenius)
      let heads = norms.square.replicas / norms.momentumSpectral.replicas
      try reading.note(.directionSquare, layer, norms.square, heads: heads)
      try reading.note(.directionGap, layer, norms.gap, heads: heads)
    }
    for layer in updatedTables {
      guard let change = changes[layer] else { continue }
      try note(.updateSpectral, .updateFrobenius, layer, change)
    }
    guard let updateNorms, updated.allSatisfy({ changes[$0] != nil }) else { return }
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
      let values = layers.enumerated().map { index, layer in
        DiagnosticValues(
          raw: record.layers[index] ?? [:], rawOfHeads: record.heads[index] ?? [:], layer: layer,
          rows: rows, replicas: network.parameters[0].value.replicas)
      }
      return DiagnosticRecord(
        step: record.step, names: layers.map(\.name), layers: values.map(\.quantities),
        heads: values.map(\.heads))
    }
  }
}
