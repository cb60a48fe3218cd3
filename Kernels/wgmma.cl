// NVIDIA's warpgroups and bulk copies, as inline PTX; and what they compute in OpenCL C, EMULATED,
// for tests of the kernel that uses them on any device. Source: PTX ISA, sections on
// wgmma.mma_async, mbarrier and cp.async.bulk; compute capability 9.0.
//
// A warpgroup of 128 work-items multiplies D = A B + D, A 64×K, B K×TILE_N, 32 bytes of K: 8 of
// tf32, 16 of bf16. Both operands are read from local memory, where descriptors say they are; lane
// 4g + t of warp w has (16w + g, 8j + 2t), (16w + g, 8j + 2t + 1), (16w + g + 8, 8j + 2t), (16w + g
// + 8, 8j + 2t + 1) of D in registers 4j … 4j + 3.
//
// The registers must be the same for many instructions on their way at once, so they are declared
// in PTX: `sum` and three octal digits, sum000 … sum177 of a tile with 256 columns.

#define WARP 32
#define WARPGROUP 128
#define WARPGROUP_ROWS 64
// Registers of sums of a work-item.
#define SUMS (TILE_N / 2)
// F(h, t) for all eights of registers.
#define EIGHT_EIGHTS(F, h) F(h, 0) F(h, 1) F(h, 2) F(h, 3) F(h, 4) F(h, 5) F(h, 6) F(h, 7)
#if TILE_N == 256
#define EVERY_EIGHT(F) EIGHT_EIGHTS(F, 0) EIGHT_EIGHTS(F, 1)
#else
#define EVERY_EIGHT(F) EIGHT_EIGHTS(F, 0)
#endif

// Where a matrix is in local memory, in units of 16 bytes; eights of its rows are 1024 bytes apart,
// in the 128-byte swizzle.
#define DESCRIPTOR(place) ((ulong)((place) >> 4) | 1ul << 16 | 64ul << 32 | 1ul << 62)

#ifndef EMULATED

// The driver's compiler assembles for the instructions that all GPUs of a generation have, and
// refuses those of sm_90a. So they are comments when it compiles, and instructions after the host
// has put them in (HeldBackInstructions.swift). ASSEMBLED: they are instructions from the start.
#ifdef ASSEMBLED
#define HELD_BACK ""
#else
#define HELD_BACK "//@"
#endif

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define ASM(text) __asm__ volatile(text ::: "memory");

#define NAME(r, h, t, o) #r #h #t #o
#define NAMES_8(r, h, t)                                                                       \
  NAME(r, h, t, 0) ", " NAME(r, h, t, 1) ", " NAME(r, h, t, 2) ", " NAME(r, h, t, 3) ", "      \
  NAME(r, h, t, 4) ", " NAME(r, h, t, 5) ", " NAME(r, h, t, 6) ", " NAME(r, h, t, 7)
#define NAMES_64(r, h)                                                                         \
  NAMES_8(r, h, 0) ", " NAMES_8(r, h, 1) ", " NAMES_8(r, h, 2) ", " NAMES_8(r, h, 3) ", "      \
  NAMES_8(r, h, 4) ", " NAMES_8(r, h, 5) ", " NAMES_8(r, h, 6) ", " NAMES_8(r, h, 7)
#if TILE_N == 256
#define NAMES(r) NAMES_64(r, 0) ", " NAMES_64(r, 1)
#else
#define NAMES(r) NAMES_64(r, 0)
#endif

// `r`, the registers of D, for what follows.
#define DECLARE_SUMS(r) ASM(".reg .f32 " NAMES(r) ";")
#define CLEAR_8(h, t)                                                                          \
  ASM("mov.f32 " NAME(sum, h, t, 0) ", 0f00000000;\nmov.f32 " NAME(sum, h, t, 1) ", 0f00000000;\n"\
      "mov.f32 " NAME(sum, h, t, 2) ", 0f00000000;\nmov.f32 " NAME(sum, h, t, 3) ", 0f00000000;\n"\
      "mov.f32 " NAME(sum, h, t, 4) ", 0f00000000;\nmov.f32 " NAME(sum, h, t, 5) ", 0f00000000;\n"\
      "mov.f32 " NAME(sum, h, t, 6) ", 0f00000000;\nmov.f32 " NAME(sum, h, t, 7) ", 0f00000000;")
#define CLEAR_SUMS EVERY_EIGHT(CLEAR_8)
// sum += part.
#define ADD_1(h, t, o)                                                                         \
  "add.f32 " NAME(sum, h, t, o) ", " NAME(sum, h, t, o) ", " NAME(part, h, t, o) ";\n"
#define ADD_8(h, t)                                                                            \
  ASM(ADD_1(h, t, 0) ADD_1(h, t, 1) ADD_1(h, t, 2) ADD_1(h, t, 3) ADD_1(h, t, 4) ADD_1(h, t, 5)\
          ADD_1(h, t, 6) ADD_1(h, t, 7))
#define ADD_PARTS EVERY_EIGHT(ADD_8)
// Two neighbours of D as a float2.
#define TAKE(two, h, t, first, second)                                                         \
  __asm__ volatile("mov.f32 %0, " NAME(sum, h, t, first) ";\n"                                 \
                   "mov.f32 %1, " NAME(sum, h, t, second) ";" : "=f"(two.x), "=f"(two.y));

#if PRECISION == BF16
#define WGMMA_TYPES "k16.f32.bf16.bf16"
#define WGMMA_TAIL ", 0, 0"
#else
#define WGMMA_TYPES "k8.f32.tf32.tf32"
#define WGMMA_TAIL ""
#endif
#define WGMMA(r, step, adds)                                                                   \
  "add.s64 a, %0, " #step ";\nadd.s64 b, %1, " #step ";\n" HELD_BACK                           \
  "wgmma.mma_async.sync.aligned.m64n" TEXT(TILE_N) WGMMA_TYPES " {" NAMES(r)                   \
  "}, a, b, " adds ", 1, 1" WGMMA_TAIL ";\n"
// The work-item's warpgroup, known to the assembler as the warp's: descriptors stay in registers of
// warps.
INLINE uint warpgroup_number(void) {
  uint number;
  __asm__ volatile("shfl.sync.idx.b32 %0, %1, 0, 31, 0xffffffff;"
                   : "=r"(number) : "r"((uint)get_local_id(0) / WARPGROUP));
  return number;
}

// r ← A B, plus r where `adds` is not 0: of blocks as long as DEPTH, where the descriptors say.
// Under way until a wait.
#define MULTIPLY_BLOCKS(r, left, right, adds)                                                  \
  __asm__ volatile("{\n.reg .b64 a, b;\n.reg .pred adds;\nsetp.ne.u32 adds, %2, 0;\n"          \
                   WGMMA(r, 0, "adds") WGMMA(r, 2, "1") WGMMA(r, 4, "1") WGMMA(r, 6, "1")      \
                   "}" ::"l"(left), "l"(right), "r"((uint)(adds)) : "memory");
// Before the first of several, and after the last.
#define BEGIN_WGMMA ASM(HELD_BACK "wgmma.fence.sync.aligned;\n")
#define END_WGMMA ASM(HELD_BACK "wgmma.commit_group.sync.aligned;\n")
// Until all but the last LEFT groups of them are done.
#define WAIT_FOR_WGMMA(LEFT) ASM(HELD_BACK "wgmma.wait_group.sync.aligned " #LEFT ";\n")

// Barriers in local memory: `count` arrivals end a phase, of which a copy's bytes are a part.
INLINE void barrier_init(uint at, uint count) {
  __asm__ volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(at), "r"(count) : "memory");
}
INLINE void barrier_expect(uint at, uint bytes) {
  __asm__ volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(at), "r"(bytes)
                   : "memory");
}
INLINE void barrier_arrive(uint at) {
  __asm__ volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(at) : "memory");
}
// Until the phase of that parity is over.
INLINE void barrier_wait(uint at, uint parity) {
  uint done;
  do {
    __asm__ volatile("{\n.reg .pred done;\n"
                     "mbarrier.try_wait.parity.shared::cta.b64 done, [%1], %2;\n"
                     "selp.u32 %0, 1, 0, done;\n}" : "=r"(done) : "r"(at), "r"(parity) : "memory");
  } while (!done);
}
// So that copies see barriers that were just made.
INLINE void show_barriers(void) {
  ASM("fence.mbarrier_init.release.cluster;\nfence.proxy.async.shared::cta;")
}

// A block of an operand on its way to local memory, whose arrival `full` counts.
INLINE void bring(uint to, __global const uchar* from, uint full) {
  __asm__ volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];"
      ::"r"(to), "l"((ulong)(size_t)from), "r"(BLOCK_BYTES), "r"(full) : "memory");
}

#else

#define DECLARE_SUMS(r) float r[SUMS];
#define CLEAR_SUMS                                                                             \
  for (uint i = 0; i < SUMS; i++) sum[i] = 0.0f;
#define ADD_PARTS                                                                              \
  for (uint i = 0; i < SUMS; i++) sum[i] += part[i];
#define TAKE(two, h, t, first, second)                                                         \
  two = (float2)(sum[h * 64 + t * 8 + first], sum[h * 64 + t * 8 + second]);
#define MULTIPLY_BLOCKS(r, left, right, adds) multiply_blocks(r, left, right, adds, memory);
#define BEGIN_WGMMA
#define END_WGMMA
#define WAIT_FOR_WGMMA(LEFT)

// Row `row`, k of the matrix that a descriptor names.
INLINE float element(__local const uint* memory, ulong descriptor, uint row, uint k) {
  uint bytes = PRECISION == BF16 ? 2 : 4;
  uint place = (uint)(descriptor & 0x3fff) * 16 + row * 128 + k * bytes;
  place ^= (place >> 7 & 7) << 4;
  uint word = memory[place / 4];
  return as_float(PRECISION == BF16 ? (place & 2 ? word & 0xffff0000 : word << 16) : word);
}

INLINE void multiply_blocks(float* sums, ulong a, ulong b, uint adds,
                            __local const uint* memory) {
  uint lane = get_local_id(0) % WARP, row = get_local_id(0) % WARPGROUP / WARP * 16 + lane / 4;
  for (uint i = 0; !adds && i < SUMS; i++) sums[i] = 0.0f;
  for (uint k = 0; k < DEPTH; k++) {
    float upper = element(memory, a, row, k), lower = element(memory, a, row + 8, k);
    for (uint i = 0; i < SUMS; i++)
      sums[i] += (i & 2 ? lower : upper) *
                 element(memory, b, i / 4 * 8 + lane % 4 * 2 + i % 2, k);
  }
}

// A block to local memory by all work-items.
INLINE void bring(__local uint* memory, uint to, __global const uchar* from) {
  for (uint f = 0; f < BLOCK_BYTES / 4; f += WARPGROUP)
    if (get_local_id(0) < WARPGROUP)
      memory[to / 4 + f + get_local_id(0)] = ((__global const uint*)from)[f + get_local_id(0)];
}

#endif
