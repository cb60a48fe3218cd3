// NVIDIA's tensor cores and asynchronous copies, as inline PTX; and the same in OpenCL C, EMULATED,
// for tests of the kernels that use them on any device.
// Source: PTX ISA, sections on mma.sync for m16n8k8 (.tf32) and m16n8k16 (.bf16) and on cp.async;
// from compute capability 8.0 and PTX 7.0.
//
// A warp of 32 work-items multiplies D = A B + C, A 16×K, B K×8. Lane l = 4g + t (g 0 … 7, t 0 … 3)
// holds of C and D (g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1), in registers of 32 bits of
//   tf32, K = 8    A (g, t), (g + 8, t), (g, t + 4), (g + 8, t + 4)      B (t, g), (t + 4, g)
//   bf16, K = 16   pairs by k: A (g, 2t…), (g + 8, 2t…), (g, 2t + 8…), (g + 8, 2t + 8…)
//                  B (2t…, g), (2t + 8…, g); the pair's first in the lower half

#define WARP 32

#ifndef EMULATED

// Nothing to be kept for them.
#define MMA_MEMORY
#define MMA_LOCAL 0
typedef uint MMAScratch;
typedef uint Copies;

// x to 10 bits behind the leading one, to nearest, ties away from 0.
INLINE uint tf32(float x) {
  uint result;
  __asm__("cvt.rna.tf32.f32 %0, %1;" : "=r"(result) : "f"(x));
  return result;
}

// Both to 7 bits behind the leading one, to nearest, ties to even; x in the lower half.
INLINE uint bf16_pair(float x, float y) {
  uint result;
  __asm__("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(result) : "f"(y), "f"(x));
  return result;
}

// sums += A B.
#define MMA(SHAPE)                                                                              \
  __asm__ volatile("mma.sync.aligned." SHAPE " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "     \
               "{%10, %11, %12, %13};"                                                          \
               : "=f"(d.x), "=f"(d.y), "=f"(d.z), "=f"(d.w)                                     \
               : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "r"(b.x), "r"(b.y), "f"(sums.x),       \
                 "f"(sums.y), "f"(sums.z), "f"(sums.w))

INLINE float4 mma_tf32(uint4 a, uint2 b, float4 sums, MMAScratch scratch) {
  float4 d;
  MMA("m16n8k8.row.col.f32.tf32.tf32.f32");
  return d;
}

INLINE float4 mma_bf16(uint4 a, uint2 b, float4 sums, MMAScratch scratch) {
  float4 d;
  MMA("m16n8k16.row.col.f32.bf16.bf16.f32");
  return d;
}

// Copies that are under way while the work-item continues; `count` ≤ 4 floats and 0 for the rest.
// aligned: `from` at 16 bytes. A pointer to local memory is an address within it.
INLINE void copy_four(__local float* to, __global const float* from, uint count, bool aligned,
                      Copies* copies) {
  uint place = (uint)(size_t)to;
  if (aligned) {
    __asm__ volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(place),
                 "l"((ulong)(size_t)from), "r"(4 * count) : "memory");
  } else {
#pragma unroll
    for (uint i = 0; i < 4; i++)
      __asm__ volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(place + 4 * i),
                   "l"((ulong)(size_t)(from + (i < count ? i : 0))), "r"(i < count ? 4 : 0)
                   : "memory");
  }
}

// Ends a group of copies, which may be empty.
INLINE void end_copies(Copies* copies) { __asm__ volatile("cp.async.commit_group;" ::: "memory"); }

// Waits for the work-item's own groups of copies but for the last `LEFT`, a literal.
#define WAIT_FOR_COPIES(LEFT, copies) \
  __asm__ volatile("cp.async.wait_group %0;" ::"n"(LEFT) : "memory")

#else

// Each lane shows its registers of A and B to its warp.
#define MMA_MEMORY __local uint mmaScratch[THREADS * 6];
#define MMA_LOCAL mmaScratch
typedef __local uint* MMAScratch;

#include "rounding.cl"

#define SHOW(lane, warp)                                                         \
  uint lane = get_local_id(0) % WARP;                                            \
  __local uint* warp = scratch + get_local_id(0) / WARP * WARP * 6;              \
  warp[lane * 6] = a.x;                                                          \
  warp[lane * 6 + 1] = a.y;                                                      \
  warp[lane * 6 + 2] = a.z;                                                      \
  warp[lane * 6 + 3] = a.w;                                                      \
  warp[lane * 6 + 4] = b.x;                                                      \
  warp[lane * 6 + 5] = b.y;                                                      \
  barrier(CLK_LOCAL_MEM_FENCE);

INLINE float tf32_at(uint bits) { return as_float(bits & 0xffffe000); }
INLINE float bf16_at(uint pair, uint high) {
  return as_float(high ? pair & 0xffff0000 : pair << 16);
}

// Element (i, k) of A and (k, j) of B, from the lane and the register that hold it.
INLINE float a_tf32(__local const uint* warp, uint i, uint k) {
  return tf32_at(warp[(i % 8 * 4 + k % 4) * 6 + i / 8 + k / 4 * 2]);
}
INLINE float b_tf32(__local const uint* warp, uint k, uint j) {
  return tf32_at(warp[(j * 4 + k % 4) * 6 + 4 + k / 4]);
}
INLINE float a_bf16(__local const uint* warp, uint i, uint k) {
  return bf16_at(warp[(i % 8 * 4 + k % 8 / 2) * 6 + i / 8 + k / 8 * 2], k % 2);
}
INLINE float b_bf16(__local const uint* warp, uint k, uint j) {
  return bf16_at(warp[(j * 4 + k % 8 / 2) * 6 + 4 + k / 8], k % 2);
}

#define EMULATED_MMA(TYPE, DEPTH)                                                             \
  INLINE float4 mma_##TYPE(uint4 a, uint2 b, float4 sums, MMAScratch scratch) {               \
    SHOW(lane, warp)                                                                          \
    uint i = lane / 4, j = lane % 4 * 2;                                                      \
    for (uint k = 0; k < DEPTH; k++) {                                                        \
      float2 right = (float2)(b_##TYPE(warp, k, j), b_##TYPE(warp, k, j + 1));                \
      sums.xy += a_##TYPE(warp, i, k) * right;                                                \
      sums.zw += a_##TYPE(warp, i + 8, k) * right;                                            \
    }                                                                                         \
    barrier(CLK_LOCAL_MEM_FENCE);                                                             \
    return sums;                                                                              \
  }
EMULATED_MMA(tf32, 8)
EMULATED_MMA(bf16, 16)

// EMULATED 1: a copy is made as soon as it is asked for; 2: as late as a wait lets it be.
typedef struct {
  __local float* to[STAGES][COPIES];
  __global const float* from[STAGES][COPIES];
  uint count[STAGES][COPIES];
  uint group, made, waiting;  // the open group, copies in it, groups that are not made yet
} Copies;

INLINE void copy_now(__local float* to, __global const float* from, uint count) {
  for (uint i = 0; i < 4; i++) to[i] = i < count ? from[i] : 0.0f;
}

INLINE void copy_four(__local float* to, __global const float* from, uint count, bool aligned,
                      Copies* copies) {
#if EMULATED == 1
  copy_now(to, from, count);
#else
  copies->to[copies->group][copies->made] = to;
  copies->from[copies->group][copies->made] = from;
  copies->count[copies->group][copies->made++] = count;
#endif
}

INLINE void end_copies(Copies* copies) {
  for (uint i = copies->made; i < COPIES; i++) copies->to[copies->group][i] = 0;
  copies->group = (copies->group + 1) % STAGES;
  copies->made = 0;
  copies->waiting++;
}

INLINE void wait_for_copies(uint left, Copies* copies) {
  for (; copies->waiting > left; copies->waiting--) {
    uint group = (copies->group + STAGES - copies->waiting) % STAGES;
    for (uint i = 0; i < COPIES; i++)
      if (EMULATED == 2 && copies->to[group][i])
        copy_now(copies->to[group][i], copies->from[group][i], copies->count[group][i]);
  }
}
#define WAIT_FOR_COPIES(LEFT, copies) wait_for_copies(LEFT, copies)

#endif
