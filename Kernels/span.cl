// What becomes of a product's sums on GPUs. A work-item hands them over as spans: SPAN (2 or 4)
// neighbours of one row of C, BATCH of them at a time, so that all that a batch has to read is
// asked for before any of it is used.
//   C = α·P,  C = α·P + b and output = φ(C),  C = α·P ∘ φ'(z),  C = α·P + S,  or W updated by g = α·P
// Which of these is the build's, as is the rule: a kernel holds the code of one variant.
//   EPILOGUE  a set of epilogue.cl
//   KIND      φ of HAS_OUTPUT and DERIVATIVE, as nonlinearity.cl numbers it
// With the macros of an update rule before the program (rules.cl), EPILOGUE is UPDATE.
//   ALIGNED   1 where rows of all matrices begin at multiples of 4 floats: accesses are of whole
//             spans, by vector pointers, which NVIDIA's compiler makes single instructions of
//             (of vload and vstore it makes one for each float)

#define SPAN_VECTOR JOIN(float, SPAN)

#if SPAN == 2
NONLINEARITY(float2, int2)
#else
NONLINEARITY(float4, int4)
#endif

// tanh and gelu are long, and a work-item has many spans: a call.
#if KIND == TANH || KIND == GELU
#define NONLINEAR NOINLINE
#else
#define NONLINEAR INLINE
#endif
#if EPILOGUE & HAS_OUTPUT
NONLINEAR SPAN_VECTOR activate_span(SPAN_VECTOR z) {
  return JOIN(activate_, SPAN_VECTOR)(z, KIND);
}
#endif
#if EPILOGUE & DERIVATIVE
NONLINEAR SPAN_VECTOR derivative_span(SPAN_VECTOR z) {
  return JOIN(derivative_, SPAN_VECTOR)(z, KIND);
}
#endif

// A span of the product, the place of its first element in C, and how many of its columns C has:
// 0 for a span outside of C, whose place is 0, so that it may be read but not written.
typedef struct {
  SPAN_VECTOR sums;
  size_t index;
  uint column, count;
} Span;

INLINE Span span_at(SPAN_VECTOR sums, uint row, uint column, uint m, uint n) {
  bool inside = row < m && column < n;
  Span span = {.sums = sums, .index = inside ? row * (size_t)n + column : 0,
               .column = inside ? column : 0, .count = inside ? n - column : 0};
  return span;
}

#if ALIGNED

#define LOAD_SPAN(p) (*(__global const SPAN_VECTOR*)(p))
#define STORE_SPAN(v, p) (*(__global SPAN_VECTOR*)(p) = (v))

#else

// The first `count` of a span at p, at least one; 0 in place of the others.
INLINE SPAN_VECTOR load_span(__global const float* p, uint count) {
  SPAN_VECTOR v = (SPAN_VECTOR)(0.0f);
  v.s0 = p[0];
  if (count > 1) v.s1 = p[1];
#if SPAN == 4
  if (count > 2) v.s2 = p[2];
  if (count > 3) v.s3 = p[3];
#endif
  return v;
}

INLINE void store_span(SPAN_VECTOR v, __global float* p, uint count) {
  p[0] = v.s0;
  if (count > 1) p[1] = v.s1;
#if SPAN == 4
  if (count > 2) p[2] = v.s2;
  if (count > 3) p[3] = v.s3;
#endif
}

// Of `count` in scope.
#define LOAD_SPAN(p) load_span(p, count)
#define STORE_SPAN(v, p) store_span(v, p, count)

#endif

#define FOR_SPANS _Pragma("unroll") for (uint s = 0; s < BATCH; s++)
// Where span s of a batch is.
#define SPAN_SCOPE              \
  size_t index = spans[s].index; \
  uint count = spans[s].count;

#if EPILOGUE == UPDATE

// Updates a batch of weights by their gradients. Of a frozen replica, which has no sums, it only
// records that there is no step.
INLINE void finish_spans(const Epilogue* e, const Span* spans) {
  EPILOGUE_SCOPE(e)
  if (e->frozen) {
    if (!records) return;
    FOR_SPANS {
      SPAN_SCOPE
      if (count > 0) STORE_SPAN((SPAN_VECTOR)(NAN), change + index);
    }
    return;
  }
  SPAN_VECTOR weights[BATCH], firsts[BATCH], seconds[BATCH];
  FOR_SPANS {
    SPAN_SCOPE
    // Not outside of C: another group may be storing there.
    if (count > 0) {
      weights[s] = LOAD_SPAN(weight + index);
      if (STATES > 0) firsts[s] = LOAD_SPAN(first_state + index);
      if (STATES > 1) seconds[s] = LOAD_SPAN(second_state + index);
    }
  }
  FOR_SPANS {
    SPAN_SCOPE
    if (count > 0) {
      SPAN_VECTOR w = weights[s], gradient = spans[s].sums * e->alpha;
      SPAN_VECTOR g = gradient + rate.z * w;
      LOAD_FIRST(SPAN_VECTOR, firsts[s])
      LOAD_SECOND(SPAN_VECTOR, seconds[s])
      RULE_DIRECTION(SPAN_VECTOR)
      STORE_FIRST(STORE_SPAN, first_state + index)
      STORE_SECOND(STORE_SPAN, second_state + index)
      STEP(SPAN_VECTOR, STORE_SPAN, w, d)
    }
  }
}

#else

// Stores a batch of C, and of φ(C) where it is wanted.
INLINE void finish_spans(const Epilogue* e, const Span* spans) {
  SPAN_VECTOR sides[BATCH];
  FOR_SPANS {
    SPAN_SCOPE
#if EPILOGUE & HAS_BIAS
    sides[s] = LOAD_SPAN(e->side + spans[s].column);
#elif EPILOGUE & (DERIVATIVE | ADDEND)
    sides[s] = LOAD_SPAN(e->side + index);
#endif
  }
  FOR_SPANS {
    SPAN_SCOPE
    if (count > 0) {
      SPAN_VECTOR span = spans[s].sums * e->alpha;
#if EPILOGUE & (HAS_BIAS | ADDEND)
      span += sides[s];
#elif EPILOGUE & DERIVATIVE
      span *= derivative_span(sides[s]);
#endif
      STORE_SPAN(span, e->c + index);
#if EPILOGUE & HAS_OUTPUT
      STORE_SPAN(activate_span(span), e->output + index);
#endif
    }
  }
}

#endif
