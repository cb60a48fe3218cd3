// The item variant of ritz.cl's kernels, for CPUs: a work-item a problem, or a few columns, without
// local memory and barriers.

#define MOST 24  // 3k for the largest k

// After a first pass: the scale, from the sums of the pass over its units.
// global (problems), local (1).
__kernel void ritz_scale(__global const uint* restrict problems, __global const float* stats,
                         __global float* state, uint stateStride) {
  __global const uint* problem = problems + FIELDS * get_global_id(0);
  __global float* own = state + get_global_id(0) * stateStride;
  float square = 0.0f, most = 0.0f;
  for (uint b = 0; b < problem[BLOCKS]; b++) {
    square += stats[2 * (problem[UNIT] + b)];
    most = fmax(most, stats[2 * (problem[UNIT] + b) + 1]);
  }
  set_scale(own, square, most);
}

// The images of `rows` rows of B from `first` on: Σ over row blocks. correct: whether this is the
// pass that ritz_scale looked at. global (as ritz_begin, problems, rows).
__kernel void ritz_reduce(__global const uint* restrict problems,
                          __global const float* restrict partials,
                          __global const float* restrict state, __global float* restrict vectors,
                          uint k, uint first, uint stateStride, uint correct) {
  __global const uint* problem = problems + FIELDS * get_global_id(1);
  __global const float* own = state + get_global_id(1) * stateStride;
  size_t pitch = problem[PITCH], c = get_global_id(0) * WIDTH, j = get_global_id(2);
  size_t rows = get_global_size(2);
  if (c >= pitch || own[SETTLED] != 0.0f) return;
  __global const float* from = partials + problem[PARTIALS_AT] + j * pitch + c;
  vector z = 0.0f;
  for (uint b = 0; b < problem[BLOCKS]; b++) z += LOAD(from + b * rows * pitch);
  if (correct) z *= own[1];
  STORE(z, vectors + problem[VECTORS_AT] + (3 * k + first + j) * pitch + c);
}

// Pairs p of the lower triangle, row by row: first b_i·b_j, then b_i·A b_j, then A b_i·A b_j, over
// a chunk of columns. Settled problems too with `all`.
// global (pairs, chunks of the widest, problems), local (9, 1, 1), which divides pairs.
__kernel void ritz_gram(__global const uint* restrict problems,
                        __global const float* restrict vectors,
                        __global const float* restrict state, __global float* restrict grams,
                        uint k, uint stateStride, uint all) {
  __global const uint* problem = problems + FIELDS * get_global_id(2);
  size_t pitch = problem[PITCH], first = get_global_id(1) * CHUNK;
  if (first >= pitch) return;
  if (!all && state[get_global_id(2) * stateStride + SETTLED] != 0.0f) return;
  uint pairs = get_global_size(0), lower = pairs / 3, p = get_global_id(0) % lower, i = 0;
  while (p > i) p -= ++i;
  __global const float* x = vectors + problem[VECTORS_AT];
  __global const float* a = x + (i + (get_global_id(0) < 2 * lower ? 0 : 3 * k)) * pitch;
  __global const float* b = x + (p + (get_global_id(0) < lower ? 0 : 3 * k)) * pitch;
  size_t end = min(first + CHUNK, pitch);
  vector total = 0.0f;
  for (size_t c = first; c < end; c += WIDTH) total += LOAD(a + c) * LOAD(b + c);
  grams[problem[GRAMS_AT] + get_global_id(1) * pairs + get_global_id(0)] = sum(total);
}

// Eigenvalues and vectors (columns of q) of the symmetric m×m matrix g, by cyclic Jacobi rotations.
// A matrix that is not finite ends at once.
static inline void jacobi(float g[MOST][MOST], float q[MOST][MOST], uint m) {
  for (uint i = 0; i < m; i++)
    for (uint j = 0; j < m; j++) q[i][j] = i == j ? 1.0f : 0.0f;
  for (int sweep = 0; sweep < 12; sweep++) {
    float off = 0.0f, all = 0.0f;
    for (uint i = 0; i < m; i++)
      for (uint j = 0; j <= i; j++) {
        all += g[i][j] * g[i][j];
        if (j < i) off += g[i][j] * g[i][j];
      }
    if (!(off > 1e-12f * all)) return;
    for (uint i = 1; i < m; i++)
      for (uint j = 0; j < i; j++) {
        if (g[i][j] == 0.0f) continue;
        float3 by = rotation(g[j][j], g[i][i], g[i][j]);
        float c = by.x, s = by.y, change = by.z;
        for (uint l = 0; l < m; l++) {
          float left = q[l][j], right = q[l][i];
          q[l][j] = c * left - s * right;
          q[l][i] = s * left + c * right;
          if (l == i || l == j) continue;
          left = g[l][j], right = g[l][i];
          g[l][j] = g[j][l] = c * left - s * right;
          g[l][i] = g[i][l] = s * left + c * right;
        }
        g[j][j] -= change;
        g[i][i] += change;
        g[i][j] = g[j][i] = 0.0f;
      }
  }
}

// Rayleigh–Ritz on the span of B: B's columns are scaled to 1 and made orthonormal by Cholesky's
// factor L of BᵀB. Left out are residuals that are rounding, and columns nearly in the span of
// those before: their images would be rounding, which the next steps would enlarge. The k largest
// eigenpairs of L⁻¹(BᵀAB)L⁻ᵀ are the new X. P is their part outside the old X, made orthonormal
// beside the new X. first: whether D is a start and no residual. A problem is settled where the
// residual of its new x is at most √settling, relatively. global (problems), local (1).
__kernel void ritz_solve(__global const uint* restrict problems, __global const float* grams,
                         __global float* state, __global float* summary, uint k,
                         uint stateStride, uint first, float settling) {
  size_t index = get_global_id(0);
  __global const uint* problem = problems + FIELDS * index;
  __global float* own = state + index * stateStride;
  if (own[SETTLED] != 0.0f) {
    own[SETTLED] = 2.0f;
    return;
  }
  uint m = 3 * k, lower = m * (m + 1) / 2, chunks = (problem[PITCH] + CHUNK - 1) / CHUNK;
  __global const float* gram = grams + problem[GRAMS_AT];
  float l[MOST][MOST], g[MOST][MOST], q[MOST][MOST], unit[MOST];
  uint pair = 0;
  for (uint i = 0; i < m; i++)
    for (uint j = 0; j <= i; j++, pair++) {
      l[i][j] = total(gram, chunks, 3 * lower, pair);
      g[i][j] = g[j][i] = total(gram, chunks, 3 * lower, lower + pair);
    }
  float residual = sqrt(l[2 * k][2 * k]);
  float previous = first ? 0.0f : own[THETA], noise = 3e-6f * previous;
  for (uint i = 0; i < m; i++) {
    float least = i < 2 * k ? 0.0f : noise * noise;
    unit[i] = l[i][i] <= fmax(least, 1e-36f) ? 0.0f : rsqrt(l[i][i]);
  }
  for (uint i = 0; i < m; i++)
    for (uint j = 0; j < m; j++) {
      if (j <= i) l[i][j] *= unit[i] * unit[j];
      g[i][j] *= unit[i] * unit[j];
    }
  // l ← L; a left-out column has a diagonal of 0.
  for (uint i = 0; i < m; i++)
    for (uint j = 0; j <= i; j++) {
      float value = l[i][j];
      for (uint c = 0; c < j; c++) value -= l[i][c] * l[j][c];
      if (i == j)
        l[i][i] = value < 0.1f ? 0.0f : sqrt(value);
      else
        l[i][j] = l[j][j] == 0.0f ? 0.0f : value / l[j][j];
    }
  // g ← L⁻¹ g L⁻ᵀ.
  for (uint side = 0; side < 2; side++)
    for (uint c = 0; c < m; c++)
      for (uint i = 0; i < m; i++) {
        float value = side == 0 ? g[i][c] : g[c][i];
        for (uint b = 0; b < i; b++) value -= l[i][b] * (side == 0 ? g[b][c] : g[c][b]);
        value = l[i][i] == 0.0f ? 0.0f : value / l[i][i];
        if (side == 0)
          g[i][c] = value;
        else
          g[c][i] = value;
      }
  for (uint i = 0; i < m; i++)
    for (uint j = 0; j < i; j++) g[i][j] = g[j][i] = 0.5f * (g[i][j] + g[j][i]);
  jacobi(g, q, m);
  for (uint i = 0; i < m; i++)
    if (l[i][i] == 0.0f) g[i][i] = -FLT_MAX;
  __global float* coefficients = own + THETA + k;
  float top[MOST][16];
  for (uint j = 0; j < k; j++) {
    uint best = 0;
    for (uint i = 1; i < m; i++)
      if (!(g[i][i] <= g[best][best])) best = i;
    own[THETA + j] = g[best][best] < 0.0f ? 0.0f : g[best][best];
    g[best][best] = -INFINITY;
    for (uint i = 0; i < m; i++) top[i][j] = q[i][best];
  }
  for (uint j = 0; j < k; j++) {
    for (uint i = 0; i < m; i++) top[i][k + j] = i < k ? 0.0f : top[i][j];
    for (uint other = 0; other < k + j; other++) {
      float along = 0.0f;
      for (uint i = 0; i < m; i++) along += top[i][other] * top[i][k + j];
      for (uint i = 0; i < m; i++) top[i][k + j] -= along * top[i][other];
    }
    float rest = 0.0f;
    for (uint i = 0; i < m; i++) rest += top[i][k + j] * top[i][k + j];
    rest = rest < 1e-6f ? 0.0f : rsqrt(rest);
    for (uint i = 0; i < m; i++) top[i][k + j] *= rest;
  }
  // Coefficients in B: unit ∘ L⁻ᵀ.
  for (uint j = 0; j < 2 * k; j++)
    for (uint step = 0; step < m; step++) {
      uint i = m - 1 - step;
      float value = top[i][j];
      for (uint b = i + 1; b < m; b++) value -= l[b][i] * top[b][j];
      top[i][j] = l[i][i] == 0.0f ? 0.0f : value / l[i][i];
      coefficients[i * 2 * k + j] = top[i][j] * unit[i];
    }
  float theta = own[THETA], image = 0.0f;
  pair = 2 * lower;
  for (uint i = 0; i < m; i++)
    for (uint j = 0; j <= i; j++, pair++)
      image += (j < i ? 2.0f : 1.0f) * coefficients[i * 2 * k] * coefficients[j * 2 * k]
               * total(gram, chunks, 3 * lower, pair);
  summarize(own, summary + 4 * index, previous, residual, theta, image, settling);
}

// X, P, AX, AP ← their combinations of B and A B; D ← AX − X Θ.
// global (as ritz_begin, problems).
__kernel void ritz_update(__global const uint* restrict problems, __global const float* state,
                          __global float* vectors, uint k, uint stateStride) {
  __global const uint* problem = problems + FIELDS * get_global_id(1);
  size_t pitch = problem[PITCH], c = get_global_id(0) * WIDTH;
  __global const float* own = state + get_global_id(1) * stateStride;
  if (c >= pitch || own[SETTLED] == 2.0f) return;
  __global const float* theta = own + THETA;
  __global const float* coefficients = theta + k;
  __global float* x = vectors + problem[VECTORS_AT] + c;
  vector residual[8], basis[MOST];
  for (uint image = 0; image < 2; image++) {
    __global float* b = x + image * 3 * k * pitch;
    for (uint i = 0; i < 3 * k; i++) basis[i] = LOAD(b + i * pitch);
    for (uint j = 0; j < 2 * k; j++) {
      vector value = 0.0f;
      for (uint i = 0; i < 3 * k; i++) value += basis[i] * coefficients[i * 2 * k + j];
      STORE(value, b + j * pitch);
      if (j < k) residual[j] = image == 0 ? value * -theta[j] : residual[j] + value;
    }
  }
  for (uint j = 0; j < k; j++) STORE(residual[j], x + (2 * k + j) * pitch);
}

// σ = ‖Wᵀu‖ of the left vector u = Wx/‖Wx‖ of the first vector x as it is, from the products of
// ritz_gram after the last update: half a step further than θ = x·Ax = ‖Wx‖² itself.
//   σ² = ‖Ax‖²/θ = θ(1 + ρ²),  ρ = ‖Ax − θx‖/θ, the residual; 0 for a zero matrix
// global (problems).
__kernel void ritz_finish(__global const uint* restrict problems, __global const float* grams,
                          __global const float* state, __global float* summary, uint k,
                          uint stateStride) {
  size_t index = get_global_id(0);
  __global const uint* problem = problems + FIELDS * index;
  __global const float* own = state + index * stateStride;
  uint m = 3 * k, lower = m * (m + 1) / 2, chunks = (problem[PITCH] + CHUNK - 1) / CHUNK;
  __global const float* gram = grams + problem[GRAMS_AT];
  summarize_last(own, summary + 4 * index, total(gram, chunks, 3 * lower, 0),
                 total(gram, chunks, 3 * lower, lower),
                 total(gram, chunks, 3 * lower, 2 * k * (2 * k + 1) / 2 + 2 * k));
}
