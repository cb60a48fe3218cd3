// Losses of classifiers: value of each row, the gradient of the batch's mean, and each replica's
// sum.
//   cross-entropy  −log softmax(y)[label],              δ = (softmax(y) − onehot)/rows
//   squared error  Σ (y − t)²/classes, t = onehot − 1/classes,  δ = 2(y − t)/(rows·classes)
//   history[slot, replica] = Σ_rows loss[replica, row]
// logits, gradient [replica, rows, classes]; labels, losses, correct [replica, rows].
// A row whose label repeats over replicas has label stride 0.
// A work-group takes `share` rows of one replica, `lanes` ≤ classes work-items a row. The sum is
// recorded where `records` is set and one group has all rows; record.cl says what else that does.
// global (GROUP_ITEMS·⌈rows/share⌉, replicas), local (GROUP_ITEMS, 1).
// The greatest logit is subtracted before exp, so that exp cannot overflow.

#include "record.cl"

// The rows of a work-group, GROUP_ITEMS/lanes at a time, for BODY with in scope: row, whether it
// is `inside` the share, its logits y, its gradient d, its label, and the work-item's `lane`. Every
// work-item makes as many rounds, since BODY's reductions are of the whole group; the last is not
// left out where nothing is recorded, as PoCL 3.1 does not come back from barriers under a
// condition behind such a loop.
#define FOR_EACH_ROW(BODY)                                                                    \
  GROUP_MEMORY(shared)                                                                        \
  size_t replica = get_global_id(1);                                                          \
  uint first = get_group_id(0) * share, end = min(first + share, rows);                       \
  uint together = GROUP_ITEMS / lanes, lane = LANE(lanes), own = get_local_id(0) / lanes;     \
  float total = 0.0f;                                                                         \
  for (uint start = first; start < end; start += together) {                                  \
    bool inside = start + own < end;                                                          \
    uint row = inside ? start + own : first;                                                  \
    size_t index = replica * rows + row;                                                      \
    __global const float* y = logits + index * classes;                                       \
    __global float* d = gradient + index * classes;                                           \
    uint label = labels[replica * label_stride + row];                                        \
    float loss;                                                                               \
    /* The first of the greatest logits. */                                                   \
    float largest = y[lane], best = (float)lane;                                                \
    for (uint c = lane + lanes; c < classes; c += lanes)                                      \
      if (y[c] > largest) {                                                                   \
        largest = y[c];                                                                       \
        best = (float)c;                                                                      \
      }                                                                                       \
    float greatest = lanes_largest(largest, lanes, shared);                                   \
    best = lanes_least(largest == greatest ? best : INFINITY, lanes, shared);                 \
    BODY                                                                                      \
    if (inside && lane == 0) {                                                                \
      losses[index] = loss;                                                                   \
      correct[index] = best == (float)label ? 1.0f : 0.0f;                                    \
      total += loss;                                                                          \
    }                                                                                         \
  }                                                                                           \
  total = lanes_add(total, GROUP_ITEMS, shared);                                                   \
  if (records && get_local_id(0) == 0)                                                        \
    record(total, history, active, slot, get_global_size(1), replica);

#define PARAMETERS                                                                            \
  __global const float *restrict logits, __global const uint *restrict labels,                \
      __global float *gradient, __global float *losses, __global float *correct,              \
      __global float *history, __global float *active, uint rows, uint classes,               \
      uint label_stride, uint share, uint lanes, uint records, uint slot

#define CROSS_ENTROPY                                                                         \
  float sum = 0.0f;                                                                           \
  for (uint c = lane; c < classes; c += lanes) sum += exp(y[c] - greatest);                   \
  sum = lanes_add(sum, lanes, shared);                                                        \
  float scale = 1.0f / (sum * rows);                                                          \
  if (inside)                                                                                 \
    for (uint c = lane; c < classes; c += lanes)                                              \
      d[c] = exp(y[c] - greatest) * scale - (c == label ? 1.0f / rows : 0.0f);                \
  loss = log(sum) - (y[label] - greatest);

__kernel __attribute__((reqd_work_group_size(GROUP_ITEMS, 1, 1))) void cross_entropy(PARAMETERS) {
  FOR_EACH_ROW(CROSS_ENTROPY)
}

#define SQUARED_ERROR                                                                         \
  float sum = 0.0f;                                                                           \
  for (uint c = lane; c < classes; c += lanes) {                                              \
    float difference = y[c] - ((c == label ? 1.0f : 0.0f) - 1.0f / classes);                  \
    sum += difference * difference;                                                           \
    if (inside) d[c] = 2.0f * difference / ((float)rows * classes);                           \
  }                                                                                           \
  loss = lanes_add(sum, lanes, shared) / classes;

__kernel __attribute__((reqd_work_group_size(GROUP_ITEMS, 1, 1))) void squared_error(PARAMETERS) {
  FOR_EACH_ROW(SQUARED_ERROR)
}
