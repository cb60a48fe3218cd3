import OpenCL
import GPUTrainTestSupport
import Testing

@testable import Tensors

/// What a product does next, on every backend, against a product alone and kernels of their own.
@Suite(.serialized) struct ProductEpilogueTests {
  static let shapes = [(1, 1, 1), (7, 13, 5), (64, 64, 64), (33, 65, 300), (5, 600, 17)]
  static let replicas = 3

  private func tensor(_ compute: Compute, _ rows: Int, _ columns: Int, seed: UInt64) throws
    -> Tensor
  {
    let values = Philox.values(Self.replicas * rows * columns, seed: seed)
    return try compute.tensor(values, replicas: Self.replicas, rows: rows, columns: columns)
  }

  /// Equal but for the order of two roundings, and for a tanh of vectors.
  private func expectAlike(_ got: [Float], _ want: [Float], _ what: String) {
    #expect(
      got.count == want.count
        && zip(got, want).allSatisfy { abs($0 - $1) <= 2e-6 * (1 + abs($1)) }, "\(what)")
  }

  @Test(arguments: Activation.allCases, [false, true]) func forward_isProductBiasActivation(
    activation: Activation, hasBias: Bool
  ) throws {
    for compute in try MatrixProductTests.computes()
      + MatrixProductTests.emulatedComputes().suffix(1)
    {
      for (m, n, k) in Self.shapes {
        let input = try tensor(compute, m, k, seed: 1)
        let weight = try tensor(compute, n, k, seed: 2)
        let bias = hasBias ? try tensor(compute, 1, n, seed: 3) : nil
        let (z, output) = try compute.layer(
          input, weight: weight, bias: bias, alpha: 0.25, activation: activation)
        let plain = try compute.product(.nt, input, weight, alpha: 0.25)
        if let bias { try compute.addBias(bias, to: plain) }
        let what = "\(compute.backend.name) \(compute.vectorWidth) \(m)×\(n)×\(k)"
        expectAlike(try compute.read(z), try compute.read(plain), what)
        expectAlike(
          try compute.read(output), try compute.read(compute.activate(plain, activation)), what)
      }
    }
  }

  @Test(arguments: Activation.allCases) func passedBack_isProductTimesDerivative(
    activation: Activation
  ) throws {
    for compute in try MatrixProductTests.computes()
      + MatrixProductTests.emulatedComputes().suffix(1)
    {
      for (m, n, k) in Self.shapes {
        let delta = try tensor(compute, m, k, seed: 4)
        let weight = try tensor(compute, k, n, seed: 5)
        let z = try tensor(compute, m, n, seed: 6)
        let got = try compute.passBack(
          delta, weight: weight, alpha: 0.5, through: ActivationDerivative(of: activation, at: z))
        let plain = try compute.product(.nn, delta, weight, alpha: 0.5)
        try compute.multiplyByDerivative(plain, of: activation, at: z)
        expectAlike(
          try compute.read(got), try compute.read(plain),
          "\(compute.backend.name) \(compute.vectorWidth) \(m)×\(n)×\(k)")
      }
    }
  }

  @Test func addends_areAdded() throws {
    for compute in try MatrixProductTests.computes()
      + MatrixProductTests.emulatedComputes().suffix(1)
    {
      for (m, n, k) in Self.shapes {
        let (a, b) = (try tensor(compute, m, k, seed: 7), try tensor(compute, k, n, seed: 8))
        let addend = try tensor(compute, m, n, seed: 9)
        let got = try compute.read(compute.product(.nn, a, b, alpha: 0.5, adding: addend))
        let plain = try compute.read(compute.product(.nn, a, b, alpha: 0.5))
        let want = zip(plain, try compute.read(addend)).map { $0 + $1 }
        expectAlike(got, want, "\(compute.backend.name) \(compute.vectorWidth) \(m)×\(n)×\(k)")
      }
    }
  }

  /// Half of a symmetric product is copied from the other half, to the bits that it would have.
  @Test(arguments: [(5, 7), (96, 40), (97, 300), (131, 64), (250, 1030), (512, 96)])
  func gramMatrices_areSymmetricProducts(_ size: (side: Int, depth: Int)) throws {
    let group = try Compute.idle(backend: .opencl, vectorWidth: 8, kernelVariant: .group)
    for compute in try MatrixProductTests.computes() + [group] {
      let wide = try tensor(compute, size.side, size.depth, seed: 10)
      let tall = try tensor(compute, size.depth, size.side, seed: 11)
      for (form, matrix) in [(TransposeMode.nt, wide), (.tn, tall)] {
        let what =
          "\(compute.backend.name) \(compute.vectorWidth) \(form) \(size)"
        let gram = try compute.gram(form, matrix, alpha: 0.5)
        let plain = try compute.read(compute.product(form, matrix, matrix, alpha: 0.5))
        if compute.backend is CPUBackend {
          #expect(try compute.read(gram) == plain, "\(what)")
        } else {
          expectAlike(try compute.read(gram), plain, what)
        }
        let sum = try compute.read(compute.gram(.nt, gram, alpha: 0.25, adding: gram))
        let square = try compute.read(compute.product(.nt, gram, gram, alpha: 0.25))
        expectAlike(sum, zip(square, try compute.read(gram)).map { $0 + $1 }, what)
      }
    }
  }

  /// A network that has diverged must not look as if it had not.
  @Test(arguments: Activation.allCases) func nan_staysNaN(activation: Activation) throws {
    for compute in try MatrixProductTests.computes()
      + MatrixProductTests.emulatedComputes().suffix(1)
    {
      let bad = try compute.tensor([.nan, 1, 1, 1], rows: 2, columns: 2)
      let good = try compute.tensor([1, 1, 1, 1], rows: 2, columns: 2)
      let (z, output) = try compute.layer(
        bad, weight: good, bias: nil, alpha: 1, activation: activation)
      #expect(try compute.read(z).map(\.isNaN) == [true, true, false, false])
      #expect(try compute.read(output).map(\.isNaN) == [true, true, false, false])
      let back = try compute.passBack(
        good, weight: good, alpha: 1, through: ActivationDerivative(of: activation, at: z))
      if activation != .identity {
        #expect(try compute.read(back).map(\.isNaN) == [true, true, false, false])
      }
    }
  }

  @Test func epilogues_stayWithinTheirTensors() throws {
    let sentinel: Float = -77
    for compute in try MatrixProductTests.ownComputes()
      + MatrixProductTests.emulatedComputes().suffix(1)
    {
      func guarded(_ rows: Int, _ columns: Int, _ value: Float) throws -> Tensor {
        let tensor = try Tensor(
          replicas: 2, rows: rows, columns: columns, guarded: 64, pool: compute.pool)
        try tensor.buffer.write(
          [Float](repeating: 1, count: tensor.count) + [Float](repeating: value, count: 64),
          queue: compute.queue)
        return tensor
      }
      for (m, n, k) in Self.shapes {
        let (a, b) = (try guarded(m, k, .nan), try guarded(n, k, .nan))
        let (c, output) = (try guarded(m, n, sentinel), try guarded(m, n, sentinel))
        try compute.enqueue(
          MatrixProduct(
            .nt, a, b, alpha: 1,
            epilogue: .forward(bias: guarded(1, n, .nan), activation: .relu, output: output),
            into: c))
        for result in [c, output] {
          let got = try compute.read(result)
          #expect(
            got.dropLast(64).allSatisfy { $0 == Float(k + 1) }
              && got.suffix(64).allSatisfy { $0 == sentinel })
        }
      }
    }
  }
}

extension Philox {
  /// Uniform numbers in [−1, 1).
  static func values(_ count: Int, seed: UInt64) -> [Float] {
    var random = Philox(seed: seed, stream: 0)
    return (0..<count).map { _ in random.uniform(-1, 1) }
  }
}
