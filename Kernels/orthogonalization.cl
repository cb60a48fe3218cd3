// What Newton–Schulz iterations do beside their matrix products (Tensors/Compute+Orthogonalization.swift).
//   span_norms    partial[replica, spans, 2] = (scale, Σ (scale·x)²) of each span; scale = 2^(1 − e), with e the
//                 exponent of the span's largest |x|, and 0 where that is no normal float: what is left of
//                 a momentum that has died away is rounding
//   unit_scales   units[replica, 2] = (scale, factor/√Σ (scale·x)²), scale as of all of x; factors 0 where
//                 the sum is 0
//   to_unit_norm  result = (scale·x)·factor
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

// What brings a largest magnitude to [2, 4).
INLINE float scale_of(float largest) {
  return largest < 0x1p-126f ? 0.0f : isinf(largest) ? 1.0f : ldexp(1.0f, 1 - ilogb(largest));
}

KERNEL_OF_SPANS span_norms(__global const float* restrict x, __global float* partial, uint count,
                           uint spans) {
  SPAN_SCOPE
  vector lanes = 0.0f;
  for (uint i = get_local_id(0) * WIDTH; i < whole; i += GROUP_ITEMS * WIDTH)
    lanes = fmax(lanes, fabs(LOAD(x + start + i)));
  float largest = greatest(lanes);
  for (uint i = whole + get_local_id(0); i < length; i += GROUP_ITEMS)
    largest = fmax(largest, fabs(x[start + i]));
  float scale = scale_of(lanes_largest(largest, GROUP_ITEMS, shared));
  vector squares = 0.0f;
  float total = 0.0f;
  for (uint i = get_local_id(0) * WIDTH; i < whole; i += GROUP_ITEMS * WIDTH) {
    vector v = scale * LOAD(x + start + i);
    squares += v * v;
  }
  for (uint i = whole + get_local_id(0); i < length; i += GROUP_ITEMS)
    total += (scale * x[start + i]) * (scale * x[start + i]);
  total = lanes_add(total + sum(squares), GROUP_ITEMS, shared);
  if (get_local_id(0) == 0) vstore2((float2)(scale, total), replica * spans + span, partial);
}

// global (GROUP_ITEMS·replicas), local (GROUP_ITEMS).
KERNEL_OF_SPANS unit_scales(__global const float* restrict partial, __global float* units,
                             float factor, uint spans) {
  GROUP_MEMORY(shared)
  size_t replica = get_group_id(0);
  partial += replica * spans * 2;
  // The smallest scale of spans that have one is that of the largest |x|.
  float scale = MAXFLOAT, total = 0.0f;
  for (uint i = get_local_id(0); i < spans; i += GROUP_ITEMS) {
    float own = partial[2 * i];
    if (own != 0.0f) scale = fmin(scale, own);
  }
  scale = lanes_least(scale, GROUP_ITEMS, shared);
  for (uint i = get_local_id(0); i < spans; i += GROUP_ITEMS) {
    float2 own = vload2(i, partial);
    float share = own.x == 0.0f ? 0.0f : scale / own.x;
    total += own.y * share * share;
  }
  total = lanes_add(total, GROUP_ITEMS, shared);
  if (get_local_id(0) == 0)
    vstore2((float2)(scale == MAXFLOAT ? 0.0f : scale, total == 0.0f ? 0.0f : factor / sqrt(total)),
            replica, units);
}

// global (⌈count/WIDTH⌉ rounded up to 64, replicas), local (64, 1).
__kernel void to_unit_norm(__global const float* restrict x, __global const float* restrict units,
                           __global float* restrict result, uint count) {
  size_t replica = get_global_id(1), start = get_global_id(0) * (size_t)WIDTH;
  if (start >= count) return;
  size_t index = replica * count + start;
  float2 unit = vload2(replica, units);
  if (start + WIDTH <= count) {
    STORE((unit.x * LOAD(x + index)) * unit.y, result + index);
  } else {
    for (uint i = 0; start + i < count; i++) result[index + i] = (unit.x * x[index + i]) * unit.y;
  }
}
