import Spectral
import Tensors

/// A network's values for one input, from which gradients are passed back once.
public final class ForwardPass {
  /// The network's output.
  public var output: Tensor { values[network.graph.output.index].output }
  private let network: Network
  private let values: [OperationValue]

  init(network: Network, values: [OperationValue]) {
    (self.network, self.values) = (network, values)
  }

  /// Hands over every parameter's gradient, those of later operations first.
  ///
  /// A parameter that several operations use is handed over once, when all of them have added to its
  /// gradient.
  /// - outputGradient: with respect to the output, of its shape; it stays as it is.
  /// - wantsInput: whether the input's gradient is returned.
  /// - Throws: `OpenCLError`, `CLBlastError`, what `receive` throws.
  @discardableResult
  public func backward(
    _ outputGradient: Tensor, wantsInput: Bool = false, receive: GradientReceiver
  ) throws -> Tensor? {
    let graph = network.graph
    var gradients = ValueGradients(count: graph.nodes.count, compute: network.compute)
    gradients[graph.output.index] = ValueGradient(outputGradient, isOwned: false)
    let needed = wantsInput ? [Bool](repeating: true, count: graph.nodes.count) : network.needed
    let shared = SharedGradients(network.sharedUses, compute: network.compute)
    for index in graph.nodes.indices.reversed() {
      let step = graph.nodes[index]
      guard let operation = step.operation, let gradient = gradients.take(index) else { continue }
      let pass = BackwardPass(
        inputs: step.inputs.map { values[$0.index].output }, value: values[index],
        parameters: network.parameters(of: Node(index: index)),
        wantsInput: step.inputs.map { needed[$0.index] }, mayOverwrite: gradient.isOwned,
        compute: network.compute)
      let receiver: GradientReceiver = { try shared.receive($0, $1, then: receive) }
      if let linear = operation as? Linear,
        let activation = network.fusion.derivativeBefore[step.inputs[0].index]
      {
        // What comes out is the gradient of what the activation took.
        let source = graph.nodes[step.inputs[0].index].inputs[0].index
        let derivative = ActivationDerivative(of: activation, at: values[source].output)
        let passed = try linear.backward(
          gradient.tensor, through: derivative, pass, receive: receiver)
        if let passed { try gradients.add(passed, to: source, isOwned: true) }
        continue
      }
      let passed = try operation.backward(gradient.tensor, pass, receive: receiver)
      for (input, tensor) in zip(step.inputs, passed) {
        guard let tensor, needed[input.index] else { continue }
        try gradients.add(
          tensor, to: input.index, isOwned: owns(tensor, among: passed, gradient, pass))
      }
    }
    return gradients.take(graph.input.index)?.tensor
  }

  /// Whether a gradient that an operation passed back may be written over: it is in memory of its own,
  /// which no other input's gradient, value or kept tensor shares.
  private func owns(
    _ tensor: Tensor, among passed: [Tensor?], _ given: ValueGradient, _ pass: BackwardPass
  ) -> Bool {
    let others = pass.inputs + [pass.value.output] + pass.value.saved
    return passed.count { $0?.buffer === tensor.buffer } == 1
      && !others.contains { $0.buffer === tensor.buffer }
      && (tensor.buffer !== given.tensor.buffer || given.isOwned)
  }
}

/// A gradient with respect to a value, and whether its memory may be written over.
private struct ValueGradient {
  let tensor: Tensor
  let isOwned: Bool

  init(_ tensor: Tensor, isOwned: Bool) {
    (self.tensor, self.isOwned) = (tensor, isOwned)
  }
}

/// Gradients of values on the way back, summed where a value went to several operations.
private struct ValueGradients {
  private var gradients: [ValueGradient?]
  private let compute: Compute

  init(count: Int, compute: Compute) {
    gradients = [ValueGradient?](repeating: nil, count: count)
    self.compute = compute
  }

  subscript(index: Int) -> ValueGradient? {
    get { gradients[index] }
    set { gradients[index] = newValue }
  }

  mutating func take(_ index: Int) -> ValueGradient? {
    defer { gradients[index] = nil }
    return gradients[index]
  }

  mutating func add(_ tensor: Tensor, to index: Int, isOwned: Bool) throws {
    guard let known = gradients[index] else {
      gradients[index] = ValueGradient(tensor, isOwned: isOwned)
      return
    }
    if known.isOwned {
      try compute.accumulate(tensor, into: known.tensor)
    } else if isOwned {
      try compute.accumulate(known.tensor, into: tensor)
      gradients[index] = ValueGradient(tensor, isOwned: true)
    } else {
      gradients[index] = ValueGradient(
        try compute.add(known.tensor, tensor, scale: 1), isOwned: true)
    }
  }
}

/// Gradients of parameters that several operations use, until all have come.
private final class SharedGradients {
  private var waiting: [String: Int]
  private var sums: [String: Tensor] = [:]
  private let compute: Compute

  /// - uses: of parameters that several operations use.
  init(_ uses: [String: Int], compute: Compute) {
    waiting = uses
    self.compute = compute
  }

  func receive(
    _ parameter: Parameter, _ gradient: ParameterGradient, then receive: GradientReceiver
  ) throws {
    guard !waiting.isEmpty, let left = waiting[parameter.name] else {
      return try receive(parameter, gradient)
    }
    let matrix = try gradient.materialized(compute)
    if let sum = sums[parameter.name] {
      try compute.accumulate(matrix, into: sum)
    } else {
      sums[parameter.name] = matrix
    }
    waiting[parameter.name] = left - 1
    if left == 1 { try receive(parameter, .whole(sums[parameter.name]!)) }
  }
}
