import OpenCL
import GPUTrainTestSupport
import Testing

@testable import Tensors

/// Three steps of each rule against the same recurrence in Double, in three replicas of which the
/// second is frozen; the sizes are around the vectors of a work-item and its work-groups.
@Suite(.serialized) struct UpdateTests {
  static let sizes = [1, 2, 15, 16, 17, 20, 67, 1024, 1031]
  static let replicas = 3

  let compute: Compute
  let schedule: [Float] = [0.5, 1, 0.75]
  /// What the third step's gradients are multiplied by.
  let scales: [Float] = [0.5, 1, 1]
  /// By replica: η, ε, coupled λ, decoupled η·λ.
  let rates: [[Float]] = [
    [0.1, 0.02, 0.01], [1e-3, 1e-5, 1e-8], [0.2, 0.1, 0], [0, 0.05, 0.05],
  ]

  init() throws {
    compute = try Compute.idle()
  }

  private func values(_ count: Int, seed: UInt64) -> [Float] {
    var random = Philox(seed: seed, stream: 0)
    return (0..<count).map { _ in random.uniform(-1, 1) }
  }

  /// Runs three steps on `count` weights a replica.
  ///
  /// - hyperparameters: of each replica. corrections: of each replica at a step from 0.
  /// - direction: the reference's rule; given what it keeps, g, ε, the replica and the step from 1.
  private func expectSteps(
    _ rule: ElementwiseRule, count: Int, hyperparameters: [[Float]] = [[], [], []],
    corrections: @escaping (Int) -> [[Float]] = { _ in [[], [], []] },
    direction: (inout [Double], Double, Double, Int, Int) -> Double
  ) throws {
    let total = Self.replicas * count
    func tensor(_ values: [Float]) throws -> Tensor {
      try compute.tensor(values, replicas: Self.replicas, rows: 1, columns: count)
    }
    let start = values(total, seed: 1)
    let weight = try tensor(start)
    let zeros = [Float](repeating: 0, count: total)
    let state = try rule.state.map { _ in try tensor(zeros) }
    let active = try compute.tensor([1, 0, 1], replicas: Self.replicas, rows: 1, columns: 1)
    let scale = try compute.tensor(scales, replicas: Self.replicas, rows: 1, columns: 1)
    let rate = try UpdateRates(
      learningRate: rates[0], epsilon: rates[1], coupledDecay: rates[2], decoupledDecay: rates[3],
      compute: compute)
    // Two steps fit: the third is behind the end of the first table.
    let numbers = try RuleNumbers(
      rule, hyperparameters: hyperparameters, capacity: 2,
      values: { [schedule] step in
        step < 3 ? corrections(step).map { [schedule[step]] + $0 } : corrections(0).map { [0] + $0 }
      }, compute: compute)
    var expected = start.map(Double.init)
    var memory = [[Double]](repeating: [0, 0], count: total)
    for t in 0..<3 {
      let gradient = values(total, seed: UInt64(10 + t))
      // One step with its change recorded must be the step that it is without.
      let matrix = try tensor(gradient)
      let before = expected
      try numbers.move(to: t)
      try compute.apply(
        WeightUpdate(
          numbers, state: state, rates: rate, active: active,
          gradientScale: t == 2 ? scale : nil),
        to: weight, gradient: matrix, recordsWeightDelta: t == 1)
      let s = Double(schedule[t])
      for index in 0..<total where index / count != 1 {
        let replica = index / count
        let own = t == 2 ? Double(scales[replica]) : 1
        let g = own * Double(gradient[index]) + Double(rates[2][replica]) * expected[index]
        let d = direction(&memory[index], g, Double(rates[1][replica]), replica, t + 1)
        let kept = 1 - s * Double(rates[3][replica])
        expected[index] = expected[index] * kept - s * Double(rates[0][replica]) * d
      }
      if t == 1 {
        for (index, value) in try compute.read(matrix).enumerated() {
          let want = expected[index] - before[index]
          // Relative to the change itself, which a difference of weights could not keep.
          #expect(
            index / count == 1 ? value.isNaN : abs(Double(value) - want) <= 1e-4 * abs(want) + 1e-6)
        }
      }
    }
    let got = try compute.read(weight)
    #expect(Array(got[count..<2 * count]) == Array(start[count..<2 * count]))
    for (value, want) in zip(got, expected) {
      // Adam divides a small gradient by its own size: a rounding of g is one of the step.
      #expect(abs(Double(value) - want) <= 1e-5 * (1 + abs(want)))
    }
  }

  @Test(arguments: sizes) func gradientDescent_matchesDouble(count: Int) throws {
    try expectSteps(.gradientDescent, count: count) { _, g, _, _, _ in g }
  }

  /// Numbers of their own in each replica, at each step, and more than one line with comments.
  @Test(arguments: sizes) func customRule_matchesDouble(count: Int) throws {
    let rule = ElementwiseRule(
      name: "leaky", state: ["kept"], hyperparameters: ["share", "offset"],
      corrections: ["doubled"],
      direction: """
        kept = share * kept + g;  // A comment.
        // Another: d / 2 is not what is meant.
        T d = kept * doubled / 2.0f + offset * g;
        """)
    let own: [[Float]] = [[0.5, 0.1], [0, 0], [0.25, -0.2]]
    try expectSteps(
      rule, count: count, hyperparameters: own,
      corrections: { step in [[Float(step) + 1], [0], [3]] }
    ) { memory, g, _, replica, t in
      memory[0] = Double(own[replica][0]) * memory[0] + g
      return memory[0] * (replica == 0 ? Double(t) : 3) / 2 + Double(own[replica][1]) * g
    }
  }

  @Test(arguments: sizes) func adam_matchesDouble(count: Int) throws {
    // β of the first replica and of the third.
    let beta: [[Float]] = [[0.9, 0.99], [0, 0], [0.8, 0.95]]
    func correction(_ replica: Int, _ which: Int, _ t: Int) -> Double {
      1 / (1 - power(Double(beta[replica][which]), t))
    }
    try expectSteps(
      .adam, count: count, hyperparameters: beta,
      corrections: { step in
        (0..<3).map { replica in [0, 1].map { Float(correction(replica, $0, step + 1)) } }
      }
    ) { memory, g, epsilon, replica, t in
      let (beta1, beta2) = (Double(beta[replica][0]), Double(beta[replica][1]))
      memory[0] = beta1 * memory[0] + (1 - beta1) * g
      memory[1] = beta2 * memory[1] + (1 - beta2) * g * g
      return memory[0] * correction(replica, 0, t)
        / ((memory[1] * correction(replica, 1, t)).squareRoot() + epsilon)
    }
  }

  @Test(arguments: sizes) func normalized_movesByTheRateAlongTheGradient(count: Int) throws {
    let total = Self.replicas * count
    func tensor(_ values: [Float]) throws -> Tensor {
      try compute.tensor(values, replicas: Self.replicas, rows: 1, columns: count)
    }
    let (start, gradient) = (values(total, seed: 1), values(total, seed: 2))
    // The second replica's norm is 0, as of a gradient that vanishes.
    let norms: [Float] = [3, 0, 0.5]
    let (weight, matrix) = (try tensor(start), try tensor(gradient))
    let rate = try UpdateRates(
      learningRate: [0.1, 0.1, 0.2], epsilon: [0, 0, 0], coupledDecay: [0, 0, 0],
      decoupledDecay: [0.01, 0, 0], compute: compute)
    let scale = try compute.inverses(
      compute.tensor(norms, replicas: Self.replicas, rows: 1, columns: 1))
    try compute.apply(
      WeightUpdate(
        RuleNumbers(.gradientDescent, replicas: Self.replicas, step: [0.5], compute: compute),
        rates: rate, active: compute.filled(1, replicas: Self.replicas, rows: 1, columns: 1),
        gradientScale: scale), to: weight, gradient: matrix, recordsWeightDelta: true)
    let (moved, steps) = (try compute.read(weight), try compute.read(matrix))
    for index in 0..<total {
      let replica = index / count
      let direction = norms[replica] == 0 ? 0 : Double(gradient[index]) / Double(norms[replica])
      let decay = replica == 0 ? 0.005 * Double(start[index]) : 0
      let step = -decay - 0.5 * [0.1, 0.1, 0.2][replica] * direction
      // To the rounding of its two terms.
      #expect(abs(Double(steps[index]) - step) <= 2e-7 * (decay.magnitude + step.magnitude))
      #expect(abs(Double(moved[index]) - Double(start[index]) - step) <= 2e-7)
    }
  }

  @Test func inactiveReplica_standsStill_evenWithNaNGradients() throws {
    let weight = try compute.tensor([1, 2, 3, 4], replicas: 2, rows: 1, columns: 2)
    let gradient = try compute.tensor([1, 1, .nan, .nan], replicas: 2, rows: 1, columns: 2)
    let rates = try UpdateRates(
      learningRate: [0.5, 0.5], epsilon: [0, 0], coupledDecay: [0, 0], decoupledDecay: [0, 0],
      compute: compute)
    try compute.apply(
      WeightUpdate(
        RuleNumbers(.gradientDescent, replicas: 2, compute: compute), rates: rates,
        active: compute.tensor([1, 0], replicas: 2, rows: 1, columns: 1)), to: weight,
      gradient: gradient)
    #expect(try compute.read(weight) == [0.5, 1.5, 3, 4])
  }

  private func power(_ base: Double, _ exponent: Int) -> Double {
    (0..<exponent).reduce(1) { product, _ in product * base }
  }
}
