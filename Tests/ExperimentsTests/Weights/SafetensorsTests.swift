import Foundation
import Testing
import Training

@testable import Experiments

@Suite struct SafetensorsTests {
  private func expectError(
    _ bytes: [UInt8], _ parts: String..., sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let error = try weightError(bytes)
    let text = error?.description ?? "accepted"
    for part in parts {
      #expect(text.contains(part), "\(text)", sourceLocation: sourceLocation)
    }
    #expect(!text.contains("\n") && error != nil, sourceLocation: sourceLocation)
  }

  /// Bytes by safetensors' own writer: save({"w": [[1, 2], [3, 4]]}, {"format": "np"}).
  @Test func file_ofTheReferenceWriter_isRead() throws {
    let header =
      #"{"__metadata__":{"format":"np"},"w":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}"#
    let bytes = safetensors(header, raw([1, 2, 3, 4] as [Float]))
    let folder = try TemporaryFolder()
    let path = try folder.write("w.safetensors", bytes)
    let file = try WeightFile(path: path)
    let matrix = try #require(StoredMatrix(file.tensors[0]))
    #expect(matrix.tensor.name == "w" && matrix.tensor.typeName == "F32")
    #expect(try matrix.values(0..<2) == [1, 2, 3, 4])
    #expect(try matrix.values(1..<2) == [3, 4])
    let metadata = try SafetensorsHeader(RandomAccessFile(path: path, expected: "")).metadata
    #expect(metadata == ["format": "np"])
    #expect(try weightError(safetensors(#"{"__metadata__":null}"#)) == nil)
  }

  @Test func everyFloatType_isRead_othersAreListed() throws {
    let header =
      "{"
      + [
        entry("a", "F16", [1, 2], 0, 4), entry("b", "BF16", [1, 2], 4, 8),
        entry("c", "F64", [1, 2], 8, 24), entry("d", "I8", [3, 1], 24, 27),
        entry("e", "F8_E4M3", [1], 27, 28), entry("f", "F4", [4], 28, 30),
        entry("z", "F32", [0, 7], 30, 30),
      ].joined(separator: ",") + "}   "
    let values =
      raw([0x3C00, 0xC000] as [UInt16]) + raw([0x3F80, 0xC000] as [UInt16]) + raw([1.0, -2.0])
      + [1, 2, 3, 4, 5, 6]
    let folder = try TemporaryFolder()
    let tensors = try WeightFile(
      path: folder.write("w.safetensors", safetensors(header, values))
    ).tensors
    #expect(tensors.map(\.name).sorted() == ["a", "b", "c", "d", "e", "f", "z"])
    for name in ["a", "b", "c"] {
      let tensor = try #require(tensors.first { $0.name == name })
      #expect(try StoredMatrix(tensor)?.values(0..<1) == [1, -2], "\(name)")
    }
    for name in ["d", "e", "f", "z"] {
      let tensor = try #require(tensors.first { $0.name == name })
      #expect(StoredMatrix(tensor) == nil, "\(name)")
    }
  }

  @Test func lengths_thatLie_areRefused() throws {
    try expectError([], "empty")
    try expectError([1, 0, 0], "at least 8 bytes", "3 bytes")
    try expectError(safetensors("{}", length: 3), "3 bytes", "truncated")
    try expectError(safetensors("{}", length: .max), "100000000", "18446744073709551615")
    try expectError(safetensors("{}", length: 100_000_001), "100000000", "100000001")
    try expectError(safetensors("{}", length: 1 << 63), "100000000")
    try expectError(safetensors("", length: 0), "\"{\"")
    try expectError(safetensors("[]"), "\"{\"")
    try expectError(safetensors("{}", [1, 2]), "0 bytes of values", "2")
    try expectError(safetensors("{} x"), "the end")
  }

  @Test func offsets_thatLie_areRefused() throws {
    func file(_ entries: String..., values: Int = 16) -> [UInt8] {
      safetensors("{\(entries.joined(separator: ","))}", [UInt8](repeating: 0, count: values))
    }
    try expectError(file(entry("w", "F32", [2, 2], 0, 17)), "\"w\"", "0…17", "16")
    try expectError(file(entry("w", "F32", [2, 2], 0, 12)), "\"w\"", "16 bytes", "12")
    try expectError(file(entry("w", "F32", [2, 2], 16, 0)), "\"w\"", "data_offsets")
    try expectError(file(entry("w", "F32", [2, 2], -4, 12)), "\"w\"", "data_offsets")
    try expectError(
      file(entry("w", "F32", [2, 1], 0, 8), entry("v", "F32", [2, 1], 4, 12)), "overlap", "\"v\"")
    try expectError(
      file(entry("w", "F32", [2, 1], 0, 8), entry("v", "F32", [2, 1], 0, 8), values: 8), "overlap")
    try expectError(
      file(entry("w", "F32", [1, 1], 0, 4), entry("v", "F32", [2, 1], 8, 16)), "gap", "offset 8")
    try expectError(file(entry("w", "F32", [2, 1], 8, 16)), "gap", "offset 8")
    try expectError(file(entry("w", "F32", [2, 1], 0, 8)), "8 bytes of values", "16")
    try expectError(file(entry("w", "F4", [3], 0, 1), values: 1), "F4", "\"w\"")
  }

  @Test func shapes_thatLie_areRefused() throws {
    func file(_ members: String) -> [UInt8] {
      safetensors(#"{"w":{\#(members)}}"#, [UInt8](repeating: 0, count: 8))
    }
    let rest = #""dtype":"F32","data_offsets":[0,8]"#
    let shapes = [
      "[-1,-2]", "[1.0,2]", "[2e0,1]", "\"2\"", "[true,2]", "[null]", "2", "[[2]]", "{}",
      "[18446744073709551618]", "[4294967296,4294967296]", "[9223372036854775807,2]",
      "[4611686018427387904,4611686018427387904,0]", "[2,2]", "[1,1]",
    ]
    for shape in shapes { try expectError(file("\(rest),\"shape\":\(shape)"), "\"w\"") }
    try expectError(file(rest), "\"w\"", "shape", "none")
    try expectError(file(#""dtype":"F32","shape":[2]"#), "data_offsets", "none")
    try expectError(file(#""shape":[2],"data_offsets":[0,8]"#), "dtype", "none")
    try expectError(file(#""dtype":"F33","shape":[2],"data_offsets":[0,8]"#), "\"F33\"", "\"w\"")
    try expectError(file(#""dtype":32,"shape":[2],"data_offsets":[0,8]"#), "dtype")
    for offsets in ["[0]", "[0,8,8]", "[0,8.0]", "\"0,8\"", "[0,9223372036854775807]"] {
      try expectError(file(#""dtype":"F32","shape":[2],"data_offsets":\#(offsets)"#), "\"w\"")
    }
  }

  @Test func names_givenTwice_andBadText_areRefused() throws {
    let one = entry("w", "F32", [1], 0, 4)
    try expectError(safetensors("{\(one),\(one)}", [0, 0, 0, 0]), "\"w\" again")
    try expectError(
      safetensors(#"{"w":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#),
      "\"dtype\" again")
    try expectError(safetensors(#"{"w":3}"#), "\"w\"", "object")
    try expectError(safetensors(#"{"__metadata__":{"a":1}}"#), "__metadata__")
    try expectError(safetensors(#"{"__metadata__":[]}"#), "__metadata__")
    try expectError(raw([3] as [UInt64]) + [0x7B, 0xFF, 0x7D], "JSON")
    try expectError(safetensors("{\"a\u{1B}\": }"), "control character")
  }

  @Test func truncation_atEachLength_isAnError() throws {
    let bytes = safetensors("{\(entry("w", "F32", [2, 2], 0, 16))}", raw([1, 2, 3, 4] as [Float]))
    #expect(try weightError(bytes) == nil)
    for length in 0..<bytes.count {
      #expect(try weightError(Array(bytes.prefix(length))) != nil, "\(length)")
    }
  }

  @Test func writer_andReader_agree() throws {
    let folder = try TemporaryFolder()
    let tensors = [
      NamedValues(name: "b \"é\"\n", shape: [2, 3], values: [1, -2, 3.5, 0, 0x1p-140, 1e38]),
      NamedValues(name: "a", shape: [1, 1, 2], values: [7, .infinity]),
      NamedValues(name: "scalar", shape: [], values: [42]),
      NamedValues(name: "empty", shape: [0, 5], values: []),
    ]
    let url = URL(fileURLWithPath: folder.path).appendingPathComponent("w.safetensors")
    let metadata = ["format": "pt", "note": "\"q\"\\"]
    try SafetensorsWriter.write(tensors, metadata: metadata, to: url)
    let file = try RandomAccessFile(path: url.path, expected: "")
    let header = try SafetensorsHeader(file)
    #expect(header.metadata == metadata)
    #expect(header.entries.map(\.name) == ["a", "b \"é\"\n", "empty", "scalar"])
    // As the format's own writer: values aligned to 8 bytes.
    #expect(header.entries[0].bytes.lowerBound % 8 == 0)
    for tensor in tensors {
      let entry = try #require(header.entries.first { $0.name == tensor.name })
      #expect(entry.shape == tensor.shape && entry.typeName == "F32")
      #expect(try file.read(entry.bytes) == raw(tensor.values))
    }
    let first = try Data(contentsOf: url)
    try SafetensorsWriter.write(tensors.reversed(), metadata: metadata, to: url)
    #expect(try Data(contentsOf: url) == first)
    try SafetensorsWriter.write([], to: url)
    #expect(try WeightFile(path: url.path).tensors.isEmpty)
  }
}
