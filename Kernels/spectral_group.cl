// The pass of spectral.cl for GPUs: a work-group of ITEMS takes a block of rows, HEIGHT at a time.
//   u = W V for the HEIGHT rows, summed over the group;  z ← z + Wᵀ (s² u)
// Compiled for COUNT vectors at a time, of which `k` is a multiple, and for matrices of at most
// 4·ITEMS·QUADS columns: an item owns the columns 4·(item + q·ITEMS) + 0 … 3, q < QUADS, and keeps
// its part of the HEIGHT rows and of COUNT vectors z in registers, so that W is read once and z is
// written once for each COUNT of the vectors. (8192 columns, 512 items, 4 vectors: 16 registers
// hold a row of W, 64 z.)
// QUADS 0 is for wider matrices: z is added to in global memory, and the HEIGHT rows are read a
// second time, which finds them in cache.
// Rows are read by 16-byte loads where n is a multiple of 4. As many groups as units as a rule.
// global (groups·ITEMS), local (ITEMS).

#ifndef QUADS
#define ITEMS 256
#define QUADS 2
#define COUNT 4
#endif
// As many rows as 128 registers an item hold beside z: two groups of 256 or one of 512 fill an SM.
#if ITEMS == 512
#define HEIGHT (QUADS == 4 && COUNT > 3 ? 1 : 2)
#else
#define HEIGHT (COUNT > 4 ? 2 : 4)
#endif
#define SUMS (HEIGHT * COUNT)

#include "workgroup.cl"

// Columns c … c + 3 of a vector of n, which starts at a multiple of 16 bytes and has room behind
// it.
INLINE void store_quad(float4 v, __global float* row, uint c, uint n) {
  if (c + 4 <= n) {
    *(__global float4*)(row + c) = v;
  } else {
    if (c < n) row[c] = v.x;
    if (c + 1 < n) row[c + 1] = v.y;
    if (c + 2 < n) row[c + 2] = v.z;
  }
}

// Σ (s w)² and max |w| so far.
INLINE void take_measure(float4 w, float scale, float* square, float* most) {
  float4 scaled = w * scale, size = fabs(w);
  *square = add_product(*square, scaled, scaled);
  *most = fmax(*most, fmax(fmax(size.x, size.y), fmax(size.z, size.w)));
}

// One block of `rows` rows: W from `w` on, right vectors d, Z_block to z.
#if QUADS > 0
INLINE void pass_block(__global const float* w, __global const float* d, __global float* z,
                       uint rows, uint n, size_t pitch, uint k, float scale, bool aligned,
                       bool measure, float* square, float* most, __local float* shared) {
  uint item = get_local_id(0);
  for (uint j = 0; j < k; j += COUNT) {
    float4 total[QUADS][COUNT];
    for (uint q = 0; q < QUADS; q++)
      for (uint v = 0; v < COUNT; v++) total[q][v] = 0.0f;
    for (uint row = 0; row < rows; row += HEIGHT) {
      float4 tile[HEIGHT][QUADS];
      float u[SUMS];
      for (uint v = 0; v < SUMS; v++) u[v] = 0.0f;
      _Pragma("unroll") for (uint r = 0; r < HEIGHT; r++)
        _Pragma("unroll") for (uint q = 0; q < QUADS; q++)
          tile[r][q] = row + r < rows ? load_quad(w + (size_t)(row + r) * n,
                                                  4 * (item + q * ITEMS), n, aligned)
                                      : (float4)(0.0f);
      if (measure && j == 0)
        for (uint r = 0; r < HEIGHT; r++)
          for (uint q = 0; q < QUADS; q++) take_measure(tile[r][q], scale, square, most);
      _Pragma("unroll") for (uint q = 0; q < QUADS; q++) {
        uint c = 4 * (item + q * ITEMS);
        _Pragma("unroll") for (uint v = 0; v < COUNT; v++) {
          float4 x = load_quad(d + (j + v) * pitch, c, c < n ? c + 4 : 0, true);
          _Pragma("unroll") for (uint r = 0; r < HEIGHT; r++)
            u[r * COUNT + v] = add_product(u[r * COUNT + v], tile[r][q], x);
        }
      }
      group_sums(u, SUMS, shared);
      _Pragma("unroll") for (uint v = 0; v < COUNT; v++)
        _Pragma("unroll") for (uint r = 0; r < HEIGHT; r++) {
          float factor = u[r * COUNT + v] * scale * scale;
          _Pragma("unroll") for (uint q = 0; q < QUADS; q++) total[q][v] += tile[r][q] * factor;
        }
    }
    _Pragma("unroll") for (uint q = 0; q < QUADS; q++)
      _Pragma("unroll") for (uint v = 0; v < COUNT; v++)
        store_quad(total[q][v], z + (j + v) * pitch, 4 * (item + q * ITEMS), n);
  }
}
#else
INLINE void pass_block(__global const float* w, __global const float* d, __global float* z,
                       uint rows, uint n, size_t pitch, uint k, float scale, bool aligned,
                       bool measure, float* square, float* most, __local float* shared) {
  uint item = get_local_id(0);
  for (uint row = 0; row < rows; row += HEIGHT) {
    __global const float* from = w + (size_t)row * n;
    for (uint j = 0; j < k; j += COUNT) {
      float u[SUMS];
      for (uint v = 0; v < SUMS; v++) u[v] = 0.0f;
      for (uint c = 4 * item; c < n; c += 4 * ITEMS) {
        float4 x[COUNT];
        _Pragma("unroll") for (uint v = 0; v < COUNT; v++)
          x[v] = load_quad(d + (j + v) * pitch, c, c + 4, true);
        _Pragma("unroll") for (uint r = 0; r < HEIGHT; r++) {
          if (row + r >= rows) continue;
          float4 value = load_quad(from + (size_t)r * n, c, n, aligned);
          _Pragma("unroll") for (uint v = 0; v < COUNT; v++)
            u[r * COUNT + v] = add_product(u[r * COUNT + v], value, x[v]);
          if (measure && j == 0) take_measure(value, scale, square, most);
        }
      }
      group_sums(u, SUMS, shared);
      for (uint v = 0; v < SUMS; v++) u[v] = u[v] * scale * scale;
      for (uint c = 4 * item; c < n; c += 4 * ITEMS) {
        float4 total[COUNT];
        _Pragma("unroll") for (uint v = 0; v < COUNT; v++)
          total[v] = row == 0 ? (float4)(0.0f) : load_quad(z + (j + v) * pitch, c, c + 4, true);
        _Pragma("unroll") for (uint r = 0; r < HEIGHT; r++) {
          if (row + r >= rows) continue;
          float4 value = load_quad(from + (size_t)r * n, c, n, aligned);
          _Pragma("unroll") for (uint v = 0; v < COUNT; v++) total[v] += value * u[r * COUNT + v];
        }
        _Pragma("unroll") for (uint v = 0; v < COUNT; v++)
          store_quad(total[v], z + (j + v) * pitch, c, n);
      }
    }
  }
}
#endif

__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void spectral_pass_group(PASS) {
  __local float shared[SUMS * GROUP_LINE] __attribute__((aligned(16)));
  FOR_EACH_UNIT {
    UNIT_SETUP
    float square = 0.0f, most = 0.0f;
    if (n % 4 == 0)
      pass_block(w, d, z, count, n, pitch, k, scale, true, measure, &square, &most, shared);
    else
      pass_block(w, d, z, count, n, pitch, k, scale, false, measure, &square, &most, shared);
    if (measure) {
      square = group_sum(square, shared);
      most = group_maximum(most, shared);
      if (get_local_id(0) == 0) {
        stats[2 * unit] = square;
        stats[2 * unit + 1] = most;
      }
    }
  }
}

// As read_sum of spectral.cl; count is a multiple of 4·4·ITEMS·groups.
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void read_sum_group(
    __global const float* restrict x, __global float* sums, ulong count) {
  __local float shared[GROUP_LINE] __attribute__((aligned(16)));
  size_t share = count / get_num_groups(0);
  __global const float4* p = (__global const float4*)(x + share * get_group_id(0));
  float4 a = 0.0f, b = 0.0f, c = 0.0f, d = 0.0f;
  for (size_t i = get_local_id(0); i < share / 4; i += 4 * ITEMS) {
    a += p[i];
    b += p[i + ITEMS];
    c += p[i + 2 * ITEMS];
    d += p[i + 3 * ITEMS];
  }
  float4 four = (a + b) + (c + d);
  float total = group_sum((four.x + four.y) + (four.z + four.w), shared);
  if (get_local_id(0) == 0) sums[get_group_id(0)] = total;
}
