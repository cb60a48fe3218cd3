// Rows of a table by number, as a network embeds tokens, and the table's gradient.
//   embed           y[replica, row] = scale·table[replica, id[replica, row]]
//   embed_backward  ∂table[replica, id] = scale·Σ over rows of that id of ∂y[replica, row], in order
// id [replica, row]: whole numbers below `count`, held as floats. y, ∂y [replica, rows, columns];
// table, ∂table [replica, count, columns].

#include "lanes.cl"
#include "vector.cl"

// id_stride: from one replica's ids to the next's; 0 where all have the same.
// global (rows·vectors rounded up to 64, replicas), local (64, 1): a work-item makes one of a row's
// `vectors` pieces of WIDTH columns.
__kernel void embed(__global const float* restrict ids, __global const float* restrict table,
                    __global float* y, float scale, uint id_stride, uint rows, uint count,
                    uint columns, uint vectors) {
  uint row = get_global_id(0) / vectors, first = get_global_id(0) % vectors * WIDTH;
  size_t replica = get_global_id(1), place = replica * rows + row;
  if (row >= rows) return;
  table += (replica * count + (uint)ids[replica * id_stride + row]) * columns;
  y += place * columns;
  if (first + WIDTH <= columns)
    STORE(scale * LOAD(table + first), y + first);
  else
    for (uint c = first; c < columns; c++) y[c] = scale * table[c];
}

// A token may come in many rows, so no two work-items may add to one entry.
#if GROUP_ITEMS > 1
// A work-item makes WIDTH columns of one row of the table: it looks through all ids, which its
// neighbours read with it, and reads ∂y where the id is its own.
// global (count·vectors rounded up to 64, replicas), local (64, 1).
__kernel void embed_backward(__global const float* restrict ids,
                             __global const float* restrict gradient, __global float* result,
                             float scale, uint rows, uint count, uint columns, uint vectors) {
  uint id = get_global_id(0) / vectors, first = get_global_id(0) % vectors * WIDTH;
  size_t replica = get_global_id(1);
  if (id >= count) return;
  ids += replica * rows;
  gradient += replica * rows * columns + first;
  result += (replica * count + id) * columns + first;
  uint here = min((uint)WIDTH, columns - first);
  vector sum = 0.0f;
  for (uint row = 0; row < rows; row++)
    if ((uint)ids[row] == id) sum += load_some(gradient + (size_t)row * columns, here);
  store_some(scale * sum, result, here);
}
#else
// A work-item adds a strip of STRIP columns of every row to the table's, row after row.
// global (⌈columns/STRIP⌉, replicas), local (1, 1); vectors is not used.
#define STRIP 64
__kernel void embed_backward(__global const float* restrict ids,
                             __global const float* restrict gradient, __global float* result,
                             float scale, uint rows, uint count, uint columns, uint vectors) {
  size_t replica = get_global_id(1);
  uint first = get_global_id(0) * STRIP, here = min((uint)STRIP, columns - first);
  ids += replica * rows;
  gradient += replica * rows * columns + first;
  result += replica * count * columns + first;
  for (uint id = 0; id < count; id++)
    for (uint c = 0; c < here; c++) result[(size_t)id * columns + c] = 0.0f;
  for (uint row = 0; row < rows; row++) {
    __global const float* from = gradient + (size_t)row * columns;
    __global float* to = result + (size_t)ids[row] * columns;
    uint c = 0;
    for (; c + WIDTH <= here; c += WIDTH) STORE(LOAD(to + c) + scale * LOAD(from + c), to + c);
    for (; c < here; c++) to[c] += scale * from[c];
  }
}
#endif

// result[replica] = max over rows of √Σ x[replica, row]², the norm of a matrix whose inputs are
// one-hot; NaN where an element is. x [replica, rows, columns]; result [replica]. A work-group takes
// a replica.
// global (GROUP_ITEMS, replicas), local (GROUP_ITEMS, 1).
__kernel __attribute__((reqd_work_group_size(GROUP_ITEMS, 1, 1))) void largest_row(
    __global const float* restrict x, __global float* result, uint rows, uint columns) {
  GROUP_MEMORY(shared)
  size_t replica = get_global_id(1);
  float largest = 0.0f, total = 0.0f;
  for (uint row = get_local_id(0); row < rows; row += GROUP_ITEMS) {
    __global const float* from = x + (replica * rows + row) * columns;
    vector squares = 0.0f;
    uint c = 0;
    for (; c + WIDTH <= columns; c += WIDTH) {
      vector v = LOAD(from + c);
      squares += v * v;
    }
    float square = sum(squares);
    for (; c < columns; c++) square += from[c] * from[c];
    largest = LARGER(largest, square);
    total += square;
  }
  largest = lanes_largest(largest, GROUP_ITEMS, shared);
  total = lanes_add(total, GROUP_ITEMS, shared);
  if (get_local_id(0) == 0) result[replica] = isnan(total) ? NAN : sqrt(largest);
}
