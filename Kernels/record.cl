// What one step or batch adds to a replica's record, a sum over its rows.
//   history[slot, replica] = Σ_rows x[replica, row]
// A replica whose sum is not finite stops for good: active[replica] ← 0.
// The GROUP_ITEMS work-items of a group share a replica: each adds every GROUP_ITEMS-th row, then
// their sums are added by a tree, in an order that depends on `rows` alone.

#include "lanes.cl"

// Puts a replica's sum into its slot; one work-item of the replica's does.
static inline void record(float sum, __global float* history, __global float* active, uint slot,
                          size_t replicas, size_t replica) {
  history[slot * replicas + replica] = sum;
  if (!isfinite(sum)) active[replica] = 0.0f;
}

// global (GROUP_ITEMS·replicas), local (GROUP_ITEMS).
__kernel __attribute__((reqd_work_group_size(GROUP_ITEMS, 1, 1))) void record_sum(
    __global const float* restrict x, __global float* history, __global float* active, uint slot,
    uint rows) {
  GROUP_MEMORY(shared)
  size_t replica = get_group_id(0);
  float sum = group_total(x + replica * rows, rows, shared);
  if (get_local_id(0) == 0) record(sum, history, active, slot, get_num_groups(0), replica);
}
