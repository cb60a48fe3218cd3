import Foundation
import Tensors
import Testing

@testable import Experiments

@Suite struct NormalizationTests {
  private func floats(_ values: [Float], inputs: Int) -> DataSet {
    DataSet(
      name: "floats", features: .floats(values),
      labels: [UInt32](repeating: 0, count: values.count / inputs), inputs: inputs, classes: 2)
  }

  @Test func byteImage_mapsToSignedUnit() {
    let data = DataSet(
      name: "bytes", features: .bytes([0, 255, 51]), labels: [0], inputs: 3, classes: 2)
    #expect(data.defaultNormalization == .byteImage)
    let resolved = data.defaultNormalization.resolved(for: data, trainIndices: [])
    for (got, byte) in zip(data.normalized(rows: [0], by: resolved), [0.0, 255, 51]) {
      #expect((Double(got) - (byte / 255 - 0.5) / 0.5).magnitude <= 2e-7)
    }
  }

  @Test func identity_keepsValues() {
    let data = floats([1, -2, 3, 4], inputs: 2)
    let resolved = Normalization.identity.resolved(for: data, trainIndices: [])
    #expect(data.normalized(rows: [1, 0], by: resolved) == [3, 4, 1, -2])
  }

  @Test func perFeature_trainRowsHaveMeanZeroDeviationOne() {
    let seed: UInt64 = 11
    var random = Philox(seed: seed, stream: 0)
    let (count, inputs) = (101, 7)
    var values: [Float] = []
    for _ in 0..<count {
      for column in 0..<inputs {
        values.append(Float(column) * 10 + Float(column + 1) * random.roughlyNormal())
      }
    }
    let data = floats(values, inputs: inputs)
    #expect(data.defaultNormalization == .perFeature)
    let train = Array(0..<80)
    let resolved = Normalization.perFeature.resolved(for: data, trainIndices: train)
    let scaled = data.normalized(rows: train, by: resolved).map(Double.init)
    for column in 0..<inputs {
      let terms = stride(from: column, to: scaled.count, by: inputs).map { scaled[$0] }
      let mean = terms.reduce(0, +) / 80
      let square = terms.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / 80
      // Cancellation: terms of |mean|/std ≤ 60 ulp each.
      #expect(mean.magnitude <= 1e-5, "seed \(seed), column \(column)")
      #expect((square - 1).magnitude <= 1e-5, "seed \(seed), column \(column)")
    }
  }

  @Test func perFeature_seesTrainingRowsOnly() {
    let data = floats([1, 3, 1000], inputs: 1)
    let resolved = Normalization.perFeature.resolved(for: data, trainIndices: [0, 1])
    #expect(resolved == ResolvedNormalization(scale: [1], shift: [-2]))
  }

  @Test(arguments: [
    [0, 0, 0], [0.1, 0.1, 0.1], [1e30, 1e30, 1e30], [Float.leastNonzeroMagnitude * 700, 0, 0],
    [1000, 1000, 1000.000_06] as [Float],
  ])
  func perFeature_constantFeatureBecomesZero(values: [Float]) {
    let data = floats(values + [7], inputs: 1)
    let resolved = Normalization.perFeature.resolved(for: data, trainIndices: [0, 1, 2])
    #expect(data.normalized(rows: [0, 1, 2, 3], by: resolved) == [0, 0, 0, 0])
  }

  @Test func perFeature_hugeValuesStayFinite() {
    let data = floats([3e38, -3e38], inputs: 1)
    let resolved = Normalization.perFeature.resolved(for: data, trainIndices: [0, 1])
    let scaled = data.normalized(rows: [0, 1], by: resolved)
    #expect((scaled[0] - 1).magnitude <= 1e-5 && (scaled[1] + 1).magnitude <= 1e-5)
  }

  @Test func targetScaling_keepsASpreadBesideALargeMean() throws {
    // Seconds since 1970 of half an hour: Float tells those of 128 apart.
    let values = (0..<40).map { 1.6e9 + Double($0 * 97 % 41) * 50 }
    let rows = Array(0..<40)
    let scaling = try TargetScaling(of: values, names: ["time"], rows: rows, path: "d")
    let scaled = values.map { $0 * scaling.scale[0] + scaling.shift[0] }
    // Cancellation: |mean|/std ≈ 3e6 ulp.
    #expect((scaled.reduce(0, +) / 40).magnitude <= 1e-8)
    #expect((scaled.map { $0 * $0 }.reduce(0, +) / 40 - 1).magnitude <= 1e-8)
  }

  @Test func targetScaling_refusesWhatTrainingRowsDoNotTell() throws {
    func problem(_ values: [Double], rows: [Int]) -> String {
      do {
        _ = try TargetScaling(of: values, names: ["price"], rows: rows, path: "d")
        return ""
      } catch { return "\(error)" }
    }
    #expect(problem([3, 3, 4, 3], rows: [0, 1, 3]).contains("price is 3.0 in every training row"))
    #expect(problem([0.1, 0.1, 0.1], rows: [0, 1, 2]).contains("in every training row"))
    #expect(problem([3, 3, 4, 3], rows: [0, 1, 2]) == "")
    #expect(problem([1e300, -1e300], rows: [0, 1]).contains("64 bits"))
    #expect(problem([1, 1 + Double.ulpOfOne], rows: [0, 1]).contains("64 bits"))
  }

  @Test(arguments: [Normalization.identity, .byteImage, .perFeature])
  func coding_returnsTheSame(normalization: Normalization) throws {
    let data = try JSONEncoder().encode(normalization)
    #expect(try JSONDecoder().decode(Normalization.self, from: data) == normalization)
  }
}
