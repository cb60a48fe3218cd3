// The group variant of ritz.cl's kernels, for GPUs: a work-group a problem, a chunk or some
// columns, compiled for k = VECTORS. The steps and their thresholds are those of ritz_item.cl; sums
// are in another order.

#ifndef VECTORS
#error "VECTORS, the k of the launches, is to be defined"
#endif
#define MOST (3 * VECTORS)  // vectors of B
#define ITEMS 64
#include "workgroup.cl"

// See ritz_item.cl. global (problems·ITEMS), local (ITEMS).
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void ritz_scale_group(
    __global const uint* restrict problems, __global const float* stats, __global float* state,
    uint stateStride) {
  __local float shared[GROUP_LINE] __attribute__((aligned(16)));
  __global const uint* problem = problems + FIELDS * get_group_id(0);
  float square = 0.0f, most = 0.0f;
  for (uint b = get_local_id(0); b < problem[BLOCKS]; b += ITEMS) {
    square += stats[2 * (problem[UNIT] + b)];
    most = fmax(most, stats[2 * (problem[UNIT] + b) + 1]);
  }
  square = group_sum(square, shared);
  most = group_maximum(most, shared);
  if (get_local_id(0) == 0) set_scale(state + get_group_id(0) * stateStride, square, most);
}

// See ritz_item.cl. A group adds up REDUCED·4 columns of a row; each column's blocks are dealt to
// LANES items, since there are more blocks than columns to keep a GPU busy.
// global (⌈pitch/(4·REDUCED)⌉·REDUCED·LANES of the widest, problems, rows), local (REDUCED·LANES,
// 1, 1).
#define REDUCED 16
#define LANES 8
__kernel __attribute__((reqd_work_group_size(REDUCED * LANES, 1, 1))) void ritz_reduce_group(
    __global const uint* restrict problems, __global const float* restrict partials,
    __global const float* restrict state, __global float* restrict vectors, uint k, uint first,
    uint stateStride, uint correct) {
  __local float4 shared[LANES][REDUCED];
  __global const uint* problem = problems + FIELDS * get_global_id(1);
  __global const float* own = state + get_global_id(1) * stateStride;
  uint item = get_local_id(0) % REDUCED, lane = get_local_id(0) / REDUCED;
  size_t pitch = problem[PITCH], c = 4 * (get_group_id(0) * REDUCED + item);
  size_t j = get_global_id(2), stride = get_global_size(2) * pitch;
  bool works = c < pitch && own[SETTLED] == 0.0f;
  float4 z = 0.0f;
  if (works) {
    __global const float* from = partials + problem[PARTIALS_AT] + j * pitch + c;
    for (uint b = lane; b < problem[BLOCKS]; b += LANES)
      z += *(__global const float4*)(from + b * stride);
  }
  shared[lane][item] = z;
  barrier(CLK_LOCAL_MEM_FENCE);
  if (works && lane == 0) {
    for (uint l = 1; l < LANES; l++) z += shared[l][item];
    if (correct) z *= own[1];
    *(__global float4*)(vectors + problem[VECTORS_AT] + (3 * k + first + j) * pitch + c) = z;
  }
}

// See ritz_item.cl. A group takes a chunk, WINDOW columns at a time, of which all 6k rows lie in
// local memory; each item has every GRAM_ITEMS-th of the pairs.
// global (GRAM_ITEMS, chunks of the widest, problems), local (GRAM_ITEMS, 1, 1).
#define GRAM_ITEMS 128
#define WINDOW 64
#define ROW (WINDOW + 4)  // rows in different banks, at multiples of 16 bytes
#define LOWER (MOST * (MOST + 1) / 2)
#define SHARE ((3 * LOWER + GRAM_ITEMS - 1) / GRAM_ITEMS)
__kernel __attribute__((reqd_work_group_size(GRAM_ITEMS, 1, 1))) void ritz_gram_group(
    __global const uint* restrict problems, __global const float* restrict vectors,
    __global const float* restrict state, __global float* restrict grams, uint k,
    uint stateStride, uint all) {
  __local float window[2 * MOST * ROW] __attribute__((aligned(16)));
  __global const uint* problem = problems + FIELDS * get_global_id(2);
  size_t pitch = problem[PITCH], first = get_global_id(1) * CHUNK;
  if (first >= pitch) return;
  if (!all && state[get_global_id(2) * stateStride + SETTLED] != 0.0f) return;
  uint item = get_local_id(0), left[SHARE], right[SHARE];
  float sums[SHARE];
  for (uint s = 0; s < SHARE; s++) {
    uint pair = min(item + s * GRAM_ITEMS, (uint)(3 * LOWER - 1)), p = pair % LOWER, i = 0;
    while (p > i) p -= ++i;
    left[s] = (i + (pair < 2 * LOWER ? 0 : MOST)) * ROW;
    right[s] = (p + (pair < LOWER ? 0 : MOST)) * ROW;
    sums[s] = 0.0f;
  }
  __global const float* x = vectors + problem[VECTORS_AT];
  size_t end = min(first + CHUNK, pitch);
  for (size_t start = first; start < end; start += WINDOW) {
    uint quads = min((size_t)WINDOW, end - start) / 4;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint base = 0; base < 2 * MOST * (WINDOW / 4); base += GRAM_ITEMS) {
      uint row = (base + item) / (WINDOW / 4), quad = (base + item) % (WINDOW / 4);
      if (row < 2 * MOST && quad < quads)
        *(__local float4*)(window + row * ROW + 4 * quad) =
            *(__global const float4*)(x + row * pitch + start + 4 * quad);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint quad = 0; quad < quads; quad++)
      _Pragma("unroll") for (uint s = 0; s < SHARE; s++)
        sums[s] = add_product(sums[s], *(__local const float4*)(window + left[s] + 4 * quad),
                              *(__local const float4*)(window + right[s] + 4 * quad));
  }
  for (uint s = 0; s < SHARE; s++)
    if (item + s * GRAM_ITEMS < 3 * LOWER)
      grams[problem[GRAMS_AT] + get_global_id(1) * 3 * LOWER + item + s * GRAM_ITEMS] = sums[s];
}

// Small matrices in local memory: m = MOST rows, and one of zeros where m is odd, so that rows and
// columns go in pairs. Rows are LINE floats apart, which puts a column in different banks.
#define PAIRS ((MOST + 1) / 2)
#define EVEN (2 * PAIRS)
#define LINE (EVEN + 1)
#define AT(matrix, i, j) matrix[(i) * LINE + (j)]
// The items' shares of all elements (i, j) of a matrix, and of its lower triangle; see FOR_SHARE.
#define FOR_ELEMENTS(i, j)                                                                \
  for (uint base = 0, i = item / EVEN, j = item % EVEN; base < EVEN * EVEN;               \
       base += ITEMS, i = (base + item) / EVEN, j = (base + item) % EVEN)                 \
    if (i < EVEN)
#define FOR_LOWER(i, j) FOR_ELEMENTS(i, j) if (j <= i)

// Pair `pair` of round `round`, the smaller index first: in EVEN − 1 rounds each two of EVEN
// indices meet once, and in each round the PAIRS pairs are disjoint (a tournament's round robin).
INLINE uint2 met(uint round, uint pair) {
  uint one = pair == 0 ? EVEN - 1 : (round + pair) % (EVEN - 1);
  uint two = (round + EVEN - 1 - pair) % (EVEN - 1);
  return (uint2)(min(one, two), max(one, two));
}

// Rows or columns a and b turned by (c, s).
INLINE float2 turned(float a, float b, float2 by) {
  return (float2)(by.x * a - by.y * b, by.y * a + by.x * b);
}

// As jacobi of ritz_item.cl, but PAIRS disjoint rotations at a time: the 2×2 block where the rows
// of one pair meet the columns of another is turned from both sides, by one item.
// rotations: cosine, sine and what the diagonal gains, for each pair of a round.
INLINE void group_jacobi(__local float* g, __local float* q, __local float4* rotations,
                         __local float* shared) {
  uint item = get_local_id(0);
  FOR_ELEMENTS(i, j) AT(q, i, j) = i == j ? 1.0f : 0.0f;
  for (int sweep = 0; sweep < 12; sweep++) {
    float off = 0.0f, all = 0.0f;
    barrier(CLK_LOCAL_MEM_FENCE);
    FOR_LOWER(i, j) {
      float square = AT(g, i, j) * AT(g, i, j);
      all += square;
      if (j < i) off += square;
    }
    off = group_sum(off, shared);
    all = group_sum(all, shared);
    if (!(off > 1e-12f * all)) break;
    for (uint round = 0; round < EVEN - 1; round++) {
      if (item < PAIRS) {
        uint2 pair = met(round, item);
        float ij = AT(g, pair.y, pair.x);
        float3 by = (float3)(1.0f, 0.0f, 0.0f);
        if (ij != 0.0f) by = rotation(AT(g, pair.x, pair.x), AT(g, pair.y, pair.y), ij);
        rotations[item] = (float4)(by, 0.0f);
      }
      barrier(CLK_LOCAL_MEM_FENCE);
      FOR_SHARE(e, PAIRS * PAIRS) {
        uint a = e / PAIRS, b = e % PAIRS;
        if (a > b) continue;
        uint2 row = met(round, a), column = met(round, b);
        if (a == b) {
          float change = rotations[a].z;
          AT(g, row.x, row.x) -= change;
          AT(g, row.y, row.y) += change;
          AT(g, row.x, row.y) = AT(g, row.y, row.x) = 0.0f;
          continue;
        }
        float2 byRow = rotations[a].xy, byColumn = rotations[b].xy;
        float2 upper = turned(AT(g, row.x, column.x), AT(g, row.x, column.y), byColumn);
        float2 under = turned(AT(g, row.y, column.x), AT(g, row.y, column.y), byColumn);
        float2 left = turned(upper.x, under.x, byRow), right = turned(upper.y, under.y, byRow);
        AT(g, row.x, column.x) = AT(g, column.x, row.x) = left.x;
        AT(g, row.y, column.x) = AT(g, column.x, row.y) = left.y;
        AT(g, row.x, column.y) = AT(g, column.y, row.x) = right.x;
        AT(g, row.y, column.y) = AT(g, column.y, row.y) = right.y;
      }
      FOR_SHARE(e, MOST * PAIRS) {
        uint row = e / PAIRS;
        uint2 column = met(round, e % PAIRS);
        float2 now = turned(AT(q, row, column.x), AT(q, row, column.y), rotations[e % PAIRS].xy);
        AT(q, row, column.x) = now.x;
        AT(q, row, column.y) = now.y;
      }
      barrier(CLK_LOCAL_MEM_FENCE);
    }
  }
}

// What follows keeps an item's row or column in registers: that is quicker, and PoCL 3.1 may run an
// item wrongly that reads back what it has just written to local memory, with no barrier between.

// g ← L⁻¹ g, an item a column: forward substitution. transposed: g ← g L⁻ᵀ, an item a row.
INLINE void solve_lower(__local const float* l, __local const float* diagonal, __local float* g,
                        bool transposed) {
  uint item = get_local_id(0);
  uint down = transposed ? 1 : LINE;
  __local float* own = g + item * (transposed ? LINE : 1);
  if (item < MOST) {
    float x[MOST];
    _Pragma("unroll") for (uint i = 0; i < MOST; i++) {
      float value = own[i * down];
      _Pragma("unroll") for (uint b = 0; b < i; b++) value -= AT(l, i, b) * x[b];
      x[i] = diagonal[i] == 0.0f ? 0.0f : value / diagonal[i];
    }
    _Pragma("unroll") for (uint i = 0; i < MOST; i++) own[i * down] = x[i];
  }
  barrier(CLK_LOCAL_MEM_FENCE);
}

// Removes the part along column `other` of top from x.
INLINE void remove_along(__local const float* top, uint other, float x[MOST]) {
  float along = 0.0f;
  _Pragma("unroll") for (uint i = 0; i < MOST; i++) along += AT(top, i, other) * x[i];
  _Pragma("unroll") for (uint i = 0; i < MOST; i++) x[i] -= along * AT(top, i, other);
}

// See ritz_item.cl. global (problems·ITEMS), local (ITEMS).
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void ritz_solve_group(
    __global const uint* restrict problems, __global const float* grams, __global float* state,
    __global float* summary, uint k, uint stateStride, uint first, float settling) {
  __local float l[EVEN * LINE], g[EVEN * LINE], q[EVEN * LINE], top[MOST * LINE];
  __local float unit[EVEN], diagonal[EVEN], weights[EVEN];
  __local float shared[GROUP_LINE] __attribute__((aligned(16)));
  __local float4 rotations[PAIRS];
  __local uint order[MOST];
  size_t index = get_group_id(0);
  uint item = get_local_id(0);
  __global const uint* problem = problems + FIELDS * index;
  __global float* own = state + index * stateStride;
  if (own[SETTLED] != 0.0f) {
    if (item == 0) own[SETTLED] = 2.0f;
    return;
  }
  uint chunks = (problem[PITCH] + CHUNK - 1) / CHUNK;
  __global const float* gram = grams + problem[GRAMS_AT];
  FOR_LOWER(i, j) {
    uint pair = i * (i + 1) / 2 + j;
    AT(l, i, j) = i < MOST ? total(gram, chunks, 3 * LOWER, pair) : 0.0f;
    AT(g, i, j) = AT(g, j, i) = i < MOST ? total(gram, chunks, 3 * LOWER, LOWER + pair) : 0.0f;
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  float residual = sqrt(AT(l, 2 * VECTORS, 2 * VECTORS));
  float previous = first ? 0.0f : own[THETA], noise = 3e-6f * previous;
  if (item < EVEN) {
    float square = AT(l, item, item), least = item < 2 * VECTORS ? 0.0f : noise * noise;
    unit[item] = square <= fmax(least, 1e-36f) ? 0.0f : rsqrt(square);
  }
  // The last θ has been read by all: it is overwritten below.
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  FOR_ELEMENTS(i, j) {
    if (j <= i) AT(l, i, j) *= unit[i] * unit[j];
    AT(g, i, j) *= unit[i] * unit[j];
  }
  // l ← L below the diagonal, a column at a time; a left-out column has a diagonal of 0.
  for (uint c = 0; c < MOST; c++) {
    barrier(CLK_LOCAL_MEM_FENCE);
    float square = AT(l, c, c), root = square < 0.1f ? 0.0f : sqrt(square);
    if (item == c) diagonal[c] = root;
    if (item > c && item < MOST) AT(l, item, c) = root == 0.0f ? 0.0f : AT(l, item, c) / root;
    barrier(CLK_LOCAL_MEM_FENCE);
    FOR_LOWER(i, j) if (j > c) AT(l, i, j) -= AT(l, i, c) * AT(l, j, c);
  }
  // g ← L⁻¹ g L⁻ᵀ.
  solve_lower(l, diagonal, g, false);
  solve_lower(l, diagonal, g, true);
  FOR_LOWER(i, j) if (j < i) AT(g, i, j) = AT(g, j, i) = 0.5f * (AT(g, i, j) + AT(g, j, i));
  group_jacobi(g, q, rotations, shared);
  // The order of the eigenvalues, the largest first and what is no number before all.
  if (item < MOST && diagonal[item] == 0.0f) AT(g, item, item) = -FLT_MAX;
  barrier(CLK_LOCAL_MEM_FENCE);
  if (item < MOST) {
    float value = AT(g, item, item);
    uint rank = 0;
    for (uint i = 0; i < MOST; i++) {
      float other = AT(g, i, i);
      bool equal = other == value || (isnan(other) && isnan(value));
      rank += equal ? i < item : isnan(other) || other > value;
    }
    order[rank] = item;
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  if (item < VECTORS) {
    float value = AT(g, order[item], order[item]);
    own[THETA + item] = value < 0.0f ? 0.0f : value;
  }
  FOR_SHARE(e, MOST * VECTORS) AT(top, e / VECTORS, e % VECTORS) =
      AT(q, e / VECTORS, order[e % VECTORS]);
  barrier(CLK_LOCAL_MEM_FENCE);
  // P: what of each new X lies outside the old, orthonormal beside the new X; an item a vector.
  float x[MOST];
  if (item < VECTORS) {
    _Pragma("unroll") for (uint i = 0; i < MOST; i++) x[i] = i < VECTORS ? 0.0f : AT(top, i, item);
    for (uint other = 0; other < VECTORS; other++) remove_along(top, other, x);
  }
  for (uint other = 0; other < VECTORS; other++) {
    if (item == other) {
      float rest = 0.0f;
      _Pragma("unroll") for (uint i = 0; i < MOST; i++) rest += x[i] * x[i];
      rest = rest < 1e-6f ? 0.0f : rsqrt(rest);
      _Pragma("unroll") for (uint i = 0; i < MOST; i++) AT(top, i, VECTORS + other) = x[i] * rest;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    if (item > other && item < VECTORS) remove_along(top, VECTORS + other, x);
  }
  // Coefficients in B: unit ∘ L⁻ᵀ, an item a column.
  __global float* coefficients = own + THETA + VECTORS;
  if (item < 2 * VECTORS)
    _Pragma("unroll") for (int i = MOST - 1; i >= 0; i--) {
      float value = AT(top, i, item);
      _Pragma("unroll") for (int b = i + 1; b < MOST; b++) value -= AT(l, b, i) * x[b];
      x[i] = diagonal[i] == 0.0f ? 0.0f : value / diagonal[i];
      coefficients[i * 2 * VECTORS + item] = x[i] * unit[i];
      if (item == 0) weights[i] = x[i] * unit[i];
    }
  barrier(CLK_LOCAL_MEM_FENCE);
  float image = 0.0f;
  FOR_LOWER(i, j)
    if (i < MOST)
      image += (j < i ? 2.0f : 1.0f) * weights[i] * weights[j]
               * total(gram, chunks, 3 * LOWER, 2 * LOWER + i * (i + 1) / 2 + j);
  image = group_sum(image, shared);
  if (item == 0)
    summarize(own, summary + 4 * index, previous, residual, own[THETA], image, settling);
}

// See ritz_item.cl. The old D lies in registers by the time that its place takes the first half of
// the new one. global (⌈pitch/4⌉ of the widest rounded up to ITEMS, problems), local (ITEMS, 1).
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void ritz_update_group(
    __global const uint* restrict problems, __global const float* restrict state,
    __global float* vectors, uint k, uint stateStride) {
  __global const uint* problem = problems + FIELDS * get_global_id(1);
  size_t pitch = problem[PITCH], c = 4 * get_global_id(0);
  __global const float* own = state + get_global_id(1) * stateStride;
  if (c >= pitch || own[SETTLED] == 2.0f) return;
  __global const float* theta = own + THETA;
  __global const float* coefficients = theta + VECTORS;
  __global float* x = vectors + problem[VECTORS_AT] + c;
  for (uint image = 0; image < 2; image++) {
    float4 basis[MOST];
    __global float* b = x + image * MOST * pitch;
    _Pragma("unroll") for (uint i = 0; i < MOST; i++)
      basis[i] = *(__global const float4*)(b + i * pitch);
    for (uint j = 0; j < 2 * VECTORS; j++) {
      float4 value = 0.0f;
      _Pragma("unroll") for (uint i = 0; i < MOST; i++)
        value += basis[i] * coefficients[i * 2 * VECTORS + j];
      *(__global float4*)(b + j * pitch) = value;
      if (j >= VECTORS) continue;
      __global float4* d = (__global float4*)(x + (2 * VECTORS + j) * pitch);
      *d = image == 0 ? value * -theta[j] : *d + value;
    }
  }
}

// See ritz_item.cl. global (problems·ITEMS), local (ITEMS).
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void ritz_finish_group(
    __global const uint* restrict problems, __global const float* grams,
    __global const float* state, __global float* summary, uint k, uint stateStride) {
  __local float shared[GROUP_LINE] __attribute__((aligned(16)));
  size_t index = get_group_id(0);
  __global const uint* problem = problems + FIELDS * index;
  uint chunks = (problem[PITCH] + CHUNK - 1) / CHUNK;
  float length = 0.0f, along = 0.0f, square = 0.0f;
  for (uint c = get_local_id(0); c < chunks; c += ITEMS) {
    __global const float* gram = grams + problem[GRAMS_AT] + c * 3 * LOWER;
    length += gram[0];
    along += gram[LOWER];
    square += gram[2 * VECTORS * (2 * VECTORS + 1) / 2 + 2 * VECTORS];
  }
  length = group_sum(length, shared);
  along = group_sum(along, shared);
  square = group_sum(square, shared);
  if (get_local_id(0) == 0)
    summarize_last(state + index * stateStride, summary + 4 * index, length, along, square);
}
