import Foundation
import OpenCL
import GPUTrainTestSupport
import Testing

@testable import Tensors

/// Normalisations and their gradients against plain loops in Double, by both variants of the kernels
/// and vectors of 4, 8 and 16.
@Suite(.serialized) struct NormalizationTests {
  /// Rows of one element, rows that are no multiple of a vector, slices of rows that are not full, and
  /// rows that work-items add in several stretches.
  static let shapes = [(1, 1), (3, 5), (7, 64), (33, 130), (4, 4096), (65, 67)]
  static let epsilon: Float = 1e-5

  /// What is normalised, as the tests go through it: with which parameters, by how many replicas.
  static let cases = [(1, true), (1, false), (3, true), (3, false)]

  private static func compute(_ width: Int, _ variant: KernelVariant) throws -> Compute {
    try Compute.idle(vectorWidth: width, kernelVariant: variant)
  }

  /// |got − reference| ≤ tolerance·scale for every element; NaN fails.
  private func expect(
    _ got: [Float], _ reference: [Double], scale: [Double], tolerance: Double, _ what: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(got.count == reference.count, sourceLocation: sourceLocation)
    var worst = 0.0
    var wrong = 0
    for index in got.indices {
      let error = abs(Double(got[index]) - reference[index])
      if !(error <= tolerance * scale[index]) { wrong += 1 }
      worst = max(worst, error / scale[index])
    }
    #expect(
      wrong == 0, "\(what): \(wrong) of \(got.count), worst \(worst)",
      sourceLocation: sourceLocation)
  }

  // MARK: Against Double

  @Test(arguments: [false, true])
  func normalization_andItsGradients_matchDouble(isCentered: Bool) throws {
    let computes = try KernelVariant.allCases.flatMap { variant in
      try [4, 8, 16].map { try Self.compute($0, variant) }
    }
    for (rows, columns) in Self.shapes {
      for (replicas, hasParameters) in Self.cases {
        let problem = NormalizationProblem(
          replicas: replicas, rows: rows, columns: columns, isCentered: isCentered,
          hasGain: hasParameters, hasBias: hasParameters && isCentered)
        let reference = problem.reference()
        for compute in computes {
          try expectAgreement(problem, with: reference, on: compute)
        }
      }
    }
  }

  /// A gain without a bias, and a bias without a gain.
  @Test(arguments: [(true, false), (false, true)], KernelVariant.allCases)
  func layerNorm_withOneParameter_matchesDouble(
    has: (gain: Bool, bias: Bool), variant: KernelVariant
  ) throws {
    let problem = NormalizationProblem(
      replicas: 2, rows: 40, columns: 37, isCentered: true, hasGain: has.gain, hasBias: has.bias)
    try expectAgreement(problem, on: Self.compute(4, variant))
  }

  /// Sums of 16384 terms of one sign, at vectors of 4 by one work-item.
  @Test(arguments: KernelVariant.allCases)
  func normalization_ofLongRows_matchesDouble(variant: KernelVariant) throws {
    for isCentered in [false, true] {
      let problem = NormalizationProblem(
        replicas: 1, rows: 2, columns: 16_384, isCentered: isCentered, hasGain: true,
        hasBias: isCentered)
      try expectAgreement(problem, on: Self.compute(4, variant))
    }
  }

  /// Equal terms are rounded the same way time and again: 1024 of them in one float, as four lanes
  /// would have, leave an error of 1e-5, 32 of their sums of 32 one of 5e-7.
  @Test(arguments: KernelVariant.allCases)
  func sums_ofManyEqualElements_keepTheirDigits(variant: KernelVariant) throws {
    let compute = try Self.compute(4, variant)
    let (values, columns): ([Float], Int) = ([0.1, 0.7, 1.3, 2.9, 3.3], 16_384)
    let x = try compute.tensor(
      values.flatMap { [Float](repeating: $0, count: columns) }, rows: values.count,
      columns: columns)
    let inverse = try compute.read(compute.rmsNorm(x, gain: nil, epsilon: 0).inverse)
    let mean = try compute.read(
      compute.layerNorm(x, gain: nil, bias: nil, epsilon: 1).mean)
    let want = values.map(Double.init)
    expect(inverse, want.map { 1 / $0 }, scale: want.map { 1 / $0 }, tolerance: 1e-6, "r")
    expect(mean, want, scale: want, tolerance: 1e-6, "μ")
  }

  /// Squares of a mean of 1e3 are 1e6 times the variance: subtracted late, they would leave one digit.
  /// μ is a float, off by 2⁻²⁴·1e3 or, summed, a few times that: so far off is x̂.
  @Test(arguments: [(7, 64), (33, 130), (4, 4096)], KernelVariant.allCases)
  func layerNorm_ofLargeMean_keepsItsDigits(
    shape: (rows: Int, columns: Int), variant: KernelVariant
  )
    throws
  {
    let problem = NormalizationProblem(
      replicas: 2, rows: shape.rows, columns: shape.columns, isCentered: true, hasGain: true,
      hasBias: true, mean: 1e3)
    try expectAgreement(problem, on: Self.compute(8, variant), tolerance: 3e-4)
  }

  /// Errors of a few roundings (2⁻²⁴ = 6e-8) of the terms that an element is made of.
  private func expectAgreement(
    _ problem: NormalizationProblem, with reference: NormalizationProblem.Reference? = nil,
    on compute: Compute,
    tolerance: Double = 1e-6
  ) throws {
    let want = reference ?? problem.reference()
    let got = try problem.run(compute)
    let name = "\(problem.name) \(compute.kernelVariant) \(compute.vectorWidth)"
    let ones = want.inverse.map(abs)
    expect(got.inverse, want.inverse, scale: ones, tolerance: tolerance, "\(name): r")
    if problem.isCentered {
      let sizes = want.mean.indices.map { problem.largest(row: $0) }
      expect(got.mean, want.mean, scale: sizes, tolerance: 1e-6, "\(name): μ")
    }
    expect(
      got.output, want.output, scale: want.output.map { 1 + abs($0) }, tolerance: tolerance,
      "\(name): output")
    expect(
      got.input, want.input, scale: want.inputScale, tolerance: tolerance, "\(name): ∂x")
    #expect((got.gain != nil) == problem.hasGain && (got.bias != nil) == problem.hasBias)
    if let gain = got.gain {
      expect(
        gain, want.gain ?? [], scale: want.gainScale, tolerance: tolerance, "\(name): ∂gain")
    }
    if let bias = got.bias {
      expect(
        bias, want.bias ?? [], scale: want.gainScale, tolerance: tolerance, "\(name): ∂bias")
    }
  }

  // MARK: Against difference quotients

  /// ∂ of Σ δ ∘ output by central differences of the reference, at some elements of each tensor.
  @Test(arguments: shapes, [false, true])
  func gradients_matchCentralDifferences(shape: (rows: Int, columns: Int), isCentered: Bool) throws
  {
    for variant in KernelVariant.allCases {
      for hasParameters in [false, true] {
        var problem = NormalizationProblem(
          replicas: 2, rows: shape.rows, columns: shape.columns, isCentered: isCentered,
          hasGain: hasParameters, hasBias: hasParameters && isCentered)
        let got = try problem.run(Self.compute(4, variant))
        let scales = problem.reference()
        func check(
          _ path: WritableKeyPath<NormalizationProblem, [Double]>, _ got: [Float], _ scale: [Double]
        ) {
          for index in stride(from: 0, to: got.count, by: max(1, got.count / 12)) {
            let step = 1e-4
            let value = problem[keyPath: path][index]
            let rows = problem.rows(of: index, isInput: path == \.x)
            problem[keyPath: path][index] = value + step
            let up = problem.loss(rows: rows)
            problem[keyPath: path][index] = value - step
            let down = problem.loss(rows: rows)
            problem[keyPath: path][index] = value
            let slope = (up - down) / (2 * step)
            // 1e-6 of the terms, and the quotient's own error of second order: a row of few columns
            // is the most curved.
            #expect(
              abs(Double(got[index]) - slope) <= 1e-6 * scale[index] + 1e-5 * (1 + abs(slope)),
              "\(problem.name) \(variant) \(index): \(got[index]), quotient \(slope)")
          }
        }
        check(\.x, got.input, scales.inputScale)
        if let gain = got.gain { check(\.gain, gain, scales.gainScale) }
        if let bias = got.bias { check(\.bias, bias, scales.gainScale) }
      }
    }
  }

  // MARK: Properties

  @Test(arguments: [4, 8, 16], KernelVariant.allCases)
  func replica_aloneAndInAGroup_isTheSame(width: Int, variant: KernelVariant) throws {
    let compute = try Self.compute(width, variant)
    for (rows, columns) in Self.shapes {
      for isCentered in [false, true] {
        let problem = NormalizationProblem(
          replicas: 3, rows: rows, columns: columns, isCentered: isCentered, hasGain: true,
          hasBias: isCentered)
        let group = try problem.run(compute)
        for replica in 0..<3 {
          let solo = try problem.replica(replica).run(compute)
          #expect(solo == group.replica(replica, of: 3), "\(problem.name), replica \(replica)")
        }
      }
    }
  }

  @Test(arguments: KernelVariant.allCases)
  func backward_leavesItsOperandsAlone(variant: KernelVariant) throws {
    let compute = try Self.compute(16, variant)
    let problem = NormalizationProblem(
      replicas: 2, rows: 5, columns: 67, isCentered: true, hasGain: true, hasBias: true)
    func tensor(_ values: [Double], rows: Int, columns: Int) throws -> Tensor {
      try compute.tensor(values.map(Float.init), replicas: 2, rows: rows, columns: columns)
    }
    let x = try tensor(problem.x, rows: 5, columns: 67)
    let delta = try tensor(problem.delta, rows: 5, columns: 67)
    let gain = try tensor(problem.gain, rows: 1, columns: 67)
    let rms = try compute.rmsNorm(x, gain: gain, epsilon: 0)
    _ = try compute.rmsNormBackward(delta, input: x, inverse: rms.inverse, gain: gain)
    let layer = try compute.layerNorm(x, gain: gain, bias: gain, epsilon: 0)
    _ = try compute.layerNormBackward(
      delta, input: x, mean: layer.mean, inverse: layer.inverse, gain: gain, wantsBias: true)
    #expect(try compute.read(x) == problem.x.map(Float.init))
    #expect(try compute.read(delta) == problem.delta.map(Float.init))
    #expect(try compute.read(gain) == problem.gain.map(Float.init))
  }

  /// Nothing is read or written behind a tensor: kernels run with results that have a guard.
  @Test(arguments: [4, 16], KernelVariant.allCases)
  func normalization_staysWithinItsTensors(width: Int, variant: KernelVariant) throws {
    let compute = try Self.compute(width, variant)
    let sentinel: Float = -77
    for (rows, columns) in [(1, 1), (3, 5), (9, 67), (33, 130), (2, 515)] {
      func guarded(_ rows: Int, _ columns: Int, _ value: Float, _ behind: Float) throws -> Tensor {
        let tensor = try Tensor(
          replicas: 2, rows: rows, columns: columns, guarded: 64, pool: compute.pool)
        try tensor.buffer.write(
          (0..<tensor.count).map { value * Float($0 % 7 + 1) }
            + [Float](repeating: behind, count: 64), queue: compute.queue)
        return tensor
      }
      func output(_ rows: Int, _ columns: Int) throws -> Tensor {
        try guarded(rows, columns, .nan, sentinel)
      }
      let x = try guarded(rows, columns, 1, .nan)
      let gain = try guarded(1, columns, 1, .nan)
      let (mean, inverse) = (try output(rows, 1), try output(rows, 1))
      let y = try output(rows, columns)
      let slope = try output(rows, columns)
      let slices = (rows + 31) / 32
      let (gains, biases) = (try output(slices, columns), try output(slices, columns))
      try compute.layerNorm(
        x, gain: gain, bias: gain, epsilon: 1, output: y, mean: mean, inverse: inverse)
      try compute.layerNormBackward(
        x, input: x, mean: mean, inverse: inverse, gain: gain, into: slope)
      try compute.sumGains(
        x, input: x, mean: mean, inverse: inverse, gains: gains, biases: biases)
      for (name, tensor) in [
        ("output", y), ("mean", mean), ("inverse", inverse), ("∂x", slope), ("∂gain", gains),
        ("∂bias", biases),
      ] {
        let values = try compute.read(tensor)
        #expect(
          values.suffix(64).allSatisfy { $0 == sentinel }
            && values.dropLast(64).allSatisfy { $0.isFinite }, "\(name) \(rows)×\(columns)")
      }
    }
  }

  /// A row that has diverged must not look as if it had not, nor spoil the others.
  @Test(arguments: KernelVariant.allCases)
  func rowThatIsNotFinite_isNaN(variant: KernelVariant) throws {
    let compute = try Self.compute(4, variant)
    var values = [Float](repeating: 1, count: 4 * 9)
    for (row, value) in [Float.nan, .infinity, 1e20].enumerated() { values[9 * row + row] = value }
    let x = try compute.tensor(values, rows: 4, columns: 9)
    let rms = try compute.rmsNorm(x, gain: nil, epsilon: 0)
    let layer = try compute.layerNorm(x, gain: nil, bias: nil, epsilon: 1e-5)
    for output in [rms.output, layer.output] {
      let got = try compute.read(output)
      #expect(got.prefix(27).filter(\.isFinite).isEmpty)
      #expect(got.suffix(9).allSatisfy { $0 == (output.buffer === rms.output.buffer ? 1 : 0) })
    }
  }
}
