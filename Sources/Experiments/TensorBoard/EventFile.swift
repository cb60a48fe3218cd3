import Foundation
import SwiftProtobuf

/// The bytes of a TensorBoard event file that holds scalars.
///
///     record = length (UInt64) · masked CRC-32C of it · event · masked CRC-32C of it
///
/// All little-endian; the first event names the version. Source: TensorFlow's TFRecord,
/// tensorflow/core/lib/io/record_writer.h.
struct EventFile {
  /// Named numbers at a step.
  struct Scalars {
    let step: Int
    /// Seconds since 1970.
    let time: Double
    let values: [String: Double]
  }

  private static let version = "brain.Event:2"

  /// The records of `scalars`, in their order; equal arguments give equal bytes.
  ///
  /// - start: seconds since 1970, of the version's event.
  static func bytes(_ scalars: [Scalars], start: Double) throws -> Data {
    var data = Data()
    append(
      try Tensorboard_Event.with {
        $0.wallTime = start
        $0.fileVersion = version
      }.serializedBytes(), to: &data)
    return data + (try bytes(of: scalars))
  }

  /// The records of `scalars` alone, to be added to a file.
  static func bytes(of scalars: [Scalars]) throws -> Data {
    var data = Data()
    for scalar in scalars {
      let event = Tensorboard_Event.with {
        $0.wallTime = scalar.time
        $0.step = Int64(scalar.step)
        $0.summary.value = scalar.values.sorted { $0.key < $1.key }.map { tag, value in
          .with {
            $0.tag = tag
            $0.simpleValue = Float(value)
          }
        }
      }
      append(try event.serializedBytes(), to: &data)
    }
    return data
  }

  /// A curve's place of a number.
  struct Point: Hashable {
    let step: Int
    let tag: String
  }

  /// The numbers of `scalars`, as a file holds them.
  static func points(_ scalars: [Scalars]) -> [Point: Float] {
    Dictionary(
      scalars.flatMap { scalar in
        scalar.values.map { (Point(step: scalar.step, tag: $0.key), Float($0.value)) }
      }, uniquingKeysWith: { $1 })
  }

  /// What a file holds, as far as its records are whole.
  struct Contents {
    var points: [Point: Float] = [:]
    /// Bytes of the whole records.
    var length = 0
    /// Whether nothing follows them, and no number is there twice.
    var isWhole = false
  }

  /// Reads a file; nil where it does not begin as one.
  static func contents(of data: Data) -> Contents? {
    var contents = Contents()
    var numbers = 0
    let data = Data(data)
    while let event = record(in: data, at: contents.length) {
      guard let read = try? Tensorboard_Event(serializedBytes: event.body) else { break }
      if contents.length == 0 && read.fileVersion != version { return nil }
      contents.length = event.end
      for value in read.summary.value {
        contents.points[Point(step: Int(read.step), tag: value.tag)] = value.simpleValue
        numbers += 1
      }
    }
    if contents.length == 0 { return nil }
    contents.isWhole = contents.length == data.count && numbers == contents.points.count
    return contents
  }

  /// The record at an offset; nil where none is whole.
  private static func record(in data: Data, at offset: Int) -> (body: [UInt8], end: Int)? {
    func number<Number: FixedWidthInteger>(_ type: Number.Type, _ offset: Int) -> Number {
      (0..<MemoryLayout<Number>.size).reduce(0) {
        $0 | Number(truncatingIfNeeded: data[offset + $1]) << (8 * $1)
      }
    }
    guard offset + 12 <= data.count,
      number(UInt32.self, offset + 8) == CRC32C.masked([UInt8](data[offset..<offset + 8])),
      let count = Int(exactly: number(UInt64.self, offset)), count <= data.count - offset - 16
    else { return nil }
    let body = [UInt8](data[offset + 12..<offset + 12 + count])
    guard number(UInt32.self, offset + 12 + count) == CRC32C.masked(body) else { return nil }
    return (body, offset + 16 + count)
  }

  private static func append(_ event: [UInt8], to data: inout Data) {
    func append(_ value: some FixedWidthInteger) {
      withUnsafeBytes(of: value.littleEndian) { data.append(contentsOf: $0) }
    }
    let length = withUnsafeBytes(of: UInt64(event.count).littleEndian) { [UInt8]($0) }
    data.append(contentsOf: length)
    append(CRC32C.masked(length))
    data.append(contentsOf: event)
    append(CRC32C.masked(event))
  }
}

/// The cyclic redundancy check of 32 bits with Castagnoli's polynomial, and its masked form.
///
///     masked = rotate right(crc, 15) + 0xa282ead8  mod 2³²
///
/// Source: RFC 3720, appendix B.4; masks: tensorflow/core/lib/hash/crc32c.h.
enum CRC32C {
  /// The polynomial, lowest bit first.
  private static let polynomial: UInt32 = 0x82F6_3B78

  private static let table: [UInt32] = (0..<256).map { byte in
    (0..<8).reduce(UInt32(byte)) { value, _ in
      value & 1 == 1 ? value >> 1 ^ polynomial : value >> 1
    }
  }

  static func checksum(_ bytes: some Sequence<UInt8>) -> UInt32 {
    ~bytes.reduce(~0) { crc, byte in crc >> 8 ^ table[Int((crc ^ UInt32(byte)) & 0xFF)] }
  }

  static func masked(_ bytes: some Sequence<UInt8>) -> UInt32 {
    let crc = checksum(bytes)
    return (crc >> 15 | crc << 17) &+ 0xA282_EAD8
  }
}
