// Nonlinearities φ and their derivatives, for T = float and T a vector: NONLINEARITY(T) defines
// activate_T and derivative_T. The kinds are those of Activation.swift.
// gelu is the tanh form of Hendrycks & Gimpel, arXiv:1606.08415; silu is z·logistic(z), of the same
// paper. At z → −∞, where exp(−z) is infinite, it is −0.

#define IDENTITY 0
#define RELU 1
#define TANH 2
#define GELU 3
#define SILU 4

// NaN stays NaN: fmax would make it 0 and hide that a network has diverged.
#define NONLINEARITY(T)                                                                      \
  static inline T JOIN(gelu_inner_, T)(T z) {                                                \
    return 0.7978845608028654f * (z + 0.044715f * z * z * z);                                \
  }                                                                                          \
                                                                                             \
  static inline T JOIN(activate_, T)(T z, uint kind) {                                       \
    if (kind == RELU) return z < (T)(0.0f) ? (T)(0.0f) : z;                                  \
    if (kind == TANH) return tanh(z);                                                        \
    if (kind == GELU) return 0.5f * z * (1.0f + tanh(JOIN(gelu_inner_, T)(z)));              \
    if (kind == SILU) return z / (1.0f + exp(-z));                                           \
    return z;                                                                                \
  }                                                                                          \
                                                                                             \
  static inline T JOIN(derivative_, T)(T z, uint kind) {                                     \
    if (kind == RELU) return isnan(z) ? z : (z > (T)(0.0f) ? (T)(1.0f) : (T)(0.0f));         \
    if (kind == TANH) {                                                                      \
      T t = tanh(z);                                                                         \
      return 1.0f - t * t;                                                                   \
    }                                                                                        \
    if (kind == GELU) {                                                                      \
      T t = tanh(JOIN(gelu_inner_, T)(z));                                                   \
      T inner = 0.7978845608028654f * (1.0f + 3.0f * 0.044715f * z * z);                     \
      return 0.5f * (1.0f + t) + 0.5f * z * (1.0f - t * t) * inner;                          \
    }                                                                                        \
    if (kind == SILU) {                                                                      \
      T s = 1.0f / (1.0f + exp(-z));                                                         \
      return s * (1.0f + z * (1.0f - s));                                                    \
    }                                                                                        \
    return (T)(1.0f);                                                                        \
  }
