// Normal random numbers of Philox's blocks (philox.cl), four a block.
// values [replica, count]; std, seeds [replica].
// Uniform u = (⌊x/2⁸⌋ + ½)·2⁻²⁴ in (0, 1); normal: Box–Muller over the block's two pairs, times
// std.
// global (⌈count/4⌉ rounded up to 64, replicas), local (64, 1). One work-item makes four numbers.

#include "philox.cl"

// The 24 high bits, centred: in [2⁻²⁵, 1 − 2⁻²⁵], exact in float.
static inline float4 unit(uint4 bits) {
  return (convert_float4(bits >> 8) + 0.5f) * 5.9604644775390625e-8f;
}

static inline void store_four(__global float* values, size_t replica, uint index, uint count, float4 v) {
  __global float* p = values + replica * count + (size_t)4 * index;
  uint left = count - 4 * index;
#if GROUP_ITEMS > 1
  // One store of 16 bytes, where replicas start at multiples of that.
  if (count % 4 == 0) {
    *(__global float4*)p = v;
    return;
  }
#endif
  if (left > 0) p[0] = v.x;
  if (left > 1) p[1] = v.y;
  if (left > 2) p[2] = v.z;
  if (left > 3) p[3] = v.w;
}

__kernel void fill_normal(__global const ulong* restrict seeds, __global const float* restrict std,
                          __global float* values, ulong stream, uint count) {
  uint index = get_global_id(0);
  if (index >= (count + 3) / 4) return;
  float4 u = unit(block(seeds, get_global_id(1), stream, index));
  float r0 = sqrt(-2.0f * log(u.x)), r1 = sqrt(-2.0f * log(u.z));
  float a0 = 6.283185307179586f * u.y, a1 = 6.283185307179586f * u.w;
  float4 v = (float4)(r0 * cos(a0), r0 * sin(a0), r1 * cos(a1), r1 * sin(a1));
  store_four(values, get_global_id(1), index, count, v * std[get_global_id(1)]);
}
