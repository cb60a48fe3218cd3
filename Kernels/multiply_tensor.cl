// Matrix products on NVIDIA's tensor cores. What becomes of the sums, arguments and launch sizes:
// span.cl; the instructions: mma.cl.
//   C(i, j) = Σ_k r(A(i, k))·r(B(k, j)), sums in float32; r rounds as PRECISION, the build's, has it:
//     TF32    to tf32: 10 bits behind the leading one, 2⁻¹¹ relative
//     BF16    to bfloat16: 7 bits, 2⁻⁸ relative
//     TF32X3  no rounding: x = big + small, both tf32, and A B = big·big + big·small + small·big, in
//             sums of their own for each 16 of k, as tensor cores do not round sums to nearest
// The tile is the build's: TILE_M×TILE_N of C and TILE_K of k a work-group,
// WARP_M×WARP_N of C a warp, STAGES tiles of k in local memory; see ProductTile.swift.
//
// Both operands' tiles come to local memory as they lie in global memory, in asynchronous copies
// STAGES − 1 tiles ahead of the sums. Their fours of neighbours change places within a row, so that
// reading them as fragments meets no bank twice:
//   by depth   [row][k], four q of a row at q XOR 4·(row mod TILE_K/16); a lane reads a four
//   by row     [k][row], row r at r XOR 8·(k/4 mod 4); a lane reads four single values
// The order of k within an mma is free as long as it is A's and B's: lane 4g + t takes the four
// k = 4t … 4t + 3 of 16 for its registers, all of a bf16 mma's or of two tf32 mmas'. So one read of
// 16 bytes brings what ldmatrix would. A sum is in the order of k by 16 (of BF16) or 8, within
// which the hardware's order holds.

#define TF32 1
#define BF16 2
#define TF32X3 3

#define THREADS (WARP * (TILE_M / WARP_M) * (TILE_N / WARP_N))
// Fours of a tile that one work-item copies.
#define FOURS_M (TILE_M * TILE_K / 4 / THREADS)
#define FOURS_N (TILE_N * TILE_K / 4 / THREADS)
#define COPIES (FOURS_M + FOURS_N)
#define STAGE_M (TILE_M * TILE_K)
#define STAGE_N (TILE_N * TILE_K)
#define BLOCKS_M (WARP_M / 16)
#define BLOCKS_N (WARP_N / 8)
// Spans of a work-item: two of each 16×8 of its warp.
#define SPANS (2 * BLOCKS_M * BLOCKS_N)

#include "vector.cl"
#include "nonlinearity.cl"
#include "rules.cl"
#include "epilogue.cl"
#define SPAN 2
#define BATCH 2
#include "span.cl"
#include "multiply_group.cl"
#include "mma.cl"

// Emulated, loops with barriers stay loops.
#ifdef EMULATED
#define UNROLL _Pragma("unroll 1")
#else
#define UNROLL _Pragma("unroll")
#endif

// Where in a tile of `tile` rows the four from (row, k) on is, or, by row, the float.
INLINE uint place(uint row, uint k, uint tile, bool byDepth) {
  return byDepth ? row * TILE_K + ((k / 4) ^ (row % (TILE_K / 16) * 4)) * 4
                 : k * tile + (row ^ (k / 4 % 4 * 8));
}

// Asks for a tile of `operand` from `row` and `k` on; 0 beyond its edges.
INLINE void bring(__global const float* operand, uint rows, uint depth, uint pitch, uint row,
                  uint k, uint tile, uint count, bool byDepth, __local float* to, Copies* copies) {
  UNROLL for (uint f = 0; f < count; f++) {
    uint i = f * THREADS + get_local_id(0);
    uint ownRow = byDepth ? i / (TILE_K / 4) : i % (tile / 4) * 4;
    uint ownK = byDepth ? i % (TILE_K / 4) * 4 : i / (tile / 4);
    uint atRow = row + ownRow, atK = k + ownK;
    bool inside = atRow < rows && atK < depth;
    size_t index = byDepth ? atRow * (size_t)pitch + atK : atK * (size_t)pitch + atRow;
    uint there = min(byDepth ? depth - atK : rows - atRow, 4u);
    copy_four(to + place(ownRow, ownK, tile, byDepth), operand + (inside ? index : 0),
              inside ? there : 0, ALIGNED, copies);
  }
}

// What lane 4g + t needs of `row`, k … k + 15: (row, k + 4t) … (row, k + 4t + 3).
INLINE float4 fragment(__local const float* from, uint row, uint k, uint tile, bool byDepth) {
  uint own = k + get_local_id(0) % 4 * 4;
  if (byDepth) return *(__local const float4*)(from + place(row, own, tile, true));
  __local const float* p = from + place(row, own, tile, false);
  return (float4)(p[0], p[tile], p[2 * tile], p[3 * tile]);
}

#if PRECISION == BF16
INLINE float4 multiply_16(float4 low, float4 high, float4 right, float4 sums, MMAScratch scratch) {
  uint4 a = (uint4)(bf16_pair(low.x, low.y), bf16_pair(high.x, high.y), bf16_pair(low.z, low.w),
                    bf16_pair(high.z, high.w));
  return mma_bf16(a, (uint2)(bf16_pair(right.x, right.y), bf16_pair(right.z, right.w)), sums,
                  scratch);
}
#else
INLINE uint4 tf32_4(float4 x) { return (uint4)(tf32(x.x), tf32(x.y), tf32(x.z), tf32(x.w)); }

// The first and the second 8 of k.
INLINE float4 mma_16(uint4 low, uint4 high, uint4 right, float4 sums, MMAScratch scratch) {
  sums = mma_tf32((uint4)(low.x, high.x, low.y, high.y), right.xy, sums, scratch);
  return mma_tf32((uint4)(low.z, high.z, low.w, high.w), right.zw, sums, scratch);
}
#endif

#if PRECISION == TF32
INLINE float4 multiply_16(float4 low, float4 high, float4 right, float4 sums, MMAScratch scratch) {
  return mma_16(tf32_4(low), tf32_4(high), tf32_4(right), sums, scratch);
}
#elif PRECISION == TF32X3
// What is left of x; of a number whose big part is not finite, nothing.
INLINE uint4 small_4(float4 x, uint4 big) {
  float4 left = x - as_float4(big);
  return tf32_4(isfinite(as_float4(big)) ? left : (float4)(0.0f));
}

INLINE float4 multiply_16(float4 low, float4 high, float4 right, float4 sums, MMAScratch scratch) {
  uint4 bigLow = tf32_4(low), bigHigh = tf32_4(high), bigRight = tf32_4(right);
  float4 own = mma_16(small_4(low, bigLow), small_4(high, bigHigh), bigRight, (float4)(0.0f),
                      scratch);
  own = mma_16(bigLow, bigHigh, small_4(right, bigRight), own, scratch);
  return sums + mma_16(bigLow, bigHigh, bigRight, own, scratch);
}
#endif

// n, m, k: the product's; depth: as far as is to be summed, 0 for nothing.
INLINE void multiply_tile(__global const float* a, __global const float* b, uint m, uint n, uint k,
                          uint depth, __local float* left, __local float* right,
                          MMAScratch scratch, const Epilogue* e) {
  uint2 origin = tile_origin(m, n);
  LEAVE_OUT_BELOW_DIAGONAL
  uint pitchA = LEFT_BY_DEPTH ? k : m, pitchB = RIGHT_BY_DEPTH ? k : n;
  uint warp = get_local_id(0) / WARP, lane = get_local_id(0) % WARP;
  uint firstRow = warp / (TILE_N / WARP_N) * WARP_M, firstColumn = warp % (TILE_N / WARP_N) * WARP_N;
  float4 sums[BLOCKS_M][BLOCKS_N];
#pragma unroll
  for (uint i = 0; i < BLOCKS_M; i++)
#pragma unroll
    for (uint j = 0; j < BLOCKS_N; j++) sums[i][j] = (float4)(0.0f);
#ifdef EMULATED
  Copies copies = {.group = 0, .made = 0, .waiting = 0};
#else
  Copies copies = 0;
#endif
#define BRING(tileK, stage)                                                                      \
  if (tileK < depth) {                                                                           \
    bring(a, m, depth, pitchA, origin.x, tileK, TILE_M, FOURS_M, LEFT_BY_DEPTH,                  \
          left + (stage) * STAGE_M, &copies);                                                    \
    bring(b, n, depth, pitchB, origin.y, tileK, TILE_N, FOURS_N, RIGHT_BY_DEPTH,                 \
          right + (stage) * STAGE_N, &copies);                                                   \
  }                                                                                              \
  end_copies(&copies);
#pragma unroll
  for (uint s = 0; s < STAGES - 1; s++) {
    BRING(s * TILE_K, s)
  }
  uint stage = 0;
  for (uint start = 0; start < depth; start += TILE_K) {
    // This tile is there for all, and all are done with the one before, whose place is free.
    WAIT_FOR_COPIES(STAGES - 2, &copies);
    barrier(CLK_LOCAL_MEM_FENCE);
    uint free = stage == 0 ? STAGES - 1 : stage - 1, ahead = start + (STAGES - 1) * TILE_K;
    BRING(ahead, free)
    __local const float* tileA = left + stage * STAGE_M;
    __local const float* tileB = right + stage * STAGE_N;
    UNROLL for (uint step = 0; step < TILE_K; step += 16) {
      float4 rows[BLOCKS_M][2], columns[BLOCKS_N];
#pragma unroll
      for (uint i = 0; i < BLOCKS_M; i++)
#pragma unroll
        for (uint h = 0; h < 2; h++)
          rows[i][h] = fragment(tileA, firstRow + i * 16 + h * 8 + lane / 4, step, TILE_M,
                                LEFT_BY_DEPTH);
#pragma unroll
      for (uint j = 0; j < BLOCKS_N; j++)
        columns[j] = fragment(tileB, firstColumn + j * 8 + lane / 4, step, TILE_N, RIGHT_BY_DEPTH);
      UNROLL for (uint i = 0; i < BLOCKS_M; i++) {
        UNROLL for (uint j = 0; j < BLOCKS_N; j++) {
          sums[i][j] = multiply_16(rows[i][0], rows[i][1], columns[j], sums[i][j], scratch);
        }
      }
    }
    stage = stage == STAGES - 1 ? 0 : stage + 1;
  }
#pragma unroll
  for (uint first = 0; first < SPANS; first += BATCH) {
    Span spans[BATCH];
#pragma unroll
    for (uint s = 0; s < BATCH; s++) {
      uint i = (first + s) / (2 * BLOCKS_N), j = (first + s) / 2 % BLOCKS_N, h = s % 2;
      // A tile of few spans leaves a part of the batch without one.
      bool exists = first + s < SPANS;
      float4 own = exists ? sums[i][j] : (float4)(0.0f);
      spans[s] = span_at(h ? own.zw : own.xy,
                         exists ? origin.x + firstRow + i * 16 + h * 8 + lane / 4 : m,
                         origin.y + firstColumn + j * 8 + lane % 4 * 2, m, n);
    }
    finish_spans(e, spans);
  }
}

#define MEMORY                                 \
  __local float4 left[STAGES * STAGE_M / 4];   \
  __local float4 right[STAGES * STAGE_N / 4];  \
  MMA_MEMORY
#define LOCAL (__local float*)left, (__local float*)right, MMA_LOCAL

MULTIPLY(MEMORY, LOCAL)
