// Many training steps of a small network in one launch: a work-group trains one replica, with its
// weights and activations in local memory and the rule's state in registers, or in global memory
// where there is too much of it.
//   h₀ = x,  h_l = φ(α_l·h_{l−1} W_lᵀ),  logits = α·h W_readoutᵀ;  loss, gradients, update
// What a step computes is what gather.cl, the products, loss.cl, record.cl and rules.cl compute, but
// for the order of sums: a replica whose loss is not finite is frozen before its update.
// Compiled for: INPUTS, FEATURES (columns of every hidden layer), DEPTH (hidden layers, 1 to 4),
// CLASSES, BATCH; KIND (nonlinearity.cl); SQUARED_ERROR 0 or 1; BYTES 0 or 1, of the rows;
// STATE_IN_REGISTERS 0 or 1; PARTS, shares of the batch in the readout's gradient; LOCAL_BYTES, of local
// memory; and the update rule, whose macros are before the program (rules.cl). INPUTS, FEATURES and
// BATCH are multiples of 4, BATCH ≤ ITEMS, CLASSES·FEATURES ≤ 8·ITEMS with CLASSES rounded up to 4.
//
// Matrices in local memory are row-major in quads (float4); quad q of row r is at q ^ (r/4 mod 8), or
// mod 4, 2 or 1 where a row's quads are no multiple of 8: a warp reads 8 quads of one row, or one quad
// of 8 rows four apart, from different banks.

#include "vector.cl"
#include "workgroup.cl"
#include "nonlinearity.cl"
#include "rules.cl"

NONLINEARITY(float4, int4)

// Whether φ' is kept: h does not say it.
#define KEEPS_SLOPES (KIND == GELU || KIND == SILU)
#define SYNC barrier(CLK_LOCAL_MEM_FENCE)
#define LOCAL __local float4*
#define IQ (INPUTS / 4)
#define FQ (FEATURES / 4)
#define CQ ((CLASSES + 3) / 4)
// The greatest power of two up to `limit` that divides n.
#define DIVISOR(n, limit)                                                                          \
  ((limit) >= 32 && (n) % 32 == 0   ? 32                                                           \
   : (limit) >= 16 && (n) % 16 == 0 ? 16                                                           \
   : (limit) >= 8 && (n) % 8 == 0   ? 8                                                            \
   : (limit) >= 4 && (n) % 4 == 0   ? 4                                                            \
   : (limit) >= 2 && (n) % 2 == 0   ? 2                                                            \
                                    : 1)
#define MASK(quads) (DIVISOR(quads, 8) - 1)
#define PLACE(r, q, quads) ((r) * (quads) + ((q) ^ ((r) / 4 & MASK(quads))))
// The readout's rows are read by neighbouring items.
#define PLACE_READOUT(c, q) ((c) * FQ + ((q) ^ ((c) & MASK(FQ))))

// How the items share the M×N outputs of a product: in tiles of 4·BLOCKS rows by 4 columns, ROUNDS of
// them an item. Where there are half as many tiles as items or fewer, SPLIT items share a tile's sum.
// MINE: the quads of outputs that an item has in the end; its j-th, if `valid`, is quad `quad` of `row`.
#define GEOMETRY(X, M, N)                                                                          \
  enum {                                                                                           \
    X##_BLOCKS = (M) % 64 == 0 && (M) * (N) / ITEMS >= 32 ? 2 : 1,                                 \
    X##_ROWS = 4 * X##_BLOCKS,                                                                     \
    X##_APART = (M) / X##_BLOCKS, /* rows from a tile's first block to its second */               \
    X##_MT = (M) / X##_ROWS,                                                                       \
    X##_NT = (N) / 4,                                                                              \
    X##_TILES = X##_MT * X##_NT,                                                                   \
    X##_QUADS = (M) * (N) / 4,                                                                     \
    X##_SPLIT = X##_TILES * 16 <= ITEMS  ? 16                                                      \
                : X##_TILES * 8 <= ITEMS ? 8                                                       \
                : X##_TILES * 4 <= ITEMS ? 4                                                       \
                : X##_TILES * 2 <= ITEMS ? 2                                                       \
                                         : 1,                                                      \
    X##_ROUNDS = (X##_TILES + ITEMS - 1) / ITEMS,                                                  \
    X##_NL = DIVISOR(X##_NT, 8), /* a warp's tiles: NL by ML */                                    \
    X##_ML = DIVISOR(X##_MT, 32 / X##_NL),                                                         \
    X##_ROUND = X##_SPLIT == 1 ? X##_ROWS : (X##_QUADS + ITEMS - 1) / ITEMS,                       \
    X##_MINE = X##_ROUND * X##_ROUNDS                                                              \
  };                                                                                               \
  INLINE uint X##_tile(uint item, uint round) {                                                    \
    return X##_SPLIT == 1 ? item + round * ITEMS : item % X##_TILES;                               \
  }                                                                                                \
  INLINE uint X##_part(uint item) { return X##_SPLIT == 1 ? 0 : item / X##_TILES; }                \
  INLINE bool X##_busy(uint item, uint round) {                                                    \
    if (X##_SPLIT == 1) return X##_TILES % ITEMS == 0 || item + round * ITEMS < X##_TILES;         \
    return X##_TILES * X##_SPLIT == ITEMS || item < X##_TILES * X##_SPLIT;                         \
  }                                                                                                \
  INLINE uint X##_tn(uint item, uint round) {                                                      \
    uint t = X##_tile(item, round);                                                                \
    return t % X##_NL + X##_NL * (t / (X##_NL * X##_ML) % (X##_NT / X##_NL));                      \
  }                                                                                                \
  INLINE uint X##_tm(uint item, uint round) {                                                      \
    uint t = X##_tile(item, round);                                                                \
    return t / X##_NL % X##_ML + X##_ML * (t / (X##_NL * X##_ML) / (X##_NT / X##_NL));             \
  }                                                                                                \
  INLINE uint X##_row(uint item, uint j) {                                                         \
    if (X##_SPLIT > 1) return (item + j * ITEMS) / X##_NT;                                         \
    return X##_tm(item, j / X##_ROWS) * 4 + j % 4 + j % X##_ROWS / 4 * X##_APART;                  \
  }                                                                                                \
  INLINE uint X##_quad(uint item, uint j) {                                                        \
    return X##_SPLIT > 1 ? (item + j * ITEMS) % X##_NT : X##_tn(item, j / X##_ROWS);               \
  }                                                                                                \
  INLINE bool X##_valid(uint item, uint j) {                                                       \
    if (X##_SPLIT == 1) return X##_busy(item, j / X##_ROWS);                                       \
    return X##_QUADS % ITEMS == 0 || item + j * ITEMS < X##_QUADS;                                 \
  }                                                                                                \
  /* An item's first of `count` quads of the inner dimension, and how many. */                     \
  INLINE uint X##_start(uint item, uint count) {                                                   \
    return X##_part(item) * ((count + X##_SPLIT - 1) / X##_SPLIT);                                 \
  }                                                                                                \
  INLINE uint X##_count(uint item, uint round, uint count) {                                       \
    uint share = (count + X##_SPLIT - 1) / X##_SPLIT, start = X##_start(item, count);              \
    if (!X##_busy(item, round)) return 0;                                                          \
    if (count % X##_SPLIT == 0) return share;                                                      \
    return start < count ? min(share, count - start) : 0;                                          \
  }

#define RANK4(sum, a, w0, w1, w2, w3)                                                              \
  sum = fma((float4)((a).x), w0, sum);                                                             \
  sum = fma((float4)((a).y), w1, sum);                                                             \
  sum = fma((float4)((a).z), w2, sum);                                                             \
  sum = fma((float4)((a).w), w3, sum);

// Sums of a tile over COUNT quads of the inner dimension: A·Wᵀ, D·W, Dᵀ·A. AQ, WQ, DQ: quads a row.
#define PRODUCT_NT(NAME, X, COUNT, AQ, WQ)                                                         \
  INLINE void NAME(float4* sum, const LOCAL A, const LOCAL W, uint item, uint round) {             \
    uint tm = X##_tm(item, round), tn = X##_tn(item, round), start = X##_start(item, COUNT);       \
    uint count = X##_count(item, round, COUNT);                                                    \
    A += tm * 4 * (AQ);                                                                            \
    W += tn * 4 * (WQ);                                                                            \
    _Pragma("unroll") for (uint i = 0; i < X##_ROWS; i++) sum[i] = (float4)(0.0f);                 \
    _Pragma("unroll 4") for (uint n = 0; n < count; n++) {                                         \
      uint q = start + n;                                                                          \
      const LOCAL a = A + (q ^ (tm & MASK(AQ)));                                                   \
      const LOCAL w = W + (q ^ (tn & MASK(WQ)));                                                   \
      float4 p0 = w[0], p1 = w[WQ], p2 = w[2 * (WQ)], p3 = w[3 * (WQ)];                            \
      float4 w0 = (float4)(p0.x, p1.x, p2.x, p3.x), w1 = (float4)(p0.y, p1.y, p2.y, p3.y);         \
      float4 w2 = (float4)(p0.z, p1.z, p2.z, p3.z), w3 = (float4)(p0.w, p1.w, p2.w, p3.w);         \
      _Pragma("unroll") for (uint i = 0; i < X##_ROWS; i++) {                                      \
        float4 v = a[(i % 4 + i / 4 * X##_APART) * (AQ)];                                          \
        RANK4(sum[i], v, w0, w1, w2, w3)                                                           \
      }                                                                                            \
    }                                                                                              \
  }

#define PRODUCT_NN(NAME, X, COUNT, DQ, WQ)                                                         \
  INLINE void NAME(float4* sum, const LOCAL D, const LOCAL W, uint item, uint round) {             \
    uint tm = X##_tm(item, round), tn = X##_tn(item, round), start = X##_start(item, COUNT);       \
    uint count = X##_count(item, round, COUNT);                                                    \
    D += tm * 4 * (DQ);                                                                            \
    _Pragma("unroll") for (uint i = 0; i < X##_ROWS; i++) sum[i] = (float4)(0.0f);                 \
    _Pragma("unroll 4") for (uint n = 0; n < count; n++) {                                         \
      uint q = start + n;                                                                          \
      const LOCAL d = D + (q ^ (tm & MASK(DQ)));                                                   \
      const LOCAL w = W + q * 4 * (WQ) + (tn ^ (q & MASK(WQ)));                                    \
      float4 w0 = w[0], w1 = w[WQ], w2 = w[2 * (WQ)], w3 = w[3 * (WQ)];                            \
      _Pragma("unroll") for (uint i = 0; i < X##_ROWS; i++) {                                      \
        float4 v = d[(i % 4 + i / 4 * X##_APART) * (DQ)];                                          \
        RANK4(sum[i], v, w0, w1, w2, w3)                                                           \
      }                                                                                            \
    }                                                                                              \
  }

#define PRODUCT_TN(NAME, X, COUNT, DQ, AQ)                                                         \
  INLINE void NAME(float4* sum, const LOCAL D, const LOCAL A, uint item, uint round) {             \
    uint tm = X##_tm(item, round), tn = X##_tn(item, round), start = X##_start(item, COUNT);       \
    uint count = X##_count(item, round, COUNT);                                                    \
    _Pragma("unroll") for (uint i = 0; i < X##_ROWS; i++) sum[i] = (float4)(0.0f);                 \
    _Pragma("unroll 4") for (uint n = 0; n < count; n++) {                                         \
      uint q = start + n;                                                                          \
      const LOCAL a = A + q * 4 * (AQ) + (tn ^ (q & MASK(AQ)));                                    \
      float4 a0 = a[0], a1 = a[AQ], a2 = a[2 * (AQ)], a3 = a[3 * (AQ)];                            \
      _Pragma("unroll") for (uint b = 0; b < X##_BLOCKS; b++) {                                    \
        const LOCAL d = D + q * 4 * (DQ) + ((tm + b * X##_MT) ^ (q & MASK(DQ)));                   \
        float4 p0 = d[0], p1 = d[DQ], p2 = d[2 * (DQ)], p3 = d[3 * (DQ)];                          \
        RANK4(sum[4 * b], ((float4)(p0.x, p1.x, p2.x, p3.x)), a0, a1, a2, a3)                      \
        RANK4(sum[4 * b + 1], ((float4)(p0.y, p1.y, p2.y, p3.y)), a0, a1, a2, a3)                  \
        RANK4(sum[4 * b + 2], ((float4)(p0.z, p1.z, p2.z, p3.z)), a0, a1, a2, a3)                  \
        RANK4(sum[4 * b + 3], ((float4)(p0.w, p1.w, p2.w, p3.w)), a0, a1, a2, a3)                  \
      }                                                                                            \
    }                                                                                              \
  }

GEOMETRY(F, BATCH, FEATURES)     // a hidden layer's outputs, and the gradient of a layer's inputs
GEOMETRY(U, FEATURES, INPUTS)    // the gradient of the first layer's weights
GEOMETRY(V, FEATURES, FEATURES)  // the gradient of a hidden layer's weights

PRODUCT_NT(forward_first, F, IQ, IQ, IQ)
PRODUCT_NT(forward_hidden, F, FQ, FQ, FQ)
PRODUCT_NN(backward_hidden, F, FQ, FQ, FQ)
PRODUCT_TN(gradient_first, U, BATCH / 4, FQ, IQ)
PRODUCT_TN(gradient_hidden, V, BATCH / 4, FQ, FQ)

enum {
  Readout_tiles = CQ * FQ,
  Readout_quads = 4 * Readout_tiles,
  Readout_mine = (Readout_quads + ITEMS - 1) / ITEMS,
  Shares = F_SPLIT > 1 || U_SPLIT > 1 || (DEPTH > 1 && V_SPLIT > 1),
  Scratch = Shares && 4 * ITEMS > Readout_quads * PARTS ? 4 * ITEMS : Readout_quads * PARTS,
  X_quads = BATCH * IQ,
  X_mine = (X_quads + ITEMS - 1) / ITEMS,
  // Items that share a row of the loss, and the classes of each.
  Row_items = BATCH * 32 <= ITEMS   ? 32
              : BATCH * 16 <= ITEMS ? 16
              : BATCH * 8 <= ITEMS  ? 8
              : BATCH * 4 <= ITEMS  ? 4
              : BATCH * 2 <= ITEMS  ? 2
                                    : 1,
  Mine_classes = (CLASSES + Row_items - 1) / Row_items,
  Squares = DEPTH > 1 ? DEPTH - 1 : 1,
  Local_quads = X_quads + FEATURES * IQ + Squares * FEATURES * FQ + Readout_quads +
                DEPTH * BATCH * FQ * (KEEPS_SLOPES ? 2 : 1) + 2 * BATCH * CQ + Scratch + BATCH / 4 +
                (BATCH + 15) / 16 + 2 * IQ + DEPTH + 1,
  Sum_rows = F_ROWS > V_ROWS ? (F_ROWS > U_ROWS ? F_ROWS : U_ROWS)
                             : (V_ROWS > U_ROWS ? V_ROWS : U_ROWS)
};

// The host has chosen this network by the local memory that it needs.
typedef char local_memory_as_planned[16 * Local_quads == LOCAL_BYTES ? 1 : -1];

// A round's sums into the item's own quads, `mine`: those of its tile, or where items share tiles,
// what they add up to. With barriers in the latter case.
#define COLLECT(X, mine)                                                                           \
  if (X##_SPLIT == 1) {                                                                            \
    _Pragma("unroll") for (uint i = 0; i < X##_ROWS; i++)(mine)[i] = sum[i];                       \
  } else {                                                                                         \
    SYNC;                                                                                          \
    if (X##_busy(item, 0)) {                                                                       \
      _Pragma("unroll") for (uint i = 0; i < 4; i++) scratch                                       \
          [X##_part(item) * X##_QUADS + (X##_tm(item, 0) * 4 + i) * X##_NT + X##_tn(item, 0)] =    \
              sum[i];                                                                              \
    }                                                                                              \
    SYNC;                                                                                          \
    _Pragma("unroll") for (uint j = 0; j < X##_ROUND; j++) {                                       \
      float4 total = (float4)(0.0f);                                                               \
      if (X##_valid(item, j))                                                                      \
        _Pragma("unroll") for (uint s = 0; s < X##_SPLIT; s++) total +=                            \
            scratch[s * X##_QUADS + item + j * ITEMS];                                             \
      (mine)[j] = total;                                                                           \
    }                                                                                              \
  }

// A weight's new values by its gradient; own, now: the rule's numbers, of the replica and its step.
INLINE float4 learned(float4 w, float4 gradient, float4* first, float4* second, float4 rate,
                      __global const float* own, __global const float* now) {
  RULE_SCOPE(own, now)
  float4 g = gradient + rate.z * w;
  LOAD_FIRST(float4, *first)
  LOAD_SECOND(float4, *second)
  RULE_DIRECTION(float4)
  STORE_FIRST(STORE_ONE, first)
  STORE_SECOND(STORE_ONE, second)
  return w * (1.0f - schedule * rate.w) - schedule * rate.x * d;
}

// The gradient of what φ takes from that of h, what it gives; `slope` is φ' where h does not say it.
INLINE float4 through(float4 gradient, float4 h, float4 slope) {
#if KIND == RELU
  return gradient * (h > (float4)(0.0f) ? (float4)(1.0f) : (float4)(0.0f));
#elif KIND == TANH
  return gradient * (1.0f - h * h);
#elif KEEPS_SLOPES
  return gradient * slope;
#else
  return gradient;
#endif
}

#if BYTES
#define ROWS uchar
#else
#define ROWS float
#endif

// Arguments of five layers, the readout the last; those beyond are not looked at.
#define LAYERS(TYPE, name) TYPE name##0, TYPE name##1, TYPE name##2, TYPE name##3, TYPE name##4
#define OF_LAYER(name, l) \
  ((l) == 0 ? name##0 : (l) == 1 ? name##1 : (l) == 2 ? name##2 : (l) == 3 ? name##3 : name##4)

// The item's number again, in words that a compiler cannot take out of the loop over steps (of which
// there are less than 2^25): addresses kept over all phases would take a hundred registers.
#define PHASE(n) item = (self | step >> (25 + (n))) & (ITEMS - 1);

// What an item loads of the rule's state, or leaves, of `count` quads of parameter l.
#define STATE_LOAD(m, v, l, at)                                           \
  if (STATES > 0) m = ((__global float4*)OF_LAYER(first_state, l))[at];  \
  if (STATES > 1) v = ((__global float4*)OF_LAYER(second_state, l))[at];
#define STATE_STORE(m, v, l, at)                                          \
  if (STATES > 0) ((__global float4*)OF_LAYER(first_state, l))[at] = m;  \
  if (STATES > 1) ((__global float4*)OF_LAYER(second_state, l))[at] = v;
// The state of all layers but the readout, by `move` between registers and global memory.
#define MOVE_STATE(move)                                                                     \
  _Pragma("unroll") for (uint j = 0; j < U_MINE; j++) if (U_valid(item, j)) {                \
    size_t at = STATE_AT(0, U_row(item, j) * IQ + U_quad(item, j));                          \
    move(m0[j], v0[j], 0, at)                                                                \
  }                                                                                          \
  _Pragma("unroll") for (uint l = 1; l < DEPTH; l++)                                         \
      _Pragma("unroll") for (uint j = 0; j < V_MINE; j++) if (V_valid(item, j)) {            \
    size_t at = STATE_AT(l, V_row(item, j) * FQ + V_quad(item, j));                          \
    move(mh[(l - 1) * V_MINE + j], vh[(l - 1) * V_MINE + j], l, at)                          \
  }

// weight, state: a layer's, [replica, fanOut, fanIn]; rates [replica], rule_numbers [replica,
// HYPERPARAMETERS] as in update.cl; alpha: a layer's multiplier. source [rows, INPUTS], labels [rows];
// scale, shift [INPUTS].
// order [replica, period]: step s takes BATCH from offset + s·BATCH on, the launch's last `last_rows`
// of them, 1 to BATCH. table [first + steps, replica, STEP_NUMBERS]: a step's numbers.
// history [slot + steps, replicas]; active [replica].
// global (ITEMS·replicas), local (ITEMS).
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void train_on_chip(
    LAYERS(__global float*, weight), LAYERS(__global float*, first_state),
    LAYERS(__global float*, second_state), LAYERS(__global const float4*, rates),
    __global const ROWS* restrict source, __global const uint* restrict labels,
    __global const float* restrict scale, __global const float* restrict shift,
    __global const uint* restrict order, __global const float* restrict rule_numbers,
    __global const float* restrict table, __global float* history, __global float* active,
    LAYERS(float, alpha), uint offset, uint period, uint first, uint steps, uint last_rows,
    uint slot) {
  __local float4 x[X_quads], w0[FEATURES * IQ], wh[Squares * FEATURES * FQ], w3[4 * CQ * FQ];
  __local float4 h[DEPTH * BATCH * FQ], logits[BATCH * CQ], delta[BATCH * CQ], scratch[Scratch];
  __local float4 row_losses[BATCH / 4], loss_parts[(BATCH + 15) / 16], scaling[2 * IQ];
  __local float4 rate[DEPTH + 1];
#if KEEPS_SLOPES
  __local float4 slopes[DEPTH * BATCH * FQ];
#define SLOPE(l, at) slopes[(l) * BATCH * FQ + (at)]
#else
#define SLOPE(l, at) (float4)(0.0f)
#endif
  uint self = get_local_id(0), item = self, replica = get_group_id(0);
  uint replicas = get_num_groups(0);
  bool learns = active[replica] != 0.0f;
  order += (size_t)replica * period + offset;
  rule_numbers += replica * HYPERPARAMETERS;
  table += ((size_t)first * replicas + replica) * STEP_NUMBERS;

#define QUADS_OF(l) ((l) == 0 ? FEATURES * IQ : (l) == DEPTH ? CLASSES * FQ : FEATURES * FQ)
#define WEIGHT(l) ((__global float4*)OF_LAYER(weight, l) + (size_t)replica * QUADS_OF(l))
#define STATE_AT(l, n) ((size_t)replica * QUADS_OF(l) + (n))
  __global float4* weights = WEIGHT(0);
  FOR_SHARE(n, FEATURES * IQ) w0[PLACE(n / IQ, n % IQ, IQ)] = weights[n];
#pragma unroll
  for (uint l = 1; l < DEPTH; l++) {
    weights = WEIGHT(l);
    LOCAL own = wh + (l - 1) * FEATURES * FQ;
    FOR_SHARE(n, FEATURES * FQ) own[PLACE(n / FQ, n % FQ, FQ)] = weights[n];
  }
  weights = WEIGHT(DEPTH);
  FOR_SHARE(n, Readout_quads)
    w3[PLACE_READOUT(n / FQ, n % FQ)] = n / FQ < CLASSES ? weights[n] : (float4)(0.0f);
  FOR_SHARE(n, 2 * IQ)
    scaling[n] = n < IQ ? ((__global const float4*)scale)[n]
                        : ((__global const float4*)shift)[n - IQ];
  FOR_SHARE(n, DEPTH + 1) rate[n] = OF_LAYER(rates, n)[replica];
  FOR_SHARE(n, (BATCH + 15) / 16) loss_parts[n] = (float4)(0.0f);

  // The rule's state.
#if STATE_IN_REGISTERS
  float4 m0[U_MINE], v0[U_MINE], mh[Squares * V_MINE], vh[Squares * V_MINE];
  MOVE_STATE(STATE_LOAD)
#endif
#define READOUT_VALID(j) (item + (j) * ITEMS < CLASSES * FQ)
  float4 m3[Readout_mine], v3[Readout_mine];
#pragma unroll
  for (uint j = 0; j < Readout_mine; j++) {
    m3[j] = v3[j] = (float4)(0.0f);
    if (READOUT_VALID(j)) {
      size_t at = STATE_AT(DEPTH, item + j * ITEMS);
      STATE_LOAD(m3[j], v3[j], DEPTH, at)
    }
  }

  // The loss's row of this item, and which of the row's items it is. Rows of neighbours are four apart,
  // for the banks.
  uint lane = item % Row_items, number = item / Row_items;
  bool inside = Row_items * BATCH == ITEMS || number < BATCH;
  uint row = inside ? 4 * (number % (BATCH / 4)) + number / (BATCH / 4) : 0;
  SYNC;
  // The first batch, and the row numbers of the second.
#define X_VALID(j) (X_quads % ITEMS == 0 || item + (j) * ITEMS < X_quads)
#define X_LOAD(number, n)                                                                     \
  (convert_float4(((__global const JOIN(ROWS, 4)*)source)[(size_t)(number) * IQ + (n) % IQ]) * \
       scaling[(n) % IQ] + scaling[IQ + (n) % IQ])
  uint numbers[X_mine];
  uint end = (steps - 1) * BATCH + last_rows - 1;
#define ORDER(place) order[min((uint)(place), end)]
#pragma unroll
  for (uint j = 0; j < X_mine; j++)
    if (X_VALID(j)) {
      uint n = item + j * ITEMS;
      x[PLACE(n / IQ, n % IQ, IQ)] = X_LOAD(ORDER(n / IQ), n);
      numbers[j] = ORDER(BATCH + n / IQ);
    }
  uint label = labels[ORDER(row)], label_number = ORDER(BATCH + row);
  SYNC;

  for (uint step = 0; step < steps; step++) {
    __global const float* now = table + (size_t)step * replicas * STEP_NUMBERS;
    float4 sum[Sum_rows], mine[F_MINE];
#pragma unroll
    for (uint l = 0; l < DEPTH; l++) {
      PHASE(l > 0)
#pragma unroll
      for (uint round = 0; round < F_ROUNDS; round++) {
        if (l == 0) forward_first(sum, x, w0, item, round);
        else
          forward_hidden(sum, h + (l - 1) * BATCH * FQ, wh + (l - 1) * FEATURES * FQ, item, round);
        COLLECT(F, mine + round * F_ROUND)
      }
#pragma unroll
      for (uint j = 0; j < F_MINE; j++)
        if (F_valid(item, j)) {
          float4 z = OF_LAYER(alpha, l) * mine[j];
          uint at = PLACE(F_row(item, j), F_quad(item, j), FQ);
          h[l * BATCH * FQ + at] = activate_float4(z, KIND);
#if KEEPS_SLOPES
          SLOPE(l, at) = derivative_float4(z, KIND);
#endif
        }
      SYNC;
    }
    LOCAL last = h + (DEPTH - 1) * BATCH * FQ;
    // Logits: classes lane, lane + Row_items, … of a row.
    float y[Mine_classes];
#pragma unroll
    for (uint j = 0; j < Mine_classes; j++) y[j] = 0.0f;
#pragma unroll 4
    for (uint q = 0; q < FQ; q++) {
      float4 a = last[PLACE(row, q, FQ)];
#pragma unroll
      for (uint j = 0; j < Mine_classes; j++) {
        uint c = lane + j * Row_items;
        y[j] = add_product(y[j], a, w3[PLACE_READOUT(c < 4 * CQ ? c : 0, q)]);
      }
    }
    __local float* flat = (__local float*)logits;
    __local float* flat_delta = (__local float*)delta;
#pragma unroll
    for (uint j = 0; j < Mine_classes; j++) {
      uint c = lane + j * Row_items;
      y[j] *= OF_LAYER(alpha, DEPTH);
      if (inside && c < 4 * CQ) flat[row * 4 * CQ + c] = y[j];
    }
    SYNC;
    // Loss: each item of a row sums over all its classes. Rows beyond a short batch's end are copies
    // of its last one, and count for nothing.
    float rows = step == steps - 1 ? last_rows : BATCH;
    bool counts = row < rows;
    float all = 0.0f, loss;
#if SQUARED_ERROR
#pragma unroll
    for (uint c = 0; c < CLASSES; c++) {
      float difference = flat[row * 4 * CQ + c] - ((c == label ? 1.0f : 0.0f) - 1.0f / CLASSES);
      all += difference * difference;
    }
    loss = all / CLASSES;
#define LOGIT_GRADIENT(c, y) \
  (2.0f * (y - ((c == label ? 1.0f : 0.0f) - 1.0f / CLASSES)) / (rows * CLASSES))
#else
    float greatest = -INFINITY;
#pragma unroll
    for (uint c = 0; c < CLASSES; c++) greatest = fmax(greatest, flat[row * 4 * CQ + c]);
#pragma unroll
    for (uint c = 0; c < CLASSES; c++) all += exp(flat[row * 4 * CQ + c] - greatest);
    float inverse = 1.0f / (all * rows);
    loss = log(all) - (flat[row * 4 * CQ + label] - greatest);
#define LOGIT_GRADIENT(c, y) (exp(y - greatest) * inverse - (c == label ? 1.0f / rows : 0.0f))
#endif
#pragma unroll
    for (uint j = 0; j < Mine_classes; j++) {
      uint c = lane + j * Row_items;
      if (inside && c < 4 * CQ)
        flat_delta[row * 4 * CQ + c] = counts && c < CLASSES ? LOGIT_GRADIENT(c, y[j]) : 0.0f;
    }
    if (inside && lane == 0) ((__local float*)row_losses)[row] = counts ? loss : 0.0f;
    SYNC;
    PHASE(2)
    // The gradient of what the last hidden layer gives, and of the readout's weights.
#pragma unroll
    for (uint j = 0; j < F_MINE; j++) {
      float4 total = (float4)(0.0f);
      if (F_valid(item, j)) {
        uint r = F_row(item, j), q = F_quad(item, j), at = PLACE(r, q, FQ);
#pragma unroll
        for (uint c = 0; c < CQ; c++) {
          float4 d = delta[r * CQ + c];
          RANK4(total, d, w3[PLACE_READOUT(4 * c, q)], w3[PLACE_READOUT(4 * c + 1, q)],
                w3[PLACE_READOUT(4 * c + 2, q)], w3[PLACE_READOUT(4 * c + 3, q)])
        }
        total = through(OF_LAYER(alpha, DEPTH) * total, last[at], SLOPE(DEPTH - 1, at));
      }
      mine[j] = total;
    }
    FOR_SHARE(t, Readout_tiles * PARTS) {
      uint tn = t % FQ, tm = t / FQ % CQ, part = t / FQ / CQ;
      float4 s0 = (float4)(0.0f), s1 = s0, s2 = s0, s3 = s0;
#pragma unroll 2
      for (uint n = 0; n < BATCH / 4 / PARTS; n++) {
        uint q = part * (BATCH / 4 / PARTS) + n;
        const LOCAL a = last + q * 4 * FQ + (tn ^ (q & MASK(FQ)));
        const LOCAL d = delta + q * 4 * CQ + tm;
        float4 p0 = d[0], p1 = d[CQ], p2 = d[2 * CQ], p3 = d[3 * CQ];
        float4 a0 = a[0], a1 = a[FQ], a2 = a[2 * FQ], a3 = a[3 * FQ];
        RANK4(s0, ((float4)(p0.x, p1.x, p2.x, p3.x)), a0, a1, a2, a3)
        RANK4(s1, ((float4)(p0.y, p1.y, p2.y, p3.y)), a0, a1, a2, a3)
        RANK4(s2, ((float4)(p0.z, p1.z, p2.z, p3.z)), a0, a1, a2, a3)
        RANK4(s3, ((float4)(p0.w, p1.w, p2.w, p3.w)), a0, a1, a2, a3)
      }
      LOCAL to = scratch + part * Readout_quads + tm * 4 * FQ + tn;
      to[0] = s0;
      to[FQ] = s1;
      to[2 * FQ] = s2;
      to[3 * FQ] = s3;
    }
    FOR_SHARE(n, BATCH / 4) {
      float4 v = row_losses[n];
      ((__local float*)loss_parts)[n] = v.x + v.y + (v.z + v.w);
    }
    SYNC;
    float total_loss = 0.0f;
#pragma unroll
    for (uint n = 0; n < (BATCH + 15) / 16; n++) {
      float4 v = loss_parts[n];
      total_loss += v.x + v.y + (v.z + v.w);
    }
    // Like all that decides about barriers, the same for every item.
    learns = learns && isfinite(total_loss);
    if (item == ITEMS - 1) history[(size_t)(slot + step) * replicas + replica] = total_loss;
#pragma unroll
    for (uint j = 0; j < F_MINE; j++)
      if (F_valid(item, j)) last[PLACE(F_row(item, j), F_quad(item, j), FQ)] = mine[j];
#pragma unroll
    for (uint j = 0; j < Readout_mine; j++)
      if (READOUT_VALID(j) && learns) {
        uint n = item + j * ITEMS;
        float4 gradient = (float4)(0.0f);
#pragma unroll
        for (uint part = 0; part < PARTS; part++) gradient += scratch[part * Readout_quads + n];
        uint at = PLACE_READOUT(n / FQ, n % FQ);
        w3[at] = learned(w3[at], OF_LAYER(alpha, DEPTH) * gradient, m3 + j, v3 + j, rate[DEPTH],
                         rule_numbers, now);
      }
    SYNC;
    PHASE(3)
    // Hidden layers from the last on.
    float4 gradient[U_ROUND > V_ROUND ? U_ROUND : V_ROUND];
#if DEPTH > 1
#pragma unroll
    for (int l = DEPTH - 1; l > 0; l--) {
      LOCAL inputs = h + (l - 1) * BATCH * FQ;
      LOCAL above = h + l * BATCH * FQ;
      LOCAL w = wh + (l - 1) * FEATURES * FQ;
#pragma unroll
      for (uint round = 0; round < F_ROUNDS; round++) {
        backward_hidden(sum, above, w, item, round);
        COLLECT(F, mine + round * F_ROUND)
      }
      SYNC;
      PHASE(4)
#pragma unroll
      for (uint round = 0; round < V_ROUNDS; round++) {
#if !STATE_IN_REGISTERS
        float4 mh[V_ROUND], vh[V_ROUND];
#pragma unroll
        for (uint j = 0; j < V_ROUND; j++) {
          uint k = round * V_ROUND + j;
          if (V_valid(item, k)) {
            size_t at = STATE_AT(l, V_row(item, k) * FQ + V_quad(item, k));
            STATE_LOAD(mh[j], vh[j], l, at)
          }
        }
#endif
        gradient_hidden(sum, above, inputs, item, round);
        COLLECT(V, gradient)
#pragma unroll
        for (uint j = 0; j < V_ROUND; j++) {
          uint k = round * V_ROUND + j, own = STATE_IN_REGISTERS ? (l - 1) * V_MINE + k : j;
          if (V_valid(item, k) && learns) {
            uint r = V_row(item, k), q = V_quad(item, k), at = PLACE(r, q, FQ);
            w[at] = learned(w[at], OF_LAYER(alpha, l) * gradient[j], mh + own, vh + own, rate[l],
                            rule_numbers, now);
#if !STATE_IN_REGISTERS
            STATE_STORE(mh[j], vh[j], l, STATE_AT(l, r * FQ + q))
#endif
          }
        }
      }
      SYNC;
      PHASE(5)
#pragma unroll
      for (uint j = 0; j < F_MINE; j++)
        if (F_valid(item, j)) {
          uint at = PLACE(F_row(item, j), F_quad(item, j), FQ);
          inputs[at] = through(OF_LAYER(alpha, l) * mine[j], inputs[at], SLOPE(l - 1, at));
        }
      SYNC;
    }
#endif
    PHASE(6)
    // The next batch is under way while the first layer's weights learn.
    float4 next[X_mine];
#pragma unroll
    for (uint j = 0; j < X_mine; j++)
      if (X_VALID(j)) {
        uint n = item + j * ITEMS;
        next[j] = X_LOAD(numbers[j], n);
        numbers[j] = ORDER((step + 2) * BATCH + n / IQ);
      }
    label = labels[label_number];
    label_number = ORDER((step + 2) * BATCH + row);
#pragma unroll
    for (uint round = 0; round < U_ROUNDS; round++) {
#if !STATE_IN_REGISTERS
      float4 m0[U_ROUND], v0[U_ROUND];
#pragma unroll
      for (uint j = 0; j < U_ROUND; j++) {
        uint k = round * U_ROUND + j;
        if (U_valid(item, k)) {
          size_t at = STATE_AT(0, U_row(item, k) * IQ + U_quad(item, k));
          STATE_LOAD(m0[j], v0[j], 0, at)
        }
      }
#endif
      gradient_first(sum, h, x, item, round);
      COLLECT(U, gradient)
#pragma unroll
      for (uint j = 0; j < U_ROUND; j++) {
        uint k = round * U_ROUND + j, own = STATE_IN_REGISTERS ? k : j;
        if (U_valid(item, k) && learns) {
          uint r = U_row(item, k), q = U_quad(item, k), at = PLACE(r, q, IQ);
          w0[at] = learned(w0[at], OF_LAYER(alpha, 0) * gradient[j], m0 + own, v0 + own, rate[0],
                           rule_numbers, now);
#if !STATE_IN_REGISTERS
          STATE_STORE(m0[j], v0[j], 0, STATE_AT(0, r * IQ + q))
#endif
        }
      }
    }
    SYNC;
#pragma unroll
    for (uint j = 0; j < X_mine; j++)
      if (X_VALID(j)) {
        uint n = item + j * ITEMS;
        x[PLACE(n / IQ, n % IQ, IQ)] = next[j];
      }
    SYNC;
  }

  item = self;
  weights = WEIGHT(0);
  FOR_SHARE(n, FEATURES * IQ) weights[n] = w0[PLACE(n / IQ, n % IQ, IQ)];
#pragma unroll
  for (uint l = 1; l < DEPTH; l++) {
    weights = WEIGHT(l);
    LOCAL own = wh + (l - 1) * FEATURES * FQ;
    FOR_SHARE(n, FEATURES * FQ) weights[n] = own[PLACE(n / FQ, n % FQ, FQ)];
  }
  weights = WEIGHT(DEPTH);
  FOR_SHARE(n, CLASSES * FQ) weights[n] = w3[PLACE_READOUT(n / FQ, n % FQ)];
#if STATE_IN_REGISTERS
  MOVE_STATE(STATE_STORE)
#endif
#pragma unroll
  for (uint j = 0; j < Readout_mine; j++)
    if (READOUT_VALID(j)) {
      size_t at = STATE_AT(DEPTH, item + j * ITEMS);
      STATE_STORE(m3[j], v3[j], DEPTH, at)
    }
  if (item == 0 && !learns) active[replica] = 0.0f;
}
