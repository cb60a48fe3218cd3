// What kernels of vectors share: WIDTH floats, a compile-time choice, are one `vector`.
// The host defines PREFETCH and WIDE_STORES as 1 for CPUs alone: their compilers are Clang, while
// NVIDIA's refuses __builtin_prefetch of a __global pointer (Compute.definitions).

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
typedef JOIN(float, WIDTH) vector;
typedef JOIN(int, WIDTH) integers;
#define LOAD(p) JOIN(vload, WIDTH)(0, p)

// What is worth a call is not repeated: kernels of many copies take seconds to compile.
#define INLINE static inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))

// The same bits.
INLINE vector as_vector(integers x) { return JOIN(as_float, WIDTH)(x); }
INLINE integers as_integers(vector x) { return JOIN(as_int, WIDTH)(x); }

// PoCL makes three stores of a vstore16, with shuffles that wait for the port of multiply-adds.
#if WIDTH >= 8 && WIDE_STORES
typedef vector unaligned __attribute__((aligned(4)));
INLINE __attribute__((overloadable)) void store(vector v, __global float* p) {
  *(__global unaligned*)p = v;
}
INLINE __attribute__((overloadable)) void store(vector v, float* p) { *(unaligned*)p = v; }
#define STORE(v, p) store(v, p)
#else
#define STORE(v, p) JOIN(vstore, WIDTH)(v, 0, p)
#endif

// For p that are multiples of 16 bytes: NVIDIA's compiler makes four 4-byte accesses of a vload4 or
// vstore4, whose p need be no more than a float's multiple, and one of a pointer to float4. Rows
// that are `stride` floats apart start at such p where ROWS_ALIGNED(stride): buffers do.
#if WIDTH == 4
#define ROWS_ALIGNED(stride) ((stride) % 4 == 0)
#define ALIGNED_LOAD(p) (*(__global const vector*)(p))
#define ALIGNED_STORE(v, p) (*(__global vector*)(p) = (v))
#else
#define ROWS_ALIGNED(stride) false
#define ALIGNED_LOAD(p) LOAD(p)
#define ALIGNED_STORE(v, p) STORE(v, p)
#endif

// The first `count` of WIDTH floats; 0 beyond.
INLINE vector load_some(__global const float* p, uint count) {
  if (count >= WIDTH) return LOAD(p);
  float some[WIDTH];
  for (uint i = 0; i < WIDTH; i++) some[i] = i < count ? p[i] : 0.0f;
  return LOAD(some);
}

// The first `count` of v's floats to p, in powers of two.
INLINE void store_some(vector v, __global float* p, uint count) {
  if (count >= WIDTH) {
    STORE(v, p);
    return;
  }
#if WIDTH == 16
  float8 v8 = v.lo;
  if (count & 8) {
    vstore8(v8, 0, p);
    p += 8;
    v8 = v.hi;
  }
#elif WIDTH == 8
  float8 v8 = v;
#endif
#if WIDTH >= 8
  float4 v4 = v8.lo;
  if (count & 4) {
    vstore4(v4, 0, p);
    p += 4;
    v4 = v8.hi;
  }
#else
  float4 v4 = v;
#endif
  float2 v2 = v4.lo;
  if (count & 2) {
    vstore2(v2, 0, p);
    p += 2;
    v2 = v4.hi;
  }
  if (count & 1) *p = v2.x;
}

// A vector's floats to one, the halves with each other.
#if WIDTH == 16
#define FOLD(v, op) float8 v8 = op(v.lo, v.hi); float4 v4 = op(v8.lo, v8.hi);
#elif WIDTH == 8
#define FOLD(v, op) float4 v4 = op(v.lo, v.hi);
#else
#define FOLD(v, op) float4 v4 = v;
#endif
#define ADD(a, b) ((a) + (b))

INLINE float sum(vector v) {
  FOLD(v, ADD)
  return (v4.x + v4.y) + (v4.z + v4.w);
}

INLINE float greatest(vector v) {
  FOLD(v, fmax)
  return fmax(fmax(v4.x, v4.y), fmax(v4.z, v4.w));
}

// The line at p, into the cache before it is needed. A hint, on CPUs alone; OpenCL's own prefetch
// is nothing on PoCL.
#if PREFETCH
#define AHEAD(p) __builtin_prefetch(p, 0, 2)
#else
#define AHEAD(p)
#endif

// WIDTH vectors ← their transpose, by interleaving the first half with the second, log2 WIDTH
// times.
INLINE void transpose(vector* rows) {
#pragma unroll
  for (uint stage = 1; stage < WIDTH; stage *= 2) {
    vector next[WIDTH];
#pragma unroll
    for (uint i = 0; i < WIDTH / 2; i++) {
      next[2 * i].even = rows[i].lo;
      next[2 * i].odd = rows[i + WIDTH / 2].lo;
      next[2 * i + 1].even = rows[i].hi;
      next[2 * i + 1].odd = rows[i + WIDTH / 2].hi;
    }
#pragma unroll
    for (uint i = 0; i < WIDTH; i++) rows[i] = next[i];
  }
}
