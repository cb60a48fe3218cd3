import Testing

@testable import Experiments

@Suite struct NumericTypeTests {
  private func decode(_ type: NumericType, _ bytes: [UInt8]) -> [Float] {
    bytes.withUnsafeBytes { bytes in
      [Float](unsafeUninitializedCapacity: bytes.count / type.format.width) { memory, count in
        type.decode(
          bytes, into: UnsafeMutableBufferPointer(start: memory.baseAddress, count: memory.count))
        count = bytes.count / type.format.width
      }
    }
  }

  #if !(os(macOS) && arch(x86_64))
    /// Every one of the 65536, against Swift's own type.
    @Test func float16_isExactForEveryPattern() {
      for bits in UInt16.min...UInt16.max {
        let expected = Float(Float16(bitPattern: bits))
        let got = NumericType.float(half: bits)
        if expected.isNaN {
          #expect(got.isNaN, "\(bits)")
        } else {
          #expect(got.bitPattern == expected.bitPattern, "\(bits)")
        }
      }
    }
  #endif

  /// Values of the standard's text: largest, smallest normal, smallest subnormal, one third.
  @Test func float16_knownValues() {
    let known: [(UInt16, Float)] = [
      (0x7BFF, 65504), (0x0400, 0x1p-14), (0x0001, 0x1p-24), (0x3555, 0.333251953125),
      (0xC000, -2), (0x8000, -0.0),
    ]
    for (bits, value) in known {
      #expect(NumericType.float(half: bits).bitPattern == value.bitPattern)
    }
    #expect(NumericType.float(half: 0xFC00) == -.infinity)
    #expect(NumericType.float(half: 0x7E00).isNaN)
  }

  @Test func everyFormat_inBothByteOrders() {
    let values: [Float] = [1, -2.5, 0x1p-10, 0]
    let patterns: [(FloatFormat, [UInt8])] = [
      (.float32, raw(values)), (.float64, raw(values.map(Double.init))),
      (.bfloat16, raw(values.map { UInt16($0.bitPattern >> 16) })),
      (.float16, raw([0x3C00, 0xC100, 0x1400, 0] as [UInt16])),
    ]
    for (format, bytes) in patterns {
      #expect(decode(NumericType(format), bytes) == values, "\(format)")
      let width = format.width
      let swapped = (0..<values.count).flatMap {
        bytes[($0 * width)..<(($0 + 1) * width)].reversed()
      }
      #expect(decode(NumericType(format, bigEndian: true), swapped) == values, "\(format)")
    }
  }
}
