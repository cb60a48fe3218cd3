import Spectral
import Tensors

/// A graph with every replica's parameters on a device, which runs forward and back.
///
/// Bias, activation and derivative are computed in the matrix products beside which they stand in the
/// graph.
public final class Network {
  /// What is computed.
  public let graph: NetworkGraph
  /// In the graph's order.
  public let parameters: [Parameter]
  /// What to compute with.
  public let compute: Compute
  let fusion: Fusion
  /// Whether each node's gradient is of use: a parameter is behind it.
  let needed: [Bool]
  /// How often parameters are used that several operations use, by name.
  let sharedUses: [String: Int]

  /// The network of `graph` with the parameters given, in the graph's order.
  public init(_ graph: NetworkGraph, parameters: [Parameter], compute: Compute) {
    precondition(
      parameters.map(\.name) == graph.parameters.map(\.path)
        && zip(parameters, graph.parameters).allSatisfy { $0.shape == $1.shape },
      "parameters \(parameters.map(\.name)), the graph's \(graph.parameters.map(\.path))")
    (self.graph, self.parameters, self.compute) = (graph, parameters, compute)
    fusion = Fusion(graph)
    var needed: [Bool] = []
    var uses: [Int: Int] = [:]
    for step in graph.nodes {
      needed.append(!step.parameters.isEmpty || step.inputs.contains { needed[$0.index] })
      for parameter in step.parameters { uses[parameter, default: 0] += 1 }
    }
    self.needed = needed
    sharedUses = Dictionary(
      uniqueKeysWithValues: uses.filter { $0.value > 1 }.map {
        (graph.parameters[$0.key].path, $0.value)
      })
  }

  /// The parameter called `name`, if there is one.
  public func parameter(_ name: String) -> Parameter? { parameters.first { $0.name == name } }

  /// The parameters of a node's operation.
  func parameters(of node: Node) -> [Parameter] { graph[node].parameters.map { parameters[$0] } }

  /// The network's output for an input [replica, rows, inputs], with what the way back needs.
  ///
  /// - Throws: `OpenCLError`, `CLBlastError`.
  public func callAsFunction(_ input: Tensor) throws -> ForwardPass {
    var values: [OperationValue?] = [OperationValue(input)]
    values += [OperationValue?](repeating: nil, count: graph.nodes.count - 1)
    for (index, step) in graph.nodes.enumerated() {
      guard let operation = step.operation, values[index] == nil else { continue }
      let inputs = step.inputs.map { values[$0.index]!.output }
      let own = parameters(of: Node(index: index))
      if let linear = operation as? Linear, let activation = fusion.activationAfter[index] {
        let (z, output) = try linear.forward(
          inputs[0], own, then: activation.function, compute: compute)
        values[index] = OperationValue(z)
        values[activation.node] = OperationValue(output)
      } else {
        values[index] = try operation.forward(inputs, own, compute: compute)
      }
    }
    return ForwardPass(network: self, values: values.map { $0! })
  }

  /// Runs forward one operation after another, nothing fused, and shows every value.
  ///
  /// - visit: called with each operation's inputs and value; of a linear operation also with its product
  ///   before the bias, in memory that the value may take.
  /// - Throws: `OpenCLError`, `CLBlastError`, what `visit` throws.
  public func trace(_ input: Tensor, visit: (TracedValue) throws -> Void) throws {
    var values: [Tensor?] = [input]
    var waiting = graph.consumers.map(\.count)
    for (index, step) in graph.nodes.enumerated() {
      guard let operation = step.operation else { continue }
      let node = Node(index: index)
      let inputs = step.inputs.map { values[$0.index]! }
      let own = parameters(of: node)
      if let linear = operation as? Linear {
        let product = try linear.product(inputs[0], own, compute: compute)
        try visit(TracedValue(node: node, inputs: inputs, tensor: product, isProduct: true))
        if linear.hasBias { try compute.addBias(own[1].value, to: product) }
        values.append(product)
      } else {
        values.append(try operation.forward(inputs, own, compute: compute).output)
      }
      try visit(
        TracedValue(node: node, inputs: inputs, tensor: values[index]!, isProduct: false))
      for input in step.inputs {
        waiting[input.index] -= 1
        if waiting[input.index] == 0 { values[input.index] = nil }
      }
    }
  }
}

/// A value of a network as it was just computed.
public struct TracedValue {
  /// Whose value it is.
  public let node: Node
  /// What the operation took.
  public let inputs: [Tensor]
  /// The value, or a linear operation's product.
  public let tensor: Tensor
  /// Whether it is the product of a linear operation, before the bias.
  public let isProduct: Bool
}

/// What matrix products compute beside themselves, found from the graph.
struct Fusion {
  /// By a linear node: the activation that its value goes to, and to nothing else.
  let activationAfter: [Int: (node: Int, function: Activation)]
  /// By an activation node whose value goes to one linear operation and nothing else: its function. That
  /// operation multiplies the gradient by the derivative as it passes it back.
  let derivativeBefore: [Int: Activation]

  init(_ graph: NetworkGraph) {
    let consumers = graph.consumers
    var after: [Int: (node: Int, function: Activation)] = [:]
    var before: [Int: Activation] = [:]
    for (index, step) in graph.nodes.enumerated() {
      guard let operation = step.operation as? ActivationOperation else { continue }
      let source = step.inputs[0].index
      if graph.nodes[source].operation is Linear, consumers[source].count == 1,
        source != graph.output.index
      {
        after[source] = (index, operation.activation)
      }
      if consumers[index].count == 1, graph.nodes[consumers[index][0]].operation is Linear,
        index != graph.output.index
      {
        before[index] = operation.activation
      }
    }
    (activationAfter, derivativeBefore) = (after, before)
  }
}
