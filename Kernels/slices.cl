// The sums of a product whose k was cut into slices (multiply_slice of multiply_group.cl), and what
// becomes of them: span.cl, whose definitions are this file's too.
//   P = Σ_s partial(s), in the order of the slices
// partial [slice, replica, m, n]; side: b [replica, n], or z or S [replica, m, n]; C, output
// [replica, m, n]. A work-item has four neighbours of a row.
// global (m·⌈n/4⌉ rounded up to 64, replicas), local (64, 1).

#include "vector.cl"
#include "nonlinearity.cl"
#include "rules.cl"
#include "epilogue.cl"
#define SPAN 4
#define BATCH 1
#include "span.cl"

__kernel __attribute__((reqd_work_group_size(64, 1, 1))) void add_slices(
    __global const float* restrict partial, __global const float* restrict side,
    __global float* restrict c, __global float* restrict output, float alpha, uint slices, uint m,
    uint n) {
  size_t replica = get_group_id(1), size = m * (size_t)n, step = get_num_groups(1) * size;
  uint across = (n + SPAN - 1) / SPAN, own = get_global_id(0);
  Span span = span_at((float4)(0.0f), own / across, own % across * SPAN, m, n);
  uint count = span.count;
  __global const float* p = partial + replica * size + span.index;
  for (uint s = 0; s < slices; s++) span.sums += LOAD_SPAN(p + s * step);
  Epilogue e = {.c = c + replica * size,
                .side = side + replica * (EPILOGUE & (DERIVATIVE | ADDEND) ? size : n),
                .output = output + replica * size, .alpha = alpha};
  finish_spans(&e, &span);
}
