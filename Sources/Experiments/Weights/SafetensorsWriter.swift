import Foundation
import Training

/// Writes safetensors files: values as F32, text as U8.
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
  /// - texts: bytes by name, tensors of type U8 and one dimension: what is too long for metadata.
  /// - metadata: free text, under `__metadata__`.
  /// - Throws: `RunStoreError.fileFailed`. Names given twice, and `__metadata__`, trap.
  public static func write(
    _ tensors: [NamedValues], texts: [String: Data] = [:], metadata: [String: String] = [:],
    to url: URL
  ) throws {
    try AtomicFile.write(try bytes(tensors, texts: texts, metadata: metadata), to: url)
  }

  /// The bytes of such a file.
  static func bytes(
    _ tensors: [NamedValues], texts: [String: Data] = [:], metadata: [String: String]
  ) throws -> Data {
    let sorted =
      (tensors.map { Content(name: $0.name, shape: $0.shape, values: .floats($0.values)) }
      + texts.map { Content(name: $0, shape: [$1.count], values: .text($1)) })
      .sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    var entries: [String: Entry] = [:]
    var end = 0
    for tensor in sorted {
      precondition(
        tensor.name != SafetensorsHeader.metadataKey && entries[tensor.name] == nil,
        "tensor name \(tensor.name) is reserved or given twice")
      let start = end
      end += tensor.values.byteCount
      entries[tensor.name] = Entry(
        dtype: tensor.values.typeName, shape: tensor.shape, data_offsets: [start, end])
    }
    var header = try CanonicalJSON.compact(Header(metadata: metadata, entries: entries))
    header.append(Data(repeating: 0x20, count: (8 - header.count % 8) % 8))
    precondition(
      header.count <= SafetensorsHeader.maximumBytes, "a header of \(header.count) bytes")
    var data = Data(capacity: 8 + header.count + end)
    withUnsafeBytes(of: UInt64(header.count).littleEndian) { data.append(contentsOf: $0) }
    data.append(header)
    for tensor in sorted { tensor.values.append(to: &data) }
    return data
  }

  private struct Content {
    let name: String
    let shape: [Int]
    let values: Values
  }

  private enum Values {
    case floats([Float])
    case text(Data)

    var typeName: String {
      switch self {
      case .floats: "F32"
      case .text: "U8"
      }
    }

    var byteCount: Int {
      switch self {
      case .floats(let values): 4 * values.count
      case .text(let bytes): bytes.count
      }
    }

    func append(to data: inout Data) {
      switch self {
      case .text(let bytes): data.append(bytes)
      case .floats(let values):
        #if _endian(little)
          values.withUnsafeBytes { data.append(contentsOf: $0) }
        #else
          for value in values {
            withUnsafeBytes(of: value.bitPattern.littleEndian) { data.append(contentsOf: $0) }
          }
        #endif
      }
    }
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
