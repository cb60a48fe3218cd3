// The kernels of products on GPUs, made of
//   multiply_tile(a, b, m, n, k, depth, local memory …, &epilogue)
// of the includer, which sums the work-group's tile of P(i, j) = Σ A(i, k)·B(k, j) over the first
// `depth` of k and hands it to finish_spans. A program has one of three:
//   multiply         all of k, then the epilogue
//   multiply_update  of TN: all of k, then an update of W = C; EPILOGUE is UPDATE
//   multiply_slice   SLICED: one slice of k into `partial` [slice, replica, m, n]; slices.cl adds them
// FORM is the build's, as are what span.cl lists and the tile, TILE_M×TILE_N of C.
//
// a: [replica, m, k], or [replica, k, m] of TN; b: [replica, k, n], or [replica, n, k] of NT;
// row-major, `stride` elements from a replica to the next, 0 where one serves all.
// side: b [replica, n], or z or S [replica, m, n]. C, output, W, state, change [replica, m, n].
// rates, numbers, steps, active, scales: see update.cl.
// global (⌈m/TILE_M⌉·⌈n/TILE_N⌉·THREADS, replicas, slices), local (THREADS, 1, 1); two dimensions
// where nothing is sliced.

#define FORM_NN 0
#define FORM_NT 1
#define FORM_TN 2

// Whether an operand's neighbours in memory are neighbours by k.
#define LEFT_BY_DEPTH (FORM != FORM_TN)
#define RIGHT_BY_DEPTH (FORM == FORM_NT)

// The first row and column of the work-group's tile. Tiles go down strips of STRIP tiles, column by
// column, so that those at work at one time read few rows of A and columns of B between them.
#define STRIP 8
INLINE uint2 tile_origin(uint m, uint n) {
  uint down = (m + TILE_M - 1) / TILE_M, across = (n + TILE_N - 1) / TILE_N;
  uint tile = get_group_id(0), first = tile / (STRIP * across) * STRIP;
  uint height = min(down - first, (uint)STRIP), within = tile % (STRIP * across);
  return (uint2)((first + within % height) * TILE_M, within / height * TILE_N);
}

// Of a symmetric C, makes the product of a tile below the diagonal one without k and without rows: it passes
// its barriers and stores nothing.
#if EPILOGUE & SYMMETRIC
#define LEAVE_OUT_BELOW_DIAGONAL \
  if (origin.y + TILE_N <= origin.x) m = depth = 0;
#else
#define LEAVE_OUT_BELOW_DIAGONAL
#endif

// NVIDIA's assembler does not heed a limit to registers (LIMITED) where it knows the group's size.
#if LIMITED
#define GROUP_KERNEL __kernel
#else
#define GROUP_KERNEL __kernel __attribute__((reqd_work_group_size(THREADS, 1, 1)))
#endif

// The program's kernel. MEMORY declares a work-group's local memory; LOCAL passes it on.
#ifdef SLICED

#define MULTIPLY(MEMORY, LOCAL)                                                                 \
  GROUP_KERNEL void multiply_slice(                                                             \
      __global const float* restrict a, __global const float* restrict b,                       \
      __global float* restrict partial, uint m, uint n, uint k, uint sliceDepth, ulong strideA, \
      ulong strideB) {                                                                          \
    MEMORY                                                                                      \
    size_t replica = get_group_id(1), slice = get_group_id(2), replicas = get_num_groups(1);    \
    size_t from = slice * sliceDepth;                                                           \
    Epilogue e = {.c = partial + (slice * replicas + replica) * (m * (size_t)n),                \
                  .alpha = 1.0f};                                                               \
    multiply_tile(a + replica * strideA + from * (LEFT_BY_DEPTH ? 1 : m),                       \
                  b + replica * strideB + from * (RIGHT_BY_DEPTH ? 1 : n), m, n, k,             \
                  min(sliceDepth, k - (uint)from), LOCAL, &e);                                  \
  }

#elif EPILOGUE == UPDATE

// A frozen replica is not even computed: it has no k, with all the barriers that there are.
#define MULTIPLY(MEMORY, LOCAL)                                                                \
  GROUP_KERNEL void multiply_update(                                                           \
      __global const float* restrict a, __global const float* restrict b,                      \
      __global const float4* restrict rates, __global const float* restrict numbers,           \
      __global const float* restrict steps, __global const float* restrict active,             \
      __global const float* restrict scales, __global float* restrict weight,                  \
      __global float* restrict first_state, __global float* restrict second_state,             \
      __global float* restrict change, float alpha, uint step_row, uint records, uint m,       \
      uint n, uint k, ulong strideA, ulong strideB) {                                          \
    MEMORY                                                                                     \
    size_t replica = get_group_id(1), start = replica * m * (size_t)n;                         \
    bool frozen = active[replica] == 0.0f;                                                     \
    Epilogue e = {.c = weight + start, .first_state = first_state + start,                     \
                  .second_state = second_state + start, .change = change + start,              \
                  .numbers = numbers + replica * HYPERPARAMETERS,                              \
                  .step = steps + (step_row + replica) * STEP_NUMBERS,                         \
                  .rate = rates[replica], .alpha = alpha * scales[replica],                    \
                  .frozen = frozen, .records = records};                                       \
    multiply_tile(a + replica * strideA, b + replica * strideB, m, n, k, frozen ? 0 : k, LOCAL,  \
                  &e);                                                                         \
  }

#else

#define MULTIPLY(MEMORY, LOCAL)                                                                \
  GROUP_KERNEL void multiply(                                                                  \
      __global const float* restrict a, __global const float* restrict b,                      \
      __global const float* restrict side, __global float* restrict c,                         \
      __global float* restrict output, float alpha, uint m, uint n, uint k, ulong strideA,     \
      ulong strideB) {                                                                         \
    MEMORY                                                                                     \
    size_t replica = get_group_id(1), count = m * (size_t)n;                                   \
    Epilogue e = {.c = c + replica * count,                                                    \
                  .side = side + replica * (EPILOGUE & (DERIVATIVE | ADDEND) ? count : n),                \
                  .output = output + replica * count, .alpha = alpha};                         \
    multiply_tile(a + replica * strideA, b + replica * strideB, m, n, k, k, LOCAL, &e);        \
  }

#endif
