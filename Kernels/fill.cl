// x[i] = value for i < count. clEnqueueFillBuffer misbehaves from 2 GiB on some drivers.
// global (count rounded up to 256), local (256).
__kernel void fill(__global float* x, float value, ulong count) {
  size_t i = get_global_id(0);
  if (i < count) x[i] = value;
}
