import OpenCL
import Testing

@testable import Tensors

/// Three steps of each rule against the same recurrence in Double, in three replicas of which the
/// second stands still; the sizes are around the vectors of a work-item and its work-groups.
@Suite(.serialized) struct UpdateTests {
  static let sizes = [1, 2, 15, 16, 17, 20, 67, 1024, 1031]
  static let replicas = 3

  let compute: Compute
  let schedule: [Float] = [0.5, 1, 0.75]
  /// By replica: η, ε, coupled λ, decoupled η·λ.
  let rates: [[Float]] = [
    [0.1, 0.02, 0.01], [1e-3, 1e-5, 1e-8], [0.2, 0.1, 0], [0, 0.05, 0.05],
  ]

  init() throws {
    compute = try Compute(device: .find(.best))
  }

  private func values(_ count: Int, seed: UInt64) -> [Float] {
    var random = Philox(seed: seed, stream: 0)
    return (0..<count).map { _ in random.uniform(-1, 1) }
  }

  /// Runs three steps on `count` weights a replica; `direction` is the reference's rule.
  private func expectSteps(
    count: Int,
    step: (Tensor, Tensor, [Tensor], UpdateRates, Tensor, Float, Int, Bool) throws -> Void,
    direction: (inout [Double], Double, Double, Int) -> Double
  ) throws {
    let total = Self.replicas * count
    func tensor(_ values: [Float]) throws -> Tensor {
      try compute.tensor(values, replicas: Self.replicas, rows: 1, columns: count)
    }
    let start = values(total, seed: 1)
    let weight = try tensor(start)
    let zeros = [Float](repeating: 0, count: total)
    let state = [try tensor(zeros), try tensor(zeros)]
    let active = try compute.tensor([1, 0, 1], replicas: Self.replicas, rows: 1, columns: 1)
    let rate = try UpdateRates(
      learningRate: rates[0], epsilon: rates[1], coupledDecay: rates[2], decoupledDecay: rates[3],
      compute: compute)
    var expected = start.map(Double.init)
    var memory = [[Double]](repeating: [0, 0], count: total)
    for t in 0..<3 {
      let gradient = values(total, seed: UInt64(10 + t))
      // One step with its change recorded must be the step that it is without.
      let matrix = try tensor(gradient)
      let before = expected
      try step(weight, matrix, state, rate, active, schedule[t], t + 1, t == 1)
      let s = Double(schedule[t])
      for index in 0..<total where index / count != 1 {
        let replica = index / count
        let g = Double(gradient[index]) + Double(rates[2][replica]) * expected[index]
        let d = direction(&memory[index], g, Double(rates[1][replica]), t + 1)
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

  @Test(arguments: sizes) func sgd_matchesDouble(count: Int) throws {
    try expectSteps(
      count: count,
      step: { weight, gradient, _, rates, active, schedule, _, records in
        try compute.updateSGD(
          weight, gradient: gradient, rates: rates, active: active, schedule: Varying(schedule),
          recordsChange: records)
      },
      direction: { _, g, _, _ in g })
  }

  @Test(arguments: sizes, [false, true]) func momentum_matchesDouble(count: Int, nesterov: Bool)
    throws
  {
    try expectSteps(
      count: count,
      step: { weight, gradient, state, rates, active, schedule, _, records in
        try compute.updateMomentum(
          weight, gradient: gradient, velocity: state[0], rates: rates, active: active,
          schedule: Varying(schedule), momentum: 0.9, nesterov: nesterov, recordsChange: records)
      },
      direction: { memory, g, _, _ in
        memory[0] = 0.9 * memory[0] + g
        return nesterov ? g + 0.9 * memory[0] : memory[0]
      })
  }

  @Test(arguments: sizes) func adam_matchesDouble(count: Int) throws {
    try expectSteps(
      count: count,
      step: { weight, gradient, state, rates, active, schedule, t, records in
        try compute.updateAdam(
          weight, gradient: gradient, mean: state[0], square: state[1], rates: rates,
          active: active, schedule: Varying(schedule), beta1: 0.9, beta2: 0.99,
          correction1: Varying(Float(1 / (1 - power(0.9, t)))),
          correction2: Varying(Float(1 / (1 - power(0.99, t)))), recordsChange: records)
      },
      direction: { memory, g, epsilon, t in
        memory[0] = 0.9 * memory[0] + 0.1 * g
        memory[1] = 0.99 * memory[1] + 0.01 * g * g
        let mean = memory[0] / (1 - power(0.9, t))
        return mean / ((memory[1] / (1 - power(0.99, t))).squareRoot() + epsilon)
      })
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
      learningRate: [0.1, 0.1, 0.2], epsilon: [0, 0, 0], coupledDecay: [9, 9, 9],
      decoupledDecay: [0.01, 0, 0], compute: compute)
    try compute.updateNormalized(
      weight, gradient: matrix,
      norms: compute.tensor(norms, replicas: Self.replicas, rows: 1, columns: 1), rates: rate,
      active: compute.filled(1, replicas: Self.replicas, rows: 1, columns: 1), schedule: 0.5,
      recordsChange: true)
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
    try compute.updateSGD(
      weight, gradient: gradient, rates: rates,
      active: compute.tensor([1, 0], replicas: 2, rows: 1, columns: 1), schedule: 1)
    #expect(try compute.read(weight) == [0.5, 1.5, 3, 4])
  }

  private func power(_ base: Double, _ exponent: Int) -> Double {
    (0..<exponent).reduce(1) { product, _ in product * base }
  }
}
