// The order in which each replica sees the rows: a keyed permutation of 0 … count − 1, the
// swap-or-not shuffle (Hoang, Morris, Rogaway, "An enciphering scheme based on a card shuffle",
// CRYPTO 2012). Each round pairs x with K − x mod count and swaps the pair or not, by one bit that
// both share:
//   x' = (K − x) mod count,   x ← x' where bit(max(x, x') ⊕ key) is 1
// K and key of every round come from Philox under the replica's seed (random.cl), blocks 0 …
// ROUNDS/2 − 1 of `stream`; so the order is the same on every device and nothing is read.
//   order[replica, i] = x·stride + shift
// Of rows stride and shifts are 1, and the shift 0. Of a text's windows it is the first token: a window
// begins every `stride` tokens, all of them `shift` later, drawn below `shifts` for this replica and
// order.
// order [replica, count]; seeds [replica].
// A work-group makes GROUP_ITEMS·PIECE elements of a replica, a work-item WIDTH neighbours at a
// time.
// global (GROUP_ITEMS·⌈count/(GROUP_ITEMS·PIECE)⌉, replicas), local (GROUP_ITEMS, 1).

#include "lanes.cl"
#include "vector.cl"
#include "philox.cl"

#define ROUNDS 32

typedef JOIN(uint, WIDTH) row_numbers;

// Bits without order: of C. Wellons's 32-bit hash.
static inline row_numbers mixed(row_numbers x) {
  x = (x ^ x >> 16) * 0x7feb352du;
  x = (x ^ x >> 15) * 0x846ca68bu;
  return x ^ x >> 16;
}

#if GROUP_ITEMS == 1
#define PIECE 1024
#define KEYS uint keys[2 * ROUNDS];
#else
#define PIECE WIDTH
#define KEYS __local uint keys[2 * ROUNDS];
#endif

__kernel __attribute__((reqd_work_group_size(GROUP_ITEMS, 1, 1))) void shuffle_rows(
    __global const ulong* restrict seeds, __global uint* order, ulong stream, uint count,
    uint stride, uint shifts) {
  KEYS
  size_t replica = get_global_id(1);
  for (uint i = get_local_id(0); i < ROUNDS / 2; i += GROUP_ITEMS) {
    uint4 words = block(seeds, replica, stream, i);
    keys[4 * i] = mul_hi(words.x, count);
    keys[4 * i + 1] = words.y;
    keys[4 * i + 2] = mul_hi(words.z, count);
    keys[4 * i + 3] = words.w;
  }
  GROUP_BARRIER
  order += replica * count;
  uint shift = shifts > 1 ? mul_hi(block(seeds, replica, stream, ROUNDS / 2).x, shifts) : 0;
  for (uint piece = 0; piece < PIECE; piece += WIDTH) {
    uint first = get_global_id(0) * PIECE + piece;
    if (first >= count) return;
    uint numbers[WIDTH];
    for (uint i = 0; i < WIDTH; i++) numbers[i] = first + i;
    row_numbers x = JOIN(vload, WIDTH)(0, numbers);
    for (uint round = 0; round < ROUNDS; round++) {
      row_numbers other = keys[2 * round] - x;
      other = select(other, other + count, JOIN(as_int, WIDTH)(x > keys[2 * round]));
      row_numbers bit = mixed(max(x, other) ^ keys[2 * round + 1]);
      x = select(x, other, JOIN(as_int, WIDTH)(bit));
    }
    x = x * stride + shift;
    if (first + WIDTH <= count) {
      JOIN(vstore, WIDTH)(x, 0, order + first);
    } else {
      JOIN(vstore, WIDTH)(x, 0, numbers);
      for (uint i = first; i < count; i++) order[i] = numbers[i - first];
    }
  }
}
