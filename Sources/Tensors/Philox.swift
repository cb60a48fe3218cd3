import OpenCL

/// Philox 4x32-10 on the host: the numbers that Kernels/random.cl makes on the device.
///
/// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
public struct Philox: RandomNumberGenerator, Sendable {
  private let seed: UInt64
  private let stream: UInt64
  private var index: UInt32 = 0
  private var spare: UInt64?

  /// Numbers of `stream` under `seed`; streams of one seed are independent.
  public init(seed: UInt64, stream: UInt64) {
    self.seed = seed
    self.stream = stream
  }

  /// The stream of a name: what is drawn for one thing depends neither on what else there is nor on its
  /// place among it.
  ///
  ///     let weights = Philox(seed: 1, stream: Philox.stream("layers.0.weight"))
  ///
  /// FNV-1a, 64 bits, with the highest bit set: numbered streams are others.
  public static func stream(_ name: String) -> UInt64 {
    var hash = FNV1a()
    hash.combine(Array(name.utf8))
    return hash.value | 1 << 63
  }

  /// The next 64 bits: the two halves of each block in turn.
  public mutating func next() -> UInt64 {
    if let value = spare {
      spare = nil
      return value
    }
    let counter = SIMD4(
      index, UInt32(truncatingIfNeeded: stream), UInt32(truncatingIfNeeded: stream >> 32), 0)
    let block = Self.block(counter: counter, seed: seed)
    index += 1
    spare = UInt64(block.z) | UInt64(block.w) << 32
    return UInt64(block.x) | UInt64(block.y) << 32
  }

  /// The ten-round bijection of `counter` under the key `seed`, low word first.
  ///
  /// In words of their own: vectors take a hundred times as long in builds without optimisation.
  public static func block(counter: SIMD4<UInt32>, seed: UInt64) -> SIMD4<UInt32> {
    var (c0, c1, c2, c3) = (counter.x, counter.y, counter.z, counter.w)
    var (key0, key1) = (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
    var round = 0
    while round < 10 {
      let product0 = UInt64(c0) &* 0xD251_1F53
      let product1 = UInt64(c2) &* 0xCD9E_8D57
      c0 = UInt32(truncatingIfNeeded: product1 >> 32) ^ c1 ^ key0
      c1 = UInt32(truncatingIfNeeded: product1)
      c2 = UInt32(truncatingIfNeeded: product0 >> 32) ^ c3 ^ key1
      c3 = UInt32(truncatingIfNeeded: product0)
      key0 = key0 &+ 0x9E37_79B9
      key1 = key1 &+ 0xBB67_AE85
      round += 1
    }
    return SIMD4(c0, c1, c2, c3)
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
