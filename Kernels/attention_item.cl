// The item variant of attention.cl's kernels, for CPUs: a work-item takes tokens of a sequence's head
// by blocks of WIDTH, without local memory and barriers. A vector holds one number of each of the
// block's tokens, and what they are multiplied with is the other tokens' numbers, one at a time: only
// the blocks on the diagonal need the mask, and theirs are constants.
// On two Zen 4 cores, by processor time, in GFLOP/s, forward and backward (2·HEAD operations a product
// of a query's row and a key's, of which there are two and five; masked ones are not counted): 12
// sequences of 64 tokens, 4 heads of 16, 2 replicas 82 and 100, 32 replicas, which caches do not hold,
// 65 and 68; 8 sequences of 256 tokens, 8 heads of 64, 140 and 140.

EXPONENTIAL(vector, integers)

// Tokens that a block meets at a time: their logits stay in registers.
#define STEP (WIDTH < 8 ? WIDTH : 8)
#define FOR_STEP _Pragma("unroll") for (uint i = 0; i < STEP; i++)
#define FOR_WIDTH _Pragma("unroll") for (uint i = 0; i < WIDTH; i++)
#define FOR_HEAD for (uint c = 0; c < HEAD; c++)
// Vectors of a head's columns.
#define STRIPS ((HEAD + WIDTH - 1) / WIDTH)

// 0 ..< WIDTH: a vector's places.
INLINE integers places(void) {
  const int numbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return JOIN(vload, WIDTH)(0, numbers);
}

// columns[c] ← column c of `count` rows, at most WIDTH; 0 beyond them.
NOINLINE void load_columns(__global const float* p, size_t stride, uint count, vector* columns) {
  for (uint strip = 0; strip < STRIPS; strip++) {
    uint c = strip * WIDTH;
    vector rows[WIDTH];
    FOR_WIDTH rows[i] = i < count ? load_some(p + i * stride + c, HEAD - c) : (vector)0.0f;
    transpose(rows);
    FOR_WIDTH if (c + i < HEAD) columns[c + i] = rows[i];
  }
}

// The converse, of the columns' multiples.
NOINLINE void store_columns(const vector* columns, vector factor, __global float* p, size_t stride,
                          uint count) {
  for (uint strip = 0; strip < STRIPS; strip++) {
    uint c = strip * WIDTH;
    vector rows[WIDTH];
    FOR_WIDTH rows[i] = c + i < HEAD ? columns[c + i] * factor : (vector)0.0f;
    transpose(rows);
    FOR_WIDTH if (i < count) store_some(rows[i], p + i * stride + c, HEAD - c);
  }
}

// products[i] ← Σ_c columns[c]·p[row[i] + c]
INLINE void multiply_rows(const vector* columns, __global const float* p, const size_t* row,
                          vector* products) {
  FOR_STEP products[i] = 0.0f;
#pragma unroll 2
  FOR_HEAD {
    FOR_STEP products[i] += columns[c] * p[row[i] + c];
  }
}

// A block of queries meets STEP keys, from `first` on: result ← result·r + Σ p v, and likewise
// total, with p = 2^(logit − most) and r what a greater maximum makes of the earlier terms.
// behind: how far the first key is behind the first query, where the mask matters; it is a constant.
// Keys past the sequence's end are masked; the last row is read in their place.
INLINE void meet_keys(const vector* query, __global const float* k, __global const float* v,
                      size_t columns, uint first, int behind, uint context, float scale,
                      bool masked, vector* result, vector* most, vector* total) {
  vector p[STEP];
  size_t row[STEP];
  FOR_STEP row[i] = (masked ? min(first + i, context - 1) : first + i) * columns;
  multiply_rows(query, k, row, p);
  integers place = places();
  vector greatest = *most;
  FOR_STEP {
    p[i] *= scale;
    vector seen = p[i] > greatest ? p[i] : greatest;
    greatest = masked ? (place >= behind + (int)i ? seen : greatest) : seen;
  }
  vector ratio = power_of_two_vector(*most - greatest), sum = *total * ratio;
  *most = greatest;
  FOR_STEP {
    p[i] = power_of_two_vector(p[i] - greatest);
    vector more = sum + p[i];
    sum = masked ? (place >= behind + (int)i ? more : sum) : more;
  }
  *total = sum;
#pragma unroll 2
  FOR_HEAD {
    vector o = result[c] * ratio;
    FOR_STEP {
      vector more = o + p[i] * v[row[i] + c];
      o = masked ? (place >= behind + (int)i ? more : o) : more;
    }
    result[c] = o;
  }
}

// A block's rows, into the cache before they are needed: heads of few columns lie a line here and
// there, and would be waited for as long as they are computed with.
INLINE void look_ahead(__global const float* p, size_t columns) {
  for (uint i = 0; i < WIDTH; i++)
    for (uint c = 0; c < HEAD; c += 16) AHEAD(p + i * columns + c);
}

// From a head's start to where the next head's is, which most likely is next.
INLINE size_t next_head(size_t head, uint context, uint heads) {
  return head + 1 < heads ? HEAD : ((size_t)(context - 1) * heads + 1) * HEAD;
}

// The output of the queries from `token` on. next: where the next head is.
NOINLINE void attend(__global const float* q, __global const float* k, __global const float* v,
                   __global float* output, __global float* logSums, float scale, uint context,
                   uint heads, uint token, size_t next) {
  size_t columns = (size_t)heads * HEAD;
  uint count = min(context - token, (uint)WIDTH);
  vector query[HEAD], result[HEAD];
  load_columns(q + token * columns, columns, count, query);
  if (token + WIDTH < context) next = (token + WIDTH) * columns;
  look_ahead(q + next, columns);
  look_ahead(k + next, columns);
  look_ahead(v + next, columns);
  FOR_HEAD result[c] = 0.0f;
  vector most = -INFINITY, total = 0.0f;
  for (uint first = 0; first < token; first += STEP)
    meet_keys(query, k, v, columns, first, 0, context, scale, false, result, &most, &total);
#pragma unroll
  for (uint behind = 0; behind < WIDTH; behind += STEP)
    if (behind < count)
      meet_keys(query, k, v, columns, token + behind, behind, context, scale, true, result, &most,
                &total);
  store_columns(result, 1.0f / total, output + token * columns, columns, count);
  vector sums = (most + log2(total)) * LN_2;
  for (uint i = 0; i < count; i++) logSums[(token + i) * (size_t)heads] = ((float*)&sums)[i];
}

#define ATTENTION __kernel __attribute__((reqd_work_group_size(1, 1, 1))) void

// Work-items that share a head take its blocks in turn, there and back: late ones are dearer.
// global (work-items a head, sequences·heads, replicas), local (1, 1, 1).
ATTENTION attention(__global const float* restrict q, __global const float* restrict k,
                    __global const float* restrict v, __global float* restrict output,
                    __global float* restrict logSums, float scale, uint context, uint heads) {
  uint part = get_global_id(0), parts = get_global_size(0);
  FIND_HEAD(get_global_id(1), get_global_size(1), get_global_id(2))
  for (uint round = 0; round * parts * WIDTH < context; round++) {
    uint token = (round * parts + (round % 2 == 0 ? part : parts - 1 - part)) * WIDTH;
    if (token < context)
      attend(q + first, k + first, v + first, output + first, logSums + scalars, scale * LOG2_E,
             context, heads, token, next_head(get_global_id(1) % heads, context, heads));
  }
}

// dots ← δ·output of the tokens from `token` on, added up in the order of δ·v: the first token's p is
// 1 and its output v, so that their difference is 0.
NOINLINE void find_dots(__global const float* gradient, __global const float* output,
                      __global float* dots, uint context, uint heads, uint token) {
  size_t columns = (size_t)heads * HEAD;
  uint count = min(context - token, (uint)WIDTH);
  vector delta[HEAD], result[HEAD], sums = 0.0f;
  load_columns(gradient + token * columns, columns, count, delta);
  load_columns(output + token * columns, columns, count, result);
  FOR_HEAD sums += delta[c] * result[c];
  for (uint i = 0; i < count; i++) dots[(token + i) * (size_t)heads] = ((float*)&sums)[i];
}

// What backward passes around: the head's tensors.
typedef struct {
  __global const float *gradient, *q, *k, *v, *logSums, *dots;
  __global float *dq, *dk, *dv;
  size_t columns;
  float scale;
  uint context, heads;
} Head;

// A block of keys, from `first` on, meets STEP queries, from `token` on.
//   keySlope += Σ_t s q, valueSlope += Σ_t p δ, ∂q += Σ_u s k, where s = scale·p·(δ·v − dot)
// key, value: by columns; rows: the keys again, by rows, for ∂q, whose vectors are of columns. Queries
// past the sequence's end are read as its last one, so that memory ends there, and their p is set to 0.
// ahead: how far the first query is ahead of the first key, a constant; WIDTH or more needs no mask.
INLINE void meet_queries(const Head* head, const vector* key, const vector* value,
                         const vector* rows, uint first, uint token, int ahead, vector* keySlope,
                         vector* valueSlope) {
  __global const float *gradient = head->gradient, *q = head->q;
  size_t columns = head->columns;
  uint last = head->context - 1;
  bool masked = ahead < WIDTH;
  vector p[STEP], slope[STEP];
  size_t row[STEP];
  FOR_STEP row[i] = min(token + i, last) * columns;
  multiply_rows(key, q, row, p);
  multiply_rows(value, gradient, row, slope);
  integers place = places();
  vector zero = 0.0f;
  float shares[STEP][WIDTH];
  FOR_STEP {
    size_t scalar = min(token + i, last) * (size_t)head->heads;
    vector exponent = p[i] * (head->scale * LOG2_E) - head->logSums[scalar] * LOG2_E;
    p[i] = power_of_two_vector(exponent > zero ? zero : exponent);
    slope[i] = p[i] * (slope[i] - head->dots[scalar]) * head->scale;
    if (token + i > last) p[i] = slope[i] = zero;
    JOIN(vstore, WIDTH)(slope[i], 0, shares[i]);
  }
#pragma unroll 2
  FOR_HEAD {
    vector forKey = keySlope[c], forValue = valueSlope[c];
    FOR_STEP {
      vector moreKey = forKey + slope[i] * q[row[i] + c];
      vector moreValue = forValue + p[i] * gradient[row[i] + c];
      forKey = masked ? (place <= ahead + (int)i ? moreKey : forKey) : moreKey;
      forValue = masked ? (place <= ahead + (int)i ? moreValue : forValue) : moreValue;
    }
    keySlope[c] = forKey;
    valueSlope[c] = forValue;
  }
  for (uint c = 0; c < HEAD; c += WIDTH) {
    vector sums[STEP];
    FOR_STEP sums[i] = first == 0 ? zero : load_some(head->dq + row[i] + c, HEAD - c);
#pragma unroll
    for (int u = 0; u < WIDTH; u++) {
      vector own = rows[c / WIDTH * WIDTH + u];
      FOR_STEP if (u <= ahead + (int)i) sums[i] += shares[i][u] * own;
    }
    FOR_STEP if (token + i <= last) store_some(sums[i], head->dq + row[i] + c, HEAD - c);
  }
}

// The gradients of a block of keys and values, and its terms of ∂q.
NOINLINE void differentiate(const Head* head, uint first) {
  size_t columns = head->columns;
  uint context = head->context, count = min(context - first, (uint)WIDTH);
  vector key[HEAD], value[HEAD], keySlope[HEAD], valueSlope[HEAD], rows[STRIPS * WIDTH];
  load_columns(head->k + first * columns, columns, count, key);
  load_columns(head->v + first * columns, columns, count, value);
  for (uint c = 0; c < HEAD; c += WIDTH)
    FOR_WIDTH rows[c + i] =
        load_some(head->k + min(first + i, context - 1) * columns + c, HEAD - c);
  FOR_HEAD keySlope[c] = valueSlope[c] = 0.0f;
#pragma unroll
  for (uint ahead = 0; ahead < WIDTH; ahead += STEP)
    if (ahead < count)
      meet_queries(head, key, value, rows, first, first + ahead, ahead, keySlope, valueSlope);
  for (uint token = first + WIDTH; token < context; token += STEP)
    meet_queries(head, key, value, rows, first, token, WIDTH, keySlope, valueSlope);
  store_columns(keySlope, 1.0f, head->dk + first * columns, columns, count);
  store_columns(valueSlope, 1.0f, head->dv + first * columns, columns, count);
}

// A work-item takes a head of a sequence whole, so that it can add up ∂q in its place.
// global (sequences·heads, replicas), local (1, 1).
ATTENTION attention_backward(__global const float* restrict gradient,
                             __global const float* restrict q, __global const float* restrict k,
                             __global const float* restrict v,
                             __global const float* restrict output,
                             __global const float* restrict logSums, __global float* dots,
                             __global float* restrict dq, __global float* restrict dk,
                             __global float* restrict dv, float scale, uint context, uint heads) {
  FIND_HEAD(get_global_id(0), get_global_size(0), get_global_id(1))
  for (uint token = 0; token < context; token += WIDTH)
    find_dots(gradient + first, output + first, dots + scalars, context, heads, token);
  Head head = {gradient + first, q + first, k + first, v + first, logSums + scalars,
               dots + scalars, dq + first, dk + first, dv + first, (size_t)heads * HEAD, scale,
               context, heads};
  size_t next = first + next_head(get_global_id(0) % heads, context, heads);
  for (uint token = 0; token < context; token += WIDTH, next += WIDTH * head.columns) {
    look_ahead(gradient + next, head.columns);
    look_ahead(output + next, head.columns);
    look_ahead(q + next, head.columns);
    look_ahead(k + next, head.columns);
    look_ahead(v + next, head.columns);
    differentiate(&head, token);
  }
}
