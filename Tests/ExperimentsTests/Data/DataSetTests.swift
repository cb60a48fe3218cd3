import OpenCL
import Tensors
import Testing

@testable import Experiments

@Suite struct DataSetTests {
  private let small = DataSet(
    name: "small", features: .bytes([1, 2, 3, 4]), labels: [0, 1], inputs: 2, classes: 2)

  @Test func fingerprint_isFNV1aOfContents() {
    // The loop over the documented byte order, written out.
    var bytes: [UInt8] = []
    for number in [UInt64(0), 2, 2, 2] { bytes += (0..<8).map { UInt8(number >> (8 * $0) & 255) } }
    bytes += [1, 2, 3, 4, 0, 0, 0, 0, 1, 0, 0, 0]
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    #expect(small.fingerprint == String(hash, radix: 16))
    #expect(small.fingerprint.count == 16)
  }

  @Test func fingerprint_followsContentsNotName() {
    func variant(
      name: String = "small", features: DataSet.Features = .bytes([1, 2, 3, 4]),
      labels: [UInt32] = [0, 1], inputs: Int = 2, classes: Int = 2
    ) -> String {
      DataSet(name: name, features: features, labels: labels, inputs: inputs, classes: classes)
        .fingerprint
    }
    #expect(variant(name: "other") == small.fingerprint)
    let others = [
      small.fingerprint, variant(features: .bytes([1, 2, 3, 5])), variant(labels: [1, 1]),
      variant(classes: 3), variant(features: .floats([1, 2, 3, 4])),
    ]
    #expect(Set(others).count == others.count)
  }

  @Test func roughlyNormal_hasUnitVariance() {
    var random = Philox(seed: 5, stream: 0)
    let count = 20_000
    var sum = 0.0
    var squares = 0.0
    for _ in 0..<count {
      let value = Double(random.roughlyNormal())
      sum += value
      squares += value * value
    }
    // Five standard errors: 1/√n for the mean, under √(2/n) for the variance.
    #expect((sum / Double(count)).magnitude <= 5 / Double(count).squareRoot())
    #expect((squares / Double(count) - 1).magnitude <= 5 * (2 / Double(count)).squareRoot())
  }
}

@Suite struct DataSplitTests {
  @Test(arguments: [2, 3, 10, 97, 4000]) func split_coversRowsOnce(count: Int) throws {
    let split = try DataSplit(count: count, seed: 3)
    #expect((split.train + split.validation).sorted() == Array(0..<count))
    #expect(split.validation.count == max(1, Int((0.1 * Double(count)).rounded())))
    #expect(split.train == split.train.sorted() && split.validation == split.validation.sorted())
  }

  @Test func split_followsSeed() throws {
    let split = try DataSplit(count: 100, seed: 1)
    #expect(try DataSplit(count: 100, seed: 1) == split)
    #expect(try DataSplit(count: 100, seed: 2) != split)
  }

  @Test func split_fractionKeepsARowOnEachSide() throws {
    #expect(try DataSplit(count: 5, validationFraction: 0.99, seed: 0).train.count == 1)
    #expect(try DataSplit(count: 5, validationFraction: 0.001, seed: 0).validation.count == 1)
    #expect(try DataSplit(count: 5, validationFraction: 0, seed: 0).validation.isEmpty)
    #expect(throws: DataError.tooFewRows(found: 1)) { try DataSplit(count: 1, seed: 0) }
  }

  @Test func split_everyRowIsEventuallyHeldOut() throws {
    var held = Set<Int>()
    for seed in 0..<200 { held.formUnion(try DataSplit(count: 20, seed: UInt64(seed)).validation) }
    #expect(held.count == 20)
  }

  @Test func split_usesValidationDataWhereGiven() throws {
    let train = DataSet.glyphs(count: 20)
    let test = DataSet.glyphs(count: 10, seed: 1)
    let loaded = LoadedData(train: train, validation: test)
    let split = try loaded.split(seed: 0)
    #expect(split.train == Array(0..<20) && split.validation == Array(0..<10))
    #expect(loaded.validationSource.fingerprint == test.fingerprint)
    let alone = LoadedData(train: train)
    #expect(try alone.split(seed: 0).validation.count == 2)
    #expect(alone.validationSource.fingerprint == train.fingerprint)
  }
}

extension DataSet {
  /// Stored features as floats, for comparing.
  var values: [Float] {
    switch features {
    case .bytes(let values): values.map { Float($0) }
    case .floats(let values): values
    }
  }
}
