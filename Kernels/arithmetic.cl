// Elementwise arithmetic.

#include "vector.cl"

// result[i] = x[i] − y[i] for i < count.
// global (⌈count/WIDTH⌉ rounded up to 64), local (64). A work-item takes WIDTH neighbours.
__kernel void subtract(__global const float* restrict x, __global const float* restrict y,
                       __global float* restrict result, ulong count) {
  size_t i = get_global_id(0) * (size_t)WIDTH;
  if (i + WIDTH <= count) {
    ALIGNED_STORE(ALIGNED_LOAD(x + i) - ALIGNED_LOAD(y + i), result + i);
  } else {
    for (; i < count; i++) result[i] = x[i] - y[i];
  }
}
