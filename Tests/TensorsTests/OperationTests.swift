import Foundation
import OpenCL
import GPUTrainTestSupport
import Testing

@testable import Tensors

@Suite(.serialized) struct OperationTests {
  let compute: Compute

  init() throws {
    compute = try Compute.idle()
  }

  /// φ in Double.
  func reference(_ activation: Activation, _ z: Double) -> Double {
    switch activation {
    case .identity: z
    case .relu: max(z, 0)
    case .tanh: tanh(z)
    case .gelu: 0.5 * z * (1 + tanh((2 / Double.pi).squareRoot() * (z + 0.044715 * z * z * z)))
    case .silu: z / (1 + exp(-z))
    }
  }

  /// Off 0, where ReLU has no derivative.
  static let points: [Float] = (0..<390).map { index in Float(index % 97) * 0.13 - 6.17 }

  @Test(arguments: Activation.allCases) func activation_matchesDouble(_ activation: Activation)
    throws
  {
    let z = try compute.tensor(Self.points, replicas: 2, rows: 3, columns: 65)
    let got = try compute.read(compute.activate(z, activation))
    for (x, y) in zip(Self.points, got) {
      #expect(abs(Double(y) - reference(activation, Double(x))) <= 1e-6 + 1e-6 * abs(Double(x)))
    }
  }

  /// Far out and at the seams of what exponentials are made of: exact to what rounding of the exponent, which
  /// is the argument in brackets, allows; the derivative is finite.
  @Test(arguments: [Activation.tanh, .gelu, .silu])
  func activation_isExactFarOut(_ activation: Activation) throws {
    let sizes: [Float] = [
      1e-30, 1e-8, 1e-3, 0.1, 0.6249, 0.6251, 1, 3, 6, 9, 20, 44, 86, 88, 89, 104, 200, 1e6, 1e19,
    ]
    let points = sizes + sizes.map { -$0 }
    let z = try compute.tensor(points, rows: 1, columns: points.count)
    let got = try compute.read(compute.activate(z, activation))
    for (x, y) in zip(points.map { Double($0) }, got.map { Double($0) }) {
      let exponent = abs(activation == .gelu ? 1.6 * (x + 0.0447 * x * x * x) : x)
      let expected: Double =
        switch activation {
        case .tanh: tanh(x)
        case .gelu: x / (1 + exp(-2 * (2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
        default: x / (1 + exp(-x))
        }
      // Below float's least normal number nothing is promised.
      let bound = (1e-6 + 5e-7 * min(exponent, 100)) * abs(expected) + 2e-38 * abs(x)
      #expect(abs(y - expected) <= max(bound, 2e-38), "\(activation) of \(x): \(y), \(expected)")
    }
    let delta = try compute.tensor(points.map { _ in 1 }, rows: 1, columns: points.count)
    try compute.multiplyByDerivative(delta, of: activation, at: z)
    let slopes = try compute.read(delta)
    #expect(slopes.allSatisfy { $0.isFinite }, "\(slopes)")
    let flat: [Float] = activation == .tanh ? [0, 0] : [1, 0]
    #expect([slopes[sizes.count - 1], slopes[points.count - 1]].map { abs($0) } == flat)
  }

  /// A network that has diverged must not look as if it had not.
  @Test(arguments: Activation.allCases) func activation_keepsNaN(_ activation: Activation) throws {
    let z = try compute.tensor([.nan, 1], rows: 1, columns: 2)
    #expect(try compute.read(compute.activate(z, activation))[0].isNaN)
    if activation != .identity {
      let delta = try compute.tensor([1, 1], rows: 1, columns: 2)
      try compute.multiplyByDerivative(delta, of: activation, at: z)
      #expect(try compute.read(delta)[0].isNaN)
    }
  }

  @Test(arguments: Activation.allCases) func derivative_matchesCentralDifferences(
    _ activation: Activation
  ) throws {
    let z = try compute.tensor(Self.points, replicas: 2, rows: 3, columns: 65)
    let delta = try compute.tensor(
      Self.points.map { _ in 2 }, replicas: 2, rows: 3, columns: 65)
    try compute.multiplyByDerivative(delta, of: activation, at: z)
    let step = 1e-6
    for (x, y) in zip(Self.points, try compute.read(delta)) {
      let slope =
        (reference(activation, Double(x) + step) - reference(activation, Double(x) - step)) / step
      // 1e-5: a difference quotient's own error, and a float32 derivative near 1.
      #expect(abs(Double(y) - slope) <= 1e-5)
    }
  }

  @Test func bias_isAddedToItsReplicasRows_andItsGradientIsTheRowSum() throws {
    let z = try compute.tensor((0..<12).map(Float.init), replicas: 2, rows: 2, columns: 3)
    try compute.addBias(
      compute.tensor([10, 20, 30, 40, 50, 60], replicas: 2, rows: 1, columns: 3), to: z)
    #expect(try compute.read(z) == [10, 21, 32, 13, 24, 35, 46, 57, 68, 49, 60, 71])
    #expect(try compute.read(compute.sumRows(z)) == [23, 45, 67, 95, 117, 139])
  }

  @Test func normal_hasItsMomentsAndEachReplicasOwnStd() throws {
    let count = 40_000
    let values = try compute.read(
      compute.normal(seeds: [1, 2], std: [1, 0.5], stream: 3, rows: 200, columns: 200))
    for (replica, std) in [1.0, 0.5].enumerated() {
      let sample = values[replica * count..<(replica + 1) * count].map(Double.init)
      let mean = sample.reduce(0, +) / Double(count)
      let variance = sample.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / Double(count)
      // Five standard errors: 5/√n for the mean, 5·√(2/n) for the variance.
      #expect(abs(mean) <= 5 * std / Double(count).squareRoot())
      #expect(abs(variance / (std * std) - 1) <= 5 * (2 / Double(count)).squareRoot())
    }
  }

  /// Philox 4x32-10 with counter 0 and key 0 gives 6627e8d5 e169c58d bc57ac4c 9b00dbd8
  /// (Random123's known answers).
  @Test func normal_isBoxMullerOfThePublishedPhiloxVector() throws {
    let expected = boxMuller([0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8])
    let got = try compute.read(compute.normal(seeds: [0], std: [1], stream: 0, rows: 1, columns: 4))
    for (value, want) in zip(got, expected) {
      #expect(abs(Double(value) - want) <= 1e-5)
    }
  }

  @Test(arguments: [1, 2, 3, 5, 255, 257]) func normal_writesNothingPastItsReplica(count: Int)
    throws
  {
    let group = try compute.read(
      compute.normal(seeds: [7, 8], std: [1, 1], stream: 1, rows: 1, columns: count))
    for (replica, seed) in [UInt64(7), 8].enumerated() {
      let solo = try compute.read(
        compute.normal(seeds: [seed], std: [1], stream: 1, rows: 1, columns: count))
      #expect(Array(group[replica * count..<(replica + 1) * count]) == solo)
    }
  }

  @Test func normal_differsByStream() throws {
    let one = try compute.read(compute.normal(seeds: [1], std: [1], stream: 0, rows: 1, columns: 8))
    let far = try compute.read(
      compute.normal(seeds: [1], std: [1], stream: 1 << 32, rows: 1, columns: 8))
    #expect(Set(one).isDisjoint(with: far))
    #expect(Philox.stream("a.weight") != Philox.stream("b.weight"))
    let two = try compute.read(compute.normal(seeds: [1], std: [1], stream: 1, rows: 1, columns: 8))
    #expect(zip(one, two).allSatisfy { $0 != $1 })
  }

  /// Counts around the vectors of a work-item and its work-groups, in replicas that do not start at a
  /// vector: a replica alone is the same, bit for bit.
  @Test(arguments: [1, 3, 16, 67, 1024, 1031], [4, 8, 16])
  func weightedSums_matchDouble_inAnyGroup(count: Int, width: Int) throws {
    let compute = try Compute.idle(vectorWidth: width)
    var random = Philox(seed: 5, stream: 0)
    let (a, b) = (
      (0..<3 * count).map { _ in random.uniform(-1, 1) },
      (0..<3 * count).map { _ in random.uniform(-1, 1) }
    )
    func results(_ a: [Float], _ b: [Float], replicas: Int) throws -> [[Float]] {
      let x = try compute.tensor(a, replicas: replicas, rows: 1, columns: count)
      let y = try compute.tensor(b, replicas: replicas, rows: 1, columns: count)
      let sum = try compute.read(compute.add(x, y, scale: -0.3))
      let multiple = try compute.read(compute.scaled(y, by: 0.7))
      #expect(try compute.read(x) == a && compute.read(y) == b)
      try compute.accumulate(y, into: x)
      let once = try compute.read(x)
      try compute.accumulate(y, into: x, scale: 0.7)
      #expect(try compute.read(y) == b)
      return [sum, multiple, once, try compute.read(x)]
    }
    let group = try results(a, b, replicas: 3)
    for index in a.indices {
      // A fused product and sum is rounded once.
      let (x, y) = (a[index], b[index])
      #expect(group[0][index] == x.addingProduct(-0.3, y))
      #expect(group[1][index] == 0.7 * y)
      #expect(group[2][index] == x + y)
      #expect(group[3][index] == (x + y).addingProduct(0.7, y))
    }
    for replica in 0..<3 {
      let part = replica * count..<(replica + 1) * count
      #expect(
        try results(Array(a[part]), Array(b[part]), replicas: 1) == group.map { Array($0[part]) })
    }
  }

  @Test(arguments: [1, 7, 64, 65, 131]) func diagonals_areSubtractedFrom(size: Int) throws {
    let values = (0..<3 * size * size).map { Float($0 % 29) }
    let x = try compute.tensor(values, replicas: 3, rows: size, columns: size)
    let own: [Float] = [2, -3, 0.5]
    try compute.subtract(
      compute.tensor(own, replicas: 3, rows: 1, columns: 1), fromDiagonalOf: x)
    #expect(
      try compute.read(x)
        == values.enumerated().map { index, value in
          let place = index % (size * size)
          return place / size == place % size ? value - own[index / (size * size)] : value
        })
  }

  @Test func accumulate_ofATensorIntoItself_isAMultiple() throws {
    let x = try compute.tensor(Self.points, rows: 1, columns: Self.points.count)
    try compute.accumulate(x, into: x, scale: 2)
    #expect(try compute.read(x) == Self.points.map { $0.addingProduct(2, $0) })
  }
}
