/// A floating-point type that weights are stored in.
enum FloatFormat: Hashable, Sendable {
  /// IEEE 754 binary16.
  case float16
  /// The upper half of binary32.
  case bfloat16
  case float32, float64

  /// Bytes of one value.
  var width: Int {
    switch self {
    case .float16, .bfloat16: 2
    case .float32: 4
    case .float64: 8
    }
  }
}

/// How a weight's values lie in a file: format and byte order.
struct NumericType: Hashable, Sendable {
  let format: FloatFormat
  let bigEndian: Bool

  init(_ format: FloatFormat, bigEndian: Bool = false) {
    self.format = format
    self.bigEndian = bigEndian
  }

  /// The values of `bytes`, in order, written to the start of `values`.
  ///
  /// Exact but for float64 into Float, which rounds to nearest and overflows to infinity.
  /// - bytes: `width` bytes a value; `values` has room for them.
  func decode<Value: BinaryFloatingPoint>(
    _ bytes: UnsafeRawBufferPointer, into values: UnsafeMutableBufferPointer<Value>
  ) {
    let count = bytes.count / format.width
    precondition(count <= values.count, "\(count) values into room for \(values.count)")
    func word<Word: FixedWidthInteger & BitwiseCopyable>(_ index: Int) -> Word {
      let stored = bytes.loadUnaligned(
        fromByteOffset: index * MemoryLayout<Word>.size, as: Word.self)
      return bigEndian ? Word(bigEndian: stored) : Word(littleEndian: stored)
    }
    switch format {
    case .float16:
      for index in 0..<count { values[index] = Value(Self.float(half: word(index))) }
    case .bfloat16:
      for index in 0..<count {
        values[index] = Value(Float(bitPattern: UInt32(word(index) as UInt16) << 16))
      }
    case .float32:
      for index in 0..<count { values[index] = Value(Float(bitPattern: word(index))) }
    case .float64:
      for index in 0..<count { values[index] = Value(Double(bitPattern: word(index))) }
    }
  }

  /// The value of a binary16; Swift's own Float16 is not on every platform.
  static func float(half bits: UInt16) -> Float {
    let sign = UInt32(bits & 0x8000) << 16
    let magnitude = UInt32(bits & 0x7FFF)
    switch magnitude >> 10 {
    case 0x1F:  // infinity and NaN keep their fraction
      return Float(bitPattern: sign | 0x7F80_0000 | (magnitude & 0x3FF) << 13)
    case 0:  // zero and subnormals: a count of 2^-24
      return Float(bitPattern: sign | (Float(magnitude) * 0x1p-24).bitPattern)
    default:  // 112 = 127 − 15, between the exponents' biases
      return Float(bitPattern: sign | (magnitude << 13 + 112 << 23))
    }
  }
}
