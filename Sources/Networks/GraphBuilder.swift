import Spectral
import Tensors

/// Writes a graph, operation by operation.
public struct GraphBuilder {
  private var nodes: [NetworkGraph.Step]
  private var parameters: [NetworkParameter] = []
  private var positions: [String: Int] = [:]
  /// Of the residual branch that is being written, if any.
  private var depthScaling: DepthScaling?

  init(inputs: Extent) {
    nodes = [
      NetworkGraph.Step(name: "input", operation: nil, inputs: [], parameters: [], columns: inputs)
    ]
  }

  /// Adds an operation; its value.
  ///
  /// - module: the path that its parameters' names follow. Two operations of one module share the
  ///   parameters of the same names, which must be alike.
  public mutating func apply(
    _ operation: any Operation, _ inputs: [Node], module: String
  ) -> Node {
    let extents = inputs.map { nodes[$0.index].columns }
    let own = operation.parameters(of: extents).map { add($0.inside(module, depthScaling)) }
    nodes.append(
      NetworkGraph.Step(
        name: module, operation: operation, inputs: inputs, parameters: own,
        columns: operation.columns(of: extents)))
    return Node(index: nodes.count - 1)
  }

  /// α·x Wᵀ + b.
  ///
  /// - module: `layers.0`, whose parameters are `weight` and `bias`.
  public mutating func linear(
    _ x: Node, _ module: String, _ outputs: Extent, bias: Bool = false, multiplier: Double = 1,
    initialFactor: Double = 1
  ) -> Node {
    apply(
      Linear(
        outputs: outputs, hasBias: bias, multiplier: multiplier, initialFactor: initialFactor),
      [x], module: module)
  }

  /// φ(x); x itself where φ is the identity.
  public mutating func activation(_ x: Node, _ activation: Activation) -> Node {
    activation == .identity
      ? x : apply(ActivationOperation(activation), [x], module: activation.rawValue)
  }

  /// x + scale·y.
  public mutating func add(_ x: Node, _ y: Node, scale: Double = 1) -> Node {
    apply(Add(scale: scale), [x, y], module: "add")
  }

  /// A residual block: x with a branch's result added, both scaled with the number of blocks, as are the
  /// rates of the parameters that the branch uses.
  ///
  ///     x = g.residual(x, DepthScaling(.completeP, depth: depth)) { g, x in
  ///       g.linear(g.activation(x, .relu), "blocks.0", .growing(width))
  ///     }
  ///
  /// - branch: without residual blocks of its own, and with parameters that nothing outside uses; else traps.
  public mutating func residual(
    _ x: Node, _ scaling: DepthScaling, _ branch: (inout GraphBuilder, Node) -> Node
  ) -> Node {
    precondition(depthScaling == nil, "a residual block within another")
    depthScaling = scaling
    let y = branch(&self, x)
    depthScaling = nil
    return apply(
      Add(scale: scaling.branchScale, streamScale: scaling.streamScale), [x, y], module: "add")
  }

  /// x brought to a size of about 1, row by row, with a learned gain.
  ///
  /// - module: `norm`, whose parameters are `weight` and, of layer normalisation, `bias`.
  public mutating func normalization(
    _ x: Node, _ module: String, _ kind: RowNormalization.Kind
  ) -> Node {
    apply(RowNormalization(kind), [x], module: module)
  }

  /// The columns of a value.
  public func columns(of node: Node) -> Extent { nodes[node.index].columns }

  func graph(output: Node) -> NetworkGraph {
    NetworkGraph(nodes: nodes, parameters: parameters, output: output)
  }

  private mutating func add(_ parameter: NetworkParameter) -> Int {
    if let known = positions[parameter.path] {
      precondition(
        parameters[known].depthScaling == parameter.depthScaling,
        "\(parameter.path) is used in a residual block and outside of it")
      precondition(
        parameters[known] == parameter, "\(parameter.path) is used with two shapes or starts")
      return known
    }
    positions[parameter.path] = parameters.count
    parameters.append(parameter)
    return parameters.count - 1
  }
}
