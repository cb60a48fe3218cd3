// Products of matrices with what a layer does to them next.
//   C = α·op(A) op(B)                          no epilogue
//   C = α·op(A) op(B) + b,  output = φ(C)      b and output where there are any
//   C = (α·op(A) op(B)) ∘ φ'(z)                DERIVATIVE
//   C = α·op(A) op(B) + S                      ADDEND
//   W ← an update by g = α·op(A) op(B)         multiply_update; g is never stored
// A program has one of the two kernels: with the macros of an update rule before it, multiply_update.
// left, right: the operands as tile.cl takes them; see CPUProductPlan.swift for which is which.
// side: b [replica, n], or z or S [replica, m, n]. C, output, W, state, change [replica, m, n].
// rates, numbers, steps, active, scales: see update.cl; change takes ΔW with `records`.
// A unit is a rectangle of one replica's C; a work-item takes every get_global_size(0)-th unit.
// global (items), local (1). scratch [items][scratchSize].

#include "vector.cl"
#include "nonlinearity.cl"
#include "rules.cl"
#include "epilogue.cl"

NONLINEARITY(vector, integers)

#ifdef STATES

// Updates a tile of weights by their gradients α·tile; index: of its first weight. What is the same
// for all is in registers: the compiler cannot know that weights are not part of the epilogue.
NOINLINE void finish(const Epilogue* e, const float* tile, uint tilePitch, uint height, uint columns,
                     size_t start, size_t column, size_t pitch) {
  EPILOGUE_SCOPE(e)
  float alpha = e->alpha;
#define FOR_TILE(UPDATE_T)                                            \
  for (uint row = 0; row < height; row++) {                           \
    const float* gradient = tile + row * tilePitch;                   \
    size_t index = start + row * pitch, end = index + columns;        \
    for (; index + WIDTH <= end; index += WIDTH, gradient += WIDTH) { \
      UPDATE_T(vector, LOAD, STORE, LOAD(gradient) * alpha)           \
    }                                                                 \
    for (; index < end; index++, gradient++) {                        \
      UPDATE_T(float, LOAD_ONE, STORE_ONE, *gradient * alpha)         \
    }                                                                 \
  }
#define RECORD_FROZEN(T, LOAD_T, STORE_T, GRADIENT) STORE_T((T)(NAN), change + index);
  if (e->frozen) {
    FOR_TILE(RECORD_FROZEN)
  } else {
    FOR_TILE(UPDATE_ELEMENTS)
  }
}

// What `finish` will read or write of a panel's row from `index` on, into the cache.
INLINE void expect(const Epilogue* e, size_t index) {
  AHEAD(e->c + index);
  if (STATES > 0) AHEAD(e->first_state + index);
  if (STATES > 1) AHEAD(e->second_state + index);
  if (e->records) AHEAD(e->change + index);
}

#else

// A tile of the product, still without α; index, column: of its first element.
INLINE void finish(const Epilogue* e, const float* tile, uint tilePitch, uint height, uint columns,
                   size_t index, size_t column, size_t pitch) {
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
      if (epilogue & ADDEND) v += load_some(side + at, count);
      if (epilogue & DERIVATIVE) v *= derivative_vector(load_some(side + at, count), kind);
      store_some(v, c + at, count);
      if (epilogue & HAS_OUTPUT) store_some(activate_vector(v, kind), output + at, count);
    }
  }
}

INLINE void expect(const Epilogue* e, size_t index) {}

#endif

#include "tile.cl"

#ifdef STATES

// All of k is one block. A frozen replica is not even computed, unless to say so.
#define UPDATED_UNIT                                                                       \
  uint frozen = active[replica] == 0.0f;                                                   \
  if (frozen && !records) continue;                                                        \
  size_t start = replica * count;                                                          \
  __global float* sums = weight + start;                                                   \
  Epilogue e = {.c = sums, .first_state = first_state + start,                             \
                .second_state = second_state + start, .change = change + start,            \
                .numbers = numbers + replica * HYPERPARAMETERS,                            \
                .step = steps + (step_row + replica) * STEP_NUMBERS,                       \
                .rate = rates[replica], .alpha = alpha * scales[replica],                  \
                .frozen = frozen, .records = records};

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void multiply_update(
    __global const float* restrict left, __global const float* restrict right,
    __global const float4* restrict rates, __global const float* restrict numbers,
    __global const float* restrict steps, __global const float* restrict active,
    __global const float* restrict scales, __global float* weight, __global float* first_state,
    __global float* second_state, __global float* change, __global float* scratch, float alpha,
    uint step_row, uint records, ProductSizes sizes) {
  size_t count = sizes.rows * (size_t)sizes.columns;
  FOR_EACH_UNIT(UPDATED_UNIT)
}

#else

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
  size_t sideStride = epilogue & (DERIVATIVE | ADDEND) ? count : width;
  FOR_EACH_UNIT(UNIT)
}

#endif
