// Work-items that share a task, for small kernels that are one text on CPUs and GPUs. GROUP_ITEMS,
// the build's, is 128 on GPUs; on CPUs it is 1: a work-group is one work-item, which needs neither
// local memory nor barriers. Kernels whose groups have a size of their own: workgroup.cl.

#if GROUP_ITEMS == 1
#define GROUP_MEMORY(name) __local float* name = 0;
#define GROUP_BARRIER
#else
#define GROUP_MEMORY(name) __local float name[GROUP_ITEMS];
#define GROUP_BARRIER barrier(CLK_LOCAL_MEM_FENCE);
#endif

// The work-item's lane among `lanes` neighbours, a power of two up to GROUP_ITEMS, that share a
// task.
#define LANE(lanes) (get_local_id(0) & ((lanes) - 1))

// Defines NAME(value, lanes, shared): what OP makes of the values of the `lanes` neighbours, by a
// tree; every lane gets it. All work-items of the group take part.
#define DEFINE_REDUCTION(NAME, OP)                                                   \
  static inline float NAME(float value, uint lanes, __local float* shared) {         \
    if (GROUP_ITEMS > 1) {                                                           \
      uint item = get_local_id(0), lane = LANE(lanes);                               \
      GROUP_BARRIER                                                                  \
      shared[item] = value;                                                          \
      GROUP_BARRIER                                                                  \
      for (uint span = lanes / 2; span > 0; span /= 2) {                             \
        if (lane < span) shared[item] = OP(shared[item], shared[item + span]);       \
        GROUP_BARRIER                                                                \
      }                                                                              \
      value = shared[item - lane];                                                   \
    }                                                                                \
    return value;                                                                    \
  }

#define PLUS(a, b) ((a) + (b))
#define LARGER(a, b) ((b) > (a) ? (b) : (a))
#define SMALLER(a, b) ((b) < (a) ? (b) : (a))
DEFINE_REDUCTION(lanes_add, PLUS)
DEFINE_REDUCTION(lanes_largest, LARGER)
DEFINE_REDUCTION(lanes_least, SMALLER)

// Σ x[count], by the whole group.
static inline float group_total(__global const float* x, uint count, __local float* shared) {
  float sum = 0.0f;
  for (uint i = get_local_id(0); i < count; i += GROUP_ITEMS) sum += x[i];
  return lanes_add(sum, GROUP_ITEMS, shared);
}
