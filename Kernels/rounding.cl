// What tensor cores round operands to, bit by bit, on any device.

// Rounded where the bits left, of which `half` is the middle, are lost; NaN stays NaN.
INLINE uint tf32(float x) {
  uint bits = as_uint(x);
  if (isnan(x)) return 0x7fffe000;
  return isinf(x) ? bits : (bits + 0x1000) & 0xffffe000;
}

INLINE uint bf16(float x) {
  uint bits = as_uint(x);
  if (isnan(x)) return 0x7fff;
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

INLINE uint bf16_pair(float x, float y) { return bf16(x) | bf16(y) << 16; }
