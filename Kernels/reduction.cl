// Sums in a fixed order, so that results repeat bit for bit.

// total[replica, column] = Σ_rows x[replica, row, column]: a bias's gradient.
// global (columns rounded up to 64, replicas), local (64, 1).
__kernel void sum_rows(__global const float* restrict x, __global float* total, uint rows,
                       uint columns) {
  size_t column = get_global_id(0), replica = get_global_id(1);
  if (column >= columns) return;
  __global const float* p = x + replica * rows * columns + column;
  float sum = 0.0f;
  for (uint row = 0; row < rows; row++) sum += p[(size_t)row * columns];
  total[replica * columns + column] = sum;
}

// root[replica] = √(Σ x[replica, i]).
// global (replicas rounded up to 64), local (64).
__kernel void root_of_total(__global const float* restrict x, __global float* root, uint count,
                            uint replicas) {
  size_t replica = get_global_id(0);
  if (replica >= replicas) return;
  float sum = 0.0f;
  for (uint i = 0; i < count; i++) sum += x[replica * count + i];
  root[replica] = sqrt(sum);
}

// Sums over stretches of SPAN neighbours, for record_sum or the host to add up.
//   squares       Σ x²
//   differences   Σ (x − y)²
//   absolutes     Σ |x|
//   small         how many √(c·x) ≤ bounds[replica], for Adam's v against ε
// x [replica, count]; y likewise, one replica for all with y_stride 0; partial [replica, spans].
// global (spans rounded up to 64, replicas), local (64, 1). A work-item adds one stretch, WIDTH
// lanes side by side, so that no lane adds more than SPAN/WIDTH terms to one float.
#define SPAN 4096
#include "vector.cl"

#define SUM_SPANS(TERM)                                           \
  size_t span = get_global_id(0), replica = get_global_id(1);     \
  if (span >= spans) return;                                      \
  size_t first = replica * count + span * SPAN;                   \
  size_t length = min((size_t)SPAN, (size_t)count - span * SPAN); \
  __global const float* a = x + first;                            \
  vector lanes = 0.0f;                                            \
  size_t i = 0;                                                   \
  for (; i + WIDTH <= length; i += WIDTH) lanes += TERM(vector, LOAD, i); \
  float parts[WIDTH], sum = 0.0f;                                 \
  for (; i < length; i++) sum += TERM(float, LOAD_ONE, i);               \
  STORE(lanes, parts);                                            \
  for (uint lane = 0; lane < WIDTH; lane++) sum += parts[lane];   \
  partial[replica * spans + span] = sum;
#define LOAD_ONE(p) (*(p))

#define SQUARE(T, LOAD_T, i) (LOAD_T(a + i) * LOAD_T(a + i))
__kernel void sum_squares(__global const float* restrict x, __global float* partial, uint count,
                          uint spans) {
  SUM_SPANS(SQUARE)
}

#define DIFFERENCE(T, LOAD_T, i) \
  ((LOAD_T(a + i) - LOAD_T(b + i)) * (LOAD_T(a + i) - LOAD_T(b + i)))
__kernel void sum_squared_differences(__global const float* restrict x,
                                      __global const float* restrict y, __global float* partial,
                                      uint y_stride, uint count, uint spans) {
  __global const float* b = y + get_global_id(1) * y_stride + get_global_id(0) * SPAN;
  SUM_SPANS(DIFFERENCE)
}

#define ABSOLUTE(T, LOAD_T, i) fabs(LOAD_T(a + i))
__kernel void sum_absolutes(__global const float* restrict x, __global float* partial, uint count,
                            uint spans) {
  SUM_SPANS(ABSOLUTE)
}

#define SMALL(T, LOAD_T, i) step(sqrt(factor * LOAD_T(a + i)), (T)(bound))
__kernel void count_small_roots(__global const float* restrict x,
                                __global const float* restrict bounds, __global float* partial,
                                float factor, uint count, uint spans) {
  float bound = bounds[get_global_id(1)];
  SUM_SPANS(SMALL)
}
