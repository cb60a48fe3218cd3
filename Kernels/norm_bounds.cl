// Matrices whose largest singular value is known, brought within bounds.
//   bring_within   weight[replica] *= clamp(norm, least, most)/norm
//   take_above     weight[replica] = result[replica] where norm > threshold
// weight, result [replica, count]; norms [replica] ≥ 0; bounds [replica][2]: least, most; thresholds, active
// [replica]. A replica that is not active, a matrix of norm 0 or whose norm is no number stays as it is.
// global (⌈count/WIDTH⌉ rounded up to 64, replicas), local (64, 1).

#include "vector.cl"

__kernel void bring_within(__global float* weight, __global const float* restrict norms,
                           __global const float* restrict bounds,
                           __global const float* restrict active, uint count) {
  size_t replica = get_global_id(1), first = get_global_id(0) * (size_t)WIDTH;
  float norm = norms[replica];
  float held = fmin(fmax(norm, bounds[2 * replica]), bounds[2 * replica + 1]);
  float factor = held / norm;
  if (first >= count || active[replica] == 0.0f || !(norm > 0.0f) || !isfinite(norm)
      || !isfinite(factor) || held == norm)
    return;
  __global float* own = weight + replica * count + first;
  if (first + WIDTH <= count) {
    STORE(LOAD(own) * factor, own);
  } else {
    for (size_t i = 0; first + i < count; i++) own[i] *= factor;
  }
}

__kernel void take_above(__global float* weight, __global const float* restrict result,
                         __global const float* restrict norms,
                         __global const float* restrict thresholds,
                         __global const float* restrict active, uint count) {
  size_t replica = get_global_id(1), first = get_global_id(0) * (size_t)WIDTH;
  float norm = norms[replica];
  if (first >= count || active[replica] == 0.0f || !(norm > thresholds[replica]) || !isfinite(norm))
    return;
  size_t index = replica * count + first;
  if (first + WIDTH <= count) {
    STORE(LOAD(result + index), weight + index);
  } else {
    for (size_t i = 0; first + i < count; i++) weight[index + i] = result[index + i];
  }
}
