// One pass over matrices for their spectral norms: each row block is read from memory once.
//   u = W V,  Z_block = Wᵀ (s² u) over the block's rows,  for VECTORS right vectors at a time
// Several matrices of different shapes and replicas share a launch; a unit is one block of rows.
// m0 … m7: the matrices' buffers. problems: a table of FIELDS numbers for each matrix and replica.
// units: (problem, block) pairs. vectors: see ritz.cl; the pass reads `k` rows of them from row
// `first` on. partials: [block][vector][pitch], written in columns 0 ..< columns only. stats: for
// each unit Σ (s w)² and max |w|, where `measure` is set. state: see ritz.cl; [0] is the scale s,
// and problems that are settled are left out.
// Sums go in a fixed order that depends on a matrix's shape alone: bits do not depend on the group.
//
// A work-group takes every get_num_groups(0)-th of unitCount units, since large and small ones lie
// together in the table.
// The item variant, here, has groups of one work-item, which goes through a unit a tile of rows at
// a time, so that the second sweep finds the tile in cache; no barriers, no local memory. global
// (groups), local (1). The group variant, for GPUs, is in spectral_group.cl.
// Measured on two Zen 4 cores: see Benchmarks/Spectral.

#define FIELDS 12
#define SLOT 0
#define OFFSET_LOW 1
#define OFFSET_HIGH 2
#define ROWS 3
#define COLUMNS 4
#define PITCH 5
#define BLOCK_ROWS 6
#define VECTORS_AT 8
#define PARTIALS_AT 9
#define UNIT 11
#define SETTLED 4

#include "vector.cl"

#define MATRICES                                                             \
  __global const float *m0, __global const float *m1, __global const float *m2, \
      __global const float *m3, __global const float *m4, __global const float *m5, \
      __global const float *m6, __global const float *m7

// A pass's arguments.
#define PASS                                                                             \
  MATRICES, __global const uint *problems, __global const uint *units,                   \
      __global const float *vectors, __global float *partials, __global float *stats,    \
      __global const float *state, uint first, uint k, uint stateStride, uint firstUnit, \
      uint unitCount, uint measure

#define FOR_EACH_UNIT \
  for (uint index = get_group_id(0); index < unitCount; index += get_num_groups(0))

// What a unit works on.
#define UNIT_SETUP                                                                 \
  uint unit = firstUnit + index;                                                   \
  __global const uint* problem = problems + (size_t)FIELDS * units[2 * unit];      \
  uint block = units[2 * unit + 1], slot = problem[SLOT];                          \
  __global const float* w =                                                        \
      slot < 4 ? (slot < 2 ? (slot == 0 ? m0 : m1) : (slot == 2 ? m2 : m3))        \
               : (slot < 6 ? (slot == 4 ? m4 : m5) : (slot == 6 ? m6 : m7));       \
  size_t n = problem[COLUMNS], pitch = problem[PITCH];                             \
  uint firstRow = block * problem[BLOCK_ROWS];                                     \
  uint count = min(problem[BLOCK_ROWS], problem[ROWS] - firstRow);                 \
  w += ((size_t)problem[OFFSET_HIGH] << 32 | problem[OFFSET_LOW]) + firstRow * n;  \
  __global const float* d = vectors + problem[VECTORS_AT] + first * pitch;         \
  __global float* z = partials + problem[PARTIALS_AT] + (size_t)block * k * pitch; \
  __global const float* own = state + (size_t)units[2 * unit] * stateStride;       \
  if (own[SETTLED] != 0.0f) continue;                                              \
  float scale = own[0];

#if GROUP_ITEMS > 1
#include "spectral_group.cl"
#else

// Both sweeps over a tile of TILE rows and COUNT vectors.
#define DEFINE_TILE(NAME, TILE, COUNT, MEASURE)                                       \
  NOINLINE void NAME(__global const float* w, __global const float* d,                \
                     __global float* z, size_t n, size_t pitch, float scale,          \
                     float* square, float* most) {                                    \
    vector u[TILE][COUNT];                                                            \
    float a[TILE][COUNT];                                                             \
    vector squares = 0.0f, largest = 0.0f;                                            \
    for (int r = 0; r < TILE; r++)                                                    \
      for (int j = 0; j < COUNT; j++) u[r][j] = 0.0f;                                 \
    size_t whole = n - n % WIDTH;                                                     \
    for (size_t c = 0; c < whole; c += WIDTH) {                                       \
      vector x[COUNT];                                                                \
      _Pragma("unroll") for (int j = 0; j < COUNT; j++) x[j] = LOAD(d + j * pitch + c); \
      _Pragma("unroll") for (int r = 0; r < TILE; r++) {                              \
        vector value = LOAD(w + r * n + c);                                           \
        _Pragma("unroll") for (int j = 0; j < COUNT; j++) u[r][j] += value * x[j];    \
        if (MEASURE) {                                                                \
          vector scaled = value * scale;                                              \
          squares += scaled * scaled;                                                 \
          largest = fmax(largest, fabs(value));                                       \
        }                                                                             \
      }                                                                               \
    }                                                                                 \
    _Pragma("unroll") for (int r = 0; r < TILE; r++)                                  \
      _Pragma("unroll") for (int j = 0; j < COUNT; j++) a[r][j] = sum(u[r][j]);       \
    for (size_t c = whole; c < n; c++) {                                              \
      for (int r = 0; r < TILE; r++) {                                                \
        float value = w[r * n + c];                                                   \
        for (int j = 0; j < COUNT; j++) a[r][j] += value * d[j * pitch + c];          \
        if (MEASURE) {                                                                \
          *square += value * scale * (value * scale);                                 \
          *most = fmax(*most, fabs(value));                                           \
        }                                                                             \
      }                                                                               \
    }                                                                                 \
    for (int r = 0; r < TILE; r++)                                                    \
      for (int j = 0; j < COUNT; j++) a[r][j] = a[r][j] * scale * scale;              \
    for (size_t c = 0; c < whole; c += WIDTH) {                                       \
      vector s[COUNT];                                                                \
      _Pragma("unroll") for (int j = 0; j < COUNT; j++) s[j] = LOAD(z + j * pitch + c); \
      _Pragma("unroll") for (int r = 0; r < TILE; r++) {                              \
        vector value = LOAD(w + r * n + c);                                           \
        if (COUNT >= 4) AHEAD(w + (TILE + r) * n + c);                                \
        _Pragma("unroll") for (int j = 0; j < COUNT; j++) s[j] += value * a[r][j];    \
      }                                                                               \
      _Pragma("unroll") for (int j = 0; j < COUNT; j++) STORE(s[j], z + j * pitch + c); \
    }                                                                                 \
    for (size_t c = whole; c < n; c++)                                                \
      for (int j = 0; j < COUNT; j++)                                                 \
        for (int r = 0; r < TILE; r++) z[j * pitch + c] += w[r * n + c] * a[r][j];    \
    if (MEASURE) {                                                                    \
      *square += sum(squares);                                                        \
      *most = fmax(*most, greatest(largest));                                         \
    }                                                                                 \
  }

// A kernel over tiles of TILE rows, the last rows of a block one by one, COUNT vectors at a time.
#define DEFINE_PASS(NAME, TILE, COUNT)                                                       \
  DEFINE_TILE(NAME##_tile, TILE, COUNT, 0)                                                   \
  DEFINE_TILE(NAME##_tile_measured, TILE, COUNT, 1)                                          \
  DEFINE_TILE(NAME##_row, 1, COUNT, 0)                                                       \
  DEFINE_TILE(NAME##_row_measured, 1, COUNT, 1)                                              \
  __kernel __attribute__((reqd_work_group_size(1, 1, 1))) void NAME(PASS) {                  \
    FOR_EACH_UNIT {                                                                          \
      UNIT_SETUP                                                                             \
      for (uint j = 0; j < k; j++)                                                           \
        for (size_t c = 0; c < n; c++) z[j * pitch + c] = 0.0f;                              \
      float square = 0.0f, most = 0.0f;                                                      \
      uint row = 0;                                                                          \
      for (; row + TILE <= count; row += TILE)                                               \
        for (uint j = 0; j < k; j += COUNT) {                                                \
          __global const float* from = w + row * n;                                          \
          if (measure && j == 0)                                                             \
            NAME##_tile_measured(from, d, z, n, pitch, scale, &square, &most);               \
          else                                                                               \
            NAME##_tile(from, d + j * pitch, z + j * pitch, n, pitch, scale, &square, &most); \
        }                                                                                    \
      for (; row < count; row++)                                                             \
        for (uint j = 0; j < k; j += COUNT) {                                                \
          __global const float* from = w + row * n;                                          \
          if (measure && j == 0)                                                             \
            NAME##_row_measured(from, d, z, n, pitch, scale, &square, &most);                \
          else                                                                               \
            NAME##_row(from, d + j * pitch, z + j * pitch, n, pitch, scale, &square, &most); \
        }                                                                                    \
      if (measure) {                                                                         \
        stats[2 * unit] = square;                                                            \
        stats[2 * unit + 1] = most;                                                          \
      }                                                                                      \
    }                                                                                        \
  }

DEFINE_PASS(spectral_pass_1, 8, 1)
DEFINE_PASS(spectral_pass_2, 8, 2)
DEFINE_PASS(spectral_pass_3, 8, 3)
DEFINE_PASS(spectral_pass_4, 4, 4)

// sums[group] = Σ of the group's share of x: what a device reads in a second, for benchmarks.
// count is a multiple of 4·WIDTH·groups.
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void read_sum(
    __global const float* restrict x, __global float* sums, ulong count) {
  size_t share = count / get_num_groups(0);
  __global const float* p = x + share * get_group_id(0);
  vector a = 0.0f, b = 0.0f, c = 0.0f, d = 0.0f;
  for (size_t i = 0; i < share; i += 4 * WIDTH) {
    a += LOAD(p + i);
    b += LOAD(p + i + WIDTH);
    c += LOAD(p + i + 2 * WIDTH);
    d += LOAD(p + i + 3 * WIDTH);
  }
  sums[get_group_id(0)] = sum((a + b) + (c + d));
}
#endif
