// Update rules. Each computes a direction d; one macro applies it with decay and rate.
//   w ← (1 − s·r.w)·w − s·r.x·d,   g ← g + r.z·w before the direction
// rates [replica]: (η_l, ε_l, coupled λ_l, decoupled η_l·λ_l); s: the schedule's factor.
// w, g, state [replica, count]; active [replica]: 0 where a replica has diverged and stands still.
// With records 1, g's memory takes the step's Δw = −s·r.w·w − s·r.x·d, which the difference of the
// weights would lose to rounding, and NaN of a replica that stands still: no memory of its own, and
// the lines are in the cache.
// global (⌈count/WIDTH⌉ rounded up to 64, replicas), local (64, 1). A work-item updates WIDTH
// neighbours: compilers for CPUs do not make vectors of one-element items with an early return
// (a sweep of 9 runs of width 1024 under Adam, 150 steps, two Zen 4 cores: 7.1 s an element at a
// time, 5.1 s with vectors of 16).
// Sources: PyTorch's torch.optim definitions; Kingma & Ba, arXiv:1412.6980; Loshchilov & Hutter,
// arXiv:1711.05101.

#include "vector.cl"

#define STEP(T, STORE_T, w, d)                                                              \
  if (records) STORE_T(-schedule * rate.w * (w) - schedule * rate.x * (d), gradient + index); \
  STORE_T((w) * (1.0f - schedule * rate.w) - schedule * rate.x * (d), weight + index);

// A replica's last few elements go one by one.
#define FOR_EACH(BODY)                                                       \
  size_t replica = get_global_id(1);                                         \
  size_t first = get_global_id(0) * (size_t)WIDTH;                           \
  if (first >= count) return;                                                \
  size_t index = replica * count + first;                                    \
  size_t end = (replica + 1) * (size_t)count;                                \
  if (active[replica] == 0.0f) {                                             \
    if (records)                                                             \
      for (uint i = 0; i < WIDTH && index < end; i++) gradient[index++] = NAN; \
    return;                                                                  \
  }                                                                          \
  float4 rate = rates[replica];                                              \
  if (first + WIDTH <= count) {                                              \
    BODY(vector, LOAD, STORE)                                                \
  } else {                                                                   \
    for (; index < end; index++) {                                           \
      BODY(float, LOAD_ONE, STORE_ONE)                                       \
    }                                                                        \
  }
#define LOAD_ONE(p) (*(p))
#define STORE_ONE(v, p) (*(p) = (v))

#define SGD(T, LOAD_T, STORE_T)                \
  T w = LOAD_T(weight + index);                \
  T g = LOAD_T(gradient + index) + rate.z * w; \
  STEP(T, STORE_T, w, g)

__kernel void update_sgd(__global float* weight, __global float* gradient,
                         __global const float4* restrict rates,
                         __global const float* restrict active, float schedule, uint records,
                         uint count) {
  FOR_EACH(SGD)
}

// v ← μ·v + g;  d = v, or g + μ·v with Nesterov's look-ahead.
#define MOMENTUM(T, LOAD_T, STORE_T)             \
  T w = LOAD_T(weight + index);                  \
  T g = LOAD_T(gradient + index) + rate.z * w;   \
  T v = momentum * LOAD_T(velocity + index) + g; \
  STORE_T(v, velocity + index);                  \
  if (nesterov) v = g + momentum * v;            \
  STEP(T, STORE_T, w, v)

__kernel void update_momentum(__global float* weight, __global float* gradient,
                              __global float* velocity, __global const float4* restrict rates,
                              __global const float* restrict active, float schedule,
                              float momentum, uint nesterov, uint records, uint count) {
  FOR_EACH(MOMENTUM)
}

// m ← β₁m + (1−β₁)g,  v ← β₂v + (1−β₂)g²;  d = m·c₁/(√(v·c₂) + ε), c = 1/(1 − βᵗ).
#define ADAM(T, LOAD_T, STORE_T)                                 \
  T w = LOAD_T(weight + index);                                  \
  T g = LOAD_T(gradient + index) + rate.z * w;                   \
  T m = beta1 * LOAD_T(mean + index) + (1.0f - beta1) * g;       \
  T v = beta2 * LOAD_T(square + index) + (1.0f - beta2) * g * g; \
  STORE_T(m, mean + index);                                      \
  STORE_T(v, square + index);                                    \
  T d = m * correction1 / (sqrt(v * correction2) + rate.y);      \
  STEP(T, STORE_T, w, d)

__kernel void update_adam(__global float* weight, __global float* gradient, __global float* mean,
                          __global float* square, __global const float4* restrict rates,
                          __global const float* restrict active, float schedule, float beta1,
                          float beta2, float correction1, float correction2, uint records,
                          uint count) {
  FOR_EACH(ADAM)
}

// d = g/‖g‖, the norm of each replica given; 0 where the gradient is.
#define NORMALIZED(T, LOAD_T, STORE_T)      \
  T w = LOAD_T(weight + index);             \
  T d = LOAD_T(gradient + index) * inverse; \
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
