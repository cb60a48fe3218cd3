// Products of matrices with what a layer does to them next.
//   C = α·op(A) op(B)                          PLAIN
//   C = α·op(A) op(B) + b,  output = φ(C)      FORWARD, b and output where there are any
//   C = (α·op(A) op(B)) ∘ φ'(z)                DERIVATIVE
// left, right: the operands as tile.cl takes them; see CPUMultiplier.swift for which is which.
// side: b [replica, n] or z [replica, m, n]. C, output [replica, m, n].
// A unit is a rectangle of one replica's C; a work-item takes every get_global_size(0)-th unit.
// global (items), local (1). scratch [items][scratchSize].

#include "vector.cl"
#include "nonlinearity.cl"

NONLINEARITY(vector)

#define HAS_BIAS 1
#define HAS_OUTPUT 2
#define DERIVATIVE 4

typedef struct {
  __global const float* side;
  __global float* c;
  __global float* output;
  uint epilogue, kind;
} Epilogue;

INLINE void finish(const Epilogue* e, vector v, size_t index, size_t column, uint count) {
  if (e->epilogue & HAS_BIAS) v += load_some(e->side + column, count);
  if (e->epilogue & DERIVATIVE)
    v *= derivative_vector(load_some(e->side + index, count), e->kind);
  store_some(v, e->c + index, count);
  if (e->epilogue & HAS_OUTPUT) store_some(activate_vector(v, e->kind), e->output + index, count);
}

#include "tile.cl"

#define UNIT                                                                                  \
  __global float* sums = c + replica * count;                                                 \
  Epilogue e = {side + replica * sideStride, sums, output + replica * count, epilogue, kind};

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void multiply(
    __global const float* restrict left, __global const float* restrict right,
    __global const float* restrict side, __global float* c, __global float* output,
    __global float* scratch, float alpha, uint epilogue, uint kind, SIZES) {
  size_t count = rows * (size_t)columns;
  size_t sideStride = epilogue & DERIVATIVE ? count : order & SWAPPED ? rows : columns;
  FOR_EACH_UNIT(UNIT)
}
