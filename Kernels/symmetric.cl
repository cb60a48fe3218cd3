// C(i, j) ← C(j, i) for i > j: what products of symmetric matrices leave out (Compute+Products.swift).
// C [replica, n, n]. A work-group has a square block on or above the diagonal, of BLOCK×BLOCK.
//   CPUs   a work-item's vectors are a block. global (⌈n/WIDTH⌉, ⌈n/WIDTH⌉, replicas), local (1, 1, 1)
//   GPUs   128 work-items turn a block in local memory, so that neighbours read and write neighbours.
//          global (128·⌈n/32⌉, ⌈n/32⌉, replicas), local (128, 1, 1)

#include "vector.cl"

#if GROUP_ITEMS == 1
#define BLOCK WIDTH
#else
#define BLOCK 32
#endif

__kernel __attribute__((reqd_work_group_size(GROUP_ITEMS, 1, 1))) void mirror(__global float* c, uint n) {
  uint row = get_group_id(1) * BLOCK, column = get_group_id(0) * BLOCK;
  c += get_global_id(2) * n * (size_t)n;
#if GROUP_ITEMS == 1
  if (column < row) return;
  if (column > row && column + BLOCK <= n) {
    vector block[BLOCK];
#pragma unroll
    for (uint i = 0; i < BLOCK; i++) block[i] = LOAD(c + (row + i) * (size_t)n + column);
    transpose(block);
#pragma unroll
    for (uint i = 0; i < BLOCK; i++) STORE(block[i], c + (column + i) * (size_t)n + row);
    return;
  }
  for (uint i = row; i < min(row + BLOCK, n); i++)
    for (uint j = max(column, i + 1); j < min(column + BLOCK, n); j++)
      c[j * (size_t)n + i] = c[i * (size_t)n + j];
#else
  // A column more, so that a column's values are in different banks.
  __local float block[BLOCK][BLOCK + 1];
  uint line = get_local_id(0) % BLOCK, end = column < row ? 0 : n;
  for (uint i = get_local_id(0) / BLOCK; i < BLOCK; i += GROUP_ITEMS / BLOCK)
    if (row + i < end && column + line < end) block[i][line] = c[(row + i) * (size_t)n + column + line];
  barrier(CLK_LOCAL_MEM_FENCE);
  for (uint j = get_local_id(0) / BLOCK; j < BLOCK; j += GROUP_ITEMS / BLOCK)
    if (column + j < end && row + line < column + j)
      c[(column + j) * (size_t)n + row + line] = block[line][j];
#endif
}
