import Networks
import OpenCL
import Spectral
import Tensors
import GPUTrainTestSupport
import Testing

@testable import Training

/// Custom update rules and operations.
@Suite(.serialized) struct OwnPartsTests {
  /// Gradient descent by a direction, in place of the rule's own product.
  struct Direction: UpdateRule {
    let stateNames: [String] = []
    var family = UpdateFamily.sgd

    func update(
      _ weight: Tensor, gradient: ParameterGradient, state: [Tensor], step: UpdateStep,
      compute: Compute
    ) throws -> Tensor? {
      try step.apply(direction: gradient.materialized(compute), to: weight, compute: compute)
    }
  }

  /// y = x, in tensors of its own.
  struct Passing: Networks.Operation {
    func columns(of inputs: [Extent]) -> Extent { inputs[0] }

    func forward(
      _ inputs: [Tensor], _ parameters: [Parameter], compute: Compute
    ) throws -> OperationValue {
      OperationValue(try compute.copy(inputs[0]))
    }

    func backward(
      _ gradient: Tensor, _ pass: BackwardPass, receive: GradientReceiver
    ) throws -> [Tensor?] {
      [pass.wantsInput[0] ? try pass.compute.copy(gradient) : nil]
    }
  }

  /// The perceptron of these tests with `Passing` after every layer.
  struct PassingMLP: Architecture {
    let width: Int
    var inputs: Int { 6 }

    func build(_ g: inout GraphBuilder, _ input: Node) -> Node {
      var x = input
      for layer in 0..<3 {
        let width: Extent = layer == 2 ? .fixed(3) : .growing(width)
        x = g.linear(x, "layers.\(layer)", width, bias: true)
        if layer < 2 { x = g.activation(x, .gelu) }
        x = g.apply(Passing(), [x], module: "passing.\(layer)")
      }
      return x
    }
  }

  let compute: Compute
  let rows: DeviceRows

  init() throws {
    compute = try Compute.idle()
    rows = try DeviceRows(
      random: 3, inputs: 6, labels: (0..<60).map { $0 % 3 }, compute: compute)
  }

  func network(_ width: Int) -> any Architecture {
    MLP(inputs: 6, hidden: [width, width], outputs: 3, bias: true, activation: .gelu)
  }

  func trainer(
    decay: WeightDecay? = nil, rule: (any UpdateRule)? = nil,
    network architecture: ((Int) -> any Architecture)? = nil
  ) throws -> Trainer {
    let network = architecture ?? network
    let configuration = TrainingConfiguration(
      network: network(40), baseNetwork: network(20),
      optimization: Optimization(.sgd, weightDecay: decay),
      batchSize: 16)
    let replicas = [1, 2].map {
      Replica(seed: $0, learningRate: 0.05, parametrization: SpectralParametrization())
    }
    return try Trainer(
      configuration, replicas: replicas, totalSteps: 12, rule: rule, compute: compute)
  }

  func losses(_ trainer: Trainer) throws -> [Double] {
    try (0..<3).flatMap { _ in try trainer.trainEpoch(on: rows).losses.flatMap { $0 } }
  }

  func expectClose(_ got: [Double], _ expected: [Double]) {
    #expect(got.count == expected.count && Set(expected).count > 12)
    for (x, y) in zip(got, expected) { #expect(abs(x - y) <= 2e-5 * abs(y)) }
  }

  /// Products are rounded in another order, hence a tolerance.
  @Test(arguments: [nil] + WeightDecayKind.allCases) func rule_trainsAsTheBuiltInOne(
    kind: WeightDecayKind?
  ) throws {
    let decay = kind.map { WeightDecay(strength: 0.1, kind: $0) }
    expectClose(
      try losses(trainer(decay: decay, rule: Direction())), try losses(trainer(decay: decay)))
  }

  @Test func rulesFamily_decidesItsRates() throws {
    let parametrization = SpectralParametrization()
    let trainer = try trainer(rule: Direction(family: .adam))
    let expected = trainer.configuration.scalings(
      of: trainer.network.graph, under: parametrization, custom: Direction(family: .adam))
    for (parameter, scaling) in zip(trainer.network.parameters, expected) {
      let rate = 0.05 * scaling.learningRateFactor
      #expect(trainer.optimizer.learningRates(of: parameter) == [rate, rate])
    }
    #expect(expected != trainer.configuration.scalings(under: parametrization))
  }

  /// Norms are right to about 1 % while weights move.
  @Test func updatesOfOwnParts_areMeasured() throws {
    func norms(_ trainer: Trainer) throws -> [Double] {
      let diagnostics = try trainer.diagnose(every: 1, contents: .norms, probe: rows)
      _ = try trainer.trainEpoch(on: rows)
      return try diagnostics.records().flatMap { record in
        try record.layers.map { try #require($0[.updateNorm])[1] }
      }
    }
    let expected = try norms(trainer())
    #expect(expected.count == 4 * 3)
    for own in [try trainer(rule: Direction()), try trainer(network: PassingMLP.init)] {
      for (x, y) in zip(try norms(own), expected) { #expect(abs(x - y) <= 1e-2 * y) }
    }
  }

  /// The gradient passes through φ' of the activation before, which a linear operation would have applied.
  @Test func operations_thatPassValuesOn_changeNothing() throws {
    expectClose(try losses(trainer(network: PassingMLP.init)), try losses(trainer()))
  }
}
