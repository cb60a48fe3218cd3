// Operands as NVIDIA's warpgroups multiply them (multiply_warpgroup.cl), rounded and put in order
// by pack.cl: blocks of 128 rows and of 128 bytes of k, DEPTH values. A's rows, and B's columns,
// are rows.
//   packed [replica, ⌈rows/128⌉, ⌈k/DEPTH⌉, part, 128, 8, 16 bytes], 0 beyond the operand's edges
// The 16 bytes number c of a row r of a block are at place c XOR (r mod 8): the hardware's 128-byte
// swizzle, under which the eight rows that are read at once lie in different banks.
// Of TF32 and BF16 there is one part, r(x); of TF32X3 there are two of tf32, r(x) and r(x − r(x)).
// Source: PTX ISA, Asynchronous Warpgroup Level Matrix Shared Memory Layout.

// PRECISION, the build's:
#define TF32 1
#define BF16 2
#define TF32X3 3

#if PRECISION == BF16
#define DEPTH 64
#else
#define DEPTH 32
#endif
#if PRECISION == TF32X3
#define PARTS 2
#else
#define PARTS 1
#endif
#define BLOCK_ROWS 128
#define BLOCK_BYTES (BLOCK_ROWS * 128)

// Bytes of a replica's packed operand from one block of rows to the next, of `blocks` of k.
#define PACKED_PITCH(blocks) ((blocks) * (size_t)(PARTS * BLOCK_BYTES))
