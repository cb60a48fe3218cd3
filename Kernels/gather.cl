// A batch by row number, normalised, with its labels.
//   x[replica, row, i] = source[rows[replica, offset + row], i]·scale[i] + shift[i]
//   labels[replica, row] = rowLabels[rows[replica, offset + row]]
// order [replica, period]: row numbers. A work-item makes WIDTH neighbours of one row, of `vectors`
// such pieces a row.
// global (batch·vectors rounded up to 64, replicas), local (64, 1).
#include "vector.cl"

#define GATHER(NAME, TYPE)                                                                       \
  __kernel void NAME(__global const TYPE* restrict source,                                       \
                     __global const uint* restrict rowLabels,                                    \
                     __global const float* restrict scale, __global const float* restrict shift, \
                     __global const uint* restrict order, __global float* x,                     \
                     __global uint* labels, uint offset, uint period, uint inputs, uint batch,   \
                     uint vectors) {                                                             \
    uint row = get_global_id(0) / vectors, first = get_global_id(0) % vectors * WIDTH;           \
    size_t replica = get_global_id(1), place = replica * batch + row;                            \
    if (row >= batch) return;                                                                    \
    uint number = order[replica * period + offset + row];                                        \
    if (first == 0) labels[place] = rowLabels[number];                                           \
    source += number * (size_t)inputs;                                                           \
    x += place * inputs;                                                                         \
    if (ROWS_ALIGNED(inputs)) {                                                                  \
      vector value = JOIN(convert_float, WIDTH)(                                                 \
          *(__global const JOIN(TYPE, WIDTH)*)(source + first));                                 \
      ALIGNED_STORE(value * ALIGNED_LOAD(scale + first) + ALIGNED_LOAD(shift + first), x + first); \
    } else if (first + WIDTH <= inputs) {                                                        \
      vector value = JOIN(convert_float, WIDTH)(JOIN(vload, WIDTH)(0, source + first));          \
      STORE(value * LOAD(scale + first) + LOAD(shift + first), x + first);                       \
    } else {                                                                                     \
      for (uint i = first; i < inputs; i++) x[i] = source[i] * scale[i] + shift[i];              \
    }                                                                                            \
  }

GATHER(gather_floats, float)
GATHER(gather_bytes, uchar)

// A batch of windows of a text, with the token that follows each of theirs as its label.
//   x[replica, row, t] = tokens[first + t],  labels[replica, row, t] = tokens[first + t + 1],
//   first = order[replica, offset + row]
// A work-item makes one token. global (batch·context rounded up to 64, replicas), local (64, 1).
#define GATHER_TOKENS(NAME, TYPE)                                                              \
  __kernel void NAME(__global const TYPE* restrict tokens, __global const uint* restrict order, \
                     __global float* x, __global uint* labels, uint offset, uint period,       \
                     uint context, uint batch) {                                               \
    uint row = get_global_id(0) / context, t = get_global_id(0) % context;                     \
    size_t replica = get_global_id(1), place = (replica * batch + row) * context + t;          \
    if (row >= batch) return;                                                                  \
    size_t first = order[replica * period + offset + row];                                     \
    x[place] = (float)tokens[first + t];                                                       \
    labels[place] = tokens[first + t + 1];                                                     \
  }

GATHER_TOKENS(gather_tokens, ushort)
GATHER_TOKENS(gather_wide_tokens, uint)
