// Bias and activation of a layer, forward and backward.
//   forward   z ← z + b,  h = φ(z)
//   backward  δ ← δ ∘ φ'(z)
// z, h, δ [replica, rows, columns]; b [replica, columns].
// global (columns rounded up to 64, rows, replicas), local (64, 1, 1).

#include "vector.cl"
#include "nonlinearity.cl"

NONLINEARITY(float, int)

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
  h[index] = activate_float(z[index], kind);
}

__kernel void activation_backward(__global const float* restrict z, __global float* delta,
                                  uint kind, uint columns) {
  uint column = get_global_id(0);
  if (column >= columns) return;
  size_t index = (get_global_id(2) * get_global_size(1) + get_global_id(1)) * columns + column;
  delta[index] *= derivative_float(z[index], kind);
}
