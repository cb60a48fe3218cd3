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
