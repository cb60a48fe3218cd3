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
  /// - name: of the operation, where it is not its module's.
  public mutating func apply(
    _ operation: any Operation, _ inputs: [Node], module: String, name: String? = nil
  ) -> Node {
    let extents = inputs.map { nodes[$0.index].columns }
    let own = operation.parameters(of: extents).map { add($0.inside(module, depthScaling)) }
    nodes.append(
      NetworkGraph.Step(
        name: name ?? module, operation: operation, inputs: inputs, parameters: own,
        columns: operation.columns(of: extents)))
    return Node(index: nodes.count - 1)
  }

  /// α·x Wᵀ + b.
  ///
  /// - module: `layers.0`, whose parameters are `weight` and `bias`.
  /// - headSize: of attention's queries, keys and values: columns of a head.
  /// - isQuery: whether they are queries whose size a width-scaling rule may set.
  public mutating func linear(
    _ x: Node, _ module: String, _ outputs: Extent, bias: Bool = false, multiplier: Double = 1,
    initialFactor: Double = 1, headSize: Extent? = nil, isQuery: Bool = false
  ) -> Node {
    apply(
      Linear(
        outputs: outputs, hasBias: bias, multiplier: multiplier, initialFactor: initialFactor,
        headSize: headSize, isQuery: isQuery),
      [x], module: module)
  }

  /// Logits by an embedding's table, α·x Eᵀ.
  ///
  /// - embedding: the module of the embedding, which is tied with these very factors.
  public mutating func tiedReadout(
    _ x: Node, _ name: String, _ embedding: String, count: Int, multiplier: Double = 1,
    initialFactor: Double = 1
  ) -> Node {
    apply(
      Linear(
        outputs: .fixed(count), multiplier: multiplier, initialFactor: initialFactor, isTied: true),
      [x], module: embedding, name: name)
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

  /// Heads' columns brought to a size of about 1, head by head, with one learned gain `weight` [headSize].
  public mutating func headNormalization(
    _ x: Node, _ module: String, headSize: Extent, isQuery: Bool = false
  ) -> Node {
    apply(HeadNormalization(headSize: headSize, isQuery: isQuery), [x], module: module)
  }

  /// Rows of a table by number.
  ///
  /// - module: `embedding`, whose parameter is `weight` [count, columns].
  public mutating func embedding(_ ids: Node, _ module: String, _ operation: Embedding) -> Node {
    apply(operation, [ids], module: module)
  }

  /// x with a learned vector added to each position.
  ///
  /// - module: `positions`, whose parameter is `weight` [context, columns].
  public mutating func positions(_ x: Node, _ module: String, context: Int) -> Node {
    apply(PositionEmbedding(context: context), [x], module: module)
  }

  /// x with heads turned by their rows' positions.
  public mutating func rotary(_ x: Node, headSize: Extent, context: Int) -> Node {
    apply(RotaryPositions(headSize: headSize, context: context), [x], module: "rotary")
  }

  /// Causal attention of queries over keys and values.
  ///
  /// - name: of the operation, `blocks.0.attention`.
  public mutating func attention(
    _ query: Node, _ key: Node, _ value: Node, _ name: String, _ operation: Attention
  ) -> Node {
    apply(operation, [query, key, value], module: name)
  }

  /// x ∘ y.
  public mutating func multiply(_ x: Node, _ y: Node) -> Node {
    apply(Multiply(), [x, y], module: "multiply")
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
