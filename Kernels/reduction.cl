// Sums in a fixed order, so that results repeat bit for bit.

// total[replica, column] = Σ_rows x[replica, row, column]: a bias's gradient.
// global (columns rounded up to 64, replicas), local (64, 1).
__kernel void sum_rows(__global const float* restrict x, __global float* total, uint rows,
                       uint columns) {
  size_t column = get_global_id(0), replica = get_global_id(1);
  if (column >= columns) return;
  __global const float* p = x + replica * rows * columns + column;
  float sum = 0.0f;
  for (uint row = 0; row < rows; row++) sum += p[(size_t)row * columns];
  total[replica * columns + column] = sum;
}

// What one step or batch adds to a replica's record, a sum over its rows.
//   history[slot, replica] = Σ_rows x[replica, row]
// A replica whose sum is not finite stops for good: active[replica] ← 0.
// global (replicas rounded up to 64), local (64).
__kernel void record_sum(__global const float* restrict x, __global float* history,
                         __global float* active, uint slot, uint rows, uint replicas) {
  size_t replica = get_global_id(0);
  if (replica >= replicas) return;
  float sum = 0.0f;
  for (uint row = 0; row < rows; row++) sum += x[replica * rows + row];
  history[(size_t)slot * replicas + replica] = sum;
  if (!isfinite(sum)) active[replica] = 0.0f;
}
