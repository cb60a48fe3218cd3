// Matrix products on CPUs: how the kernels of multiply.cl go through them.
//   C(i, j) = Σ_k left(i, k)·right(k, j),  left(i, k) = left[i·leftRow + k·leftStep]
// The includer has `Epilogue` (epilogue.cl) and first defines `finish`, what becomes of a tile of
// C, and `expect`, which may fetch what that will read.
//
// A work-item computes rectangles of C, one after another, tile by tile: HEIGHT rows of left times
// one panel of PANEL columns of right, the sums in registers. It is alone in its work-group, there
// are no barriers. For each block of `blockDepth` of k the operands are brought into order, in
// scratch that is the work-item's own, where reading them as they lie would miss the cache:
//   left    streamed as it lies, a scalar a row; or packed, [tile][k][HEIGHT]
//   right   read as it lies (rows of C's columns); or packed, [panel][k][PANEL], padded with 0
// Rows left over are tiles of 4 and 1. With `swapped` the tile is stored transposed: right's
// columns are then the rows of the stored matrix, so that a wide matrix can be streamed as left.
// Each element is summed in the order of k, so its bits depend on its row of left, its column of
// right and blockDepth, not on how C is cut.
//
// Tiles: the sums, a panel's row and one factor fill the registers: 24 of 32 with 512-bit vectors;
// 12 of 16 below. HEIGHT ≤ WIDTH, so that a tile is transposed in one block a vector.

#if WIDTH == 16
#define HEIGHT 12
#define VECTORS 2
#elif WIDTH == 8
#define HEIGHT 6
#define VECTORS 2
#else
#define HEIGHT 4
#define VECTORS 3
#endif
#define PANEL (WIDTH * VECTORS)
// Columns of tiles side by side that are handed over together: rows of some length, which memory
// and what fetches ahead of it like.
#define STRIP (PANEL * 8)

// Product.order: how the operands are read.
#define PACK_LEFT_BLOCK 1
#define PACK_LEFT_TILE 2
#define PACK_RIGHT_ROWS 4
#define PACK_RIGHT_COLUMNS 8
#define SWAPPED 16
// C is symmetric: tiles below the diagonal are left out. A unit has all rows of a block of columns and of
// the one that is as far from the end, which together are as much as every other two.
#define SYMMETRIC_ORDER 32

// One replica's product.
typedef struct {
  __global const float* left;
  __global const float* right;
  __global float* partial;  // sums of the blocks of k so far, where there are several
  __global float* scratch;
  size_t leftRow, leftStep;
  size_t rightPitch;  // elements from one row of right in memory to the next
  size_t pitch;       // of C
  uint depth, blockDepth, blockColumns, order;
} Product;

// A launch's sizes: of one replica's product, of how it is gone through, of how it is shared out.
typedef struct {
  ulong leftStride, rightStride, scratchSize;
  uint order, rows, columns, depth;
  uint leftRow, leftStep, rightPitch;
  uint blockDepth, blockColumns;
  uint rowCut, columnCut, units;
} ProductSizes;

// Every unit of the work-item. BODY makes the replica's epilogue `e` and its sums' place `sums`.
#define FOR_EACH_UNIT(BODY)                                                                   \
  uint rowCuts = (sizes.rows + sizes.rowCut - 1) / sizes.rowCut;                              \
  uint blocks = (sizes.columns + sizes.columnCut - 1) / sizes.columnCut;                      \
  uint parts = sizes.order & SYMMETRIC_ORDER ? 2 : 1;                                         \
  uint columnCuts = (blocks + parts - 1) / parts;                                             \
  for (uint unit = get_global_id(0); unit < sizes.units; unit += get_global_size(0)) {        \
    size_t replica = unit / (rowCuts * columnCuts);                                           \
    uint firstRow = unit / columnCuts % rowCuts * sizes.rowCut;                               \
    uint block = unit % columnCuts;                                                           \
    BODY                                                                                      \
    Product product = {.left = left + replica * sizes.leftStride,                             \
                       .right = right + replica * sizes.rightStride,                          \
                       .partial = sums,                                                       \
                       .scratch = scratch + get_global_id(0) * sizes.scratchSize,             \
                       .leftRow = sizes.leftRow,                                              \
                       .leftStep = sizes.leftStep,                                            \
                       .rightPitch = sizes.rightPitch,                                        \
                       .pitch = sizes.order & SWAPPED ? sizes.rows : sizes.columns,           \
                       .depth = sizes.depth,                                                  \
                       .blockDepth = sizes.blockDepth,                                        \
                       .blockColumns = sizes.blockColumns,                                    \
                       .order = sizes.order};                                                 \
    for (uint part = 0; part < parts; part++) {                                               \
      uint own = part == 0 ? block : blocks - 1 - block;                                      \
      if (part == 1 && own <= block) break;                                                   \
      uint firstColumn = own * sizes.columnCut;                                               \
      uint lastColumn = min(firstColumn + sizes.columnCut, sizes.columns);                    \
      multiply_rectangle(&product, &e, firstRow, min(firstRow + sizes.rowCut, sizes.rows),    \
                         firstColumn, lastColumn);                                            \
    }                                                                                         \
  }

// HEIGHT floats from one place to another; a vector is 4/3 as long, or as long.
INLINE void copy_height(__global const float* from, __global float* to) {
#if WIDTH == 16
  vstore8(vload8(0, from), 0, to);
  vstore4(vload4(2, from), 2, to);
#elif WIDTH == 8
  vstore4(vload4(0, from), 0, to);
  vstore2(vload2(2, from), 2, to);
#else
  vstore4(vload4(0, from), 0, to);
#endif
}

// WIDTH rows of k at a time, `rows` of them there: to[k·pitch + row], 0 in the rows that are not.
// Writes `written` ≤ WIDTH columns of `to`, a multiple of 2.
NOINLINE void pack_transposed(__global const float* from, size_t row, uint rows, uint depth,
                            __global float* to, uint pitch, uint written) {
  uint k = 0;
  for (; k + WIDTH <= depth; k += WIDTH) {
    vector block[WIDTH];
#pragma unroll
    for (uint i = 0; i < WIDTH; i++)
      block[i] = i < rows ? LOAD(from + i * row + k) : (vector)(0.0f);
    transpose(block);
#pragma unroll
    for (uint i = 0; i < WIDTH; i++) store_some(block[i], to + (k + i) * pitch, written);
  }
  for (; k < depth; k++)
    for (uint i = 0; i < written; i++)
      to[k * pitch + i] = i < rows ? from[i * row + k] : 0.0f;
}

// One tile of left: to[k·HEIGHT + row].
NOINLINE void pack_left(const Product* p, __global const float* from, uint rows, uint depth,
                      __global float* to) {
  if (p->leftStep == 1) {
    pack_transposed(from, p->leftRow, rows, depth, to, HEIGHT, HEIGHT);
  } else if (rows == HEIGHT) {
    for (uint k = 0; k < depth; k++) copy_height(from + k * p->leftStep, to + k * HEIGHT);
  } else {
    for (uint k = 0; k < depth; k++)
      for (uint i = 0; i < rows; i++)
        to[k * HEIGHT + i] = from[i * p->leftRow + k * p->leftStep];
  }
}

// Panels of right: to[panel][k][column], 0 beyond the last column. Rows are read along all panels:
// memory likes long pieces.
NOINLINE void pack_right(const Product* p, __global const float* from, uint columns, uint depth,
                       __global float* to) {
  if (p->order & PACK_RIGHT_COLUMNS) {
    for (uint j = 0; j < columns; j += PANEL) {
#pragma unroll 1
      for (uint v = 0; v < PANEL; v += WIDTH)
        pack_transposed(
            from + (j + v) * p->rightPitch, p->rightPitch,
            j + v < columns ? columns - j - v : 0, depth, to + v, PANEL, WIDTH);
      to += depth * PANEL;
    }
    return;
  }
  uint whole = columns / PANEL * PANEL;
  for (uint k = 0; k < depth; k++) {
    __global float* row = to + k * PANEL;
    for (uint j = 0; j < whole; j += PANEL) {
#pragma unroll
      for (uint v = 0; v < PANEL; v += WIDTH) STORE(LOAD(from + j + v), row + v);
      row += depth * PANEL;
    }
    if (whole < columns) {
#pragma unroll
      for (uint v = 0; v < PANEL; v += WIDTH)
        STORE(whole + v < columns ? load_some(from + whole + v, columns - whole - v)
                                  : (vector)(0.0f), row + v);
    }
    from += p->rightPitch;
  }
}

// tile[row·STRIP + column] = Σ_k left(row, k)·right(k, column), left's rows ROW apart and its steps
// of k STEP: where those are known, addresses cost nothing beside the multiply-adds.
#define TILE(NAME, ROWS, ROW, STEP, UNROLL)                                                    \
  NOINLINE void NAME(__global const float* left, size_t row, size_t step,                      \
                   __global const float* right, size_t pitch, uint depth, float* tile) {       \
    vector sums[ROWS][VECTORS];                                                                \
    _Pragma("unroll") for (uint i = 0; i < ROWS; i++)                                          \
      _Pragma("unroll") for (uint j = 0; j < VECTORS; j++) sums[i][j] = (vector)(0.0f);        \
    _Pragma(UNROLL) for (uint k = 0; k < depth; k++) {                                         \
      vector factors[VECTORS];                                                                 \
      _Pragma("unroll") for (uint j = 0; j < VECTORS; j++) factors[j] = LOAD(right + j * WIDTH); \
      _Pragma("unroll") for (uint i = 0; i < ROWS; i++) {                                      \
        vector factor = (vector)(left[i * ROW]);                                               \
        _Pragma("unroll") for (uint j = 0; j < VECTORS; j++) sums[i][j] += factor * factors[j]; \
      }                                                                                        \
      left += STEP;                                                                            \
      right += pitch;                                                                          \
    }                                                                                          \
    _Pragma("unroll") for (uint i = 0; i < ROWS; i++)                                          \
      _Pragma("unroll") for (uint j = 0; j < VECTORS; j++)                                     \
        STORE(sums[i][j], tile + i * STRIP + j * WIDTH);                                       \
  }

TILE(tile_of_packed, HEIGHT, 1, HEIGHT, "unroll 2")
TILE(tile_of_rows, HEIGHT, row, 1, "unroll 2")
TILE(tile_of_columns, HEIGHT, 1, step, "unroll 1")
TILE(tile_of_4, 4, row, step, "unroll 1")
TILE(tile_of_1, 1, row, step, "unroll 1")

// The tile of `height` rows: HEIGHT, 4 or 1.
INLINE void multiply_tile(__global const float* left, size_t row, size_t step, uint height,
                          __global const float* right, size_t pitch, uint depth, float* tile) {
  if (height < HEIGHT) {
    if (height == 4) {
      tile_of_4(left, row, step, right, pitch, depth, tile);
    } else {
      tile_of_1(left, row, step, right, pitch, depth, tile);
    }
  } else if (step == 1) {
    tile_of_rows(left, row, step, right, pitch, depth, tile);
  } else if (step == HEIGHT) {
    tile_of_packed(left, row, step, right, pitch, depth, tile);
  } else {
    tile_of_columns(left, row, step, right, pitch, depth, tile);
  }
}

// Hands over tiles side by side whose first element is at left's row i and right's column j: added
// to the sums so far, finished after the last block of k.
NOINLINE void deliver(const Product* p, const Epilogue* e, float* tile, uint height,
                      uint columns, size_t i, size_t j, bool first, bool last) {
  float turned[STRIP * WIDTH] __attribute__((aligned(64)));
  size_t row = i, column = j;
  uint tilePitch = STRIP;
  if (p->order & SWAPPED) {
#pragma unroll 1
    for (uint v = 0; v < columns; v += WIDTH) {
      vector block[WIDTH];
#pragma unroll
      for (uint k = 0; k < WIDTH; k++)
        block[k] = k < HEIGHT ? LOAD(tile + k * STRIP + v) : (vector)(0.0f);
      transpose(block);
#pragma unroll
      for (uint k = 0; k < WIDTH; k++) STORE(block[k], turned + (v + k) * WIDTH);
    }
    row = j;
    column = i;
    uint rows = columns;
    columns = height;
    height = rows;
    tile = turned;
    tilePitch = WIDTH;
  }
  size_t index = row * p->pitch + column, pitch = p->pitch;
  if (!(first && last)) {
    __global float* partial = p->partial + index;
    for (uint k = 0; k < height; k++) {
      for (uint v = 0; v < columns; v += WIDTH) {
        vector sums = LOAD(tile + k * tilePitch + v);
        if (!first) sums += load_some(partial + k * pitch + v, columns - v);
        if (last) {
          STORE(sums, tile + k * tilePitch + v);
        } else {
          store_some(sums, partial + k * pitch + v, columns - v);
        }
      }
    }
  }
  if (last) finish(e, tile, tilePitch, height, columns, index, column, pitch);
}

// The rectangle of C that rows [firstRow, lastRow) of left and columns [firstColumn, lastColumn) of
// right make.
INLINE void multiply_rectangle(const Product* p, const Epilogue* e, uint firstRow, uint lastRow,
                               uint firstColumn, uint lastColumn) {
  float strip[STRIP * HEIGHT] __attribute__((aligned(64)));
  for (uint k = 0; k < p->depth; k += p->blockDepth) {
    uint depth = min(p->blockDepth, p->depth - k);
    __global const float* left = p->left + k * p->leftStep;
    __global float* packedRight = p->scratch;
    __global float* packedLeft = packedRight;
    bool reads = !(p->order & (PACK_RIGHT_ROWS | PACK_RIGHT_COLUMNS));
    bool symmetric = p->order & SYMMETRIC_ORDER;
    // A panel's worth is kept for the columns left over where right is read as it lies.
    packedLeft += depth * (size_t)(reads ? PANEL : p->blockColumns);
    if (p->order & PACK_LEFT_BLOCK)
      for (uint i = firstRow; i < lastRow; i += HEIGHT)
        pack_left(p, left + i * p->leftRow, min(lastRow - i, (uint)HEIGHT), depth,
                  packedLeft + (i - firstRow) * depth);
    for (uint j = firstColumn; j < lastColumn; j += p->blockColumns) {
      uint columns = min(p->blockColumns, lastColumn - j);
      bool byColumns = p->order & PACK_RIGHT_COLUMNS;
      __global const float* right =
          p->right + (byColumns ? j * p->rightPitch + k : k * p->rightPitch + j);
      bool packs = !reads || columns < PANEL;
      if (packs) pack_right(p, right, columns, depth, packedRight);
      uint rowsEnd = symmetric ? min(lastRow, j + columns) : lastRow;
      for (uint i = firstRow; i < rowsEnd;) {
        uint height = lastRow - i >= HEIGHT ? HEIGHT : lastRow - i >= 4 ? 4 : 1;
        // The first panel that reaches the diagonal.
        uint begin = symmetric && i > j ? (i - j) / PANEL * PANEL : 0;
        __global const float* rows = left + i * p->leftRow;
        size_t row = p->leftRow, step = p->leftStep;
        if (p->order & (PACK_LEFT_BLOCK | PACK_LEFT_TILE)) {
          uint before = 0;
          if (p->order & PACK_LEFT_TILE) {
            pack_left(p, rows, height, depth, packedLeft);
          } else {
            before = i - firstRow;
          }
          rows = packedLeft + before / HEIGHT * HEIGHT * (size_t)depth + before % HEIGHT;
          row = 1;
          step = HEIGHT;
        }
        for (uint first = begin; first < columns; first += PANEL) {
          __global const float* panel = packs ? packedRight + first * depth : right + first;
          size_t pitch = packs ? PANEL : p->rightPitch;
          float* tile = strip + first % STRIP;
          if (k + depth == p->depth)
            for (uint row = 0; row < height; row++)
              for (uint v = 0; v < PANEL; v += WIDTH)
                expect(e, (i + row) * p->pitch + j + first + v);
          multiply_tile(rows, row, step, height, panel, pitch, depth, tile);
          uint start = max(first - first % STRIP, begin), end = min(first + PANEL, columns);
          if (end == columns || end % STRIP == 0)
            deliver(p, e, strip + start % STRIP, height, end - start, i, j + start, k == 0,
                    k + depth == p->depth);
        }
        i += height;
      }
    }
  }
}
