import OpenCL
import Testing

@testable import Tensors

/// Three steps of each rule against the same recurrence in Double.
@Suite(.serialized) struct UpdateTests {
  let compute: Compute
  let weights: [Float] = [1, -2, 0.5, 0.25]
  let gradients: [[Float]] = [[0.3, -0.1, 2, 0.01], [0.1, 0.4, -1, 0.02], [-0.2, 0.1, 1, 0.05]]
  let schedule: [Float] = [0.5, 1, 0.75]
  /// Replica by replica: η, ε, coupled λ, decoupled η·λ.
  let rates: [[Float]] = [[0.1, 0.01], [1e-3, 1e-8], [0.2, 0], [0, 0.05]]

  init() throws {
    compute = try Compute(device: .find(.best))
  }

  /// Runs three steps of two replicas of two weights; `direction` is the reference's rule.
  func expectSteps(
    step: (Tensor, Tensor, [Tensor], UpdateRates, Tensor, Float, Int) throws -> Void,
    direction: (inout [Double], Double, Double, Int) -> Double
  ) throws {
    func tensor(_ values: [Float]) throws -> Tensor {
      try compute.tensor(values, replicas: 2, rows: 1, columns: 2)
    }
    let weight = try tensor(weights)
    let state = [try tensor([0, 0, 0, 0]), try tensor([0, 0, 0, 0])]
    let active = try compute.tensor([1, 1], replicas: 2, rows: 1, columns: 1)
    let rate = try UpdateRates(
      learningRate: rates[0], epsilon: rates[1], coupledDecay: rates[2], decoupledDecay: rates[3],
      compute: compute)
    var expected = weights.map(Double.init)
    var memory = [[Double]](repeating: [0, 0], count: 4)
    for t in 0..<3 {
      try step(weight, tensor(gradients[t]), state, rate, active, schedule[t], t + 1)
      for index in 0..<4 {
        let replica = index / 2
        let s = Double(schedule[t])
        let g = Double(gradients[t][index]) + Double(rates[2][replica]) * expected[index]
        let d = direction(&memory[index], g, Double(rates[1][replica]), t + 1)
        let kept = 1 - s * Double(rates[3][replica])
        expected[index] = expected[index] * kept - s * Double(rates[0][replica]) * d
      }
    }
    for (got, want) in zip(try compute.read(weight), expected) {
      #expect(abs(Double(got) - want) <= 2e-6 * (1 + abs(want)))
    }
  }

  @Test func sgd_matchesDouble() throws {
    try expectSteps(
      step: { weight, gradient, _, rates, active, schedule, _ in
        try compute.updateSGD(
          weight, gradient: gradient, rates: rates, active: active, schedule: schedule)
      },
      direction: { _, g, _, _ in g })
  }

  @Test(arguments: [false, true]) func momentum_matchesDouble(nesterov: Bool) throws {
    try expectSteps(
      step: { weight, gradient, state, rates, active, schedule, _ in
        try compute.updateMomentum(
          weight, gradient: gradient, velocity: state[0], rates: rates, active: active,
          schedule: schedule, momentum: 0.9,
          nesterov: nesterov)
      },
      direction: { memory, g, _, _ in
        memory[0] = 0.9 * memory[0] + g
        return nesterov ? g + 0.9 * memory[0] : memory[0]
      })
  }

  @Test func adam_matchesDouble() throws {
    try expectSteps(
      step: { weight, gradient, state, rates, active, schedule, t in
        try compute.updateAdam(
          weight, gradient: gradient, mean: state[0], square: state[1], rates: rates,
          active: active, schedule: schedule, beta1: 0.9, beta2: 0.99,
          correction1: Float(1 / (1 - power(0.9, t))), correction2: Float(1 / (1 - power(0.99, t))))
      },
      direction: { memory, g, epsilon, t in
        memory[0] = 0.9 * memory[0] + 0.1 * g
        memory[1] = 0.99 * memory[1] + 0.01 * g * g
        let mean = memory[0] / (1 - power(0.9, t))
        return mean / ((memory[1] / (1 - power(0.99, t))).squareRoot() + epsilon)
      })
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
