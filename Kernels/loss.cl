// Losses of classifiers: value of each row, the gradient of the batch's mean, and each replica's
// sum.
//   cross-entropy  −log softmax(y)[label],              δ = (softmax(y) − onehot)/rows
//   squared error  Σ (y − t)²/classes, t = onehot − 1/classes,  δ = 2(y − t)/(rows·classes)
//   to targets     the same with t = targets[label], the label a row of targets [count, classes]
//   history[slot, replica] = Σ_rows loss[replica, row]
// logits, gradient [replica, rows, classes]; labels, losses, correct [replica, rows]. targets is read
// by squared_error_to_targets alone, whose `correct` means nothing.
// A row whose label repeats over replicas has label stride 0.
// A work-group takes `share` rows of one replica, `lanes` ≤ classes work-items a row. The sum is
// recorded where `records` is set and one group has all rows; record.cl says what else that does.
// global (GROUP_ITEMS·⌈rows/share⌉, replicas), local (GROUP_ITEMS, 1).
// The greatest logit is subtracted before exp, so that exp cannot overflow.
// Kernels called _wide, of CPUs alone: rows of many classes by vectors, a work-item a group.

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
      __global const float *targets, __global float *gradient, __global float *losses,        \
      __global float *correct, __global float *history, __global float *active, uint rows,    \
      uint classes, uint label_stride, uint share, uint lanes, uint records, uint slot

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

#define SQUARED_ERROR_TO_TARGETS                                                              \
  __global const float* t = targets + (size_t)label * classes;                                \
  float sum = 0.0f;                                                                           \
  for (uint c = lane; c < classes; c += lanes) {                                              \
    float difference = y[c] - t[c];                                                           \
    sum += difference * difference;                                                           \
    if (inside) d[c] = 2.0f * difference / ((float)rows * classes);                           \
  }                                                                                           \
  loss = lanes_add(sum, lanes, shared) / classes;

__kernel __attribute__((reqd_work_group_size(GROUP_ITEMS, 1, 1))) void
squared_error_to_targets(PARAMETERS) {
  FOR_EACH_ROW(SQUARED_ERROR_TO_TARGETS)
}

#if GROUP_ITEMS == 1
#include "vector.cl"
#include "exponential.cl"

EXPONENTIAL(vector, integers)
EXPONENTIAL(float, int)

// The greatest of y's values; NaN is passed over, and is met again in the sums.
INLINE float greatest_of(__global const float* y, uint classes) {
  vector most = -INFINITY;
  uint c = 0;
  for (; c + WIDTH <= classes; c += WIDTH) {
    vector next = LOAD(y + c);
    most = next > most ? next : most;
  }
  float result = greatest(most);
  for (; c < classes; c++) result = fmax(result, y[c]);
  return result;
}

// d ← exp(y − most); their sum. Four vectors are added side by side.
INLINE float exponentials(__global const float* y, __global float* d, float most, uint classes) {
  vector totals[4] = {0.0f, 0.0f, 0.0f, 0.0f};
  uint c = 0;
  for (; c + 4 * WIDTH <= classes; c += 4 * WIDTH)
#pragma unroll
    for (uint i = 0; i < 4; i++) {
      vector e = exponential_vector(LOAD(y + c + i * WIDTH) - most);
      STORE(e, d + c + i * WIDTH);
      totals[i] += e;
    }
  float total = sum((totals[0] + totals[1]) + (totals[2] + totals[3]));
  for (; c < classes; c++) {
    d[c] = exponential_float(y[c] - most);
    total += d[c];
  }
  return total;
}

// d ← 2(y + share)·scale for the classes from `start` to `end`, whose target is −share; the sum of the
// differences' squares.
INLINE float differences(__global const float* y, __global float* d, float share, float scale,
                         uint start, uint end) {
  vector totals[4] = {0.0f, 0.0f, 0.0f, 0.0f};
  uint c = start;
  for (; c + 4 * WIDTH <= end; c += 4 * WIDTH)
#pragma unroll
    for (uint i = 0; i < 4; i++) {
      vector difference = LOAD(y + c + i * WIDTH) + share;
      STORE(2.0f * difference * scale, d + c + i * WIDTH);
      totals[i] += difference * difference;
    }
  float total = sum((totals[0] + totals[1]) + (totals[2] + totals[3]));
  for (; c < end; c++) {
    float difference = y[c] + share;
    d[c] = 2.0f * difference * scale;
    total += difference * difference;
  }
  return total;
}

// The rows of a work-item, for BODY with in scope: the row's logits y, gradient d and label, and the
// greatest logit, `most`. It sets `loss`.
#define FOR_EACH_WIDE_ROW(BODY)                                                               \
  size_t replica = get_global_id(1);                                                          \
  uint first = get_group_id(0) * share, end = min(first + share, rows);                       \
  float total = 0.0f;                                                                         \
  for (uint row = first; row < end; row++) {                                                  \
    size_t index = replica * rows + row;                                                      \
    __global const float* y = logits + index * classes;                                       \
    __global float* d = gradient + index * classes;                                           \
    uint label = labels[replica * label_stride + row];                                        \
    float loss, most = greatest_of(y, classes);                                               \
    /* The label is the first of the greatest. */                                             \
    bool right = y[label] == most;                                                            \
    for (uint c = 0; right && c < label; c++) right = y[c] != most;                           \
    BODY                                                                                      \
    losses[index] = loss;                                                                     \
    correct[index] = right ? 1.0f : 0.0f;                                                     \
    total += loss;                                                                            \
  }                                                                                           \
  if (records) record(total, history, active, slot, get_global_size(1), replica);

#define WIDE_CROSS_ENTROPY                                                                    \
  float sum = exponentials(y, d, most, classes), scale = 1.0f / (sum * rows);                 \
  uint c = 0;                                                                                 \
  for (; c + WIDTH <= classes; c += WIDTH) STORE(LOAD(d + c) * scale, d + c);                 \
  for (; c < classes; c++) d[c] *= scale;                                                     \
  d[label] -= 1.0f / rows;                                                                    \
  loss = log(sum) - (y[label] - most);

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void cross_entropy_wide(PARAMETERS) {
  FOR_EACH_WIDE_ROW(WIDE_CROSS_ENTROPY)
}

#define WIDE_SQUARED_ERROR                                                                    \
  float part = 1.0f / classes, scale = 1.0f / ((float)rows * classes);                        \
  float own = y[label] + part - 1.0f;                                                         \
  loss = differences(y, d, part, scale, 0, label);                                            \
  loss += differences(y, d, part, scale, label + 1, classes);                                 \
  loss = (loss + own * own) / classes;                                                        \
  d[label] = 2.0f * own * scale;

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void squared_error_wide(PARAMETERS) {
  FOR_EACH_WIDE_ROW(WIDE_SQUARED_ERROR)
}
#endif
