// Update rules (rules.cl) on gradients that are matrices.
// rates [replica]: (η_l, ε_l, coupled λ_l, decoupled η_l·λ_l); s: the schedule's factor.
// w, g, state [replica, count]; active [replica]: 0 where a replica has diverged and stands still.
// With records 1, g's memory takes the step's Δw, and NaN of a replica that stands still: no memory
// of its own, and the lines are in the cache.
// global (⌈count/WIDTH⌉ rounded up to 64, replicas), local (64, 1). A work-item updates WIDTH
// neighbours: compilers for CPUs do not make vectors of one-element items with an early return
// (a sweep of 9 runs of width 1024 under Adam, 150 steps, two Zen 4 cores: 7.1 s an element at a
// time, 5.1 s with vectors of 16).

#include "vector.cl"
#include "rules.cl"

// A replica's last few elements go one by one.
#define FOR_EACH(RULE)                                                      \
  size_t replica = get_global_id(1);                                        \
  size_t first = get_global_id(0) * (size_t)WIDTH;                          \
  if (first >= count) return;                                               \
  size_t index = replica * count + first;                                   \
  size_t end = (replica + 1) * (size_t)count;                               \
  __global float* change = gradient;                                        \
  if (active[replica] == 0.0f) {                                            \
    if (records)                                                            \
      for (uint i = 0; i < WIDTH && index < end; i++) change[index++] = NAN; \
    return;                                                                 \
  }                                                                         \
  float4 rate = rates[replica];                                             \
  if (first + WIDTH <= count && ROWS_ALIGNED(count)) {                           \
    RULE(vector, ALIGNED_LOAD, ALIGNED_STORE, ALIGNED_LOAD(gradient + index)) \
  } else if (first + WIDTH <= count) {                                      \
    RULE(vector, LOAD, STORE, LOAD(gradient + index))                       \
  } else {                                                                  \
    for (; index < end; index++) {                                          \
      RULE(float, LOAD_ONE, STORE_ONE, gradient[index])                     \
    }                                                                       \
  }

__kernel void update_sgd(__global float* weight, __global float* gradient,
                         __global const float4* restrict rates,
                         __global const float* restrict active, float schedule, uint records,
                         uint count) {
  FOR_EACH(SGD)
}

__kernel void update_momentum(__global float* weight, __global float* gradient,
                              __global float* velocity, __global const float4* restrict rates,
                              __global const float* restrict active, float schedule,
                              float momentum, uint nesterov, uint records, uint count) {
  FOR_EACH(MOMENTUM)
}

__kernel void update_adam(__global float* weight, __global float* gradient, __global float* mean,
                          __global float* square, __global const float4* restrict rates,
                          __global const float* restrict active, float schedule, float beta1,
                          float beta2, float correction1, float correction2, uint records,
                          uint count) {
  FOR_EACH(ADAM)
}

// d = g/‖g‖, the norm of each replica given; 0 where the gradient is.
#define NORMALIZED(T, LOAD_T, STORE_T, GRADIENT) \
  T w = LOAD_T(weight + index);                  \
  T d = GRADIENT * inverse;                      \
  STEP(T, STORE_T, w, d)

__kernel void update_normalized(__global float* weight, __global float* gradient,
                                __global const float* restrict norms,
                                __global const float4* restrict rates,
                                __global const float* restrict active, float schedule,
                                uint records, uint count) {
  float norm = norms[get_global_id(1)];
  float inverse = norm == 0.0f ? 0.0f : 1.0f / norm;
  FOR_EACH(NORMALIZED)
}
