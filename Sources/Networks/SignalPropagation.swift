import Spectral

/// A parameter as signal propagation sees it: its shape, and what it starts and trains with.
public struct SignalParameter: Sendable {
  /// Kind, role, fan-in and fan-out.
  public let shape: ParameterShape
  /// σ ≥ 0 of the initial entries; 0 starts it at zero.
  public let initialStd: Double
  /// η of the parameter, > 0.
  public let learningRate: Double
  /// a: a weight's product is a·W h.
  public let multiplier: Double
  /// How the update's size depends on the gradient's.
  public let family: UpdateFamily

  /// A parameter of the values given.
  public init(
    shape: ParameterShape, initialStd: Double, learningRate: Double, multiplier: Double,
    family: UpdateFamily
  ) {
    self.shape = shape
    self.initialStd = initialStd
    self.learningRate = learningRate
    self.multiplier = multiplier
    self.family = family
  }

  var fanIn: Double { Double(shape.fanIn) }
  var fanOut: Double { Double(shape.fanOut) }
}

/// What an operation does to signals of a wide network, by root mean squares and norms alone.
///
/// Sizes are root mean squares over a value's entries; δ is the Euclidean norm of a gradient with
/// respect to a value, for one row.
public protocol SignalRule: Sendable {
  /// The size of the value, for inputs of these sizes.
  func size(of inputs: [Double], _ step: SignalStep) -> Double
  /// δ of each input from that of the value, and the spectral norm of each parameter's first update.
  func pullBack(_ delta: Double, _ step: SignalStep) -> SignalPullback
  /// The size of the value's change, for changes of the inputs of these sizes and the parameters' own
  /// updates.
  func change(of inputs: [Double], _ step: SignalStep) -> Double
}

/// What a signal rule knows of its operation.
public struct SignalStep: Sendable {
  /// Sizes of the inputs; empty while sizes are being found.
  public let inputs: [Double]
  /// Columns of the inputs.
  public let columns: [Double]
  /// The operation's parameters.
  public let parameters: [SignalParameter]
  /// Spectral norms of the parameters' updates, by position; empty until they are known.
  public let updates: [Int: Double]
}

/// δ of an operation's inputs, and the norms of its parameters' updates by position.
public struct SignalPullback: Sendable {
  /// One for each input.
  public let inputs: [Double]
  /// ‖ΔW‖_* of each matrix.
  public let updates: [Int: Double]

  /// The values given.
  public init(inputs: [Double], updates: [Int: Double] = [:]) {
    (self.inputs, self.updates) = (inputs, updates)
  }
}

/// The quantities of the spectral condition that theory predicts of a network, for each matrix, at its
/// very widths and not only in their limit.
///
///     forward    rms z = a σ √fanIn rms h,          rms h = √E φ(z)²
///     weight     ‖W‖_* = σ(√fanOut + √fanIn),       ‖W‖_F = σ √(fanOut·fanIn)
///     backward   ‖δ_h‖ = a σ √fanIn ‖δ_z‖,  ‖δ_z‖ = ‖δ_h‖ √E φ'²,     ‖∇W‖_* = c a ‖δ_z‖ ‖h‖
///     update     sgd η‖∇‖_*;   adam η √(fanOut·fanIn);   normalized η
///     change     ‖Δz‖ = a ‖W‖_* ‖Δh‖ + a ‖ΔW‖_* ‖h‖,   rms Δh = rms Δz √E φ'²
///
/// Inputs do not align with random weights, but changes do: Δh comes of the gradient Wᵀδ, so W passes it
/// on at its spectral norm, as ΔW does h. Where a value goes to several operations, their gradients add
/// up as independent ones do.
///
/// c, the logits' gradient and the size of the inputs do not depend on width: they are 1 here, and so
/// only slopes over width mean something. Updates count as aligned and of low rank.
///
/// A layer that starts at zero takes its first step before the others can: quantities are then those of
/// the second step, with the layer's weight its first update, aligned with h.
///
/// Source: arXiv:2310.17813; arXiv:1606.05340 for the moments.
public struct SignalPropagation: Sendable {
  /// The quantities of each linear operation, in the order of `NetworkGraph.linearNodes`; one without a
  /// value for a quantity, such as the weight norm of a layer that starts at zero, lacks it.
  public let layers: [[SpectralQuantity: Double]]

  /// Propagates through `graph`.
  ///
  /// - parameters: for each of the graph's parameters.
  /// - Returns nil where an operation's signal is not predicted.
  public init?(_ graph: NetworkGraph, parameters: [SignalParameter]) {
    var walk = SignalWalk(graph: graph, parameters: parameters)
    guard walk.findSizes() else { return nil }
    walk.findUpdates()
    walk.findChanges()
    layers = graph.linearNodes.map { walk.quantities(of: $0) }
  }
}

/// The walks over a graph: sizes forward, gradients back, changes forward.
private struct SignalWalk {
  let graph: NetworkGraph
  let parameters: [SignalParameter]
  /// By node.
  var sizes: [Double] = []
  var changes: [Double] = []
  /// By node, and there by the position among the operation's parameters.
  var updates: [[Int: Double]]

  init(graph: NetworkGraph, parameters: [SignalParameter]) {
    (self.graph, self.parameters) = (graph, parameters)
    updates = [[Int: Double]](repeating: [:], count: graph.nodes.count)
  }

  private func step(_ index: Int, knowsInputs: Bool = true) -> SignalStep {
    let node = graph.nodes[index]
    return SignalStep(
      inputs: knowsInputs ? node.inputs.map { sizes[$0.index] } : [],
      columns: node.inputs.map { Double(graph[$0].columns.size) },
      parameters: node.parameters.map { parameters[$0] }, updates: updates[index])
  }

  /// False where an operation has no rule.
  mutating func findSizes() -> Bool {
    for (index, node) in graph.nodes.enumerated() {
      guard let operation = node.operation else {
        sizes.append(1)
        continue
      }
      guard let rule = operation.signal else { return false }
      let inputs = node.inputs.map { sizes[$0.index] }
      sizes.append(rule.size(of: inputs, step(index, knowsInputs: false)))
    }
    return true
  }

  mutating func findUpdates() {
    var squares = [Double](repeating: 0, count: graph.nodes.count)
    squares[graph.output.index] = 1
    for (index, node) in graph.nodes.enumerated().reversed() {
      guard let rule = node.operation?.signal, squares[index] > 0 else { continue }
      let pulled = rule.pullBack(squares[index].squareRoot(), step(index))
      updates[index] = pulled.updates
      for (input, delta) in zip(node.inputs, pulled.inputs) {
        squares[input.index] += delta * delta
      }
    }
  }

  mutating func findChanges() {
    for (index, node) in graph.nodes.enumerated() {
      let inputs = node.inputs.map { changes[$0.index] }
      changes.append(node.operation?.signal?.change(of: inputs, step(index)) ?? 0)
    }
  }

  func quantities(of node: Node) -> [SpectralQuantity: Double] {
    let weight = parameters[graph[node].parameters[0]]
    let target = (weight.fanOut / weight.fanIn).squareRoot()
    let update = updates[node.index][0] ?? 0
    let features = graph.features(of: node)
    var values: [SpectralQuantity: Double] = [
      .updateNorm: update / target, .featureChange: changes[features.index],
    ]
    if weight.initialStd > 0 {
      let norm = weight.initialStd * weight.shape.normRatio
      let frobenius = weight.initialStd * (weight.fanOut * weight.fanIn).squareRoot()
      values[.weightNorm] = norm / target
      values[.featureSize] = sizes[features.index]
      values[.relativeUpdate] = update / norm
      values[.relativeUpdateFrobenius] = update / frobenius
    }
    return values
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
