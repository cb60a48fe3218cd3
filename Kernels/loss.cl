// Losses of classifiers: value of each row, and the gradient of the batch's mean.
//   cross-entropy  −log softmax(y)[label],              δ = (softmax(y) − onehot)/rows
//   squared error  Σ (y − t)²/classes, t = onehot − 1/classes,  δ = 2(y − t)/(rows·classes)
// logits, gradient [replica, rows, classes]; labels, losses, correct [replica, rows].
// A row whose label repeats over replicas has label stride 0.
// global (rows rounded up to 64, replicas), local (64, 1). One work-item a row.
// The greatest logit is subtracted before exp, so that exp cannot overflow.

static inline size_t label_index(size_t replica, size_t row, uint label_stride) {
  return replica * label_stride + row;
}

static inline uint arg_max(__global const float* restrict y, uint classes) {
  uint best = 0;
  for (uint c = 1; c < classes; c++) best = y[c] > y[best] ? c : best;
  return best;
}

__kernel void cross_entropy(__global const float* restrict logits,
                            __global const uint* restrict labels, __global float* gradient,
                            __global float* losses, __global float* correct, uint rows,
                            uint classes, uint label_stride) {
  size_t row = get_global_id(0), replica = get_global_id(1);
  if (row >= rows) return;
  size_t index = replica * rows + row;
  __global const float* y = logits + index * classes;
  __global float* d = gradient + index * classes;
  uint label = labels[label_index(replica, row, label_stride)];
  uint best = arg_max(y, classes);
  float largest = y[best], sum = 0.0f;
  for (uint c = 0; c < classes; c++) sum += exp(y[c] - largest);
  float scale = 1.0f / (sum * rows);
  for (uint c = 0; c < classes; c++)
    d[c] = exp(y[c] - largest) * scale - (c == label ? 1.0f / rows : 0.0f);
  losses[index] = log(sum) - (y[label] - largest);
  correct[index] = best == label ? 1.0f : 0.0f;
}

__kernel void squared_error(__global const float* restrict logits,
                            __global const uint* restrict labels, __global float* gradient,
                            __global float* losses, __global float* correct, uint rows,
                            uint classes, uint label_stride) {
  size_t row = get_global_id(0), replica = get_global_id(1);
  if (row >= rows) return;
  size_t index = replica * rows + row;
  __global const float* y = logits + index * classes;
  __global float* d = gradient + index * classes;
  uint label = labels[label_index(replica, row, label_stride)];
  float sum = 0.0f;
  for (uint c = 0; c < classes; c++) {
    float difference = y[c] - ((c == label ? 1.0f : 0.0f) - 1.0f / classes);
    sum += difference * difference;
    d[c] = 2.0f * difference / ((float)rows * classes);
  }
  losses[index] = sum / classes;
  correct[index] = arg_max(y, classes) == label ? 1.0f : 0.0f;
}
