/// Philox 4x32-10 on the host: the numbers that Kernels/random.cl makes on the device.
///
/// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
public struct Philox: RandomNumberGenerator, Sendable {
  private let seed: UInt64
  private let stream: UInt32
  private var index: UInt32 = 0
  private var spare: UInt64?

  /// Numbers of `stream` under `seed`; streams of one seed are independent.
  public init(seed: UInt64, stream: UInt32) {
    self.seed = seed
    self.stream = stream
  }

  /// The next 64 bits: the two halves of each block in turn.
  public mutating func next() -> UInt64 {
    if let value = spare {
      spare = nil
      return value
    }
    let block = Self.block(counter: [index, stream, 0, 0], seed: seed)
    index += 1
    spare = UInt64(block[2]) | UInt64(block[3]) << 32
    return UInt64(block[0]) | UInt64(block[1]) << 32
  }

  /// The ten-round bijection of `counter` under the key `seed`, low word first.
  public static func block(counter: SIMD4<UInt32>, seed: UInt64) -> SIMD4<UInt32> {
    var counter = counter
    var key = SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(seed >> 32))
    for _ in 0..<10 {
      let product0 = UInt64(counter[0]) * 0xD251_1F53
      let product1 = UInt64(counter[2]) * 0xCD9E_8D57
      counter = [
        UInt32(product1 >> 32) ^ counter[1] ^ key[0], UInt32(truncatingIfNeeded: product1),
        UInt32(product0 >> 32) ^ counter[3] ^ key[1], UInt32(truncatingIfNeeded: product0),
      ]
      key &+= [0x9E37_79B9, 0xBB67_AE85]
    }
    return counter
  }

  /// Uniform in [0, 1), from 24 bits.
  public mutating func uniform() -> Float { Float(next() >> 40) * 0x1p-24 }

  /// Uniform in [low, high).
  public mutating func uniform(_ low: Float, _ high: Float) -> Float {
    low + (high - low) * uniform()
  }

  /// Uniform in 0..<bound by the high half of a product; its bias is below bound/2⁶⁴.
  public mutating func index(below bound: Int) -> Int {
    Int(next().multipliedFullWidth(by: UInt64(bound)).high)
  }

  /// The numbers 0..<count in an order drawn by Fisher and Yates's method.
  ///
  /// Our own, as what the standard library's `shuffled(using:)` draws may change between versions.
  public mutating func permutation(of count: Int) -> [UInt32] {
    var result = (0..<UInt32(count)).map { $0 }
    for position in 0..<max(0, count - 1) {
      result.swapAt(position, position + index(below: count - position))
    }
    return result
  }
}
