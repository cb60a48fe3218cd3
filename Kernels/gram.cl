// Norms of a gradient G = scale·Δᵀ H from K = Δ Δᵀ and L = H Hᵀ alone, for every replica:
//   ‖G‖_*² = scale² λ_max(K L),   ‖G‖_F² = scale² Σ K ∘ L
// K L is self-adjoint and ≥ 0 in the inner product ⟨a, b⟩ = aᵀ L b (G's right vectors are Hᵀ a), so
// its largest eigenvalue comes by locally optimal steps: x ← the best of span {x, p, d},
// d = K L x − θ x, p the last step; see ritz.cl. Ends where ‖d‖ ≤ 1e-5 θ, where θ has not grown by
// 1e-7 in 16 steps, or after `limit` steps.
// k, l [replica, n, n], symmetric; vectors: for each replica 9 of `pitch` floats, a multiple of 16,
// written in full: x p d, L x p d, K L x p d. Results [replica].
// Item variant, for CPUs: a work-item takes a replica. Group variant, for GPUs: a group of ITEMS
// does.
// global (replicas·items), local (items).
// K and L are scaled by powers of 4 first. Where the largest diagonal element of one is below
// 1e-30, squares have lost digits before: all results are NaN.

#include "vector.cl"
#if GROUP_ITEMS > 1
#define ITEMS 256
#include "workgroup.cl"
#endif

// In (−½, ½): the start, which no structure of a batch is in step with (C. Wellons's 32-bit hash).
static inline float start(uint i) {
  i = (i ^ i >> 16) * 0x7feb352du;
  i = (i ^ i >> 15) * 0x846ca68bu;
  return ((i ^ i >> 16) >> 8) * 0x1p-24f - 0.5f;
}

// 4^−e with 4^e about x; 1 for what is no positive number.
static inline float inverse_scale(float x) {
  return x > 0.0f && isfinite(x) ? ldexp(1.0f, -2 * (ilogb(x) / 2)) : 1.0f;
}

// The eigenvector of the largest eigenvalue θ of the symmetric 3×3 matrix (a0 a1 a3 | a2 a4 | a5
// the lower triangle by rows), by Jacobi rotations. A matrix that is not finite gives no finite θ.
static inline float top_of_three(const float lower[6], float c[3]) {
  float g[3][3] = {{lower[0], lower[1], lower[3]},
                   {lower[1], lower[2], lower[4]},
                   {lower[3], lower[4], lower[5]}};
  float q[3][3] = {{1.0f, 0.0f, 0.0f}, {0.0f, 1.0f, 0.0f}, {0.0f, 0.0f, 1.0f}};
  // Unrolled by a round of three, so that indices are constants and matrices lie in registers.
  _Pragma("unroll 3") for (int rotation = 0; rotation < 24; rotation++) {
    int i = rotation % 3 == 0 ? 1 : 2, j = rotation % 3 == 2 ? 1 : 0, o = 3 - i - j;
    if (g[i][j] == 0.0f) continue;
    float tau = (g[i][i] - g[j][j]) / (2.0f * g[i][j]);
    float t = (tau >= 0.0f ? 1.0f : -1.0f) / (fabs(tau) + sqrt(1.0f + tau * tau));
    float cosine = rsqrt(1.0f + t * t), sine = t * cosine, change = t * g[i][j];
    g[j][j] -= change;
    g[i][i] += change;
    g[i][j] = g[j][i] = 0.0f;
    float left = g[o][j], right = g[o][i];
    g[o][j] = g[j][o] = cosine * left - sine * right;
    g[o][i] = g[i][o] = sine * left + cosine * right;
    for (int row = 0; row < 3; row++) {
      left = q[row][j], right = q[row][i];
      q[row][j] = cosine * left - sine * right;
      q[row][i] = sine * left + cosine * right;
    }
  }
  float best = g[0][0];
  for (int row = 0; row < 3; row++) c[row] = q[row][0];
  for (int i = 1; i < 3; i++) {
    if (g[i][i] <= best) continue;
    best = g[i][i];
    for (int row = 0; row < 3; row++) c[row] = q[row][i];
  }
  return best;
}

#ifndef UNSEEN
#define UNSEEN 0x1p-6f
#define ROUNDING 0x1p-22f
#endif

// The iteration over DOT(a, b), TIMES(matrix, scale, x, y) and loops from FIRST in steps of STEP.
// LARGEST_DIAGONALS sets mostK and mostL, SUM_OF_PRODUCTS square = Σ K ∘ L, and PRODUCTS h[6] =
// lx·kx, lx·kp, lp·kp, lx·kd, lp·kd, ld·kd.
// Every branch is the same for all items of a group, as all have the same sums.
#define NORMS(FIRST, STEP)                                                               \
  __global const float* K = k + replica * n * n;                                         \
  __global const float* L = l + replica * n * n;                                         \
  __global float* v = vectors + replica * 9 * pitch;                                     \
  __global float *x = v, *p = v + pitch, *d = v + 2 * (size_t)pitch;                     \
  __global float *lx = v + 3 * (size_t)pitch, *lp = v + 4 * (size_t)pitch;               \
  __global float *ld = v + 5 * (size_t)pitch, *kx = v + 6 * (size_t)pitch;               \
  __global float *kp = v + 7 * (size_t)pitch, *kd = v + 8 * (size_t)pitch;               \
  float mostK = 0.0f, mostL = 0.0f;                                                      \
  LARGEST_DIAGONALS                                                                      \
  float scaleK = inverse_scale(mostK), scaleL = inverse_scale(mostL);                    \
  float boundL = 0.0f, square = 0.0f;                                                    \
  LARGEST_ROW                                                                            \
  boundL *= scaleL;                                                                      \
  SUM_OF_PRODUCTS                                                                        \
  for (size_t i = FIRST; i < pitch; i += STEP) {                                         \
    for (int j = 0; j < 9; j++) v[i + j * pitch] = 0.0f;                                 \
    if (i < n) d[i] = start(i);                                                          \
  }                                                                                      \
  float theta = 0.0f, earlier = 0.0f, residual = 0.0f;                                   \
  for (uint step = 0; step < limit; step++) {                                            \
    TIMES(L, scaleL, d, ld);                                                             \
    float size = boundL * DOT(d, d), image = DOT(ld, ld) / boundL, length = DOT(d, ld);  \
    if (step > 0 && !(image > ROUNDING * ROUNDING * size)) break;                         \
    if (length < UNSEEN * size) {                                                        \
      for (size_t i = FIRST; i < n; i += STEP) d[i] = ld[i] / boundL;                    \
      TIMES(L, scaleL, d, ld);                                                           \
    }                                                                                    \
    float alongX = DOT(x, ld), alongP = DOT(p, ld);                                       \
    for (size_t i = FIRST; i < n; i += STEP) {                                           \
      d[i] -= alongX * x[i] + alongP * p[i];                                             \
      ld[i] -= alongX * lx[i] + alongP * lp[i];                                          \
    }                                                                                    \
    length = DOT(d, ld);                                                                 \
    residual = length > 0.0f ? sqrt(length) : length * 0.0f;                             \
    if (!(residual > (step == 0 ? 0.0f : 1e-5f * theta))) break;                         \
    if (!(DOT(ld, ld) <= 2.0f * boundL * length)) break;                                 \
    float unit = 1.0f / residual;                                                        \
    for (size_t i = FIRST; i < n; i += STEP) {                                           \
      d[i] *= unit;                                                                      \
      ld[i] *= unit;                                                                     \
    }                                                                                    \
    TIMES(K, scaleK, ld, kd);                                                            \
    float h[6];                                                                          \
    PRODUCTS                                                                             \
    float c[3];                                                                          \
    float next = top_of_three(h, c);                                                     \
    if (next > 1.001f * square) break;                                                   \
    theta = next;                                                                        \
    if (step == 0) c[0] = c[1] = 0.0f, c[2] = 1.0f;                                      \
    float outside = c[1] * c[1] + c[2] * c[2];                                           \
    float e0 = -c[0] * outside, e1 = c[1] * (1.0f - outside), e2 = c[2] * (1.0f - outside); \
    float rest = e0 * e0 + e1 * e1 + e2 * e2;                                            \
    float inverse = rest > 1e-14f ? rsqrt(rest) : 0.0f;                                  \
    for (size_t i = FIRST; i < n; i += STEP) {                                           \
      for (int j = 0; j < 9; j += 3) {                                                   \
        __global float* b = v + j * (size_t)pitch + i;                                   \
        float b0 = b[0], b1 = b[pitch], b2 = b[2 * pitch];                               \
        b[0] = c[0] * b0 + c[1] * b1 + c[2] * b2;                                        \
        b[pitch] = (e0 * b0 + e1 * b1 + e2 * b2) * inverse;                              \
      }                                                                                  \
      d[i] = kx[i] - theta * x[i];                                                       \
    }                                                                                    \
    if (step % 16 == 15) {                                                               \
      if (!(theta - earlier > 1e-7f * theta)) break;                                     \
      earlier = theta;                                                                   \
    }                                                                                    \
  }                                                                                      \
  if ((mostK > 0.0f && mostK < 1e-30f) || (mostL > 0.0f && mostL < 1e-30f)) square = NAN; \
  if (!isfinite(square)) theta = residual = square;                                      \
  float back = scale / sqrt(scaleK) / sqrt(scaleL);                                      \
  if (FIRST == 0) {                                                                      \
    spectral[replica] = fabs(back) * (theta < 0.0f ? 0.0f : sqrt(theta));                \
    frobenius[replica] = fabs(back) * (square < 0.0f ? 0.0f : sqrt(square));             \
    residuals[replica] = theta > 0.0f ? residual / theta : theta < 0.0f ? 0.0f : theta;  \
  }


#define PARAMETERS                                                                         \
  __global const float *restrict k, __global const float *restrict l, __global float *vectors, \
      __global float *spectral, __global float *frobenius, __global float *residuals,      \
      float scale, uint n, uint pitch, uint limit

#if GROUP_ITEMS > 1

// Each item takes the elements of its own number modulo ITEMS; every item gets the sum.
INLINE float group_dot(__global const float* a, __global const float* b, uint n,
                       __local float* shared) {
  float total = 0.0f;
  for (size_t c = get_local_id(0); c < n; c += ITEMS) total += a[c] * b[c];
  return group_sum(total, shared);
}

// y ← scale·M x. M is symmetric, so that items may add up columns, their neighbours beside them: an
// item has four columns and every `lanes`-th row, as many lanes as there are items for; then the
// first lane adds up the others'.
INLINE void group_times(__global const float* m, float scale, __global const float* x,
                        __global float* y, uint n, __local float4* partial) {
  uint item = get_local_id(0), quads = (n + 3) / 4;
  bool aligned = n % 4 == 0;
  for (uint first = 0; first < quads; first += ITEMS) {
    uint own = min(quads - first, (uint)ITEMS), lanes = ITEMS / own;
    uint c = 4 * (first + item % own), lane = item / own;
    float4 total = 0.0f;
    // Values of x, and those of `partial` of a product before.
    barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
    if (lane < lanes) {
      // Four loads on their way at once.
      for (uint row = lane; row < n; row += 4 * lanes) {
        float4 part[4];
        for (uint i = 0; i < 4; i++) {
          uint next = row + i * lanes;
          part[i] = next < n ? load_quad(m + (size_t)next * n, c, n, aligned) * x[next]
                             : (float4)(0.0f);
        }
        total += (part[0] + part[1]) + (part[2] + part[3]);
      }
      partial[item] = total;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    if (lane == 0) {
      for (uint other = 1; other < lanes; other++) total += partial[item + other * own];
      total *= scale;
      y[c] = total.x;
      if (c + 1 < n) y[c + 1] = total.y;
      if (c + 2 < n) y[c + 2] = total.z;
      if (c + 3 < n) y[c + 3] = total.w;
    }
  }
  barrier(CLK_GLOBAL_MEM_FENCE);
}

#define DOT(a, b) group_dot(a, b, n, shared)
#define TIMES(m, scale, x, y) group_times(m, scale, x, y, n, partial)
#define LARGEST_DIAGONALS                                                           \
  for (size_t i = get_local_id(0); i < n; i += ITEMS) {                             \
    mostK = fmax(mostK, K[i * n + i]);                                              \
    mostL = fmax(mostL, L[i * n + i]);                                              \
  }                                                                                 \
  mostK = group_maximum(mostK, shared);                                             \
  mostL = group_maximum(mostL, shared);
#define LARGEST_ROW                                                                 \
  for (size_t i = get_local_id(0); i < n; i += ITEMS) {                             \
    float sizes = 0.0f;                                                             \
    for (size_t row = 0; row < n; row++) sizes += fabs(L[row * n + i]);             \
    boundL = fmax(boundL, sizes);                                                   \
  }                                                                                 \
  boundL = group_maximum(boundL, shared);
#define SUM_OF_PRODUCTS                                                             \
  for (size_t i = get_local_id(0); i < (size_t)n * n; i += ITEMS)                   \
    square += K[i] * scaleK * (L[i] * scaleL);                                      \
  square = group_sum(square, shared);
#define PRODUCTS                                                                    \
  for (int j = 0; j < 6; j++) h[j] = 0.0f;                                          \
  for (size_t i = get_local_id(0); i < n; i += ITEMS) {                             \
    h[0] += lx[i] * kx[i];                                                          \
    h[1] += lx[i] * kp[i];                                                          \
    h[2] += lp[i] * kp[i];                                                          \
    h[3] += lx[i] * kd[i];                                                          \
    h[4] += lp[i] * kd[i];                                                          \
    h[5] += ld[i] * kd[i];                                                          \
  }                                                                                 \
  group_sums(h, 6, shared);
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void gradient_norms_group(PARAMETERS) {
  __local float shared[6 * GROUP_LINE] __attribute__((aligned(16)));
  __local float4 partial[ITEMS];
  size_t replica = get_group_id(0);
  NORMS(get_local_id(0), ITEMS)
}

#else

static inline float item_dot(__global const float* a, __global const float* b, uint n) {
  vector total = 0.0f;
  size_t c = 0;
  for (; c + WIDTH <= n; c += WIDTH) total += LOAD(a + c) * LOAD(b + c);
  float result = sum(total);
  for (; c < n; c++) result += a[c] * b[c];
  return result;
}

static inline void item_times(__global const float* m, float scale, __global const float* x,
                       __global float* y, uint n) {
  size_t row = 0;
  for (; row + 4 <= n; row += 4) {
    __global const float* r = m + row * n;
    vector s0 = 0.0f, s1 = 0.0f, s2 = 0.0f, s3 = 0.0f;
    size_t c = 0;
    for (; c + WIDTH <= n; c += WIDTH) {
      vector v = LOAD(x + c);
      s0 += LOAD(r + c) * v;
      s1 += LOAD(r + n + c) * v;
      s2 += LOAD(r + 2 * n + c) * v;
      s3 += LOAD(r + 3 * n + c) * v;
    }
    float4 s = (float4)(sum(s0), sum(s1), sum(s2), sum(s3));
    for (; c < n; c++) s += x[c] * (float4)(r[c], r[n + c], r[2 * n + c], r[3 * n + c]);
    vstore4(s * scale, 0, y + row);
  }
  for (; row < n; row++) y[row] = item_dot(m + row * n, x, n) * scale;
}

#define DOT(a, b) item_dot(a, b, n)
#define TIMES(m, scale, x, y) item_times(m, scale, x, y, n)
#define LARGEST_DIAGONALS                                                                \
  for (size_t i = 0; i < n; i++) {                                                       \
    mostK = fmax(mostK, K[i * n + i]);                                                   \
    mostL = fmax(mostL, L[i * n + i]);                                                   \
  }
#define LARGEST_ROW                                                                      \
  for (size_t row = 0; row < n; row++) {                                                 \
    vector sizes = 0.0f;                                                                 \
    size_t i = 0;                                                                        \
    for (; i + WIDTH <= n; i += WIDTH) sizes += fabs(LOAD(L + row * n + i));             \
    float size = sum(sizes);                                                             \
    for (; i < n; i++) size += fabs(L[row * n + i]);                                     \
    boundL = fmax(boundL, size);                                                         \
  }
#define SUM_OF_PRODUCTS                                                                  \
  for (size_t row = 0; row < n; row++) {                                                 \
    for (size_t i = 0; i < n; i++) {                                           \
      d[i] = K[row * n + i] * scaleK;                                                    \
      ld[i] = L[row * n + i] * scaleL;                                                   \
    }                                                                                    \
    square += item_dot(d, ld, n);                                                                \
  }
#define PRODUCTS                                                                         \
  h[0] = DOT(lx, kx), h[1] = DOT(lx, kp), h[2] = DOT(lp, kp), h[3] = DOT(lx, kd),        \
  h[4] = DOT(lp, kd), h[5] = DOT(ld, kd);
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void gradient_norms(PARAMETERS) {
  size_t replica = get_group_id(0);
  NORMS(0, 1)
}
#endif
