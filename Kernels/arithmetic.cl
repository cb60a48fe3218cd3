// Elementwise arithmetic of `count` floats; a work-item takes WIDTH neighbours.
// global (⌈count/WIDTH⌉ rounded up to 64), local (64).

#include "vector.cl"

#define LOAD_ONE(p) (*(p))
#define STORE_ONE(v, p) (*(p) = (v))
#define FOR_NEIGHBOURS(BODY)                           \
  size_t i = get_global_id(0) * (size_t)WIDTH;         \
  if (i + WIDTH <= count) {                            \
    BODY(vector, ALIGNED_LOAD, ALIGNED_STORE)          \
  } else {                                             \
    for (; i < count; i++) {                           \
      BODY(float, LOAD_ONE, STORE_ONE)                 \
    }                                                  \
  }

// result[i] = x[i] − y[i]
#define DIFFERENCE(T, LOAD_T, STORE_T) STORE_T(LOAD_T(x + i) - LOAD_T(y + i), result + i);
__kernel void subtract(__global const float* restrict x, __global const float* restrict y,
                       __global float* restrict result, ulong count) {
  FOR_NEIGHBOURS(DIFFERENCE)
}

// result[i] = x[i]·y[i]
#define PRODUCT(T, LOAD_T, STORE_T) STORE_T(LOAD_T(x + i) * LOAD_T(y + i), result + i);
__kernel void multiply(__global const float* restrict x, __global const float* restrict y,
                       __global float* restrict result, ulong count) {
  FOR_NEIGHBOURS(PRODUCT)
}

// x + scale·y, rounded once: as a vector's element and as one of the last few, which a replica's
// place in a group decides, it is the same.
#define SUM(T, LOAD_T) fma((T)(scale), LOAD_T(y + i), LOAD_T(x + i))

// result[i] = first_scale·x[i] + scale·y[i], the first product rounded too
#define ADDED(T, LOAD_T, STORE_T) \
  STORE_T(fma((T)(scale), LOAD_T(y + i), first_scale * LOAD_T(x + i)), result + i);
__kernel void add_scaled(__global const float* restrict x, __global const float* restrict y,
                         __global float* restrict result, float scale, float first_scale, ulong count) {
  FOR_NEIGHBOURS(ADDED)
}

// x[i] += scale·y[i]; x and y may be one.
#define ACCUMULATED(T, LOAD_T, STORE_T) STORE_T(SUM(T, LOAD_T), x + i);
__kernel void accumulate(__global float* x, __global const float* y, float scale, ulong count) {
  FOR_NEIGHBOURS(ACCUMULATED)
}

// result[i] = scale·x[i]
#define SCALED(T, LOAD_T, STORE_T) STORE_T(LOAD_T(x + i) * scale, result + i);
__kernel void multiply_by(__global const float* restrict x, __global float* restrict result,
                          float scale, ulong count) {
  FOR_NEIGHBOURS(SCALED)
}

// x[replica, i, i] −= values[replica], of square x [replica, n, n].
// global (n rounded up to 64, replicas), local (64, 1).
__kernel void subtract_from_diagonal(__global float* x, __global const float* restrict values, uint n) {
  size_t i = get_global_id(0), replica = get_global_id(1);
  if (i < n) x[(replica * n + i) * n + i] -= values[replica];
}
