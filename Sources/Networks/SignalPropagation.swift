import Foundation
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
  /// How it is drawn.
  public let weightInit: WeightInit

  /// A parameter of the values given.
  public init(
    shape: ParameterShape, initialStd: Double, learningRate: Double, multiplier: Double,
    family: UpdateFamily, weightInit: WeightInit = .gaussian
  ) {
    self.shape = shape
    self.initialStd = initialStd
    self.learningRate = learningRate
    self.multiplier = multiplier
    self.family = family
    self.weightInit = weightInit
  }

  /// The shape as a linear operation multiplies by it: of an embedding, which a readout then shares, that of
  /// its transpose's product.
  var matrix: ParameterShape {
    shape.kind == .embedding
      ? .weight(role: .readout, fanIn: shape.columns, fanOut: shape.rows) : shape
  }
  /// ‖W‖_* at the start.
  var initialNorm: Double { initialStd * weightInit.normRatio(of: matrix) }
  var fanIn: Double { Double(matrix.fanIn) }
  var fanOut: Double { Double(matrix.fanOut) }
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
  /// Size and change of what is observed of the operation, for changes of the inputs of these sizes; nil where
  /// that is its value.
  func observed(changes: [Double], _ step: SignalStep) -> (size: Double, change: Double)?
}

extension SignalRule {
  /// The value.
  public func observed(changes: [Double], _ step: SignalStep) -> (size: Double, change: Double)? {
    nil
  }
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
///     weight     ‖W‖_* = σ(√fanOut + √fanIn) of Gaussian weights (`WeightInit`),       ‖W‖_F = σ √(fanOut·fanIn)
///     backward   ‖δ_h‖ = a σ √fanIn ‖δ_z‖,  ‖δ_z‖ = ‖δ_h‖ √E φ'²,     ‖∇W‖_* = c a ‖δ_z‖ ‖h‖
///     update     sgd η‖∇‖_*;   adam η √(fanOut·fanIn);   normalized η
///     change     ‖Δz‖ = a ‖W‖_* ‖Δh‖ + a ‖ΔW‖_* ‖h‖,   rms Δh = rms Δz √E φ'²
///
/// Inputs do not align with random weights, but changes do: Δh comes of the gradient Wᵀδ, so W passes it
/// on at its spectral norm, as ΔW does h. Where a value goes to several operations, their gradients add
/// up as independent ones do.
///
/// A residual branch adds what its own updates change, aligned with what earlier branches did, as all go
/// down the same slope; and what it makes of the stream's change, which it passes on at random:
///
///     stream   rms Δx' = rms Δx·√(a² + s² g²) + s·rms Δy,   g = ‖δ_x‖/‖δ_y‖ through the branch alone
///
/// c, the logits' gradient and the size of the inputs do not depend on width: they are 1 here, and so
/// only slopes over width or depth mean something. Updates count as aligned and of low rank.
///
/// A layer that starts at zero takes its first step before the others can: quantities are then those of
/// the second step, with the layer's weight its first update, aligned with h.
///
/// Source: arXiv:2310.17813; arXiv:1606.05340 for the moments.
public struct SignalPropagation: Sendable {
  /// The quantities of each operation that is observed, in the order of `NetworkGraph.observedNodes`; one
  /// without a value for a quantity, such as the weight norm of a layer that starts at zero, lacks it.
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
    layers = graph.observedNodes.map { walk.quantities(of: $0) }
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
      guard let rule = node.operation?.signal else {
        changes.append(0)
        continue
      }
      if let join = rule as? AddSignal, let branch = branch(into: index) {
        let carried = hypot(join.streamScale, join.scale * gain(of: branch))
        let own = changesAlone(of: branch)
        changes.append(changes[branch.stream] * carried + abs(join.scale) * own)
      } else {
        changes.append(rule.change(of: node.inputs.map { changes[$0.index] }, step(index)))
      }
    }
  }

  /// The nodes of a residual branch, in order, and the value that it takes.
  private struct Branch {
    let stream: Int
    let nodes: ClosedRange<Int>
  }

  /// The branch whose result the sum at `index` adds to the stream; nil where it takes other values.
  private func branch(into index: Int) -> Branch? {
    let (stream, result) = (graph.nodes[index].inputs[0].index, graph.nodes[index].inputs[1].index)
    guard stream < result else { return nil }
    let nodes = stream + 1...result
    let isClosed = nodes.allSatisfy { node in
      graph.nodes[node].inputs.allSatisfy { $0.index >= stream }
    }
    return isClosed ? Branch(stream: stream, nodes: nodes) : nil
  }

  /// ‖δ‖ of the stream for one of 1 of the branch's result, through the branch.
  private func gain(of branch: Branch) -> Double {
    var squares = [branch.nodes.upperBound: 1.0]
    for index in branch.nodes.reversed() {
      guard let square = squares[index], let rule = graph.nodes[index].operation?.signal else {
        continue
      }
      let pulled = rule.pullBack(square.squareRoot(), step(index))
      for (input, delta) in zip(graph.nodes[index].inputs, pulled.inputs) {
        squares[input.index, default: 0] += delta * delta
      }
    }
    return (squares[branch.stream] ?? 0).squareRoot()
  }

  /// The change of a branch's result by its own updates, the stream as it was.
  private func changesAlone(of branch: Branch) -> Double {
    var own: [Int: Double] = [:]
    for index in branch.nodes {
      let inputs = graph.nodes[index].inputs.map { own[$0.index] ?? 0 }
      own[index] = graph.nodes[index].operation?.signal?.change(of: inputs, step(index)) ?? 0
    }
    return own[branch.nodes.upperBound] ?? 0
  }

  func quantities(of node: Node) -> [SpectralQuantity: Double] {
    guard let parameter = graph[node].parameters.first else { return observed(of: node) }
    let weight = parameters[parameter]
    let isTable = graph[node].operation?.observation == .table
    let shape = isTable ? weight.shape : weight.matrix
    let (fanOut, fanIn) = (Double(shape.fanOut), Double(shape.fanIn))
    let target = (fanOut / fanIn).squareRoot()
    let update = updates[node.index][0] ?? 0
    let features = graph.features(of: node)
    var values: [SpectralQuantity: Double] = [
      .updateNorm: update / target, .featureChange: changes[features.index],
    ]
    if weight.initialStd > 0 {
      let norm = weight.initialStd * weight.weightInit.normRatio(of: shape)
      let frobenius = weight.initialStd * (fanOut * fanIn).squareRoot()
      values[.weightNorm] = norm / target
      values[.featureSize] = sizes[features.index]
      values[.relativeUpdate] = update / norm
      values[.relativeUpdateFrobenius] = update / frobenius
    }
    return values
  }

  /// Of an operation without a weight.
  private func observed(of node: Node) -> [SpectralQuantity: Double] {
    let inputs = graph[node].inputs.map { changes[$0.index] }
    let observed = graph[node].operation?.signal?.observed(changes: inputs, step(node.index))
    let (size, change) = observed ?? (sizes[node.index], changes[node.index])
    return [.featureSize: size, .featureChange: change].filter { $0.value > 0 }
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
