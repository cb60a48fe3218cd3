// Locally optimal block iteration for the largest eigenvalue of A = s² WᵀW (Knyazev, SIAM J. Sci.
// Comput. 23 (2001) 517: LOBPCG without preconditioner), for several matrices at once.
//   basis B = [X, P, D]: Ritz vectors, last directions, residuals D = A X − X Θ; k vectors each
//   pass: A D;   gram: BᵀB, BᵀAB, ABᵀAB;   solve: Rayleigh–Ritz;   update: X, P, D and their images
// X and P get their images A X, A P by the same linear combinations, so W is read once a step. The
// first pass of a call is over all of B, as W has changed since the last.
// A problem whose residual is small enough is settled: the call's other steps leave it as it is.
// problems: a table of FIELDS numbers for each matrix and replica (a "problem").
// vectors: for each problem 6k rows of `pitch` floats: X P D AX AP AD; columns past the matrix's
// are 0 and stay so. partials: see spectral.cl. grams: for each problem [chunk][pair].
// state: for each problem `stateStride` floats: s, correction, Σ(sw)², out of range, settled (1 in
// the step that settles it, 2 from then on); from 5 on Θ [k] and the coefficients [3k][2k] of the
// new X and P in B.
// summary: for each problem 4 floats: σ, ‖AX − θX‖/θ, ‖W‖_F, and out of range.
// Sums go in a fixed order that depends on a matrix's shape alone.
// Kernels here serve both variants (KernelVariant); those of one are in ritz_item.cl and
// ritz_group.cl. Vectors start at multiples of 16 floats.

#define FIELDS 12
#define SLOT 0
#define OFFSET_LOW 1
#define OFFSET_HIGH 2
#define ROWS 3
#define COLUMNS 4
#define PITCH 5
#define BLOCKS 7
#define VECTORS_AT 8
#define PARTIALS_AT 9
#define GRAMS_AT 10
#define UNIT 11
#define CHUNK 512
#define SETTLED 4
#define THETA 5

#include "vector.cl"

// A new call: D ← D/θ + ε g, the last residual with a little of a fixed random direction, so that a
// matrix whose top direction has left the span of B is found again; a converged σ has its vector in
// X and loses nothing. Where θ is of no use, B ← [0, 0, g] and A B ← 0.
// noise [k][≥ pitch], variance 1. global (⌈pitch/WIDTH⌉ of the widest rounded up to the local size,
// problems).
__kernel void ritz_begin(__global const uint* restrict problems, __global const float* noise,
                         __global float* state, __global float* vectors, uint k, uint noisePitch,
                         uint stateStride) {
  __global const uint* problem = problems + FIELDS * get_global_id(1);
  size_t pitch = problem[PITCH], c = get_global_id(0) * WIDTH;
  if (c >= pitch) return;
  __global float* own = state + get_global_id(1) * stateStride;
  if (c == 0) own[SETTLED] = 0.0f;
  float theta = own[THETA];
  bool knows = theta > 0.0f && isfinite(theta);
  __global float* x = vectors + problem[VECTORS_AT] + c;
  float unit = rsqrt((float)problem[COLUMNS]);
  for (uint j = 0; j < k; j++) {
    vector d = ALIGNED_LOAD(noise + j * noisePitch + c) * unit;
    if (knows) d = ALIGNED_LOAD(x + (2 * k + j) * pitch) / theta + d * 0x1p-10f;
    for (size_t i = c; i < c + WIDTH; i++)
      if (i >= problem[COLUMNS]) ((float*)&d)[i - c] = 0.0f;
    if (!knows)
      for (uint b = 0; b < 6; b++) ALIGNED_STORE((vector)0.0f, x + (b * k + j) * pitch);
    ALIGNED_STORE(d, x + (2 * k + j) * pitch);
  }
}

static inline float total(__global const float* grams, uint chunks, uint pairs, uint pair) {
  float result = 0.0f;
  for (uint c = 0; c < chunks; c++) result += grams[c * pairs + pair];
  return result;
}

// s ← 2^−exponent(most), the matrix's own scale, and what Z and square = Σ(sw)² that were taken
// with the old s are to be multiplied by. A matrix that is over 2⁵⁰ times larger or smaller than
// the scale it was read with is marked as out of range: its σ of this call is NaN. A zero matrix
// keeps its scale.
INLINE void set_scale(__global float* own, float square, float most) {
  float s = own[0], ratio = 1.0f;
  if (most > 0.0f && isfinite(most)) {
    int exponent = clamp(ilogb(most), -126, 126);
    int change = -exponent - ilogb(s);
    own[0] = ldexp(1.0f, -exponent);
    own[3] = abs(change) > 50 ? 1.0f : 0.0f;
    ratio = ldexp(1.0f, clamp(change, -60, 60));
  } else {
    own[3] = 0.0f;
  }
  own[1] = ratio * ratio;
  own[2] = square * ratio * ratio;
}

// The rotation by which a symmetric matrix's elements (j, j), (i, i) and (i, j) become diagonal:
// its cosine, sine, and what (i, i) gains and (j, j) loses.
INLINE float3 rotation(float jj, float ii, float ij) {
  float tau = (ii - jj) / (2.0f * ij);
  float t = (tau >= 0.0f ? 1.0f : -1.0f) / (fabs(tau) + sqrt(1.0f + tau * tau));
  float c = rsqrt(1.0f + t * t);
  return (float3)(c, t * c, t * ij);
}

// What a solved problem shows: residual of D; image: ‖Ax‖². It is settled where ‖Ax − θx‖, whose
// square is ‖Ax‖² − θ², is at most √settling·θ.
INLINE void summarize(__global float* own, __global float* summary, float previous, float residual,
                      float theta, float image, float settling) {
  if (image - theta * theta <= settling * theta * theta) own[SETTLED] = 1.0f;
  summary[0] = (theta < 0.0f ? 0.0f : sqrt(theta)) / own[0];
  summary[1] = previous > 0.0f ? residual / previous : 1.0f;
  summary[2] = sqrt(own[2]) / own[0];
  summary[3] = own[3];
}

// As `summarize`, of the first vector x as it is: its square length, x·Ax and ‖Ax − θx‖².
INLINE void summarize_last(__global const float* own, __global float* summary, float length,
                           float along, float square) {
  float theta = along / length;
  square /= length;
  float residual = theta <= 0.0f ? 0.0f : sqrt(square) / theta;
  float sigma = theta < 0.0f ? 0.0f : sqrt(theta) * sqrt(1.0f + residual * residual);
  summary[0] = own[3] == 0.0f ? sigma / own[0] : NAN;
  summary[1] = residual;
  summary[2] = own[3] == 0.0f ? sqrt(own[2]) / own[0] : NAN;
  summary[3] = own[3];
}

// Results, [replica] each, of the up to eight matrices of a launch of the pass, out of the summary:
// σ to s0 … s7, residuals to r0 … r7, ‖W‖_F to f0 … f7; units as in spectral.cl: the first of a
// problem's blocks writes. global (units of the launch), local (1).
#define EIGHT(x)                                                                            \
  __global float *x##0, __global float *x##1, __global float *x##2, __global float *x##3,   \
      __global float *x##4, __global float *x##5, __global float *x##6, __global float *x##7
#define OF_SLOT(x)                                                      \
  (slot < 4 ? (slot < 2 ? (slot == 0 ? x##0 : x##1) : (slot == 2 ? x##2 : x##3)) \
            : (slot < 6 ? (slot == 4 ? x##4 : x##5) : (slot == 6 ? x##6 : x##7)))
__kernel void ritz_result(__global const uint* restrict problems,
                          __global const uint* restrict units,
                          __global const float* restrict summary, EIGHT(s), EIGHT(r), EIGHT(f),
                          uint firstUnit) {
  __global const uint* unit = units + 2 * (firstUnit + get_global_id(0));
  if (unit[1] != 0) return;
  __global const uint* problem = problems + FIELDS * unit[0];
  uint slot = problem[SLOT];
  size_t offset = (size_t)problem[OFFSET_HIGH] << 32 | problem[OFFSET_LOW];
  size_t replica = offset / ((size_t)problem[ROWS] * problem[COLUMNS]);
  __global const float* own = summary + 4 * (size_t)unit[0];
  OF_SLOT(s)[replica] = own[0];
  OF_SLOT(r)[replica] = own[1];
  OF_SLOT(f)[replica] = own[2];
}

#if GROUP_ITEMS > 1
#include "ritz_group.cl"
#else
#include "ritz_item.cl"
#endif
