import Foundation
import Testing

@testable import Experiments

/// Valid files with bytes changed, removed and put in at random: every one opens or is an error.
/// A trap, a hang or an allocation of what a header claims ends the test process.
@Suite struct WeightFuzzTests {
  private static var files: [(String, [UInt8])] {
    let values = raw((0..<12).map { Float($0) })
    let array = npy("<f4", [3, 4], values)
    let fortran = npy("<f8", [2, 3], raw((0..<6).map { Double($0) }), fortranOrder: true)
    return [
      (
        "w.safetensors",
        safetensors(
          #"{"__metadata__":{"a":"b"},\#(entry("w", "F32", [2, 4], 0, 32)),"#
            + "\(entry("v", "BF16", [2, 2, 2], 32, 48))}", values)
      ),
      ("w.npy", array),
      ("f.npy", fortran),
      ("stored.npz", zip([ZipFixture("a.npy", array), ZipFixture("b.npy", fortran)])),
      (
        "wide.npz",
        zip(
          [ZipFixture(deflated: "a.npy", array), ZipFixture(deflated: "b.npy", fortran)],
          wide: true)
      ),
      (
        "w.pt",
        torchFile(
          .ordered([
            ("a", .tensor([3, 4], strides: [4, 1], count: 12)),
            (
              "b",
              .tensor([4, 2], strides: [1, 4], first: 2, type: "HalfStorage", key: "1", count: 12)
            ),
          ]), storages: ["0": values, "1": Array(values.prefix(24))])
      ),
    ]
  }

  @Test(arguments: 0..<6) func changedFiles_openOrAreErrors(kind: Int) throws {
    let (name, original) = Self.files[kind]
    #expect(try weightError(original, name: name) == nil)
    let folder = try TemporaryFolder()
    let seed = UInt64(1000 + kind)
    var random = SplitMix(state: seed)
    let extremes: [UInt8] = [0, 1, 0x7F, 0x80, 0xFF, 0x22, 0x2C, 0x5B, 0x7B, 0x30, 0x39, 0x2D]
    var refused = 0
    for _ in 0..<2000 {
      var bytes = original
      for _ in 0...Int.random(in: 0..<4, using: &random) {
        let position = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<6, using: &random) {
        case 0: bytes[position] = .random(in: .min ... .max, using: &random)
        case 1: bytes[position] = extremes.randomElement(using: &random)!
        case 2: bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 3: bytes.remove(at: position)
        case 4: bytes.insert(extremes.randomElement(using: &random)!, at: position)
        default:
          let end = min(bytes.count, position + 8)
          bytes.replaceSubrange(
            position..<end,
            with: repeatElement(Bool.random(using: &random) ? 0xFF : 0, count: end - position))
        }
        if bytes.isEmpty { bytes = [0] }
      }
      let path = try folder.write(name, bytes)
      do {
        for tensor in try WeightFile(path: path).tensors {
          guard let matrix = StoredMatrix(tensor) else { continue }
          _ = try matrix.values(0..<matrix.rows, as: Float.self)
          _ = try matrix.values((matrix.rows - 1)..<matrix.rows, as: Double.self)
        }
      } catch let error as DataError {
        refused += 1
        let text = error.description
        #expect(!text.contains("\n") && text.utf8.count < 2000, "seed \(seed): \(text)")
      }
    }
    // The changes hit something.
    #expect(refused > 500, "seed \(seed): \(refused)")
  }

  /// Headers put together from pieces of JSON, most of which make no sense.
  @Test func assembledHeaders_openOrAreErrors() throws {
    let pieces = [
      "{", "}", "[", "]", ",", ":", "\"w\"", "\"dtype\"", "\"F32\"", "\"shape\"",
      "\"data_offsets\"",
      "0", "4", "-1", "1e3", "9223372036854775807", "null", "true", "\"__metadata__\"", " ",
      "\"\\u00",
      entry("w", "F32", [1, 1], 0, 4), entry("v", "U8", [0], 4, 4), "[0,4]", "[1]",
    ]
    var random = SplitMix(state: 5)
    for _ in 0..<3000 {
      let count = Int.random(in: 0..<12, using: &random)
      let text = "{" + (0..<count).map { _ in pieces.randomElement(using: &random)! }.joined()
      _ = try weightError(safetensors(text, [0, 0, 0, 0]))
      _ = try weightError(safetensors(text + "}", [0, 0, 0, 0]))
    }
  }
}
