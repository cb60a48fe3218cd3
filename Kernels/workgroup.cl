// What the group variants share whose groups have a size of their own, ITEMS = 64, 128, 256 or 512
// work-items: reductions of several values at once, and 16-byte loads.

// From one value's items to the next's in local memory: four apart from a multiple of the banks,
// and a multiple of 16 bytes. `count` values take count·GROUP_LINE floats, aligned to 16 bytes.
#define GROUP_LINE (ITEMS + 4)
// Results that are left where every item combines them for itself.
#define LAST (ITEMS <= 128 ? ITEMS / 8 : ITEMS / 64)

// The items' shares of 0 ..< count, e each. Every item makes as many rounds: PoCL 3.1 runs loops
// wrongly that start at the item's number and whose end, a constant, is below the group's size.
#define FOR_SHARE(e, count)                                                \
  for (uint base = 0, e = item; base < (count); base += ITEMS, e = base + item) \
    if (e < (count))

// Each of `count` values of all items to one, in a fixed order: an eighth of the items' is left, an
// eighth of those, until there are LAST. All items call and get the results; `shared` may still be
// read from an earlier call.
#define GROUP_REDUCTION(NAME, COMBINE)                                                   \
  INLINE void NAME(float* values, uint count, __local float* shared) {                   \
    uint item = get_local_id(0);                                                         \
    barrier(CLK_LOCAL_MEM_FENCE);                                                        \
    for (uint v = 0; v < count; v++) shared[v * GROUP_LINE + item] = values[v];          \
    for (uint left = ITEMS / 8; left >= LAST; left /= 8) {                               \
      barrier(CLK_LOCAL_MEM_FENCE);                                                      \
      FOR_SHARE(e, count * left) {                                                       \
        __local float* own = shared + e / left * GROUP_LINE + e % left;                  \
        float all = own[0];                                                              \
        for (uint i = 1; i < 8; i++) all = COMBINE(all, own[i * left]);                  \
        own[0] = all;                                                                    \
      }                                                                                  \
    }                                                                                    \
    barrier(CLK_LOCAL_MEM_FENCE);                                                        \
    for (uint v = 0; v < count; v++) {                                                   \
      float all = 0.0f;                                                                  \
      for (uint i = 0; i < LAST; i += 4) {                                               \
        float4 four = *(__local const float4*)(shared + v * GROUP_LINE + i);             \
        float next = COMBINE(COMBINE(four.x, four.y), COMBINE(four.z, four.w));          \
        all = i == 0 ? next : COMBINE(all, next);                                        \
      }                                                                                  \
      values[v] = all;                                                                   \
    }                                                                                    \
  }

GROUP_REDUCTION(group_sums, ADD)
GROUP_REDUCTION(group_maxima, fmax)

INLINE float group_sum(float value, __local float* shared) {
  group_sums(&value, 1, shared);
  return value;
}

INLINE float group_maximum(float value, __local float* shared) {
  group_maxima(&value, 1, shared);
  return value;
}

// Columns c … c + 3 of a row of n; 0 beyond the row's end. aligned: n is a multiple of 4, and so
// rows are at multiples of 16 bytes: then it is one load.
INLINE float4 load_quad(__global const float* row, uint c, uint n, bool aligned) {
  if (aligned) return c < n ? *(__global const float4*)(row + c) : (float4)(0.0f);
  if (c + 4 <= n) return vload4(0, row + c);
  return (float4)(c < n ? row[c] : 0.0f, c + 1 < n ? row[c + 1] : 0.0f,
                  c + 2 < n ? row[c + 2] : 0.0f, 0.0f);
}

// sum + a·b, by four fused steps.
INLINE float add_product(float sum, float4 a, float4 b) {
  sum += a.x * b.x;
  sum += a.y * b.y;
  sum += a.z * b.z;
  sum += a.w * b.w;
  return sum;
}
