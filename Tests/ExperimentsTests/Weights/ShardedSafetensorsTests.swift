import Foundation
import Testing

@testable import Experiments

@Suite struct ShardedSafetensorsTests {
  private let index = "model.safetensors.index.json"

  /// Two shards, with "a" and "b" in the first, "c" in the second.
  private func model(_ text: String) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    let values = raw([1, 2] as [Float])
    try folder.write(
      "one.safetensors",
      safetensors(
        "{\(entry("a", "F32", [1, 1], 0, 4)),\(entry("b", "F32", [1, 1], 4, 8))}", values))
    try folder.write(
      "two.safetensors", safetensors("{\(entry("c", "F32", [1, 2], 0, 8))}", values))
    try folder.write(index, text: text)
    return folder
  }

  private func error(_ text: String) throws -> String {
    let folder = try model(text)
    do {
      _ = try WeightFile(path: "\(folder.path)/\(index)")
      return "accepted"
    } catch let error as DataError { return error.description }
  }

  @Test func index_bringsShardsTogether_byFileAndByDirectory() throws {
    let folder = try model(
      #"{"metadata":{"total_size":16},"weight_map":{"a":"one.safetensors","c":"two.safetensors"}}"#)
    for path in ["\(folder.path)/\(index)", folder.path, folder.path + "/"] {
      let file = try WeightFile(path: path)
      #expect(file.tensors.map(\.name).sorted() == ["a", "c"])
      #expect(file.leftAside == ["1 tensor that the index does not name"])
      let tensor = try #require(file.tensors.first { $0.name == "c" })
      #expect(try StoredMatrix(tensor)?.values(0..<1) == [1, 2])
    }
  }

  @Test(arguments: [
    "../one.safetensors", "/etc/passwd", "a/../../x", "sub/one.safetensors", "..", ".", "",
    "..\\one.safetensors", "one.safetensors\\u0000",
  ]) func pathsElsewhere_areRefused(shard: String) throws {
    let escaped = shard.replacingOccurrences(of: "\\one", with: "\\\\one")
    let text = try error(#"{"weight_map":{"a":"\#(escaped)"}}"#)
    #expect(text.contains("\"a\"") && text.contains("beside it"), "\(text)")
  }

  @Test func whatIsMissing_isNamed() throws {
    var text = try error(#"{"weight_map":{"a":"three.safetensors"}}"#)
    #expect(text.contains("three.safetensors: missing") && text.contains(index), "\(text)")
    text = try error(#"{"weight_map":{"zz":"one.safetensors"}}"#)
    #expect(text.contains("one.safetensors") && text.contains("\"zz\""), "\(text)")
    for bad in ["{}", "[]", #"{"weight_map":[]}"#, #"{"weight_map":{"a":1}}"#, "{", "x"] {
      #expect(try error(bad) != "accepted", "\(bad)")
    }
    text = try error(#"{"weight_map":{"a":"one.safetensors","a":"two.safetensors"}}"#)
    #expect(text.contains("\"a\" again"), "\(text)")
    // A shard that is itself no safetensors file.
    text = try error(#"{"weight_map":{"a":"model.safetensors.index.json"}}"#)
    #expect(text.contains(index), "\(text)")
  }

  @Test func otherThings_areRefusedByName() throws {
    let folder = try TemporaryFolder()
    try folder.write("table.csv", text: "a,b\n1,2\n")
    let sub = try folder.makeFolder("none")
    for (path, part) in [
      ("table.csv", "unrecognized"), ("none", "one safetensors index"), ("nothing", "missing"),
    ] {
      let error = #expect(throws: DataError.self) {
        try WeightFile(path: "\(folder.path)/\(path)")
      }
      #expect(error?.description.contains(part) == true, "\(String(describing: error))")
    }
    try Data().write(to: URL(fileURLWithPath: "\(sub)/a.safetensors"))
    try Data().write(to: URL(fileURLWithPath: "\(sub)/b.safetensors"))
    let error = #expect(throws: DataError.self) { try WeightFile(path: sub) }
    #expect(error?.description.contains("a.safetensors, b.safetensors") == true)
    let pipe = "\(folder.path)/pipe"
    #expect(mkfifo(pipe, 0o600) == 0)
    let pipeError = #expect(throws: DataError.self) { try WeightFile(path: pipe) }
    #expect(pipeError?.description.contains("expected a regular file") == true)
  }
}
