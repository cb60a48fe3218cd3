// Update rules. Each computes a direction d; one function applies it with decay and rate.
//   w ← (1 − s·r.w)·w − s·r.x·d,   g ← g + r.z·w before the direction
// rates [replica]: (η_l, ε_l, coupled λ_l, decoupled η_l·λ_l); s: the schedule's factor.
// w, g, state [replica, count]; active [replica]: 0 where a replica has diverged and stands still.
// global (count rounded up to 256, replicas), local (256, 1).
// Sources: PyTorch's torch.optim definitions; Kingma & Ba, arXiv:1412.6980; Loshchilov & Hutter,
// arXiv:1711.05101.

inline float apply(float w, float direction, float4 rate, float schedule) {
  return w * (1.0f - schedule * rate.w) - schedule * rate.x * direction;
}

__kernel void update_sgd(__global float* weight, __global const float* gradient,
                         __global const float4* rates, __global const float* active,
                         float schedule, uint count) {
  size_t i = get_global_id(0), replica = get_global_id(1);
  if (i >= count || active[replica] == 0.0f) return;
  size_t index = replica * count + i;
  float4 rate = rates[replica];
  float w = weight[index];
  weight[index] = apply(w, gradient[index] + rate.z * w, rate, schedule);
}

// v ← μ·v + g;  d = v, or g + μ·v with Nesterov's look-ahead.
__kernel void update_momentum(__global float* weight, __global const float* gradient,
                              __global float* velocity, __global const float4* rates,
                              __global const float* active, float schedule, float momentum,
                              uint nesterov, uint count) {
  size_t i = get_global_id(0), replica = get_global_id(1);
  if (i >= count || active[replica] == 0.0f) return;
  size_t index = replica * count + i;
  float4 rate = rates[replica];
  float w = weight[index], g = gradient[index] + rate.z * w;
  float v = momentum * velocity[index] + g;
  velocity[index] = v;
  weight[index] = apply(w, nesterov ? g + momentum * v : v, rate, schedule);
}

// m ← β₁m + (1−β₁)g,  v ← β₂v + (1−β₂)g²;  d = (m/c₁)/(√(v/c₂) + ε), c = 1 − βᵗ.
__kernel void update_adam(__global float* weight, __global const float* gradient,
                          __global float* mean, __global float* square,
                          __global const float4* rates, __global const float* active,
                          float schedule, float beta1, float beta2, float correction1,
                          float correction2, uint count) {
  size_t i = get_global_id(0), replica = get_global_id(1);
  if (i >= count || active[replica] == 0.0f) return;
  size_t index = replica * count + i;
  float4 rate = rates[replica];
  float w = weight[index], g = gradient[index] + rate.z * w;
  float m = beta1 * mean[index] + (1.0f - beta1) * g;
  float v = beta2 * square[index] + (1.0f - beta2) * g * g;
  mean[index] = m;
  square[index] = v;
  weight[index] = apply(w, m / correction1 / (sqrt(v / correction2) + rate.y), rate, schedule);
}
