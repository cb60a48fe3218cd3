/// The header of a safetensors file: a JSON object of tensors, checked in full.
///     file = length of the header (UInt64) · header · values
/// All little-endian, offsets relative to the values. The tensors lie one after another, without
/// gaps or overlaps, to the end of the file.
/// Source: huggingface/safetensors, README "Format" and safetensors/src/tensor.rs.
struct SafetensorsHeader {
  struct Entry {
    let name: String
    /// Type as the file names it, such as "F32".
    let typeName: String
    let shape: [Int]
    /// Where the values lie, from the start of the file.
    let bytes: Range<Int>
  }

  /// Tensors in the order of their values.
  let entries: [Entry]
  /// Free text that the writer left, under `__metadata__`.
  let metadata: [String: String]

  /// The format's own bound on a header's length.
  static let maximumBytes = 100_000_000
  static let metadataKey = "__metadata__"

  /// Bits of one value of every type in the format.
  static let bitsOfTypes: [String: Int] = [
    "BOOL": 8, "U8": 8, "I8": 8, "U16": 16, "I16": 16, "U32": 32, "I32": 32, "U64": 64, "I64": 64,
    "F64": 64, "F32": 32, "F16": 16, "BF16": 16, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "F6_E2M3": 6, "F6_E3M2": 6, "F4": 4, "C64": 64,
  ]

  /// The types whose values are read here.
  static let floatFormats: [String: FloatFormat] = [
    "F16": .float16, "BF16": .bfloat16, "F32": .float32, "F64": .float64,
  ]

  /// Reads the header of a whole file.
  ///
  /// - Throws: `DataError.truncated`, `.tooLarge`, `.malformed`, `.unsupported` (a type that the
  ///   format does not have).
  init(_ file: RandomAccessFile) throws {
    let path = file.path
    guard file.byteCount >= 8 else {
      throw DataError.truncated(
        path: path, expected: "a safetensors header of at least 8 bytes",
        found: "\(file.byteCount) bytes")
    }
    let claimed = try file.read(0..<8).unsigned(at: 0, width: 8)
    guard claimed <= UInt64(Self.maximumBytes) else {
      throw DataError.malformed(
        path: path, expected: "a safetensors header of at most \(Self.maximumBytes) bytes",
        found: "a length of \(claimed)")
    }
    let length = Int(claimed)
    guard length <= file.byteCount - 8 else {
      throw DataError.truncated(
        path: path, expected: "a safetensors header of \(length) bytes",
        found: "\(file.byteCount - 8) after its length")
    }
    let subject = "safetensors header"
    let text = try file.read(8..<(8 + length))
    guard text.first == 0x7B else {
      throw DataError.malformed(
        path: path, expected: "\(subject): \"{\" as byte 8",
        found: DataError.hex(text.prefix(1)))
    }
    guard let members = try StrictJSON.members(in: text, path: path, subject: subject)
    else { preconditionFailure("text that starts with a brace") }
    metadata = try Self.metadata(
      members.first { $0.name == Self.metadataKey }?.value, path: path)
    let available = file.byteCount - 8 - length
    let entries = try members.filter { $0.name != Self.metadataKey }.map { name, value in
      try Self.entry(name, value, start: 8 + length, available: available, path: path)
    }
    self.entries = entries.sorted {
      ($0.bytes.lowerBound, $0.bytes.upperBound, $0.name)
        < ($1.bytes.lowerBound, $1.bytes.upperBound, $1.name)
    }
    var end = 8 + length
    for entry in self.entries {
      guard entry.bytes.lowerBound == end else {
        throw DataError.malformed(
          path: path,
          expected: "\(subject): the values of \(DataError.quoted(entry.name)) from offset "
            + "\(end - 8 - length), without gap or overlap",
          found: "offset \(entry.bytes.lowerBound - 8 - length)")
      }
      end = entry.bytes.upperBound
    }
    guard end == file.byteCount else {
      throw DataError.malformed(
        path: path, expected: "\(end - 8 - length) bytes of values, as the header has it",
        found: "\(available)")
    }
  }

  private static func metadata(_ value: JSONValue?, path: String) throws -> [String: String] {
    guard let value, value != .null else { return [:] }
    guard case .object(let members) = value else {
      throw DataError.malformed(
        path: path, expected: "safetensors header: \(metadataKey) an object of strings",
        found: DataError.quoted(value.text))
    }
    return try members.mapValues { value in
      guard case .string(let text) = value else {
        throw DataError.malformed(
          path: path, expected: "safetensors header: strings in \(metadataKey)",
          found: DataError.quoted(value.text))
      }
      return text
    }
  }

  private static func entry(
    _ name: String, _ value: JSONValue, start: Int, available: Int, path: String
  ) throws -> Entry {
    func malformed(_ expected: String, _ found: String) -> DataError {
      .malformed(
        path: path, expected: "safetensors header: \(expected) of \(DataError.quoted(name))",
        found: found)
    }
    guard case .object(let members) = value else {
      throw malformed("an object for dtype, shape and data_offsets", DataError.quoted(value.text))
    }
    guard case .string(let typeName)? = members["dtype"] else {
      throw malformed("a dtype", members["dtype"].map { DataError.quoted($0.text) } ?? "none")
    }
    guard let bits = bitsOfTypes[typeName] else {
      throw DataError.unsupported(
        path: path, expected: "a dtype of safetensors for \(DataError.quoted(name))",
        found: DataError.quoted(typeName))
    }
    guard let shape = sizes(members["shape"]) else {
      throw malformed(
        "a shape of sizes ≥ 0", members["shape"].map { DataError.quoted($0.text) } ?? "none")
    }
    guard let offsets = sizes(members["data_offsets"]), offsets.count == 2,
      offsets[0] <= offsets[1]
    else {
      throw malformed(
        "data_offsets [begin, end]",
        members["data_offsets"].map { DataError.quoted($0.text) } ?? "none")
    }
    guard offsets[1] <= available else {
      throw DataError.truncated(
        path: path,
        expected: "values of \(DataError.quoted(name)) at offsets \(offsets[0])…\(offsets[1])",
        found: "\(available) bytes of values")
    }
    var needed = bits
    for size in shape {
      let (product, overflow) = needed.multipliedReportingOverflow(by: size)
      guard !overflow else { throw malformed("a shape that 64 bits count", "\(shape)") }
      needed = product
    }
    guard needed % 8 == 0, needed / 8 == offsets[1] - offsets[0] else {
      throw malformed(
        "\((needed + 7) / 8) bytes for \(typeName) \(shape)", "\(offsets[1] - offsets[0])")
    }
    return Entry(
      name: name, typeName: typeName, shape: shape,
      bytes: (start + offsets[0])..<(start + offsets[1]))
  }

  /// An array of integers ≥ 0; nil for anything else.
  private static func sizes(_ value: JSONValue?) -> [Int]? {
    guard case .array(let elements)? = value else { return nil }
    var sizes: [Int] = []
    for element in elements {
      guard case .integer(let size) = element, size >= 0 else { return nil }
      sizes.append(size)
    }
    return sizes
  }
}
