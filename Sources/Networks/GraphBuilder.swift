import Spectral
import Tensors

/// Writes a graph, operation by operation.
public struct GraphBuilder {
  private var nodes: [NetworkGraph.Step]
  private var parameters: [NetworkParameter] = []
  private var positions: [String: Int] = [:]

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
    let own = operation.parameters(of: extents).map { add($0.inside(module)) }
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
        parameters[known] == parameter, "\(parameter.path) is used with two shapes or starts")
      return known
    }
    positions[parameter.path] = parameters.count
    parameters.append(parameter)
    return parameters.count - 1
  }
}
