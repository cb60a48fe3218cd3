import OpenCL
import Spectral
import Tensors
import Testing

@testable import Training

/// Update rules and layers that no configuration names.
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

  /// y = x, its pullback through tensors of its own.
  struct Passing: Layer {
    var parameters: [Parameter] { [] }

    func callAsFunction(_ input: Tensor, compute: Compute) throws -> (
      output: Tensor, pullback: Pullback
    ) {
      let pullback = Pullback(compute: compute) { delta, wantsInput, _ in
        wantsInput ? try compute.copy(delta) : nil
      }
      return (try compute.copy(input), pullback)
    }
  }

  let compute: Compute
  let rows: DeviceRows

  init() throws {
    compute = try Compute(device: .find(.best))
    var random = Philox(seed: 3, stream: 0)
    let values = (0..<60 * 6).map { _ in random.uniform(-1, 1) }
    rows = try DeviceRows(
      .floats(values), labels: (0..<60).map { UInt32($0 % 3) },
      scale: [Float](repeating: 1, count: 6), shift: [Float](repeating: 0, count: 6),
      compute: compute)
  }

  func shape(_ width: Int) -> MLPShape {
    MLPShape(inputs: 6, hidden: [width, width], outputs: 3, bias: true)
  }

  func trainer(
    decay: WeightDecay? = nil, rule: (any UpdateRule)? = nil,
    layers: ([Dense]) throws -> [any Layer] = { $0 }
  ) throws -> Trainer {
    let configuration = TrainingConfiguration(
      network: NetworkConfiguration(shape(40), activation: .gelu), baseShape: shape(20),
      optimizer: .sgd, weightDecay: decay, batchSize: 16)
    let replicas = [1, 2].map {
      Replica(seed: $0, learningRate: 0.05, parametrization: SpectralParametrization())
    }
    return try Trainer(
      configuration, replicas: replicas, totalSteps: 12, rule: rule, layers: layers,
      compute: compute)
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
    let expected = trainer.configuration.scalings(under: parametrization, family: .adam)
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
    for own in [try trainer(rule: Direction()), try trainer(layers: passing)] {
      for (x, y) in zip(try norms(own), expected) { #expect(abs(x - y) <= 1e-2 * y) }
    }
  }

  func passing(_ dense: [Dense]) -> [any Layer] {
    dense.flatMap { [$0, Passing()] as [any Layer] }
  }

  /// The gradient passes through φ' of the layer before, which a dense layer would have applied.
  @Test func layers_thatPassValuesOn_changeNothing() throws {
    expectClose(try losses(trainer(layers: passing)), try losses(trainer()))
  }
}
