// C(i, j) ← C(j, i) for i > j: what products of symmetric matrices leave out (Compute+Products.swift).
// C [replica, n, n]. A work-item has a block of WIDTH×WIDTH on or above the diagonal.
// global (⌈n/WIDTH⌉ rounded up to 64, ⌈n/WIDTH⌉, replicas), local (64, 1, 1).

#include "vector.cl"

__kernel void mirror(__global float* c, uint n) {
  uint row = get_global_id(1) * WIDTH, column = get_global_id(0) * WIDTH;
  if (column < row || column >= n) return;
  c += get_global_id(2) * n * (size_t)n;
  if (column > row && column + WIDTH <= n) {
    vector block[WIDTH];
#pragma unroll
    for (uint i = 0; i < WIDTH; i++) block[i] = LOAD(c + (row + i) * (size_t)n + column);
    transpose(block);
#pragma unroll
    for (uint i = 0; i < WIDTH; i++) STORE(block[i], c + (column + i) * (size_t)n + row);
    return;
  }
  uint rows = min((uint)WIDTH, n - row), columns = min((uint)WIDTH, n - column);
  for (uint i = 0; i < rows; i++)
    for (uint j = 0; j < columns; j++)
      if (column + j > row + i)
        c[(column + j) * (size_t)n + row + i] = c[(row + i) * (size_t)n + column + j];
}
