import OpenCL
import GPUTrainTestSupport
import Testing

@testable import Tensors

/// Updates by a gradient's factors against the gradient as a matrix and the update after it.
@Suite(.serialized) struct FusedUpdateTests {
  static let shapes = [(1, 1, 1), (7, 13, 5), (64, 64, 64), (10, 300, 33), (300, 17, 64)]
  static let replicas = 3
  static let rules: [ElementwiseRule] = [
    .gradientDescent, .adam,
    ElementwiseRule(
      name: "momentum", state: ["velocity"], hyperparameters: ["share"],
      direction: """
        velocity = share * velocity + g;
        T d = g + share * velocity;
        """),
  ]

  /// A weight with a rule's state, alike for one seed.
  private struct Subject {
    let weight: Tensor
    let state: [Tensor]
    var tensors: [Tensor] { [weight] + state }

    init(_ compute: Compute, _ rule: ElementwiseRule, _ rows: Int, _ columns: Int) throws {
      func tensor(_ seed: UInt64, absolute: Bool = false) throws -> Tensor {
        let values = Philox.values(FusedUpdateTests.replicas * rows * columns, seed: seed)
        return try compute.tensor(
          values.map { absolute ? abs($0) : $0 }, replicas: FusedUpdateTests.replicas, rows: rows,
          columns: columns)
      }
      weight = try tensor(1)
      state = try rule.state.indices.map { try tensor(UInt64(2 + $0), absolute: $0 == 1) }
    }
  }

  @Test(arguments: rules, [false, true]) func update_isThatOfTheMatrix(
    rule: ElementwiseRule, records: Bool
  ) throws {
    for compute in try MatrixProductTests.computes()
      + MatrixProductTests.emulatedComputes().suffix(1)
    {
      // Coupled and decoupled decay; the second replica is frozen.
      let rates = try UpdateRates(
        learningRate: [0.1, 0.02, 0.03], epsilon: [1e-3, 1e-3, 1e-2], coupledDecay: [0.2, 0.1, 0],
        decoupledDecay: [0, 0.1, 0.05], compute: compute)
      let active = try compute.tensor([1, 0, 1], replicas: 3, rows: 1, columns: 1)
      let numbers = try RuleNumbers(
        rule, replicas: Self.replicas,
        hyperparameters: Array([0.9, 0.99].prefix(rule.hyperparameters.count)),
        step: Array([0.5, 2, 3].prefix(1 + rule.corrections.count)), compute: compute)
      let scale = try compute.tensor([0.5, 1, 2], replicas: 3, rows: 1, columns: 1)
      for (m, n, k) in Self.shapes {
        func factor(_ columns: Int, _ seed: UInt64) throws -> Tensor {
          var values = Philox.values(Self.replicas * k * columns, seed: seed)
          values[k * columns] = .nan
          return try compute.tensor(values, replicas: Self.replicas, rows: k, columns: columns)
        }
        let (delta, input) = (try factor(m, 4), try factor(n, 5))
        let (fused, plain) = (
          try Subject(compute, rule, m, n), try Subject(compute, rule, m, n)
        )
        let start = try fused.tensors.map(compute.read)
        let weightDelta = try compute.apply(
          WeightUpdate(
            numbers, state: fused.state, rates: rates, active: active, gradientScale: scale),
          to: fused.weight, delta: delta, input: input, scale: 0.7, recordsWeightDelta: records)
        let gradient = try compute.product(.tn, delta, input, alpha: 0.7)
        try compute.apply(
          WeightUpdate(
            numbers, state: plain.state, rates: rates, active: active, gradientScale: scale),
          to: plain.weight, gradient: gradient, recordsWeightDelta: records)
        #expect((weightDelta != nil) == records)
        let what = "\(compute.backend.name) \(compute.vectorWidth) \(m)×\(n)×\(k)"
        let results =
          zip(fused.tensors, plain.tensors) + (weightDelta.map { [($0, gradient)] } ?? [])
        for (index, (one, other)) in results.enumerated() {
          let (got, want) = (try compute.read(one), try compute.read(other))
          let still = m * n..<2 * m * n
          if index < start.count {
            #expect(Array(got[still]) == Array(start[index][still]), "\(what)")
          } else {
            #expect(got[still].allSatisfy { $0.isNaN }, "\(what)")
          }
          #expect(
            zip(got, want).enumerated().allSatisfy { position, pair in
              still.contains(position) || abs(pair.0 - pair.1) <= 2e-6 * (1 + abs(pair.1))
            }, "\(what), tensor \(index)")
        }
      }
    }
  }

  @Test func longBatches_goTheOtherWay() throws {
    let compute = try Compute.idle(backend: .opencl)
    let rows = CPUBackend.mostUpdateRows + 1
    let weight = try compute.filled(1, rows: 3, columns: 5)
    _ = try compute.apply(
      WeightUpdate(
        RuleNumbers(.gradientDescent, compute: compute),
        rates: UpdateRates(
          learningRate: [1], epsilon: [0], coupledDecay: [0], decoupledDecay: [0],
          compute: compute),
        active: compute.filled(1, rows: 1, columns: 1)),
      to: weight, delta: compute.filled(1, rows: rows, columns: 3),
      input: compute.filled(1, rows: rows, columns: 5), scale: 1)
    #expect(try compute.read(weight).allSatisfy { $0 == 1 - Float(rows) })
  }
}
