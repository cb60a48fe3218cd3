// Large matrix products on NVIDIA's tensor cores by warpgroups, of compute capability 9.0. What
// becomes of the sums, arguments and launch sizes: span.cl; the instructions: wgmma.cl.
//   C(i, j) = Σ_k r(A(i, k))·r(B(k, j)), sums in float32; r as PRECISION, the build's, has it:
//     TF32, BF16  A and B rounded to it; sums as the tensor cores keep them
//     TF32X3      A and B as two tf32 each; small·big + big·small + big·big of each 32 of k in sums
//                 of their own, as tensor cores do not round sums to nearest
// a, b: packed by pack.cl (packed.cl has the order), whatever the transpose mode; strides in
// floats, 0 where one replica serves all. The tile is 128×TILE_N of C, TILE_N 128 or 256, STAGES
// blocks of k in local memory; see ProductTile.swift.
//
// Two warpgroups multiply, 64 rows each. One work-item of a ninth warp asks for blocks, STAGES
// ahead: barrier `full` of a stage is for its block to be there, `empty` for both warpgroups to be
// done with it.

#include "vector.cl"
#include "nonlinearity.cl"
#include "rules.cl"
#include "epilogue.cl"
#define SPAN 2
#define BATCH 4
#include "span.cl"
#define TILE_M 128
#define THREADS 288
#include "multiply_group.cl"
#include "packed.cl"
#include "wgmma.cl"

#define TILE_BLOCKS (TILE_N / BLOCK_ROWS)
#define STAGE_BYTES (PARTS * (1 + TILE_BLOCKS) * BLOCK_BYTES)

#ifdef EMULATED
typedef __local uint* LocalMemory;
#else
typedef __local ulong* LocalMemory;
#endif

// The block of k number `block` of both operands, A's part by part and then B's; b: of each 128
// columns.
#ifdef EMULATED
#define BRING(to, from) bring(memory, to, from)
#else
#define BRING(to, from) bring(to, from, full)
#endif
#define BRING_STAGE(to, a, b, block)                                                           \
  _Pragma("unroll") for (uint part = 0; part < PARTS; part++) {                                \
    size_t source = ((block) * (size_t)PARTS + part) * BLOCK_BYTES;                            \
    BRING((to) + part * BLOCK_BYTES, a + source);                                              \
    _Pragma("unroll") for (uint j = 0; j < TILE_BLOCKS; j++)                                   \
        BRING((to) + (PARTS + part * TILE_BLOCKS + j) * BLOCK_BYTES, b[j] + source);           \
  }

// The work-item's share of the block at `from`. Descriptors count in 16 bytes.
#define OPERANDS(from)                                                                         \
  ulong left = DESCRIPTOR((from) + warpgroup * (WARPGROUP_ROWS * 128));                        \
  ulong right = DESCRIPTOR((from) + PARTS * BLOCK_BYTES);
#define SMALL_LEFT (BLOCK_BYTES / 16)
#define SMALL_RIGHT (TILE_BLOCKS * BLOCK_BYTES / 16)

// C's share of the work-item, 16 columns at a time.
#define FINISH(h, t)                                                                           \
  {                                                                                            \
    uint own = column + (h * 8 + t) * 16;                                                      \
    float2 v0, v1, v2, v3;                                                                     \
    TAKE(v0, h, t, 0, 1)                                                                       \
    TAKE(v1, h, t, 2, 3)                                                                       \
    TAKE(v2, h, t, 4, 5)                                                                       \
    TAKE(v3, h, t, 6, 7)                                                                       \
    Span spans[BATCH] = {span_at(v0, row, own, m, n), span_at(v1, row + 8, own, m, n),         \
                         span_at(v2, row, own + 8, m, n), span_at(v3, row + 8, own + 8, m, n)};\
    finish_spans(e, spans);                                                                    \
  }

// m, n, k: the product's; depth: as far as is to be summed, 0 for nothing.
INLINE void multiply_tile(__global const float* packedA, __global const float* packedB, uint m,
                          uint n, uint k, uint depth, LocalMemory memory, const Epilogue* e) {
  uint2 origin = tile_origin(m, n);
  LEAVE_OUT_BELOW_DIAGONAL
  uint blocks = (depth + DEPTH - 1) / DEPTH;
  size_t pitch = PACKED_PITCH((k + DEPTH - 1) / DEPTH);
  __global const uchar* a = (__global const uchar*)packedA + origin.x / BLOCK_ROWS * pitch;
  __global const uchar* b[TILE_BLOCKS];
  // Columns beyond B's last block are not stored: any will do.
  uint lastBlock = (n - 1) / BLOCK_ROWS;
#pragma unroll
  for (uint j = 0; j < TILE_BLOCKS; j++)
    b[j] = (__global const uchar*)packedB + min(origin.y / BLOCK_ROWS + j, lastBlock) * pitch;
  uint stage = 0;
  DECLARE_SUMS(sum)
#if PRECISION == TF32X3
  DECLARE_SUMS(part)
#endif

#ifdef EMULATED
  CLEAR_SUMS
  for (uint block = 0; block < blocks; block++) {
    uint from = stage * STAGE_BYTES;
    BRING_STAGE(from, a, b, block)
    barrier(CLK_LOCAL_MEM_FENCE);
    if (get_local_id(0) < 2 * WARPGROUP) {
      uint warpgroup = get_local_id(0) / WARPGROUP;
      OPERANDS(from)
#if PRECISION == TF32X3
      MULTIPLY_BLOCKS(part, left + SMALL_LEFT, right, 0)
      MULTIPLY_BLOCKS(part, left, right + SMALL_RIGHT, 1)
      MULTIPLY_BLOCKS(part, left, right, 1)
      ADD_PARTS
#else
      MULTIPLY_BLOCKS(sum, left, right, block)
#endif
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    stage = stage == STAGES - 1 ? 0 : stage + 1;
  }
#else
  uint base = ((uint)(size_t)memory + 1023) & ~1023u;
  uint fulls = base + STAGES * STAGE_BYTES, empties = fulls + 8 * STAGES, phase = 0;
  if (get_local_id(0) == 0) {
    for (uint s = 0; s < STAGES; s++) {
      barrier_init(fulls + 8 * s, 1);
      barrier_init(empties + 8 * s, 2);
    }
    show_barriers();
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  if (get_local_id(0) >= 2 * WARPGROUP) {
    if (get_local_id(0) == 2 * WARPGROUP) {
      for (uint block = 0; block < blocks; block++) {
        uint full = fulls + 8 * stage;
        barrier_wait(empties + 8 * stage, phase ^ 1);
        barrier_expect(full, STAGE_BYTES);
        BRING_STAGE(base + stage * STAGE_BYTES, a, b, block)
        if (++stage == STAGES) {
          stage = 0;
          phase ^= 1;
        }
      }
    }
    return;
  }
#define RELEASE(stage)                                                                         \
  if (get_local_id(0) % WARPGROUP == 0) barrier_arrive(empties + 8 * (stage));
#if PRECISION == TF32X3
  CLEAR_SUMS
#else
  uint before = 0;
#endif
  uint warpgroup = warpgroup_number();
  for (uint block = 0; block < blocks; block++) {
    barrier_wait(fulls + 8 * stage, phase);
    OPERANDS(base + stage * STAGE_BYTES)
    BEGIN_WGMMA
#if PRECISION == TF32X3
    MULTIPLY_BLOCKS(part, left + SMALL_LEFT, right, 0)
    MULTIPLY_BLOCKS(part, left, right + SMALL_RIGHT, 1)
    MULTIPLY_BLOCKS(part, left, right, 1)
    END_WGMMA
    WAIT_FOR_WGMMA(0)
    RELEASE(stage)
    ADD_PARTS
#else
    // The first block's are the sums; those of one block are under way while the next is waited
    // for.
    MULTIPLY_BLOCKS(sum, left, right, block)
    END_WGMMA
    WAIT_FOR_WGMMA(1)
    if (block > 0) RELEASE(before)
    before = stage;
#endif
    if (++stage == STAGES) {
      stage = 0;
      phase ^= 1;
    }
  }
  WAIT_FOR_WGMMA(0)
#endif
  uint warp = get_local_id(0) / WARP, lane = get_local_id(0) % WARP;
  uint row = origin.x + warp * 16 + lane / 4, column = origin.y + lane % 4 * 2;
  if (get_local_id(0) < 2 * WARPGROUP) {
    EVERY_EIGHT(FINISH)
  }
}

#ifdef EMULATED
#define MEMORY __local uint memory[STAGES * STAGE_BYTES / 4];
#else
// With room to begin at a multiple of what the swizzle repeats by, and two barriers a stage.
#define MEMORY                                                                                 \
  __local ulong memory[(STAGES * (STAGE_BYTES + 16) + 1024) / 8]                               \
      __attribute__((aligned(1024)));
#endif
MULTIPLY(MEMORY, memory)
