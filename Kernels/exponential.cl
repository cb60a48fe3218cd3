// Exponential functions, for T = float and T a vector, I having T's bits as integers:
// EXPONENTIAL(T, I) defines power_of_two_T, 2^x; exponential_T, e^x; and hyperbolic_T, tanh x.
// GPUs have instructions for them. CPU compilers call a library instead, once for each float of a
// wide vector: there they are polynomials.

#define LOG2_E 1.4426950408889634f

// PREFETCH: of CPUs alone.
#if PREFETCH

// 2^x to 1.6e-7 of it; 0 from −127 down, ∞ from 128 on, and NaN for NaN. x + 1.5·2^23 has x's
// nearest integer in its last bits; the rest, in [−½, ½], goes through a minimax polynomial.
// e^x is as exact where x is small; x·LOG2_E is rounded, so that it loses 6e-8·|x| of itself.
// tanh x to 2e-7 of it: x + x·P(x²), minimax, where 1 − 2/(e^2x + 1) would cancel.
#define EXPONENTIAL(T, I)                                                                     \
  static inline T JOIN(power_of_two_, T)(T x) {                                               \
    T least = -127.0f, most = 128.0f;                                                         \
    x = least > x ? least : x;                                                                \
    x = most < x ? most : x;                                                                  \
    T shifted = x + 0x1.8p23f;                                                                \
    T rest = x - (shifted - 0x1.8p23f);                                                       \
    T y = 0x1.5bba14p-10f;                                                                    \
    y = y * rest + 0x1.3cea88p-7f;                                                            \
    y = y * rest + 0x1.c6b752p-5f;                                                            \
    y = y * rest + 0x1.ebf9bcp-3f;                                                            \
    y = y * rest + 0x1.62e42ap-1f;                                                            \
    y = y * rest + 1.0f;                                                                      \
    return JOIN(as_, T)(JOIN(as_, I)(y) + (JOIN(as_, I)(shifted) << 23));                     \
  }                                                                                           \
                                                                                              \
  static inline T JOIN(exponential_, T)(T x) { return JOIN(power_of_two_, T)(x * LOG2_E); }   \
                                                                                              \
  static inline T JOIN(hyperbolic_, T)(T x) {                                                 \
    T square = x * x;                                                                         \
    T y = -0x1.75e1c6p-8f;                                                                    \
    y = y * square + 0x1.52269ap-6f;                                                          \
    y = y * square - 0x1.b83c5ap-5f;                                                          \
    y = y * square + 0x1.110726p-3f;                                                          \
    y = y * square - 0x1.555532p-2f;                                                          \
    T near = x + x * (square * y);                                                            \
    T far = 1.0f - 2.0f / (JOIN(exponential_, T)(2.0f * fabs(x)) + 1.0f);                     \
    return square < 0.390625f ? near : (x < 0.0f ? -far : far);                               \
  }

#else

#define EXPONENTIAL(T, I)                                          \
  static inline T JOIN(power_of_two_, T)(T x) { return exp2(x); }  \
  static inline T JOIN(exponential_, T)(T x) { return exp(x); }    \
  static inline T JOIN(hyperbolic_, T)(T x) { return tanh(x); }

#endif
