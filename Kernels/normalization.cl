// Normalisation of rows, and its gradients. With n columns, a gain g and a bias b:
//   root mean square   y = g ∘ x̂,      x̂ = x·r,        r = 1/√(Σ x²/n + ε)
//   layer              y = g ∘ x̂ + b,  x̂ = (x − μ)·r,  r = 1/√(Σ (x − μ)²/n + ε),  μ = Σ x/n
//   ∂x = r·(h − x̂·Σ (h ∘ x̂)/n), for layers less r·Σ h/n;  h = g ∘ δ
//   ∂g = Σ_rows δ ∘ x̂,  ∂b = Σ_rows δ
//   unit               y = x/√(Σ x²), 0 of a row of zeros
// x, y, δ and ∂x [replica, rows, columns]; g, b [replica, 1, columns]; μ, r [replica, rows, 1].
// Sources: arXiv:1910.07467 (root mean square), arXiv:1607.06450 (layer).

#include "vector.cl"
#include "lanes.cl"

INLINE vector load_row(__global const float* p, bool aligned) {
  return aligned ? ALIGNED_LOAD(p) : LOAD(p);
}
INLINE void store_row(vector v, __global float* p, bool aligned) {
  if (aligned)
    ALIGNED_STORE(v, p);
  else
    STORE(v, p);
}
#define LOAD_ROW(p) load_row(p, aligned)
#define STORE_ROW(v, p) store_row(v, p, aligned)
#define LOAD_ONE(p) (*(p))
#define STORE_ONE(v, p) (*(p) = (v))
// For loops of a row's few last elements, which are not worth copies of their bodies.
#define ONE_BY_ONE _Pragma("unroll 1")

// A row as one of `lanes` work-items that share it sees it: WIDTH neighbours every lanes·WIDTH
// columns. mean: 0 but of layers. factor: of values whose squares would not fit. gains: whether there
// is a gain; else it is 1.
typedef struct {
  __global const float *x, *gain, *slope;
  float mean, factor;
  uint gains, columns, lane, lanes;
} Row;

#define VALUE(T, LOAD_T, c) LOAD_T(row.x + c)
#define CENTERED(T, LOAD_T, c) (LOAD_T(row.x + c) - row.mean)
#define SQUARE(T, LOAD_T, c) (CENTERED(T, LOAD_T, c) * CENTERED(T, LOAD_T, c))
#define SCALED(T, LOAD_T, c) (LOAD_T(row.x + c) * row.factor)
#define SCALED_SQUARE(T, LOAD_T, c) (SCALED(T, LOAD_T, c) * SCALED(T, LOAD_T, c))
#define GAIN(T, LOAD_T, c) (row.gains ? LOAD_T(row.gain + c) : (T)(1.0f))
#define SLOPE(T, LOAD_T, c) (LOAD_T(row.slope + c) * GAIN(T, LOAD_T, c))
#define PRODUCT(T, LOAD_T, c) (SLOPE(T, LOAD_T, c) * CENTERED(T, LOAD_T, c))

// Defines NAME(row, shared) = Σ TERM over the row's columns. Four vectors are added side by side, and
// their sums every 32 steps, so that at 16384 columns no float is a sum of more than about 70 others.
// All work-items of the group call and get the sum.
#define ROW_SUM(NAME, TERM)                                                              \
  INLINE float NAME##_of(Row row, bool aligned) {                                        \
    uint c = row.lane * WIDTH, next = row.lanes * WIDTH;                                 \
    vector total = 0.0f;                                                                 \
    while (c + 3 * next + WIDTH <= row.columns) {                                        \
      vector s0 = 0.0f, s1 = 0.0f, s2 = 0.0f, s3 = 0.0f;                                 \
      for (uint i = 0; i < 32 && c + 3 * next + WIDTH <= row.columns; i++, c += 4 * next) { \
        s0 += TERM(vector, LOAD_ROW, c);                                                 \
        s1 += TERM(vector, LOAD_ROW, c + next);                                          \
        s2 += TERM(vector, LOAD_ROW, c + 2 * next);                                      \
        s3 += TERM(vector, LOAD_ROW, c + 3 * next);                                      \
      }                                                                                  \
      total += (s0 + s1) + (s2 + s3);                                                    \
    }                                                                                    \
    ONE_BY_ONE for (; c + WIDTH <= row.columns; c += next) total += TERM(vector, LOAD_ROW, c); \
    float rest = 0.0f;                                                                   \
    ONE_BY_ONE for (; c < row.columns; c++) rest += TERM(float, LOAD_ONE, c);                       \
    return sum(total) + rest;                                                            \
  }                                                                                      \
  INLINE float NAME(Row row, __local float* shared) {                                    \
    float own = ROWS_ALIGNED(row.columns) ? NAME##_of(row, true) : NAME##_of(row, false); \
    return lanes_add(own, row.lanes, shared);                                            \
  }

ROW_SUM(sum_of_values, VALUE)
ROW_SUM(sum_of_squares, SQUARE)
ROW_SUM(sum_of_scaled_squares, SCALED_SQUARE)
ROW_SUM(sum_of_slopes, SLOPE)
ROW_SUM(sum_of_products, PRODUCT)

// BODY(T, LOAD_T, STORE_T, c) for the columns of the work-item's lane.
#define FOR_COLUMNS(row, BODY)                                                  \
  uint c = row.lane * WIDTH;                                                    \
  for (; c + WIDTH <= row.columns; c += row.lanes * WIDTH) {                    \
    BODY(vector, LOAD_ROW, STORE_ROW, c)                                        \
  }                                                                             \
  ONE_BY_ONE for (; c < row.columns; c++) {                                     \
    BODY(float, LOAD_ONE, STORE_ONE, c)                                         \
  }

// r of a mean square. One that has overflowed is NaN: 0 would make of a row that has diverged one
// that looks as if it had not.
INLINE float inverse_root(float square) {
  return isinf(square) ? NAN : 1.0f / sqrt(square);
}

// Rows are shared by `lanes` work-items, a power of two; a work-group takes GROUP_ITEMS/lanes. Those
// beyond the last take part in the group's sums and store nothing.
// global (GROUP_ITEMS·⌈rows·lanes/GROUP_ITEMS⌉, replicas), local (GROUP_ITEMS, 1).
#define NORMALIZATION __kernel __attribute__((reqd_work_group_size(GROUP_ITEMS, 1, 1))) void
#define FIND_ROW                                                                         \
  GROUP_MEMORY(shared)                                                                   \
  size_t replica = get_global_id(1);                                                     \
  uint place = get_group_id(0) * (GROUP_ITEMS / lanes) + get_local_id(0) / lanes;        \
  bool inside = place < rows;                                                            \
  size_t index = replica * rows + (inside ? place : 0), first = index * columns;         \
  Row row = {x + first, gain + replica * columns, x, 0.0f, 1.0f, gains, columns, LANE(lanes), lanes};

INLINE void store_normalized(Row row, float inverse, __global const float* bias, bool biases,
                             __global float* y, bool aligned) {
#define NORMALIZED(T, LOAD_T, STORE_T, c)                                        \
  T value = CENTERED(T, LOAD_T, c) * inverse * GAIN(T, LOAD_T, c);               \
  if (biases) value += LOAD_T(bias + c);                                         \
  STORE_T(value, y + c);
  FOR_COLUMNS(row, NORMALIZED)
}

// gain: any memory where `gains` is 0, as bias where `biases` is.
NORMALIZATION rms_norm(__global const float* restrict x, __global const float* restrict gain,
                       __global float* restrict y, __global float* restrict inverses,
                       float epsilon, uint gains, uint rows, uint columns, uint lanes) {
  FIND_ROW
  float inverse = inverse_root(sum_of_squares(row, shared) / columns + epsilon);
  if (!inside) return;
  if (row.lane == 0) inverses[index] = inverse;
  if (ROWS_ALIGNED(columns))
    store_normalized(row, inverse, gain, false, y + first, true);
  else
    store_normalized(row, inverse, gain, false, y + first, false);
}

// The largest |x| of the work-item's columns; NaN is passed over.
INLINE float largest_of(Row row) {
  vector most = 0.0f;
  uint c = row.lane * WIDTH;
  for (; c + WIDTH <= row.columns; c += row.lanes * WIDTH) {
    vector size = fabs(LOAD(row.x + c));
    most = size > most ? size : most;
  }
  float result = greatest(most);
  ONE_BY_ONE for (; c < row.columns; c++) result = fmax(result, fabs(row.x[c]));
  return result;
}

// Rows whose squares would vanish or overflow are brought nearer to 1 first, exactly.
NORMALIZATION unit_rows(__global const float* restrict x, __global float* restrict y, uint rows,
                        uint columns, uint lanes) {
  __global const float* gain = x;
  uint gains = 0;
  FIND_ROW
  float most = lanes_largest(largest_of(row), lanes, shared);
  row.factor = most < 0x1p-40f ? 0x1p90f : most > 0x1p40f ? 0x1p-70f : 1.0f;
  float squares = sum_of_scaled_squares(row, shared);
  if (!inside) return;
  float inverse = squares == 0.0f ? 0.0f : 1.0f / sqrt(squares);
#define UNIT(T, LOAD_T, STORE_T, c) STORE_T(SCALED(T, LOAD_T, c) * inverse, y + first + c);
  bool aligned = false;
  FOR_COLUMNS(row, UNIT)
}

// The mean is subtracted before squares are summed: squares of a large mean would cancel.
NORMALIZATION layer_norm(__global const float* restrict x, __global const float* restrict gain,
                         __global const float* restrict bias, __global float* restrict y,
                         __global float* restrict means, __global float* restrict inverses,
                         float epsilon, uint gains, uint biases, uint rows, uint columns,
                         uint lanes) {
  FIND_ROW
  row.mean = sum_of_values(row, shared) / columns;
  float inverse = inverse_root(sum_of_squares(row, shared) / columns + epsilon);
  if (!inside) return;
  if (row.lane == 0) {
    means[index] = row.mean;
    inverses[index] = inverse;
  }
  bias += replica * columns;
  if (ROWS_ALIGNED(columns))
    store_normalized(row, inverse, bias, biases, y + first, true);
  else
    store_normalized(row, inverse, bias, biases, y + first, false);
}

// ∂x; level = Σ h/n, along = r·Σ (h ∘ x̂)/n.
INLINE void store_gradient(Row row, float inverse, float level, float along,
                           __global float* result, bool aligned) {
#define GRADIENT(T, LOAD_T, STORE_T, c)                                                      \
  STORE_T((SLOPE(T, LOAD_T, c) - level - CENTERED(T, LOAD_T, c) * along) * inverse, result + c);
  FOR_COLUMNS(row, GRADIENT)
}

NORMALIZATION rms_norm_backward(__global const float* restrict gradient,
                                __global const float* restrict x,
                                __global const float* restrict inverses,
                                __global const float* restrict gain,
                                __global float* restrict result, uint gains, uint rows,
                                uint columns, uint lanes) {
  FIND_ROW
  row.slope = gradient + first;
  float inverse = inverses[index];
  float along = sum_of_products(row, shared) / columns * inverse * inverse;
  if (!inside) return;
  if (ROWS_ALIGNED(columns))
    store_gradient(row, inverse, 0.0f, along, result + first, true);
  else
    store_gradient(row, inverse, 0.0f, along, result + first, false);
}

NORMALIZATION layer_norm_backward(__global const float* restrict gradient,
                                  __global const float* restrict x,
                                  __global const float* restrict means,
                                  __global const float* restrict inverses,
                                  __global const float* restrict gain,
                                  __global float* restrict result, uint gains, uint rows,
                                  uint columns, uint lanes) {
  FIND_ROW
  row.slope = gradient + first;
  row.mean = means[index];
  float inverse = inverses[index];
  float level = sum_of_slopes(row, shared) / columns;
  float along = sum_of_products(row, shared) / columns * inverse * inverse;
  if (!inside) return;
  if (ROWS_ALIGNED(columns))
    store_gradient(row, inverse, level, along, result + first, true);
  else
    store_gradient(row, inverse, level, along, result + first, false);
}

// Sums over slices of SLICE rows, for sum_rows to add up:
//   gains[replica, slice, column] = Σ δ ∘ x̂,  biases[replica, slice, column] = Σ δ
// means: any memory where `centered` is 0, as biases where `sums_biases` is. A work-item takes STRIP
// vectors of columns, on CPUs 128 columns: lines that lie together come faster (8192×1024 on two
// Zen 4 cores: 6.6 ms by 64 columns, 3.6 ms by 128; with vectors of 4, 10.8 ms by 32, 5.6 ms by 128).
// global (⌈columns/(WIDTH·STRIP)⌉ rounded up to GROUP_ITEMS, slices, replicas), local
// (GROUP_ITEMS, 1, 1).
#define SLICE 32
#if GROUP_ITEMS > 1
#define STRIP 1
#else
#define STRIP (128 / WIDTH)
#endif

#define SUM_SLICE(T, LOAD_T, STORE_T, STEP, COUNT)                                       \
  {                                                                                      \
    T products[COUNT], slopes[COUNT];                                                    \
    for (uint v = 0; v < COUNT; v++) products[v] = slopes[v] = 0.0f;                     \
    for (size_t at = begin; at < end; at++) {                                            \
      float inverse = inverses[at], mean = centered ? means[at] : 0.0f;                  \
      for (uint v = 0; v < COUNT; v++) {                                                 \
        T slope = LOAD_T(gradient + at * columns + c + v * STEP);                        \
        products[v] += slope * ((LOAD_T(x + at * columns + c + v * STEP) - mean) * inverse); \
        slopes[v] += slope;                                                              \
      }                                                                                  \
    }                                                                                    \
    for (uint v = 0; v < COUNT; v++) {                                                   \
      STORE_T(products[v], gains + place + c + v * STEP);                                \
      if (sums_biases) STORE_T(slopes[v], biases + place + c + v * STEP);                \
    }                                                                                    \
  }

INLINE void sum_slice(__global const float* restrict gradient, __global const float* restrict x,
                      __global const float* restrict means,
                      __global const float* restrict inverses, __global float* restrict gains,
                      __global float* restrict biases, bool centered, bool sums_biases, uint rows,
                      uint columns, bool aligned) {
  size_t replica = get_global_id(2), slice = get_global_id(1);
  size_t begin = replica * rows + slice * SLICE;
  size_t end = replica * rows + min((slice + 1) * SLICE, (size_t)rows);
  size_t place = (replica * get_global_size(1) + slice) * columns;
  uint c = get_global_id(0) * STRIP * WIDTH, last = min(c + STRIP * WIDTH, columns);
#if STRIP > 1
  if (c + STRIP * WIDTH == last) {
    SUM_SLICE(vector, LOAD_ROW, STORE_ROW, WIDTH, STRIP)
    return;
  }
#endif
  ONE_BY_ONE for (; c + WIDTH <= last; c += WIDTH) SUM_SLICE(vector, LOAD_ROW, STORE_ROW, WIDTH, 1)
  ONE_BY_ONE for (; c < last; c++) SUM_SLICE(float, LOAD_ONE, STORE_ONE, 1, 1)
}

NORMALIZATION sum_gains(__global const float* restrict gradient, __global const float* restrict x,
                        __global const float* restrict means,
                        __global const float* restrict inverses, __global float* restrict gains,
                        __global float* restrict biases, uint centered, uint sums_biases,
                        uint rows, uint columns) {
  if (ROWS_ALIGNED(columns))
    sum_slice(gradient, x, means, inverses, gains, biases, centered, sums_biases, rows, columns,
              true);
  else
    sum_slice(gradient, x, means, inverses, gains, biases, centered, sums_biases, rows, columns,
              false);
}
