import Testing

@testable import Experiments

/// What is checked and said of the rows that train.
@Suite struct TrainingDataTests {
  private func data(features: [Float]? = nil, _ targets: DataSet.Targets, count: Int) -> LoadedData
  {
    let values = features ?? (0..<count).map { Float($0) }
    return LoadedData(
      train: DataSet(
        name: "set", features: .floats(values), targets: targets, inputs: values.count / count))
  }

  @Test func target_constantOverTrainingRowsIsRefused() throws {
    let held = try DataSplit(count: 60, seed: 0).validation[0]
    let values = (0..<60).map { $0 == held ? 4.0 : 3 }
    let source = data(.values(values, names: ["price"]), count: 60)
    #expect(throws: DataError.constantTarget(path: "set", name: "price", value: "3.0")) {
      try TrainingData(source)
    }
    #expect(throws: Never.self) { try TrainingData(source, validationFraction: 0) }
  }

  @Test func note_countsClassesWithoutTrainingRow() throws {
    let held = try DataSplit(count: 60, seed: 0).validation[0]
    let labels = (0..<60).map { $0 == held ? UInt32(2) : UInt32($0 % 2) }
    let source = data(.classes(labels, classes: 3), count: 60)
    #expect(try TrainingData(source).notes == ["1 of the 3 classes have no training row"])
    #expect(try TrainingData(source, validationFraction: 0).notes == [])
  }

  @Test func note_namesFeaturesThatRoundingLeaves() throws {
    // Seconds since 1970, beside a number and a constant.
    let features = (0..<20).flatMap { row -> [Float] in
      [1.6e9 + Float(row % 3) * 128, Float(row), 5]
    }
    let source = data(
      features: features, .classes((0..<20).map { UInt32($0 % 2) }, classes: 2), count: 20)
    #expect(
      try TrainingData(source).notes == [
        "features of column 1 differ by less than 32 bits hold beside their mean and become 0; "
          + "subtract it in the file"
      ])
    #expect(try TrainingData(source, normalization: .identity).notes == [])
  }
}
