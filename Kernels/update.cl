// An update rule (rules.cl) on gradients that are matrices.
// rates [replica]: (η_l, ε_l, coupled λ_l, decoupled η_l·λ_l). numbers [replica, HYPERPARAMETERS].
// steps: from row step_row on, a replica's numbers of the step [replica, STEP_NUMBERS].
// w, state [replica, count]; g, result [replica, count] from element `first` on; active [replica]: 0 where a replica has diverged and is frozen.
// scales [replica]: what its gradient is multiplied by.
// With records 1, g's memory takes the step's Δw, and NaN of a frozen replica: no further memory, and
// the lines are in the cache.
// global (⌈count/WIDTH⌉ rounded up to 64, replicas), local (64, 1). A work-item updates WIDTH
// neighbours: compilers for CPUs do not make vectors of one-element items with an early return
// (a sweep of 9 runs of width 1024 under Adam, 150 steps, two Zen 4 cores: 7.1 s an element at a
// time, 5.1 s with vectors of 16).

#include "vector.cl"
#include "rules.cl"

// A factor of 1 must not become part of a sum of products, whose rounding it would change.
#define SCALED(g) (scale == 1.0f ? (g) : (g) * scale)

__kernel void update(__global float* weight, __global float* gradient,
                     __global float* first_state, __global float* second_state,
                     __global const float4* restrict rates, __global const float* restrict numbers,
                     __global const float* restrict steps, __global const float* restrict active,
                     __global const float* restrict scales, uint step_row, uint records,
                     uint count, ulong first) {
  gradient += first;
  size_t replica = get_global_id(1);
  size_t start = get_global_id(0) * (size_t)WIDTH;
  if (start >= count) return;
  size_t index = replica * count + start;
  size_t end = (replica + 1) * (size_t)count;
  __global float* change = gradient;
  if (active[replica] == 0.0f) {
    if (records)
      for (uint i = 0; i < WIDTH && index < end; i++) change[index++] = NAN;
    return;
  }
  float4 rate = rates[replica];
  float scale = scales[replica];
  RULE_SCOPE((numbers + replica * HYPERPARAMETERS), (steps + (step_row + replica) * STEP_NUMBERS))
  // A replica's last few elements go one by one.
  if (start + WIDTH <= count && ROWS_ALIGNED(count)) {
    UPDATE_ELEMENTS(vector, ALIGNED_LOAD, ALIGNED_STORE, SCALED(ALIGNED_LOAD(gradient + index)))
  } else if (start + WIDTH <= count) {
    UPDATE_ELEMENTS(vector, LOAD, STORE, SCALED(LOAD(gradient + index)))
  } else {
    for (; index < end; index++) {
      UPDATE_ELEMENTS(float, LOAD_ONE, STORE_ONE, SCALED(gradient[index]))
    }
  }
}

// The direction d alone, of a rule that makes something of d as a matrix first: result takes it, 0 in a
// frozen replica, and the state is updated. Coupled decay is left to the update along what is made of d.
// Arguments and sizes as of `update`.
__kernel void direction(__global const float* restrict weight,
                        __global const float* restrict gradient, __global float* first_state,
                        __global float* second_state, __global const float4* restrict rates,
                        __global const float* restrict numbers, __global const float* restrict steps,
                        __global const float* restrict active, __global float* restrict result,
                        uint step_row, uint count, ulong first) {
  result += first;
  size_t replica = get_global_id(1);
  size_t start = get_global_id(0) * (size_t)WIDTH;
  if (start >= count) return;
  size_t index = replica * count + start;
  size_t end = (replica + 1) * (size_t)count;
  if (active[replica] == 0.0f) {
    for (uint i = 0; i < WIDTH && index < end; i++) result[index++] = 0.0f;
    return;
  }
  float4 rate = rates[replica];
  rate.z = 0.0f;
  RULE_SCOPE((numbers + replica * HYPERPARAMETERS), (steps + (step_row + replica) * STEP_NUMBERS))
  if (start + WIDTH <= count) {
    DIRECTION_OF_ELEMENTS(vector, LOAD, STORE, LOAD(gradient + index))
    STORE(d, result + index);
  } else {
    for (; index < end; index++) {
      DIRECTION_OF_ELEMENTS(float, LOAD_ONE, STORE_ONE, gradient[index])
      result[index] = d;
    }
  }
}
