// Packs an operand of a product for multiply_warpgroup.cl, in the order of packed.cl.
//   packed ← r(x), and of TF32X3 r(x − r(x)) beside it
// x: [replica, rows, depth] for pack_rows, [replica, depth, rows] for pack_columns; ALIGNED is 1
// where rows in memory begin at multiples of 4 floats. A group has 32 rows of a block. global
// (256·4·⌈rows/128⌉·⌈depth/DEPTH⌉, replicas), local (256, 1).

#include "vector.cl"
#include "rounding.cl"
#include "packed.cl"

// Values of 16 bytes.
#define CHUNK (DEPTH / 8)
#define GROUP_ROWS 32

// The next part of a chunk's values, and in their place what it leaves of them: of a value whose
// part is not finite, nothing.
INLINE uint4 take_part(float* values) {
  uint words[4];
#pragma unroll
  for (uint i = 0; i < 4; i++) {
#if PRECISION == BF16
    words[i] = bf16_pair(values[2 * i], values[2 * i + 1]);
#else
    words[i] = tf32(values[i]);
    float part = as_float(words[i]);
    values[i] = isfinite(part) ? values[i] - part : 0.0f;
#endif
  }
  return (uint4)(words[0], words[1], words[2], words[3]);
}

// What the group and its items work on: the group's first row and block of k, and the place of its
// rows in the packed operand, in units of 16 bytes.
#define GROUP_SCOPE                                                                            \
  uint blocks = (depth + DEPTH - 1) / DEPTH, block = get_group_id(0) % blocks;                 \
  uint first = get_group_id(0) / blocks * GROUP_ROWS;                                          \
  uint rowBlocks = (rows + BLOCK_ROWS - 1) / BLOCK_ROWS;                                       \
  size_t replica = get_group_id(1);                                                            \
  x += replica * rows * depth;                                                                 \
  __global uint4* to =                                                                         \
      (__global uint4*)packed + (replica * rowBlocks + first / BLOCK_ROWS) *                   \
                                    (PACKED_PITCH(blocks) / 16) +                              \
      block * (PARTS * BLOCK_BYTES / 16) + first % BLOCK_ROWS * 8;

// Eight items have the 128 bytes of a row, four rows a warp.
__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void pack_rows(
    __global const float* restrict x, __global float* restrict packed, uint rows, uint depth) {
  GROUP_SCOPE
  uint chunk = get_local_id(0) % 8, own = get_local_id(0) / 8;
  uint row = first + own, k = block * DEPTH + chunk * CHUNK;
  float values[CHUNK];
  __global const float* from = x + (row < rows ? row * (size_t)depth : 0);
#if ALIGNED
#pragma unroll
  for (uint i = 0; i < CHUNK; i += 4) {
    bool inside = row < rows && k + i < depth;
    float4 four = *(__global const float4*)(from + (inside ? k + i : 0));
    values[i] = inside ? four.x : 0.0f;
    values[i + 1] = inside ? four.y : 0.0f;
    values[i + 2] = inside ? four.z : 0.0f;
    values[i + 3] = inside ? four.w : 0.0f;
  }
#else
#pragma unroll
  for (uint i = 0; i < CHUNK; i++) values[i] = row < rows && k + i < depth ? from[k + i] : 0.0f;
#endif
#pragma unroll
  for (uint part = 0; part < PARTS; part++)
    to[part * (BLOCK_BYTES / 16) + own * 8 + (chunk ^ (own % 8))] = take_part(values);
}

// An item has a chunk of one row, a warp neighbouring rows; they change places in local memory.
__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void pack_columns(
    __global const float* restrict x, __global float* restrict packed, uint rows, uint depth) {
  __local uint4 turned[GROUP_ROWS * 8];
  GROUP_SCOPE
  uint chunk = get_local_id(0) / GROUP_ROWS, own = get_local_id(0) % GROUP_ROWS;
  uint row = first + own, k = block * DEPTH + chunk * CHUNK;
  float values[CHUNK];
#pragma unroll
  for (uint i = 0; i < CHUNK; i++)
    values[i] = row < rows && k + i < depth ? x[(k + i) * (size_t)rows + row] : 0.0f;
#pragma unroll
  for (uint part = 0; part < PARTS; part++) {
    turned[own * 8 + (chunk ^ (own % 8))] = take_part(values);
    barrier(CLK_LOCAL_MEM_FENCE);
    to[part * (BLOCK_BYTES / 16) + get_local_id(0)] = turned[get_local_id(0)];
    barrier(CLK_LOCAL_MEM_FENCE);
  }
}
