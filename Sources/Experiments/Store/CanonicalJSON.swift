import Foundation
import OpenCL

/// The one JSON form of configurations, results and records.
///
/// Keys are sorted and numbers are the shortest text that reads back to the same value, so equal
/// values give equal bytes. Numbers that are not finite are written as texts, `nan`, `inf` and
/// `-inf`, so that no run is lost to one; results and records leave them out themselves.
enum CanonicalJSON {
  /// One line, what identifiers are hashed from and what `metrics.jsonl` holds.
  static func compact(_ value: some Encodable) throws -> Data {
    try encode(value, [.sortedKeys, .withoutEscapingSlashes])
  }

  /// A name of the value, 16 hexadecimal digits: FNV-1a, 64 bits, of `compact`. Traps where it cannot be
  /// written, which no value of numbers and texts can be.
  static func fingerprint(_ value: some Encodable) -> String {
    var hash = FNV1a()
    hash.combine(bytes(value))
    return hash.hexadecimal
  }

  /// The bytes of `compact`; traps likewise.
  static func bytes(_ value: some Encodable) -> [UInt8] {
    guard let data = try? compact(value) else {
      preconditionFailure("a value that is no JSON: \(value)")
    }
    return Array(data)
  }

  /// For people to read; ends in a newline.
  static func pretty(_ value: some Encodable) throws -> Data {
    var data = try encode(value, [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted])
    data.append(0x0A)
    return data
  }

  private static func encode(
    _ value: some Encodable, _ format: JSONEncoder.OutputFormatting
  ) throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = format
    encoder.nonConformingFloatEncodingStrategy = .asText
    return try encoder.encode(value)
  }
}

extension JSONEncoder.NonConformingFloatEncodingStrategy {
  /// Numbers that are not finite as `nan`, `inf` and `-inf`, which Python's `float` reads.
  package static var asText: Self {
    .convertToString(positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
  }
}

extension JSONDecoder.NonConformingFloatDecodingStrategy {
  /// Reads what `JSONEncoder.NonConformingFloatEncodingStrategy.asText` writes.
  static var fromText: Self {
    .convertFromString(positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
  }
}

/// Any JSON value: what settings are read from, and files of any version compared by.
public enum JSONValue: Codable, Hashable, Sendable {
  /// No value.
  case null
  /// true or false.
  case bool(Bool)
  /// A number without a fraction.
  case integer(Int)
  /// Any other number.
  case number(Double)
  /// A text.
  case string(String)
  /// A list.
  case array([JSONValue])
  /// Names with values.
  case object([String: JSONValue])

  /// What `value` is in JSON.
  init(of value: some Encodable) throws {
    self = try JSONDecoder().decode(Self.self, from: CanonicalJSON.compact(value))
  }

  /// Reads any JSON.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .null
    } else if let value = try? container.decode(Bool.self) {
      self = .bool(value)
    } else if let value = try? container.decode(Int.self) {
      self = .integer(value)
    } else if let value = try? container.decode(Double.self) {
      self = .number(value)
    } else if let value = try? container.decode(String.self) {
      self = .string(value)
    } else if let value = try? container.decode([JSONValue].self) {
      self = .array(value)
    } else {
      self = .object(try container.decode([String: JSONValue].self))
    }
  }

  /// Writes the value.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .null: try container.encodeNil()
    case .bool(let value): try container.encode(value)
    case .integer(let value): try container.encode(value)
    case .number(let value): try container.encode(value)
    case .string(let value): try container.encode(value)
    case .array(let value): try container.encode(value)
    case .object(let value): try container.encode(value)
    }
  }

  /// The value in an error message; strings stand without quotes.
  public var text: String {
    switch self {
    case .null: "none"
    case .bool(let value): "\(value)"
    case .integer(let value): "\(value)"
    case .number(let value): "\(value)"
    case .string(let value): value
    case .array(let values): "[\(values.map(\.text).joined(separator: ", "))]"
    case .object(let values):
      "{"
        + values.keys.sorted().map { "\($0): \(values[$0, default: .null].text)" }
        .joined(separator: ", ") + "}"
    }
  }

  /// Every leaf under its dotted path; an array is one leaf, a null none.
  var leaves: [String: JSONValue] {
    guard case .object(let members) = self else { return ["": self] }
    var result: [String: JSONValue] = [:]
    for (key, value) in members {
      for (path, leaf) in value.leaves where leaf != .null {
        result[path.isEmpty ? key : "\(key).\(path)"] = leaf
      }
    }
    return result
  }
}
