// Rotary positions: within every head, whose half `middle` is, columns c and c + middle of a token at
// position t are turned by the angle t·base^(−c/middle).
//   y[c] = x[c]·cos − x[c + middle]·sin,   y[c + middle] = x[c]·sin + x[c + middle]·cos
// Gradients are turned back: direction −1. x, y [rows, columns], of all replicas, rows·columns their
// elements; cosines, sines [context, middle]; a row's position is its number modulo `context`.
// A work-item makes one pair. global (rows·columns/2 rounded up to 64), local (64).
// Source: Su et al., arXiv:2104.09864; GPT-NeoX pairs a head's halves like this.

__kernel void rotate_heads(__global const float* restrict x,
                           __global const float* restrict cosines,
                           __global const float* restrict sines, __global float* y,
                           float direction, uint context, uint columns, uint middle, ulong pairs) {
  size_t pair = get_global_id(0);
  if (pair >= pairs) return;
  size_t row = pair / (columns / 2);
  uint within = pair % (columns / 2), c = within % middle;
  size_t first = row * columns + within / middle * 2 * middle + c;
  uint angle = row % context * middle + c;
  float cosine = cosines[angle], sine = direction * sines[angle];
  float a = x[first], b = x[first + middle];
  y[first] = a * cosine - b * sine;
  y[first + middle] = a * sine + b * cosine;
}
