// Nonlinearities φ and their derivatives, for T = float and T a vector, I having T's bits as
// integers: NONLINEARITY(T, I) defines activate_T and derivative_T. The kinds are those of
// Activation.swift.
//   gelu  z·logistic(2u) = ½z(1 + tanh u),  u = √(2/π)·(z + 0.044715·z³)
//   silu  z·logistic(z)
// At z → −∞, where exp(−z) is infinite, both are −0. Source: Hendrycks & Gimpel, arXiv:1606.08415.

#include "exponential.cl"

#define IDENTITY 0
#define RELU 1
#define TANH 2
#define GELU 3
#define SILU 4

// NaN stays NaN: fmax would make it 0 and hide that a network has diverged.
#define NONLINEARITY(T, I)                                                                    \
  EXPONENTIAL(T, I)                                                                           \
                                                                                              \
  static inline T JOIN(gelu_inner_, T)(T z) {                                                 \
    return 1.5957691216057308f * (z + 0.044715f * z * z * z);                                 \
  }                                                                                           \
                                                                                              \
  static inline T JOIN(logistic_, T)(T z) { return 1.0f / (1.0f + JOIN(exponential_, T)(-z)); } \
                                                                                              \
  static inline T JOIN(activate_, T)(T z, uint kind) {                                        \
    if (kind == RELU) return z < (T)(0.0f) ? (T)(0.0f) : z;                                   \
    if (kind == TANH) return JOIN(hyperbolic_, T)(z);                                         \
    if (kind == GELU) return z * JOIN(logistic_, T)(JOIN(gelu_inner_, T)(z));                 \
    if (kind == SILU) return z * JOIN(logistic_, T)(z);                                       \
    return z;                                                                                 \
  }                                                                                           \
                                                                                              \
  static inline T JOIN(derivative_, T)(T z, uint kind) {                                      \
    if (kind == RELU) return isnan(z) ? z : (z > (T)(0.0f) ? (T)(1.0f) : (T)(0.0f));          \
    if (kind == TANH) {                                                                       \
      T t = JOIN(hyperbolic_, T)(z);                                                          \
      return 1.0f - t * t;                                                                    \
    }                                                                                         \
    if (kind == GELU) {                                                                       \
      T s = JOIN(logistic_, T)(JOIN(gelu_inner_, T)(z));                                      \
      T inner = 1.5957691216057308f * (1.0f + 3.0f * 0.044715f * z * z);                      \
      return s + z * s * ((1.0f - s) * inner);                                                \
    }                                                                                         \
    if (kind == SILU) {                                                                       \
      T s = JOIN(logistic_, T)(z);                                                            \
      return s * (1.0f + z * (1.0f - s));                                                     \
    }                                                                                         \
    return (T)(1.0f);                                                                         \
  }
