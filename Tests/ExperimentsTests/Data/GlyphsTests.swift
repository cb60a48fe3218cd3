import Testing

@testable import Experiments

@Suite struct GlyphsTests {
  @Test func glyphs_haveDocumentedShape() {
    let data = DataSet.glyphs()
    #expect(data.count == 11_000 && data.inputs == 64 && data.classes == 10)
    #expect(data.features.count == 11_000 * 64)
  }

  @Test func glyphs_contentsArePinned() {
    // Only operations that IEEE 754 rounds one way: the same on every platform. A change of the
    // drawing changes recorded results, so it must be seen here.
    #expect(DataSet.glyphs().fingerprint == "310d99ebd8c2361b")
  }

  @Test func glyphs_followSeed() {
    let data = DataSet.glyphs(count: 50, seed: 4)
    #expect(DataSet.glyphs(count: 50, seed: 4).fingerprint == data.fingerprint)
    #expect(DataSet.glyphs(count: 50, seed: 5).fingerprint != data.fingerprint)
  }

  @Test func glyphs_seedsShareNoRow() {
    // Rows take their generator from seed and row number; neighbouring seeds must not meet.
    func rows(seed: UInt64) -> Set<[Float]> {
      let values = DataSet.glyphs(count: 100, seed: seed).values
      return Set((0..<100).map { Array(values[($0 * 64)..<($0 * 64 + 64)]) })
    }
    let all = (0..<5).map { rows(seed: $0) }.reduce(into: Set<[Float]>()) { $0.formUnion($1) }
    #expect(all.count == 500)
  }

  @Test func glyphs_smallerSetIsAStart() {
    let few = DataSet.glyphs(count: 13, seed: 2)
    #expect(few.values == Array(DataSet.glyphs(count: 40, seed: 2).values.prefix(13 * 64)))
  }

  @Test(arguments: [1, 10, 997]) func glyphs_classesAreBalanced(count: Int) {
    var counts = [Int](repeating: 0, count: 10)
    for label in DataSet.glyphs(count: count).labels { counts[Int(label)] += 1 }
    #expect((counts.max() ?? 0) - (counts.min() ?? 0) <= 1)
  }

  /// Nearest class mean: well over chance (0.1), so digits are there; far from perfect, so there
  /// is something left for a network.
  @Test func glyphs_areLearnableNotTrivial() {
    let values = DataSet.glyphs(count: 1500).values
    let split = 1000
    var means = [[Float]](repeating: [Float](repeating: 0, count: 64), count: 10)
    for row in 0..<split {
      for column in 0..<64 { means[row % 10][column] += values[row * 64 + column] * 10 / 1000 }
    }
    var right = 0
    for row in split..<1500 {
      let distances = means.map { mean in
        var sum: Float = 0
        for column in 0..<64 {
          let difference = values[row * 64 + column] - mean[column]
          sum += difference * difference
        }
        return sum
      }
      if distances.firstIndex(of: distances.min() ?? 0) == row % 10 { right += 1 }
    }
    let accuracy = Double(right) / 500
    #expect(accuracy >= 0.5 && accuracy <= 0.85, "accuracy \(accuracy)")
  }
}
