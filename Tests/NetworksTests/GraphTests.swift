import Networks
import OpenCL
import Spectral
import Tensors
import GPUTrainTestSupport
import Testing

/// What a graph knows of its network, and that values used several times get the sum of their gradients.
@Suite(.serialized) struct GraphTests {
  @Test func mlp_hasPyTorchsNamesAndRolesByExtents() {
    let graph = MLP(inputs: 6, hidden: [4, 8], outputs: 3, bias: true).graph
    #expect(
      graph.parameters.map(\.path) == [
        "layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias", "layers.2.weight",
        "layers.2.bias",
      ])
    #expect(
      graph.parameters.map(\.shape.role) == [
        .input, .input, .hidden, .hidden, .readout, .readout,
      ])
    #expect(graph.parameters.map(\.shape.stored)[2...3] == [[8, 4], [8]])
    #expect(graph.linearNodes.map { graph[$0].name } == ["layers.0", "layers.1", "layers.2"])
  }

  @Test func residualMLP_listsItsParameters() {
    let graph = ResidualMLP(
      inputs: 6, width: 4, depth: 2, outputs: 3, expansion: 2, normalization: .layer
    ).graph
    #expect(
      graph.parameters.map { "\($0.path) \($0.shape.stored)" } == [
        "readin.weight [4, 6]", "blocks.0.norm.weight [4]", "blocks.0.norm.bias [4]",
        "blocks.0.up.weight [8, 4]", "blocks.0.down.weight [4, 8]", "blocks.1.norm.weight [4]",
        "blocks.1.norm.bias [4]", "blocks.1.up.weight [8, 4]", "blocks.1.down.weight [4, 8]",
        "norm.weight [4]", "norm.bias [4]", "readout.weight [3, 4]",
      ])
    #expect(graph.parameter("blocks.1.up.weight")?.shape.role == .hidden)
  }

  @Test func widened_changesWhatGrowsAlone() {
    let graph = ResidualMLP(inputs: 6, width: 4, depth: 1, outputs: 3).graph
    let wide = graph.widened(by: 8)
    #expect(
      wide.parameters == ResidualMLP(inputs: 6, width: 32, depth: 1, outputs: 3).graph.parameters)
    #expect(wide.nodes.map(\.columns.size) == [6, 32, 32, 32, 32, 32, 32, 32, 3])
  }

  /// What is in a branch knows its depth rule, and nothing else does.
  @Test(arguments: DepthRule.allCases)
  func branches_haveTheDepthRule(rule: DepthRule) throws {
    let graph = ResidualMLP(
      inputs: 3, width: 4, depth: 8, outputs: 2, bias: true, branchMultiplier: 3, depthRule: rule,
      baseDepth: 2
    ).graph
    let scaling = DepthScaling(rule, depth: 8, baseDepth: 2, multiplier: 3)
    for parameter in graph.parameters {
      let isInside = parameter.path.hasPrefix("blocks.")
      #expect(parameter.depthScaling == (isInside ? scaling : nil), "\(parameter.path)")
    }
    let sums = graph.nodes.compactMap { $0.operation as? Add }
    #expect(sums.count == 8)
    for sum in sums {
      #expect(sum.scale == scaling.branchScale && sum.streamScale == scaling.streamScale)
    }
    #expect(
      graph.widened(by: 2).parameters.map(\.depthScaling) == graph.parameters.map(\.depthScaling))
    // A block's last matrix has the stream after it for features.
    let down = try #require(graph.linearNodes.first { graph[$0].name == "blocks.1.down" })
    #expect(graph[graph.features(of: down)].operation is Add)
  }

  /// One matrix used twice, one value used three times: against central differences.
  struct Shared: Architecture {
    var inputs: Int { 5 }
    func build(_ g: inout GraphBuilder, _ input: Node) -> Node {
      let x = g.activation(g.linear(input, "in", .growing(8)), .tanh)
      let once = g.activation(g.linear(x, "shared", .growing(8), bias: true), .gelu)
      let twice = g.linear(g.add(once, x), "shared", .growing(8), bias: true)
      return g.linear(g.add(twice, x, scale: 0.5), "out", .fixed(3))
    }
  }

  /// A parameter's draws are its path's: biases beside it, or layers before it, change nothing.
  @Test func draws_goByTheParametersPath() throws {
    let compute = try Compute.idle()
    func draws(_ network: MLP) throws -> [String: [Float]] {
      let graph = network.graph
      let scalings = graph.parameters.map { _ in
        [WidthScaling(initialStd: 1, learningRateFactor: 1)]
      }
      let drawn = try Network(drawing: graph, scalings: scalings, seeds: [4], compute: compute)
      return Dictionary(
        uniqueKeysWithValues: try drawn.parameters.map { ($0.name, try compute.read($0.value)) })
    }
    let plain = try draws(MLP(inputs: 5, hidden: [8, 8], outputs: 3))
    let biased = try draws(MLP(inputs: 5, hidden: [8, 8], outputs: 3, bias: true))
    #expect(plain.count == 3 && biased.count == 6)
    for (name, values) in plain { #expect(biased[name] == values, "\(name)") }
    #expect(Set(plain.values.map(\.first)).count == 3)
  }

  @Test func sharedParametersAndValues_getTheSumOfGradients() throws {
    let compute = try Compute.idle()
    let graph = Shared().graph
    #expect(graph.parameters.count == 4)
    let scaling = graph.parameters.map { _ in [WidthScaling(initialStd: 0.5, learningRateFactor: 1)]
    }
    let network = try Network(drawing: graph, scalings: scaling, seeds: [4], compute: compute)
    var random = Philox(seed: 2, stream: 0)
    let input = try compute.tensor(
      (0..<4 * 5).map { _ in random.uniform(-1, 1) }, rows: 4, columns: 5)
    let c: [Float] = (0..<12).map { _ in random.uniform(-1, 1) }
    let pass = try network(input)
    var got: [String: [Float]] = [:]
    let delta = try compute.tensor(c, rows: 4, columns: 3)
    let inputGradient = try pass.backward(delta, wantsInput: true) {
      (parameter: Parameter, gradient: ParameterGradient) in
      #expect(got[parameter.name] == nil, "\(parameter.name) twice")
      got[parameter.name] = try compute.read(gradient.materialized(compute))
    }
    #expect(try compute.read(delta) == c)
    var tensors = network.parameters.map { ($0.name, $0.value) }
    tensors.append(("input", input))
    got["input"] = try compute.read(#require(inputGradient))
    for (name, tensor) in tensors {
      let start = try compute.read(tensor)
      let gradient = try #require(got[name])
      for index in start.indices {
        func loss(_ shift: Float) throws -> Double {
          var moved = start
          moved[index] += shift
          try tensor.buffer.write(moved, queue: compute.queue)
          return zip(try compute.read(network(input).output), c)
            .reduce(0) { $0 + Double($1.0) * Double($1.1) }
        }
        let step: Float = 1.0 / 128
        let expected = (try loss(step) - loss(-step)) / Double(2 * step)
        try tensor.buffer.write(start, queue: compute.queue)
        #expect(
          abs(Double(gradient[index]) - expected) <= 2e-3 * (1 + abs(expected)),
          "\(name) \(index): \(gradient[index]), \(expected)")
      }
    }
  }
}
