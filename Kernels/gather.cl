// A batch by row number, normalised.
//   x[replica, row, i] = source[rows[replica, offset + row], i]·scale[i] + shift[i]
// order [replica, period]: row numbers; labels likewise.
// global (vectors of WIDTH inputs rounded up to 32, batch, replicas), local (32, 1, 1).
#include "vector.cl"

#define GATHER(NAME, TYPE)                                                                       \
  __kernel void NAME(__global const TYPE* restrict source, __global const float* restrict scale, \
                     __global const float* restrict shift, __global const uint* restrict order,  \
                     __global float* x, uint offset, uint period, uint inputs) {                 \
    size_t first = get_global_id(0) * WIDTH, row = get_global_id(1), replica = get_global_id(2); \
    if (first >= inputs) return;                                                                 \
    source += order[replica * period + offset + row] * (size_t)inputs;                           \
    x += (replica * get_global_size(1) + row) * inputs;                                          \
    if (first + WIDTH <= inputs) {                                                               \
      vector value = JOIN(convert_float, WIDTH)(JOIN(vload, WIDTH)(0, source + first));          \
      STORE(value * LOAD(scale + first) + LOAD(shift + first), x + first);                       \
    } else {                                                                                     \
      for (size_t i = first; i < inputs; i++) x[i] = source[i] * scale[i] + shift[i];            \
    }                                                                                            \
  }

GATHER(gather_floats, float)
GATHER(gather_bytes, uchar)

// global (batch rounded up to 64, replicas), local (64, 1).
__kernel void gather_labels(__global const uint* restrict source,
                            __global const uint* restrict order, __global uint* labels, uint offset,
                            uint period, uint batch) {
  size_t row = get_global_id(0), replica = get_global_id(1);
  if (row >= batch) return;
  labels[replica * batch + row] = source[order[replica * period + offset + row]];
}
