// Matrix products on GPUs in float32: tiles of both operands in local memory, a rectangle of C in
// each work-item's registers. Kernels, arguments and launch sizes: multiply_group.cl; what becomes
// of the sums: span.cl.
//   P(i, j) = Σ_k A(i, k)·B(k, j), summed in the order of k
// The tile is the build's: TILE_M×TILE_N of C and TILE_K of k a work-group,
// THREAD_M×THREAD_N of C a work-item, multiples of 4; see ProductTile.swift for what fits together.
// PADDING floats behind each row of a tile in local memory, a multiple of 4.
//
// Local memory holds both tiles by k, [k][row] and [k][column], twice: while one pair is multiplied
// the next is under way, in registers until the sums are done. A work-item's rows and columns are
// fours of neighbours, fours of one work-item TILE/THREAD·4 apart, so that neighbouring work-items
// read neighbouring fours: 16 bytes each, no bank twice. Beyond the matrices' edges tiles are 0.

#include "vector.cl"
#include "nonlinearity.cl"
#include "rules.cl"
#include "epilogue.cl"
#define SPAN 4
#define BATCH 2
#include "span.cl"
#include "multiply_group.cl"

#define THREADS_M (TILE_M / THREAD_M)
#define THREADS_N (TILE_N / THREAD_N)
#define THREADS (THREADS_M * THREADS_N)
#define PITCH_M (TILE_M + PADDING)
#define PITCH_N (TILE_N + PADDING)
// Fours of a tile that one work-item brings in.
#define FOURS_M (TILE_M * TILE_K / 4 / THREADS)
#define FOURS_N (TILE_N * TILE_K / 4 / THREADS)
// Spans of a work-item in one row of C.
#define SPANS_N (THREAD_N / 4)

// Four neighbours from p on, of which `count` are there; 0 in place of the others.
INLINE float4 four(__global const float* p, uint count) {
#if ALIGNED
  return count > 0 ? *(__global const float4*)p : (float4)(0.0f);
#else
  float4 v = (float4)(0.0f);
  if (count > 0) v.x = p[0];
  if (count > 1) v.y = p[1];
  if (count > 2) v.z = p[2];
  if (count > 3) v.w = p[3];
  return v;
#endif
}

// The place of four number i of a tile, its first row and k. By depth, two fours of a row and 16
// rows make half a work-group of 64 work-items: whole sectors of 32 bytes are read, and the
// transposed writes to local memory meet no bank twice, given PADDING 4.
INLINE uint2 place(uint i, uint tile, bool byDepth) {
  return byDepth ? (uint2)(i / 2 % tile, (i / (2 * tile) * 2 + i % 2) * 4)
                 : (uint2)(i % (tile / 4) * 4, i / (tile / 4));
}

// Fours of the tile of `operand` from `row` and `k` on into registers.
INLINE void fetch(__global const float* operand, uint rows, uint depth, uint pitch, uint row,
                  uint k, uint tile, uint count, bool byDepth, float4* fours) {
#pragma unroll
  for (uint f = 0; f < count; f++) {
    uint2 at = place(f * THREADS + get_local_id(0), tile, byDepth) + (uint2)(row, k);
    bool inside = at.x < rows && at.y < depth;
    size_t index = byDepth ? at.x * (size_t)pitch + at.y : at.y * (size_t)pitch + at.x;
    uint there = byDepth ? depth - at.y : rows - at.x;
    fours[f] = four(operand + (inside ? index : 0), inside ? there : 0);
  }
}

// Those fours into local memory, [k][row].
INLINE void put(const float4* fours, uint tile, uint count, bool byDepth, uint pitch,
                __local float* to) {
#pragma unroll
  for (uint f = 0; f < count; f++) {
    uint2 at = place(f * THREADS + get_local_id(0), tile, byDepth);
    __local float* p = to + at.y * pitch + at.x;
    if (byDepth) {
      p[0] = fours[f].x;
      p[pitch] = fours[f].y;
      p[2 * pitch] = fours[f].z;
      p[3 * pitch] = fours[f].w;
    } else {
      *(__local float4*)p = fours[f];
    }
  }
}

#define ADD_ROW(i, factor)                                           \
  _Pragma("unroll") for (uint j = 0; j < THREAD_N / 4; j++) sums[i][j] = \
      fma((float4)(factor), columns[j], sums[i][j]);

// n, m, k: the product's; depth: as far as is to be summed, 0 for nothing.
INLINE void multiply_tile(__global const float* a, __global const float* b, uint m, uint n, uint k,
                          uint depth, __local float* left, __local float* right,
                          const Epilogue* e) {
  uint2 origin = tile_origin(m, n);
  LEAVE_OUT_BELOW_DIAGONAL
  uint pitchA = LEFT_BY_DEPTH ? k : m, pitchB = RIGHT_BY_DEPTH ? k : n;
  uint own = get_local_id(0);
  uint firstRow = own / THREADS_N * 4, firstColumn = own % THREADS_N * 4;
  float4 sums[THREAD_M][THREAD_N / 4];
#pragma unroll
  for (uint i = 0; i < THREAD_M; i++)
#pragma unroll
    for (uint j = 0; j < THREAD_N / 4; j++) sums[i][j] = (float4)(0.0f);
  float4 nextA[FOURS_M], nextB[FOURS_N];
  fetch(a, m, depth, pitchA, origin.x, 0, TILE_M, FOURS_M, LEFT_BY_DEPTH, nextA);
  fetch(b, n, depth, pitchB, origin.y, 0, TILE_N, FOURS_N, RIGHT_BY_DEPTH, nextB);
  put(nextA, TILE_M, FOURS_M, LEFT_BY_DEPTH, PITCH_M, left);
  put(nextB, TILE_N, FOURS_N, RIGHT_BY_DEPTH, PITCH_N, right);
  barrier(CLK_LOCAL_MEM_FENCE);
  uint current = 0;
  for (uint start = 0; start < depth; start += TILE_K) {
    uint next = start + TILE_K;
    if (next < depth) {
      fetch(a, m, depth, pitchA, origin.x, next, TILE_M, FOURS_M, LEFT_BY_DEPTH, nextA);
      fetch(b, n, depth, pitchB, origin.y, next, TILE_N, FOURS_N, RIGHT_BY_DEPTH, nextB);
    }
    __local const float* tileA = left + current * TILE_K * PITCH_M + firstRow;
    __local const float* tileB = right + current * TILE_K * PITCH_N + firstColumn;
#pragma unroll
    for (uint step = 0; step < TILE_K; step++) {
      float4 columns[THREAD_N / 4];
#pragma unroll
      for (uint j = 0; j < THREAD_N / 4; j++)
        columns[j] = *(__local const float4*)(tileB + step * PITCH_N + j * 4 * THREADS_N);
#pragma unroll
      for (uint i = 0; i < THREAD_M / 4; i++) {
        float4 rows = *(__local const float4*)(tileA + step * PITCH_M + i * 4 * THREADS_M);
        ADD_ROW(4 * i, rows.x)
        ADD_ROW(4 * i + 1, rows.y)
        ADD_ROW(4 * i + 2, rows.z)
        ADD_ROW(4 * i + 3, rows.w)
      }
    }
    // The other half was last read before the last barrier.
    current = 1 - current;
    if (next < depth) {
      put(nextA, TILE_M, FOURS_M, LEFT_BY_DEPTH, PITCH_M, left + current * TILE_K * PITCH_M);
      put(nextB, TILE_N, FOURS_N, RIGHT_BY_DEPTH, PITCH_N, right + current * TILE_K * PITCH_N);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }
#pragma unroll
  for (uint first = 0; first < THREAD_M * SPANS_N; first += BATCH) {
    Span spans[BATCH];
#pragma unroll
    for (uint s = 0; s < BATCH; s++) {
      uint i = (first + s) / SPANS_N, j = (first + s) % SPANS_N;
      spans[s] = span_at(sums[i][j], origin.x + firstRow + i / 4 * 4 * THREADS_M + i % 4,
                         origin.y + firstColumn + j * 4 * THREADS_N, m, n);
    }
    finish_spans(e, spans);
  }
}

#define MEMORY                                        \
  __local float4 left[2 * TILE_K * PITCH_M / 4];      \
  __local float4 right[2 * TILE_K * PITCH_N / 4];
#define LOCAL (__local float*)left, (__local float*)right

MULTIPLY(MEMORY, LOCAL)
