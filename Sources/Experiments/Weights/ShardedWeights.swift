import Foundation

/// A model in several files, safetensors or PyTorch's, with an index that says which tensor is in which.
///     {"metadata": {…}, "weight_map": {"tensor": "file beside the index", …}}
/// Source: huggingface_hub, "Serialization", save_torch_state_dict.
enum ShardedWeights {
  private static let maximumBytes = 100_000_000

  /// The tensors that the index names; others of its files are left aside.
  ///
  /// - Throws: `DataError`; `.malformed` also where a file is not beside the index or lacks a
  ///   tensor, `.missing` for a file that is not there.
  static func contents(_ file: RandomAccessFile) throws -> WeightFile.Contents {
    let path = file.path
    guard file.byteCount <= maximumBytes else {
      throw DataError.tooLarge(path: path, limit: maximumBytes)
    }
    let bytes = try file.read(0..<file.byteCount)
    guard
      let map = try StrictJSON.members(of: "weight_map", in: bytes, path: path, subject: "index")
    else {
      throw DataError.malformed(
        path: path, expected: "index: an object with a weight_map", found: "none")
    }
    var namesOfShards: [ExactName: Set<ExactName>] = [:]
    for (name, value) in map {
      guard case .string(let shard) = value, isPlainName(shard) else {
        throw DataError.malformed(
          path: path,
          expected: "index: the name of a file beside it for \(DataError.quoted(name))",
          found: DataError.quoted(value.text))
      }
      namesOfShards[ExactName(shard), default: []].insert(ExactName(name))
    }
    var tensors: [StoredTensor] = []
    var others = 0
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
    for (shard, names) in namesOfShards.sorted(by: { $0.key.text < $1.key.text }) {
      let shardPath = folder.appendingPathComponent(shard.text).relativePath
      let held = try WeightFile.contents(
        RandomAccessFile(path: shardPath, expected: "a file that \(path) names")
      ).tensors
      let wanted = held.filter { names.contains(ExactName($0.name)) }
      guard wanted.count == names.count else {
        let missing = names.subtracting(wanted.map { ExactName($0.name) }).map(\.text).sorted()
        throw DataError.malformed(
          path: shardPath,
          expected: "the tensor \(DataError.quoted(missing[0])), as \(path) has it",
          found: "none of that name")
      }
      tensors += wanted
      others += held.count - wanted.count
    }
    return WeightFile.Contents(
      tensors: tensors,
      leftAside: others == 0
        ? [] : ["\(others) tensor\(others == 1 ? "" : "s") that the index does not name"])
  }

  /// Whether `name` is that of a file in the index's own directory.
  private static func isPlainName(_ name: String) -> Bool {
    !name.isEmpty && name != "." && name != ".."
      && name.utf8.allSatisfy { $0 != 0x2F && $0 != 0x5C && $0 != 0 }
  }
}

/// One safetensors file.
enum SafetensorsFile {
  /// Its tensors, in the order of their values.
  ///
  /// - Throws: `DataError`.
  static func tensors(_ file: RandomAccessFile) throws -> [StoredTensor] {
    try contents(file).tensors
  }

  /// Its tensors, in the order of their values, and its free text.
  ///
  /// - Throws: `DataError`.
  static func contents(
    _ file: RandomAccessFile
  ) throws -> (tensors: [StoredTensor], metadata: [String: String]) {
    let header = try SafetensorsHeader(file)
    let tensors = header.entries.map { entry in
      StoredTensor(
        name: entry.name, shape: entry.shape, typeName: entry.typeName,
        type: SafetensorsHeader.floatFormats[entry.typeName].map { NumericType($0) }, source: file,
        offset: entry.bytes.lowerBound)
    }
    return (tensors, header.metadata)
  }
}
