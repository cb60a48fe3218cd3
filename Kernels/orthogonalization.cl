// What Newton–Schulz iterations do beside their matrix products (Tensors/Compute+Orthogonalization.swift).
//   largest_magnitudes  partial[replica, spans]: the largest |x| of each span
//   scale_exponents     scale[replica] = 2^(1 − e), with e the exponent of the largest |x|; 0 where it is no
//                       normal float: what is left of a momentum that has died away is rounding
//   scaled_squares      partial[replica, spans] = Σ (scale·x)² of each span
//   unit_scales         unit[replica] = 1/(margin·√Σ partial), and 0 where the sum is 0
//   to_unit_norm        result = (scale·x)·unit
//   polynomial          square = a·I + b·gram + c·square,  gram and square [replica, n, n]
// x and result [replica, count]. The largest |scale·x| lies in [2, 4), and every scale of normal floats is
// a normal float: squares neither overflow nor vanish where x is 1e-30 or 1e30. NaN of a replica's x is NaN
// of its result.

#include "vector.cl"
#include "lanes.cl"

#define SPAN 4096

// global (GROUP_ITEMS·spans, replicas), local (GROUP_ITEMS, 1).
#define KERNEL_OF_SPANS __kernel __attribute__((reqd_work_group_size(GROUP_ITEMS, 1, 1))) void
#define SPAN_SCOPE                                               \
  GROUP_MEMORY(shared)                                           \
  size_t span = get_group_id(0), replica = get_global_id(1);     \
  size_t start = replica * count + span * SPAN;                  \
  uint length = min((uint)SPAN, (uint)(count - span * SPAN));    \
  uint whole = length / WIDTH * WIDTH;

KERNEL_OF_SPANS largest_magnitudes(__global const float* restrict x, __global float* partial,
                                   uint count, uint spans) {
  SPAN_SCOPE
  vector lanes = 0.0f;
  for (uint i = get_local_id(0) * WIDTH; i < whole; i += GROUP_ITEMS * WIDTH)
    lanes = fmax(lanes, fabs(LOAD(x + start + i)));
  float largest = greatest(lanes);
  for (uint i = whole + get_local_id(0); i < length; i += GROUP_ITEMS)
    largest = fmax(largest, fabs(x[start + i]));
  largest = lanes_largest(largest, GROUP_ITEMS, shared);
  if (get_local_id(0) == 0) partial[replica * spans + span] = largest;
}

KERNEL_OF_SPANS scaled_squares(__global const float* restrict x, __global const float* restrict scale,
                               __global float* partial, uint count, uint spans) {
  SPAN_SCOPE
  vector lanes = 0.0f;
  float factor = scale[replica], total = 0.0f;
  for (uint i = get_local_id(0) * WIDTH; i < whole; i += GROUP_ITEMS * WIDTH) {
    vector v = factor * LOAD(x + start + i);
    lanes += v * v;
  }
  for (uint i = whole + get_local_id(0); i < length; i += GROUP_ITEMS)
    total += (factor * x[start + i]) * (factor * x[start + i]);
  total = lanes_add(total + sum(lanes), GROUP_ITEMS, shared);
  if (get_local_id(0) == 0) partial[replica * spans + span] = total;
}

// global (GROUP_ITEMS·replicas), local (GROUP_ITEMS).
KERNEL_OF_SPANS scale_exponents(__global const float* restrict partial, __global float* scale,
                                uint spans) {
  GROUP_MEMORY(shared)
  size_t replica = get_group_id(0);
  float largest = 0.0f;
  for (uint i = get_local_id(0); i < spans; i += GROUP_ITEMS)
    largest = fmax(largest, partial[replica * spans + i]);
  largest = lanes_largest(largest, GROUP_ITEMS, shared);
  if (get_local_id(0) == 0)
    scale[replica] = largest < 0x1p-126f ? 0.0f : isinf(largest) ? 1.0f : ldexp(1.0f, 1 - ilogb(largest));
}

KERNEL_OF_SPANS unit_scales(__global const float* restrict partial, __global float* unit, float margin,
                            uint spans) {
  GROUP_MEMORY(shared)
  size_t replica = get_group_id(0);
  float total = group_total(partial + replica * spans, spans, shared);
  if (get_local_id(0) == 0) unit[replica] = total == 0.0f ? 0.0f : 1.0f / (margin * sqrt(total));
}

// global (⌈count/WIDTH⌉ rounded up to 64, replicas), local (64, 1).
__kernel void to_unit_norm(__global const float* restrict x, __global const float* restrict scale,
                        __global const float* restrict unit, __global float* restrict result,
                        uint count) {
  size_t replica = get_global_id(1), start = get_global_id(0) * (size_t)WIDTH;
  if (start >= count) return;
  size_t index = replica * count + start;
  float factor = scale[replica], inverse = unit[replica];
  if (start + WIDTH <= count) {
    STORE((factor * LOAD(x + index)) * inverse, result + index);
  } else {
    for (uint i = 0; start + i < count; i++) result[index + i] = (factor * x[index + i]) * inverse;
  }
}

// global (⌈n·n/WIDTH⌉ rounded up to 64, replicas), local (64, 1).
__kernel void polynomial(__global const float* restrict gram, __global float* square, float a, float b,
                         float c, uint n) {
  size_t count = (size_t)n * n;
  size_t replica = get_global_id(1), start = get_global_id(0) * (size_t)WIDTH;
  if (start >= count) return;
  size_t index = replica * count + start;
  if (start + WIDTH <= count) {
    STORE(b * LOAD(gram + index) + c * LOAD(square + index), square + index);
  } else {
    for (uint i = 0; start + i < count; i++)
      square[index + i] = b * gram[index + i] + c * square[index + i];
  }
  // Elements of the diagonal are n + 1 apart.
  size_t diagonal = (start + n) / (n + 1) * (n + 1);
  for (size_t i = diagonal; i < start + WIDTH && i < count; i += n + 1)
    square[replica * count + i] += a;
}
