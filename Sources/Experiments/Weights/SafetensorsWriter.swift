import Foundation

/// A tensor's values on the host, to be written to a file.
public struct NamedValues: Hashable, Sendable {
  /// The tensor's name in the file.
  public let name: String
  /// Sizes, the slowest first.
  public let shape: [Int]
  /// Values in row-major order.
  public let values: [Float]

  /// A tensor of `shape`, whose sizes multiply to the number of values.
  public init(name: String, shape: [Int], values: [Float]) {
    precondition(
      shape.allSatisfy { $0 >= 0 } && shape.reduce(1, *) == values.count,
      "\(values.count) values for \(name) of shape \(shape)")
    self.name = name
    self.shape = shape
    self.values = values
  }
}

/// Writes safetensors files, values as F32.
/// Source: huggingface/safetensors, README "Format".
public enum SafetensorsWriter {
  private struct Entry: Encodable {
    let dtype: String
    let shape: [Int]
    let data_offsets: [Int]
  }

  /// Writes `tensors` to `url`, whole or not at all, in place of an earlier file.
  ///
  /// Equal arguments give equal bytes: tensors lie in the order of their names' UTF-8. The header
  /// is padded so that values are aligned to 8 bytes, as the format's own writer does.
  /// - metadata: free text, under `__metadata__`.
  /// - Throws: `RunStoreError.fileFailed`. Names given twice, and `__metadata__`, trap.
  public static func write(
    _ tensors: [NamedValues], metadata: [String: String] = [:], to url: URL
  ) throws {
    try AtomicFile.write(try bytes(tensors, metadata: metadata), to: url)
  }

  /// The bytes of such a file.
  static func bytes(_ tensors: [NamedValues], metadata: [String: String]) throws -> Data {
    let sorted = tensors.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    var entries: [String: Entry] = [:]
    var end = 0
    for tensor in sorted {
      precondition(
        tensor.name != SafetensorsHeader.metadataKey && entries[tensor.name] == nil,
        "tensor name \(tensor.name) is reserved or given twice")
      let start = end
      end += 4 * tensor.values.count
      entries[tensor.name] = Entry(dtype: "F32", shape: tensor.shape, data_offsets: [start, end])
    }
    var header = try CanonicalJSON.compact(Header(metadata: metadata, entries: entries))
    header.append(Data(repeating: 0x20, count: (8 - header.count % 8) % 8))
    precondition(
      header.count <= SafetensorsHeader.maximumBytes, "a header of \(header.count) bytes")
    var data = Data(capacity: 8 + header.count + end)
    withUnsafeBytes(of: UInt64(header.count).littleEndian) { data.append(contentsOf: $0) }
    data.append(header)
    for tensor in sorted {
      #if _endian(little)
        tensor.values.withUnsafeBytes { data.append(contentsOf: $0) }
      #else
        for value in tensor.values {
          withUnsafeBytes(of: value.bitPattern.littleEndian) { data.append(contentsOf: $0) }
        }
      #endif
    }
    return data
  }

  private struct Header: Encodable {
    let metadata: [String: String]
    let entries: [String: Entry]

    struct Key: CodingKey {
      let stringValue: String
      var intValue: Int? { nil }
      init(stringValue: String) { self.stringValue = stringValue }
      init?(intValue: Int) { nil }
    }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: Key.self)
      if !metadata.isEmpty {
        try container.encode(metadata, forKey: Key(stringValue: SafetensorsHeader.metadataKey))
      }
      for (name, entry) in entries {
        try container.encode(entry, forKey: Key(stringValue: name))
      }
    }
  }
}
