// Causal attention by several heads, forward and backward, without a matrix of all pairs of tokens:
//   s[t, u] = scale·q[t]·k[u],  p[t, u] = exp(s[t, u] − L[t]),  L[t] = log Σ_{u ≤ t} exp s[t, u]
//   output[t] = Σ_{u ≤ t} p[t, u]·v[u]
//   ∂v[u] = Σ_{t ≥ u} p[t, u]·δ[t],  ∂s[t, u] = p[t, u]·(δ[t]·v[u] − δ[t]·output[t])
//   ∂q[t] = scale·Σ_{u ≤ t} ∂s[t, u]·k[u],  ∂k[u] = scale·Σ_{t ≥ u} ∂s[t, u]·q[t]
// Forward, sums of exp(s − m) are kept with the greatest s so far, m, and scaled when m grows, so
// that no exp overflows; backward makes p again of q, k and L. Masked terms are left out, not
// multiplied by 0: a NaN in a later token would come through. Exponents are of 2.
// q, k, v, output, δ and their gradients [replica, sequences·context, heads·HEAD]: row
// s·context + t is token t of sequence s, columns h·HEAD ..< (h + 1)·HEAD are head h's.
// L (logSums), and δ·output (dots) [replica, sequences·context, heads].
// HEAD: the macro, 1 to 512. The item variant's kernels are in attention_item.cl, the group variant's
// in attention_group.cl.
// Sources: arXiv:1706.03762 (attention), arXiv:1805.02867 (sums with a running maximum),
// arXiv:2205.14135 and arXiv:2307.08691 (by blocks, and its gradients).

#include "vector.cl"
#include "exponential.cl"

#define LN_2 0.693147180559945f

// Where a head's scalars and columns start in its sequence's first row.
#define FIND_HEAD(place, count, replica)                                             \
  size_t row = ((replica) * ((count) / heads) + (place) / heads) * context;          \
  size_t scalars = row * heads + (place) % heads, first = scalars * HEAD;

#if GROUP_ITEMS > 1
#include "attention_group.cl"
#else
#include "attention_item.cl"
#endif

INLINE float dot_of_heads(__global const float* x, __global const float* y) {
  float sum = 0.0f;
  for (uint c = 0; c < HEAD; c++) sum += x[c] * y[c];
  return sum;
}

// For each token and head: largest ← max_{u ≤ t} |s[t, u]|, entropies ← −Σ_{u ≤ t} p log p, as
// log Σ e − Σ e·(s − m)/Σ e with e = exp(s − m). [replica, sequences·context, heads].
// global (rows·heads rounded up to GROUP_ITEMS, replicas), local (GROUP_ITEMS, 1).
__kernel void attention_entropies(__global const float* restrict q, __global const float* restrict k,
                                  __global float* restrict largest,
                                  __global float* restrict entropies, float scale, uint rows,
                                  uint context, uint heads) {
  uint place = get_global_id(0), token = place / heads % context;
  if (place >= rows * heads) return;
  size_t scalar = get_global_id(1) * rows * heads + place;
  __global const float* query = q + scalar * HEAD;
  __global const float* keys = k + (scalar - (size_t)token * heads) * HEAD;
  float most = -INFINITY, size = 0.0f, sum = 0.0f, along = 0.0f;
  for (uint u = 0; u <= token; u++) {
    float s = scale * dot_of_heads(query, keys + (size_t)u * heads * HEAD);
    if (isnan(s) || s > most) most = s;
    if (isnan(s) || fabs(s) > size) size = fabs(s);
  }
  for (uint u = 0; u <= token; u++) {
    float s = scale * dot_of_heads(query, keys + (size_t)u * heads * HEAD) - most;
    sum += exp(s);
    along += exp(s) * s;
  }
  largest[scalar] = size;
  entropies[scalar] = log(sum) - along / sum;
}

// For each head: the greatest of `largest`, and the mean of entropies, both [replica, 1, heads].
// Sequences are added up one by one. global (heads rounded up to GROUP_ITEMS, replicas), local
// (GROUP_ITEMS, 1).
__kernel void attention_totals(__global const float* restrict largest,
                               __global const float* restrict entropies,
                               __global float* restrict most, __global float* restrict mean,
                               uint rows, uint context, uint heads) {
  size_t head = get_global_id(0), replica = get_global_id(1);
  if (head >= heads) return;
  size_t at = replica * rows * heads + head;
  float greatest = 0.0f, total = 0.0f;
  for (uint row = 0; row < rows; row += context) {
    float sum = 0.0f;
    for (uint t = 0; t < context; t++, at += heads) {
      if (isnan(largest[at]) || largest[at] > greatest) greatest = largest[at];
      sum += entropies[at];
    }
    total += sum;
  }
  most[replica * heads + head] = greatest;
  mean[replica * heads + head] = total / rows;
}
