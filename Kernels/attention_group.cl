// The group variant of attention.cl's kernels, for GPUs: a work-group takes TOKENS tokens of a
// sequence's head, and goes through those that they meet by tiles of TILE in local memory. A token is
// shared by PARTS work-items, each with a part of its columns in registers. Products with a tile's
// rows go through local memory: there the parts meet, and loops over the rows need not be unrolled,
// for then compilers keep the whole tile in registers. Local memory: 24 KB at most.

#define ITEMS GROUP_ITEMS
#include "workgroup.cl"

#define PARTS (HEAD <= 32 ? 1 : HEAD <= 64 ? 2 : HEAD <= 128 ? 4 : HEAD <= 256 ? 8 : 16)
#define TOKENS (ITEMS / PARTS)
#define TILE (HEAD <= 64 ? 16 : HEAD <= 256 ? 8 : 4)
// Float4s of a part, and of a row; columns past the head's are 0.
#define QUADS ((HEAD + 4 * PARTS - 1) / (4 * PARTS))
#define ROW_QUADS (PARTS * QUADS)
#define ALIGNED_HEAD (HEAD % 4 == 0)

#define FOR_TILE _Pragma("unroll 4") for (uint i = 0; i < TILE; i++)
#define FOR_QUADS _Pragma("unroll") for (uint c = 0; c < QUADS; c++)

#define ATTENTION __kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void

// The work-item's token, which may be past the sequence's end, and its part of the columns. No item
// returns before a barrier: those past the end take the last row, and store nothing.
#define FIND_TOKEN(block)                                                            \
  FIND_HEAD(get_global_id(1), get_global_size(1), get_global_id(2))                  \
  size_t columns = (size_t)heads * HEAD;                                             \
  uint part = get_local_id(0) / TOKENS, start = (block) * TOKENS;                    \
  uint token = start + get_local_id(0) % TOKENS, own = min(token, context - 1);      \
  bool inside = token < context;

#define TILES                                                                        \
  __local float4 left[TILE * ROW_QUADS], right[TILE * ROW_QUADS];                    \
  __local float products[TILE * ITEMS];

INLINE void load_part(__global const float* row, uint part, float4* quads) {
  FOR_QUADS quads[c] = load_quad(row, 4 * (part * QUADS + c), HEAD, ALIGNED_HEAD);
}

INLINE void store_part(const float4* quads, float factor, __global float* row, uint part) {
  FOR_QUADS {
    uint at = 4 * (part * QUADS + c);
    float4 quad = quads[c] * factor;
    if (ALIGNED_HEAD) {
      if (at < HEAD) *(__global float4*)(row + at) = quad;
    } else {
      if (at < HEAD) row[at] = quad.x;
      if (at + 1 < HEAD) row[at + 1] = quad.y;
      if (at + 2 < HEAD) row[at + 2] = quad.z;
      if (at + 3 < HEAD) row[at + 3] = quad.w;
    }
  }
}

// TILE rows of x and of y from `first` on into local memory; past the end, the last.
INLINE void load_tiles(__global const float* x, __global const float* y, size_t columns, uint first,
                       uint context, __local float4* left, __local float4* right) {
  uint item = get_local_id(0);
  barrier(CLK_LOCAL_MEM_FENCE);
  FOR_SHARE(e, TILE * ROW_QUADS) {
    size_t row = min(first + e / ROW_QUADS, context - 1) * columns;
    left[e] = load_quad(x + row, 4 * (e % ROW_QUADS), HEAD, ALIGNED_HEAD);
    right[e] = load_quad(y + row, 4 * (e % ROW_QUADS), HEAD, ALIGNED_HEAD);
  }
  barrier(CLK_LOCAL_MEM_FENCE);
}

// The items of a token's parts wait for each other.
#define MEET_PARTS if (PARTS > 1) barrier(CLK_LOCAL_MEM_FENCE);

INLINE float dot_of_parts(const float4* x, const float4* y) {
  float sum = 0.0f;
  FOR_QUADS sum = add_product(sum, x[c], y[c]);
  return sum;
}

// products[i] ← Σ_c quads·tile[i] over the item's columns.
INLINE void multiply_tile(const float4* quads, __local const float4* tile, uint part,
                          __local float* products) {
  FOR_TILE {
    float sum = 0.0f;
    FOR_QUADS sum = add_product(sum, quads[c], tile[i * ROW_QUADS + part * QUADS + c]);
    products[i * ITEMS + get_local_id(0)] = sum;
  }
}

// What the items of a token's parts have at i, in the parts' order.
INLINE float sum_of_parts(__local const float* products, uint i) {
  __local const float* own = products + i * ITEMS + get_local_id(0) % TOKENS;
  float sum = own[0];
  for (uint part = 1; part < PARTS; part++) sum += own[part * TOKENS];
  return sum;
}

// sums += factor·tile[i], for the part's columns.
INLINE void add_row(float4* sums, float factor, __local const float4* tile, uint i, uint part) {
  FOR_QUADS sums[c] += factor * tile[i * ROW_QUADS + part * QUADS + c];
}

// p ← exp(s − log Σ exp s) of the products; at most 1, though s of 1e9 is rounded to 64.
INLINE float probability(float product, float scale, float logSum) {
  float exponent = product * (scale * LOG2_E) - logSum * LOG2_E;
  return exp2(exponent > 0.0f ? 0.0f : exponent);
}

// The last blocks, which meet the most keys, come first.
// global (⌈context/TOKENS⌉·ITEMS, sequences·heads, replicas), local (ITEMS, 1, 1), for all three.
ATTENTION attention_group(__global const float* restrict q, __global const float* restrict k,
                          __global const float* restrict v, __global float* restrict output,
                          __global float* restrict logSums, float scale, uint context,
                          uint heads) {
  TILES
  FIND_TOKEN(get_num_groups(0) - 1 - get_group_id(0))
  float4 query[QUADS], result[QUADS];
  load_part(q + first + own * columns, part, query);
  FOR_QUADS result[c] = 0.0f;
  float most = -INFINITY, total = 0.0f;
  uint end = min(start + TOKENS, context);
  for (uint key = 0; key < end; key += TILE) {
    load_tiles(k + first, v + first, columns, key, context, left, right);
    multiply_tile(query, left, part, products);
    MEET_PARTS
    float greatest = most;
    FOR_TILE {
      float logit = sum_of_parts(products, i) * (scale * LOG2_E);
      if (key + i <= token && logit > greatest) greatest = logit;
    }
    float ratio = exp2(most - greatest);
    most = greatest;
    total *= ratio;
    FOR_QUADS result[c] *= ratio;
    FOR_TILE if (key + i <= token) {
      float logit = sum_of_parts(products, i) * (scale * LOG2_E);
      float p = exp2(logit - most);
      total += p;
      add_row(result, p, right, i, part);
    }
  }
  if (!inside) return;
  store_part(result, 1.0f / total, output + first + own * columns, part);
  if (part == 0) logSums[scalars + own * heads] = (most + log2(total)) * LN_2;
}

// ∂q, and dots, which attention_backward_keys reads.
ATTENTION attention_backward_queries(__global const float* restrict gradient,
                                     __global const float* restrict q,
                                     __global const float* restrict k,
                                     __global const float* restrict v,
                                     __global const float* restrict output,
                                     __global const float* restrict logSums,
                                     __global float* restrict dots, __global float* restrict dq,
                                     float scale, uint context, uint heads) {
  TILES
  __local float slopes[TILE * ITEMS];
  FIND_TOKEN(get_num_groups(0) - 1 - get_group_id(0))
  float4 query[QUADS], delta[QUADS], slope[QUADS];
  load_part(gradient + first + own * columns, part, delta);
  load_part(output + first + own * columns, part, query);
  products[get_local_id(0)] = dot_of_parts(delta, query);
  MEET_PARTS
  float dot = sum_of_parts(products, 0), logSum = logSums[scalars + own * heads];
  load_part(q + first + own * columns, part, query);
  FOR_QUADS slope[c] = 0.0f;
  uint end = min(start + TOKENS, context);
  for (uint key = 0; key < end; key += TILE) {
    load_tiles(k + first, v + first, columns, key, context, left, right);
    multiply_tile(query, left, part, products);
    multiply_tile(delta, right, part, slopes);
    MEET_PARTS
    FOR_TILE if (key + i <= token) {
      float p = probability(sum_of_parts(products, i), scale, logSum);
      add_row(slope, p * (sum_of_parts(slopes, i) - dot), left, i, part);
    }
  }
  if (!inside) return;
  store_part(slope, scale, dq + first + own * columns, part);
  if (part == 0) dots[scalars + own * heads] = dot;
}

// ∂k and ∂v: a work-item's token is a key.
ATTENTION attention_backward_keys(__global const float* restrict gradient,
                                  __global const float* restrict q,
                                  __global const float* restrict k,
                                  __global const float* restrict v,
                                  __global const float* restrict logSums,
                                  __global const float* restrict dots,
                                  __global float* restrict dk, __global float* restrict dv,
                                  float scale, uint context, uint heads) {
  TILES
  __local float slopes[TILE * ITEMS];
  FIND_TOKEN(get_group_id(0))
  float4 key[QUADS], value[QUADS], keySlope[QUADS], valueSlope[QUADS];
  load_part(k + first + own * columns, part, key);
  load_part(v + first + own * columns, part, value);
  FOR_QUADS keySlope[c] = valueSlope[c] = 0.0f;
  for (uint query = start; query < context; query += TILE) {
    load_tiles(q + first, gradient + first, columns, query, context, left, right);
    multiply_tile(key, left, part, products);
    multiply_tile(value, right, part, slopes);
    MEET_PARTS
    FOR_TILE if (token <= query + i && query + i < context) {
      size_t scalar = scalars + (query + i) * (size_t)heads;
      float p = probability(sum_of_parts(products, i), scale, logSums[scalar]);
      add_row(valueSlope, p, right, i, part);
      add_row(keySlope, p * (sum_of_parts(slopes, i) - dots[scalar]), left, i, part);
    }
  }
  if (!inside) return;
  store_part(keySlope, scale, dk + first + own * columns, part);
  store_part(valueSlope, 1.0f, dv + first + own * columns, part);
}
