// Bias and activation of a layer, forward and backward.
//   forward   z ← z + b,  h = φ(z)
//   backward  δ ← δ ∘ φ'(z)
// z, h, δ [replica, rows, columns]; b [replica, columns].
// global (columns rounded up to 64, rows, replicas), local (64, 1, 1).
// gelu is the tanh form of Hendrycks & Gimpel, arXiv:1606.08415.

#define IDENTITY 0
#define RELU 1
#define TANH 2
#define GELU 3

inline float gelu_inner(float z) { return 0.7978845608028654f * (z + 0.044715f * z * z * z); }

// NaN stays NaN: fmax would make it 0 and hide that a network has diverged.
inline float activate(float z, uint kind) {
  if (kind == RELU) return z < 0.0f ? 0.0f : z;
  if (kind == TANH) return tanh(z);
  if (kind == GELU) return 0.5f * z * (1.0f + tanh(gelu_inner(z)));
  return z;
}

inline float derivative(float z, uint kind) {
  if (kind == RELU) return isnan(z) ? z : (z > 0.0f ? 1.0f : 0.0f);
  if (kind == TANH) {
    float t = tanh(z);
    return 1.0f - t * t;
  }
  if (kind == GELU) {
    float t = tanh(gelu_inner(z));
    float inner = 0.7978845608028654f * (1.0f + 3.0f * 0.044715f * z * z);
    return 0.5f * (1.0f + t) + 0.5f * z * (1.0f - t * t) * inner;
  }
  return 1.0f;
}

__kernel void add_bias(__global float* z, __global const float* restrict bias, uint columns) {
  uint column = get_global_id(0);
  if (column >= columns) return;
  size_t row = get_global_id(2) * get_global_size(1) + get_global_id(1);
  z[row * columns + column] += bias[get_global_id(2) * (size_t)columns + column];
}

__kernel void activation_forward(__global const float* restrict z, __global float* h, uint kind,
                                 uint columns) {
  uint column = get_global_id(0);
  if (column >= columns) return;
  size_t index = (get_global_id(2) * get_global_size(1) + get_global_id(1)) * columns + column;
  h[index] = activate(z[index], kind);
}

__kernel void activation_backward(__global const float* restrict z, __global float* delta,
                                  uint kind, uint columns) {
  uint column = get_global_id(0);
  if (column >= columns) return;
  size_t index = (get_global_id(2) * get_global_size(1) + get_global_id(1)) * columns + column;
  delta[index] *= derivative(z[index], kind);
}
