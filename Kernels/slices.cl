// Products on GPUs whose k is cut into slices, a work-group each: the last group of a tile that arrives adds
// the sums of all.
//   P = Σ_s partial(s), in the order of the slices whatever the order in which they arrive
// partial [replica, tile, slice, span of an item, item]: no memory line has two tiles' sums, and neighbours
// are neighbours. arrived [replica, tile]: groups that have stored their sums; 0 before and after.

#ifdef SLICED

// Makes what the group has stored visible to others.
#ifdef __NV_CL_C_VERSION
#define DEVICE_FENCE __asm__ volatile("membar.gl;" ::: "memory");
#else
#define DEVICE_FENCE mem_fence(CLK_GLOBAL_MEM_FENCE);
#endif

#define PARTIAL(e, slice, count, span) \
  ((e)->partial + ((((slice) * (count)) + (span)) * (size_t)THREADS + get_local_id(0)) * SPAN)

// Stores the item's span number `span` of `count`.
INLINE void store_partial(const Epilogue* e, uint count, uint span, SPAN_VECTOR sums) {
  *(__global SPAN_VECTOR*)PARTIAL(e, e->slice, count, span) = sums;
}

// Whether the group is the last of its tile; all its items have stored their sums.
INLINE bool is_last_slice(const Epilogue* e) {
  DEVICE_FENCE
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (get_local_id(0) == 0) {
    *e->isLast = atomic_inc(e->arrived) == e->slices - 1;
    if (*e->isLast) *e->arrived = 0;
    DEVICE_FENCE
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  return *e->isLast;
}

// All slices' sums of the item's span.
INLINE SPAN_VECTOR total_of_slices(const Epilogue* e, uint count, uint span) {
  SPAN_VECTOR total = (SPAN_VECTOR)(0.0f);
  for (uint slice = 0; slice < e->slices; slice++)
    total += *(volatile __global SPAN_VECTOR*)PARTIAL(e, slice, count, span);
  return total;
}

#endif
