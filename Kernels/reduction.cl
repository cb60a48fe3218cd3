// Sums in a fixed order, so that results repeat bit for bit. Each has an item
// variant, for CPUs, and a group variant, for GPUs, in groups of ITEMS (see KernelVariant).

#include "vector.cl"
#if GROUP_ITEMS > 1
#define ITEMS 256
#include "workgroup.cl"
#endif

// total[replica, column] = Σ_rows x[replica, row, column]: a bias's gradient.
// Items: global (columns rounded up to 64, replicas), local (64, 1). Groups: each adds up 32
// columns, every eighth row an item; global (⌈columns/32⌉·ITEMS, replicas), local (ITEMS, 1).
#if GROUP_ITEMS > 1
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void sum_rows_group(
    __global const float* restrict x, __global float* total, uint rows, uint columns) {
  __local float shared[ITEMS / 32][32];
  uint item = get_local_id(0) % 32, lane = get_local_id(0) / 32;
  size_t column = get_group_id(0) * 32 + item, replica = get_global_id(1);
  float sum = 0.0f;
  if (column < columns)
    for (uint row = lane; row < rows; row += ITEMS / 32)
      sum += x[(replica * rows + row) * columns + column];
  shared[lane][item] = sum;
  barrier(CLK_LOCAL_MEM_FENCE);
  if (lane == 0 && column < columns) {
    for (uint other = 1; other < ITEMS / 32; other++) sum += shared[other][item];
    total[replica * columns + column] = sum;
  }
}
#else
__kernel void sum_rows(__global const float* restrict x, __global float* total, uint rows,
                       uint columns) {
  size_t column = get_global_id(0), replica = get_global_id(1);
  if (column >= columns) return;
  __global const float* p = x + replica * rows * columns + column;
  float sum = 0.0f;
  for (uint row = 0; row < rows; row++) sum += p[(size_t)row * columns];
  total[replica * columns + column] = sum;
}
#endif

// root[replica] = √(Σ x[replica, i]).
// Items: global (replicas rounded up to 64), local (64). Groups: one a replica; global
// (replicas·ITEMS), local (ITEMS).
#if GROUP_ITEMS > 1
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void root_of_total_group(
    __global const float* restrict x, __global float* root, uint count, uint replicas) {
  __local float shared[GROUP_LINE] __attribute__((aligned(16)));
  size_t replica = get_group_id(0);
  float sum = 0.0f;
  for (uint i = get_local_id(0); i < count; i += ITEMS) sum += x[replica * count + i];
  sum = group_sum(sum, shared);
  if (get_local_id(0) == 0) root[replica] = sqrt(sum);
}
#else
__kernel void root_of_total(__global const float* restrict x, __global float* root, uint count,
                            uint replicas) {
  size_t replica = get_global_id(0);
  if (replica >= replicas) return;
  float sum = 0.0f;
  for (uint i = 0; i < count; i++) sum += x[replica * count + i];
  root[replica] = sqrt(sum);
}
#endif

// Sums over stretches of SPAN neighbours, for record_sum or the host to add up.
//   squares       Σ x²
//   differences   Σ (x − y)²
//   products      Σ x·y
//   absolutes     Σ |x|
//   small         how many √(c·x) ≤ bounds[replica], for Adam's v against ε
//   steps         how many |x + a·(y − x)| > b, (a, b) = numbers[replica], for steps x to weights y
// x [replica, count]; y likewise, one replica for all with y_stride 0; partial [replica, spans].
// Items: global (spans rounded up to 64, replicas), local (64, 1). A work-item adds one stretch,
// WIDTH lanes side by side, so that no lane adds more than SPAN/WIDTH terms to one float.
// Groups: each adds one stretch, by 16-byte loads where count is a multiple of 4. global
// (spans·ITEMS, replicas), local (ITEMS, 1).
#define SPAN 4096

#if GROUP_ITEMS > 1
#define SUMS __kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void
#define NAMED(name) name##_group
#define SPAN_INDEX get_group_id(0)
#define LOAD_FOUR(p) (*(__global const float4*)(p))
#define SUM_SPANS(TERM)                                                                  \
  __local float shared[GROUP_LINE] __attribute__((aligned(16)));                         \
  size_t span = SPAN_INDEX, replica = get_global_id(1), item = get_local_id(0);          \
  size_t length = min((size_t)SPAN, (size_t)count - span * SPAN);                        \
  __global const float* a = x + replica * count + span * SPAN;                           \
  float4 lanes = 0.0f;                                                                   \
  if (count % 4 == 0)                                                                    \
    for (size_t i = 4 * item; i < length; i += 4 * ITEMS) lanes += TERM(float4, LOAD_FOUR, i); \
  else                                                                                   \
    for (size_t i = item; i < length; i += ITEMS) lanes.x += TERM(float, LOAD_ONE, i);   \
  float sum = group_sum((lanes.x + lanes.y) + (lanes.z + lanes.w), shared);              \
  if (item == 0) partial[replica * spans + span] = sum;
#else
#define SUMS __kernel void
#define NAMED(name) name
#define SPAN_INDEX get_global_id(0)
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
#endif
#define LOAD_ONE(p) (*(p))

#define SQUARE(T, LOAD_T, i) (LOAD_T(a + i) * LOAD_T(a + i))
SUMS NAMED(sum_squares)(__global const float* restrict x, __global float* partial, uint count,
    uint spans) {
  SUM_SPANS(SQUARE)
}

#define DIFFERENCE(T, LOAD_T, i) \
  ((LOAD_T(a + i) - LOAD_T(b + i)) * (LOAD_T(a + i) - LOAD_T(b + i)))
SUMS NAMED(sum_squared_differences)(__global const float* restrict x,
    __global const float* restrict y, __global float* partial, uint y_stride, uint count,
    uint spans) {
  __global const float* b = y + get_global_id(1) * y_stride + SPAN_INDEX * SPAN;
  SUM_SPANS(DIFFERENCE)
}

#define PRODUCT(T, LOAD_T, i) (LOAD_T(a + i) * LOAD_T(b + i))
SUMS NAMED(sum_products)(__global const float* restrict x, __global const float* restrict y,
    __global float* partial, uint y_stride, uint count, uint spans) {
  __global const float* b = y + get_global_id(1) * y_stride + SPAN_INDEX * SPAN;
  SUM_SPANS(PRODUCT)
}

#define ABSOLUTE(T, LOAD_T, i) fabs(LOAD_T(a + i))
SUMS NAMED(sum_absolutes)(__global const float* restrict x, __global float* partial, uint count,
    uint spans) {
  SUM_SPANS(ABSOLUTE)
}

#define SMALL(T, LOAD_T, i) step(sqrt(factor * LOAD_T(a + i)), (T)(bound))
SUMS NAMED(count_small_roots)(__global const float* restrict x,
    __global const float* restrict bounds, __global float* partial, float factor, uint count,
    uint spans) {
  float bound = bounds[get_global_id(1)];
  SUM_SPANS(SMALL)
}

#define STEPPED(T, LOAD_T, i) \
  ((T)(1.0f) - step(fabs(LOAD_T(a + i) + (T)(own.x) * (LOAD_T(b + i) - LOAD_T(a + i))), (T)(own.y)))
SUMS NAMED(count_steps)(__global const float* restrict x, __global const float* restrict y,
    __global const float* restrict numbers, __global float* partial, uint count, uint spans) {
  float2 own = vload2(get_global_id(1), numbers);
  __global const float* b = y + get_global_id(1) * (size_t)count + SPAN_INDEX * SPAN;
  SUM_SPANS(STEPPED)
}
