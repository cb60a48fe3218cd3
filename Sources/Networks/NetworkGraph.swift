import Spectral

/// A value in a network: what comes in, or what an operation gives.
public struct Node: Hashable, Sendable {
  /// Its position in the graph's `nodes`.
  public let index: Int
}

/// A network as a value: named operations, each on the values of earlier ones.
///
/// Whatever has to know the network walks its graph: the executor, diagnostics, signal propagation,
/// memory, weight files. A value is [replica, rows, columns], its columns are what the graph knows.
public struct NetworkGraph: Sendable {
  /// An operation in its place.
  public struct Step: Sendable {
    /// The module's path, `layers.0`; of operations without parameters, what they are.
    public let name: String
    /// nil of the network's input.
    public let operation: (any Operation)?
    /// The values that it takes, all earlier ones.
    public let inputs: [Node]
    /// Its parameters, as positions in the graph's `parameters`.
    public let parameters: [Int]
    /// Columns of its value.
    public let columns: Extent
  }

  /// Every operation, in an order in which each comes after those that it takes values from; the first
  /// is the network's input.
  public let nodes: [Step]
  /// Every parameter, in the order of the operations that use them first.
  public let parameters: [NetworkParameter]
  /// The network's output.
  public let output: Node
  /// The nodes that take each node's value, by the node's position; once for each time it is taken.
  let consumers: [[Int]]

  /// The network's input.
  public var input: Node { Node(index: 0) }

  /// The operation that gives `node`.
  public subscript(node: Node) -> Step { nodes[node.index] }

  /// Traps where a value neither is the output nor leads to it: what makes it would never train.
  init(nodes: [Step], parameters: [NetworkParameter], output: Node) {
    (self.nodes, self.parameters, self.output) = (nodes, parameters, output)
    var consumers = [[Int]](repeating: [], count: nodes.count)
    for (index, step) in nodes.enumerated() {
      for input in step.inputs { consumers[input.index].append(index) }
    }
    self.consumers = consumers
    for (index, step) in nodes.enumerated() where index != output.index {
      precondition(!consumers[index].isEmpty, "the value of \(step.name) is not used")
    }
  }

  /// The nodes that multiply by a matrix, in order: those whose norms the spectral condition is about.
  public var linearNodes: [Node] {
    nodes.indices.filter { nodes[$0].operation is Linear }.map(Node.init)
  }

  /// The nodes of which something is measured, in order: matrices, tables of embeddings, attention.
  public var observedNodes: [Node] {
    nodes.indices.filter { nodes[$0].operation?.observation != nil }.map(Node.init)
  }

  /// Those of them that have a weight, of which the spectral condition speaks.
  public var weightedNodes: [Node] {
    observedNodes.filter { nodes[$0.index].operation?.observation != .attention }
  }

  /// The value that an operation's features are: where that is all it goes to, what its activation
  /// gives, or the stream that it is added to; else its own.
  public func features(of observed: Node) -> Node {
    let consumers = consumers[observed.index]
    guard consumers.count == 1, nodes[observed.index].operation?.observation == .matrix else {
      return observed
    }
    let next = nodes[consumers[0]]
    let isJoin = next.operation is Add && next.inputs.last == observed
    return isJoin || next.operation is ActivationOperation ? Node(index: consumers[0]) : observed
  }

  /// The heads of attention, and those that it splits the queries and keys into that a matrix gives; nil of
  /// other operations.
  public func heads(of observed: Node) -> Int? {
    func heads(_ step: Step) -> Int? {
      (step.operation as? Attention).map { step.columns.size / $0.headSize.size }
    }
    return heads(self[observed])
      ?? nodes.lazy.filter { step in
        step.operation is Attention && step.inputs.prefix(2).contains { made(by: $0) == observed }
      }.compactMap(heads).first
  }

  /// What makes queries or keys, before heads are normalised or turned.
  private func made(by node: Node) -> Node {
    let step = self[node]
    let isHeadwise = step.operation is HeadNormalization || step.operation is RotaryPositions
    return isHeadwise ? made(by: step.inputs[0]) : node
  }

  /// The parameter at `path`, if there is one.
  public func parameter(_ path: String) -> NetworkParameter? {
    parameters.first { $0.path == path }
  }

  /// The network with every extent that grows `factor` times as large.
  public func widened(by factor: Int) -> NetworkGraph {
    NetworkGraph(
      nodes: nodes.map {
        Step(
          name: $0.name, operation: $0.operation?.widened(by: factor), inputs: $0.inputs,
          parameters: $0.parameters, columns: $0.columns.widened(by: factor))
      }, parameters: parameters.map { $0.widened(by: factor) }, output: output)
  }
}

/// A family of networks: writes a network of given sizes into a graph, as a forward pass would compute
/// it.
///
///     struct TwoLayers: Architecture {
///       let width: Int
///       var inputs: Int { 64 }
///       func build(_ g: inout GraphBuilder, _ input: Node) -> Node {
///         let hidden = g.activation(g.linear(input, "up", .growing(width)), .relu)
///         return g.linear(hidden, "readout", .fixed(10))
///       }
///     }
public protocol Architecture: Sendable {
  /// Columns of the input, ≥ 1.
  var inputs: Int { get }
  /// Adds the network's operations to `g`; returns the output.
  func build(_ g: inout GraphBuilder, _ input: Node) -> Node
}

extension Architecture {
  /// The network as a graph.
  public var graph: NetworkGraph {
    var builder = GraphBuilder(inputs: .fixed(inputs))
    let output = build(&builder, Node(index: 0))
    return builder.graph(output: output)
  }
}
