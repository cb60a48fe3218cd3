/// The running state of the FNV-1a hash of 64 bits; not cryptographic.
///
///     h ← 0xcbf29ce484222325;  for each byte b: h ← (h ⊕ b)·0x100000001b3 mod 2⁶⁴
///
/// Source: Fowler, Noll, Vo, draft-eastlake-fnv.
package struct FNV1a {
  /// The hash of what has been combined so far.
  package private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

  /// The hash of nothing.
  package init() {}

  /// 16 hexadecimal digits.
  package var hexadecimal: String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  /// Takes in the elements' bytes.
  package mutating func combine<Element: BitwiseCopyable>(_ elements: [Element]) {
    elements.withUnsafeBytes { bytes in
      guard var next = bytes.bindMemory(to: UInt8.self).baseAddress else { return }
      let end = next + bytes.count
      var hash = value
      // A pointer walk: iterating the buffer is ten times slower in a debug build.
      while next < end {
        hash = (hash ^ UInt64(next.pointee)) &* 0x100_0000_01B3
        next += 1
      }
      value = hash
    }
  }
}
