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
