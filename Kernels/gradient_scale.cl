// What each replica's gradient is multiplied by before its update.
//   add_total      total[replica] += factor²·Σ partial[replica, count], unless the tensor's rate is 0
//   clip_scales    n = √total;  scales = min(1, limit/(n + 1e-6)),  history[slot, replica] = n
//   inverse_norms  scales = 1/n, and 0 where n is 0
//   scale_replicas result = scales[replica]·x,  x and result [replica, count]
// total, limits, scales, norms [replica]; rates [replica] as of update.cl. An infinite limit is none.
// The 1e-6 is PyTorch's (torch.nn.utils.clip_grad_norm_).

#include "lanes.cl"

// global (GROUP_ITEMS·replicas), local (GROUP_ITEMS). A sum of products of Gram matrices may round to
// less than 0, which it is not.
__kernel __attribute__((reqd_work_group_size(GROUP_ITEMS, 1, 1))) void add_total(
    __global const float* restrict partial, __global const float4* restrict rates,
    __global float* total, float factor, uint count) {
  GROUP_MEMORY(shared)
  size_t replica = get_group_id(0);
  float sum = group_total(partial + replica * count, count, shared);
  if (get_local_id(0) == 0 && rates[replica].x != 0.0f)
    total[replica] += factor * factor * (sum < 0.0f ? 0.0f : sum);
}

// global (replicas rounded up to 64), local (64).
__kernel void clip_scales(__global const float* restrict total,
                          __global const float* restrict limits, __global float* scales,
                          __global float* history, uint slot, uint replicas) {
  size_t replica = get_global_id(0);
  if (replica >= replicas) return;
  float norm = sqrt(total[replica]);
  float scale = limits[replica] / (norm + 1e-6f);
  scales[replica] = scale > 1.0f || isinf(limits[replica]) ? 1.0f : scale;
  history[slot * replicas + replica] = norm;
}

// global (replicas rounded up to 64), local (64).
__kernel void inverse_norms(__global const float* restrict norms, __global float* scales,
                            uint replicas) {
  size_t replica = get_global_id(0);
  if (replica >= replicas) return;
  scales[replica] = norms[replica] == 0.0f ? 0.0f : 1.0f / norms[replica];
}

// global (⌈count/WIDTH⌉ rounded up to 64, replicas), local (64, 1).
__kernel void scale_replicas(__global const float* restrict x, __global const float* restrict scales,
                             __global float* restrict result, uint count) {
  size_t replica = get_global_id(1), first = get_global_id(0) * (size_t)WIDTH;
  size_t end = replica * count + min(first + WIDTH, (size_t)count);
  float scale = scales[replica];
  for (size_t i = replica * count + first; i < end; i++) result[i] = scale * x[i];
}
