// Products of matrices with what a layer does to them next.
//   C = α·op(A) op(B)                          no epilogue
//   C = α·op(A) op(B) + b,  output = φ(C)      b and output where there are any
//   C = (α·op(A) op(B)) ∘ φ'(z)                DERIVATIVE
//   W ← an update by g = α·op(A) op(B)         multiply_update; g is never stored
// left, right: the operands as tile.cl takes them; see CPUProductPlan.swift for which is which.
// side: b [replica, n] or z [replica, m, n]. C, output, W, state, change [replica, m, n].
// rates, active [replica]; change takes ΔW with `records`: see rules.cl, update.cl.
// A unit is a rectangle of one replica's C; a work-item takes every get_global_size(0)-th unit.
// global (items), local (1). scratch [items][scratchSize].

#include "vector.cl"
#include "nonlinearity.cl"
#include "rules.cl"
#include "epilogue.cl"

NONLINEARITY(vector)

// Updates a tile of weights by their gradients α·tile; index: of its first weight. What is the same
// for all is in registers: the compiler cannot know that weights are not part of the epilogue.
NOINLINE void update_tile(const Epilogue* e, const float* tile, uint tilePitch, uint height,
                          uint columns, size_t start, size_t pitch) {
  RULE_SCOPE(e)
  float alpha = e->alpha;
#define FOR_TILE(RULE)                                                \
  for (uint row = 0; row < height; row++) {                           \
    const float* gradient = tile + row * tilePitch;                   \
    size_t index = start + row * pitch, end = index + columns;        \
    for (; index + WIDTH <= end; index += WIDTH, gradient += WIDTH) { \
      RULE(vector, LOAD, STORE, LOAD(gradient) * alpha)               \
    }                                                                 \
    for (; index < end; index++, gradient++) {                        \
      RULE(float, LOAD_ONE, STORE_ONE, *gradient * alpha)             \
    }                                                                 \
  }
#define STAND_STILL(T, LOAD_T, STORE_T, GRADIENT) STORE_T((T)(NAN), change + index);
  if (e->rule == RULE_ADAM) {
    FOR_TILE(ADAM)
  } else if (e->rule == RULE_SGD) {
    FOR_TILE(SGD)
  } else if (e->rule == RULE_STANDS_STILL) {
    FOR_TILE(STAND_STILL)
  } else {
    FOR_TILE(MOMENTUM)
  }
}

// A tile of the product, still without α; index, column: of its first element.
INLINE void finish(const Epilogue* e, const float* tile, uint tilePitch, uint height, uint columns,
                   size_t index, size_t column, size_t pitch) {
  if (e->epilogue & UPDATE) {
    update_tile(e, tile, tilePitch, height, columns, index, pitch);
    return;
  }
  uint epilogue = e->epilogue, kind = e->kind;
  __global const float* side = e->side;
  __global float *c = e->c, *output = e->output;
  float alpha = e->alpha;
  for (uint row = 0; row < height; row++) {
    for (uint i = 0; i < columns; i += WIDTH) {
      vector v = LOAD(tile + row * tilePitch + i) * alpha;
      uint count = columns - i;
      size_t at = index + row * pitch + i;
      if (epilogue & HAS_BIAS) v += load_some(side + column + i, count);
      if (epilogue & DERIVATIVE) v *= derivative_vector(load_some(side + at, count), kind);
      store_some(v, c + at, count);
      if (epilogue & HAS_OUTPUT) store_some(activate_vector(v, kind), output + at, count);
    }
  }
}

// What `finish` will read or write of a panel's row from `index` on, into the cache.
INLINE void expect(const Epilogue* e, size_t index) {
  if (!(e->epilogue & UPDATE)) return;
  AHEAD(e->c + index);
  if (e->rule >= RULE_MOMENTUM) AHEAD(e->first + index);
  if (e->rule == RULE_ADAM) AHEAD(e->second + index);
  if (e->records) AHEAD(e->change + index);
}

#include "tile.cl"

#define UNIT                                                                               \
  __global float* sums = c + replica * count;                                              \
  Epilogue e = {.epilogue = epilogue, .c = sums, .side = side + replica * sideStride,      \
                .output = output + replica * count, .kind = kind, .alpha = alpha};

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void multiply(
    __global const float* restrict left, __global const float* restrict right,
    __global const float* restrict side, __global float* c, __global float* output,
    __global float* scratch, float alpha, uint epilogue, uint kind, ProductSizes sizes) {
  size_t count = sizes.rows * (size_t)sizes.columns;
  size_t width = sizes.order & SWAPPED ? sizes.rows : sizes.columns;
  size_t sideStride = epilogue & DERIVATIVE ? count : width;
  FOR_EACH_UNIT(UNIT)
}

// All of k is one block. A replica that stands still is not even computed, unless to say so.
#define UPDATED_UNIT                                                                       \
  uint own = active[replica] == 0.0f ? RULE_STANDS_STILL : rule;                           \
  if (own == RULE_STANDS_STILL && !records) continue;                                      \
  size_t start = replica * count;                                                          \
  __global float* sums = weight + start;                                                   \
  Epilogue e = {.epilogue = UPDATE, .c = sums, .first = first + start,                     \
                .second = second + start, .change = change + start,                        \
                .rate = rates[replica], .numbers = (float4)(x, y, z, w),                   \
                .alpha = alpha, .schedule = schedule, .rule = own, .records = records};

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void multiply_update(
    __global const float* restrict left, __global const float* restrict right,
    __global const float4* restrict rates, __global const float* restrict active,
    __global float* weight, __global float* first, __global float* second,
    __global float* change, __global float* scratch, float alpha, float schedule, float x, float y,
    float z, float w, uint rule, uint records, ProductSizes sizes) {
  size_t count = sizes.rows * (size_t)sizes.columns;
  FOR_EACH_UNIT(UPDATED_UNIT)
}
