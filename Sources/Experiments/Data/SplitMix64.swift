/// SplitMix64: a 64-bit counter through a mixing function. Small, seedable, the same everywhere.
///     s ← s + 0x9E3779B97F4A7C15,  output = mix(s)
/// Source: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014.
struct SplitMix64: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// Uniform in [0, 1), 24 random bits.
  mutating func uniform() -> Float { Float(next() >> 40) * 0x1p-24 }

  /// Uniform in [low, high).
  mutating func uniform(_ low: Float, _ high: Float) -> Float { low + (high - low) * uniform() }

  /// Roughly normal, mean 0 and variance 1: the sum of twelve uniforms, less 6 (three parts of
  /// 21 bits from each of four outputs). Additions only, so every platform makes the same bits.
  mutating func normal() -> Float {
    var sum: Int64 = 0
    for _ in 0..<4 {
      let bits = next()
      sum += Int64(bits & 0x1F_FFFF) + Int64((bits >> 21) & 0x1F_FFFF) + Int64(bits >> 43)
    }
    return Float(sum) * 0x1p-21 - 6
  }

  /// Uniform in 0..<bound by the high half of a product; bias below bound/2⁶⁴.
  mutating func index(below bound: Int) -> Int {
    Int(next().multipliedFullWidth(by: UInt64(bound)).high)
  }
}
