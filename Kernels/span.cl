// What kernels of products on GPUs share: which tile of C a work-group computes, and what becomes of
// its elements. A work-item hands them over as spans: SPAN (2 or 4) neighbours of one row of C.
//   C = α·P,  C = α·P + b and output = φ(C),  C = α·P ∘ φ'(z),  or W updated by g = α·P
// The kernels, `multiply` and, of form TN, `multiply_update`, are made of two macros here and of
//   multiply_tile(a, b, m, n, k, depth, local memory …, &epilogue)
// of the includer; depth is k, or 0 where nothing is to be summed. One work-group computes TILE_M×TILE_N elements of one replica's C.
// a: [replica, m, k], or [replica, k, m] of form TN; b: [replica, k, n], or [replica, n, k] of NT;
// row-major, `stride` elements from a replica to the next, 0 where one serves all.
// side: b [replica, n] or z [replica, m, n]. C, output, W, state, change [replica, m, n].
// rates, active [replica]: see rules.cl, update.cl.
// global (⌈m/TILE_M⌉·⌈n/TILE_N⌉·THREADS, replicas), local (THREADS, 1).

#define FORM_NN 0
#define FORM_NT 1
#define FORM_TN 2

// Whether an operand's neighbours in memory are neighbours by k.
#define LEFT_BY_DEPTH (FORM != FORM_TN)
#define RIGHT_BY_DEPTH (FORM == FORM_NT)

#define SPAN_VECTOR JOIN(float, SPAN)

#if SPAN == 2
NONLINEARITY(float2)
#else
NONLINEARITY(float4)
#endif

// Calls: tanh is long, and a work-item has many spans.
NOINLINE SPAN_VECTOR activate_span(SPAN_VECTOR z, uint kind) {
  return JOIN(activate_, SPAN_VECTOR)(z, kind);
}
NOINLINE SPAN_VECTOR derivative_span(SPAN_VECTOR z, uint kind) {
  return JOIN(derivative_, SPAN_VECTOR)(z, kind);
}

// The first `count` ≥ 1 of a span at p, at once where it is whole; 0 in place of the others.
INLINE SPAN_VECTOR load_span(__global const float* p, uint count, bool whole) {
  if (whole) return *(__global const SPAN_VECTOR*)p;
  SPAN_VECTOR v = (SPAN_VECTOR)(0.0f);
  v.s0 = p[0];
  if (count > 1) v.s1 = p[1];
#if SPAN == 4
  if (count > 2) v.s2 = p[2];
  if (count > 3) v.s3 = p[3];
#endif
  return v;
}

INLINE void store_span(SPAN_VECTOR v, __global float* p, uint count, bool whole) {
  if (whole) {
    *(__global SPAN_VECTOR*)p = v;
    return;
  }
  p[0] = v.s0;
  if (count > 1) p[1] = v.s1;
#if SPAN == 4
  if (count > 2) p[2] = v.s2;
  if (count > 3) p[3] = v.s3;
#endif
}

// Of `count` and `whole` in scope.
#define LOAD_SPAN(p) load_span(p, count, whole)
#define STORE_SPAN(v, p) store_span(v, p, count, whole)

// A span of the product whose first element is at `index` in C and in column `column`; `count`:
// columns of C from there on. aligned: rows of C begin at multiples of SPAN.
INLINE void finish_span(const Epilogue* e, SPAN_VECTOR span, size_t index, uint column, uint count,
                        bool aligned) {
  bool whole = aligned && count >= SPAN;
  span *= e->alpha;
#if FORM == FORM_TN
  if (e->epilogue & UPDATE) {
    RULE_SCOPE(e)
    if (e->rule == RULE_ADAM) {
      ADAM(SPAN_VECTOR, LOAD_SPAN, STORE_SPAN, span)
    } else if (e->rule == RULE_SGD) {
      SGD(SPAN_VECTOR, LOAD_SPAN, STORE_SPAN, span)
    } else if (e->rule != RULE_STANDS_STILL) {
      MOMENTUM(SPAN_VECTOR, LOAD_SPAN, STORE_SPAN, span)
    } else if (records) {
      STORE_SPAN((SPAN_VECTOR)(NAN), change + index);
    }
    return;
  }
#endif
  if (e->epilogue & HAS_BIAS) span += LOAD_SPAN(e->side + column);
  if (e->epilogue & DERIVATIVE) span *= derivative_span(LOAD_SPAN(e->side + index), e->kind);
  STORE_SPAN(span, e->c + index);
  if (e->epilogue & HAS_OUTPUT) STORE_SPAN(activate_span(span, e->kind), e->output + index);
}

// The first row and column of the work-group's tile. Tiles go down strips of STRIP tiles, column by
// column, so that those at work at one time read few rows of A and columns of B between them.
#define STRIP 8
INLINE uint2 tile_origin(uint m, uint n) {
  uint down = (m + TILE_M - 1) / TILE_M, across = (n + TILE_N - 1) / TILE_N;
  uint tile = get_group_id(0), first = tile / (STRIP * across) * STRIP;
  uint height = min(down - first, (uint)STRIP), within = tile % (STRIP * across);
  return (uint2)((first + within % height) * TILE_M, within / height * TILE_N);
}

// The kernel without an update. MEMORY declares a work-group's local memory; LOCAL passes it on.
#define MULTIPLY(MEMORY, LOCAL)                                                                \
  __kernel __attribute__((reqd_work_group_size(THREADS, 1, 1))) void multiply(                 \
      __global const float* restrict a, __global const float* restrict b,                      \
      __global const float* restrict side, __global float* c, __global float* output,          \
      float alpha, uint epilogue, uint kind, uint m, uint n, uint k, ulong strideA,            \
      ulong strideB) {                                                                         \
    MEMORY                                                                                     \
    size_t replica = get_group_id(1), count = m * (size_t)n;                                   \
    Epilogue e = {.epilogue = epilogue, .c = c + replica * count,                              \
                  .side = side + replica * (epilogue & DERIVATIVE ? count : n),                \
                  .output = output + replica * count, .kind = kind, .alpha = alpha};           \
    multiply_tile(a + replica * strideA, b + replica * strideB, m, n, k, k, LOCAL, &e);        \
  }

// The kernel with it. A replica that stands still is not even computed: of depth 0, with all the
// barriers that there are.
#define MULTIPLY_UPDATE(MEMORY, LOCAL)                                                         \
  __kernel __attribute__((reqd_work_group_size(THREADS, 1, 1))) void multiply_update(          \
      __global const float* restrict a, __global const float* restrict b,                      \
      __global const float4* restrict rates, __global const float* restrict active,            \
      __global float* weight, __global float* first, __global float* second,                   \
      __global float* change, float alpha, float schedule, float x, float y, float z, float w, \
      uint rule, uint records, uint m, uint n, uint k, ulong strideA, ulong strideB) {         \
    MEMORY                                                                                     \
    size_t replica = get_group_id(1), start = replica * m * (size_t)n;                         \
    uint own = active[replica] == 0.0f ? RULE_STANDS_STILL : rule;                             \
    Epilogue e = {.epilogue = UPDATE, .c = weight + start, .first = first + start,             \
                  .second = second + start, .change = change + start,                          \
                  .rate = rates[replica], .numbers = (float4)(x, y, z, w), .alpha = alpha,     \
                  .schedule = schedule, .rule = own, .records = records};                      \
    multiply_tile(a + replica * strideA, b + replica * strideB, m, n, k,                       \
                  own == RULE_STANDS_STILL ? 0 : k, LOCAL, &e);                                \
  }
