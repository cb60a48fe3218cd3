// Update rules: each computes a direction d; STEP applies it with decay and rate.
//   g ← g + r.z·w,   w ← (1 − s·r.w)·w − s·r.x·d
// RULE(T, LOAD_T, STORE_T, GRADIENT) updates T's worth of elements from `index` on, where `weight`,
// the rule's state, `rate` (η_l, ε_l, coupled λ_l, decoupled η_l·λ_l), `schedule` s and the rule's
// own numbers are in scope. With `records`, `change` takes the step's Δw = −s·r.w·w − s·r.x·d,
// which the difference of the weights would lose to rounding.
// Sources: PyTorch's torch.optim definitions; Kingma & Ba, arXiv:1412.6980; Loshchilov & Hutter,
// arXiv:1711.05101.

#define LOAD_ONE(p) (*(p))
#define STORE_ONE(v, p) (*(p) = (v))

#define STEP(T, STORE_T, w, d)                                                              \
  if (records) STORE_T(-schedule * rate.w * (w) - schedule * rate.x * (d), change + index); \
  STORE_T((w) * (1.0f - schedule * rate.w) - schedule * rate.x * (d), weight + index);

#define SGD(T, LOAD_T, STORE_T, GRADIENT) \
  T w = LOAD_T(weight + index);           \
  T g = GRADIENT + rate.z * w;            \
  STEP(T, STORE_T, w, g)

// v ← μ·v + g;  d = v, or g + μ·v with Nesterov's look-ahead. For w, g and v in scope.
#define MOMENTUM_DIRECTION(T) \
  v = momentum * v + g;       \
  T d = v;                    \
  if (nesterov) d = g + momentum * v;

#define MOMENTUM(T, LOAD_T, STORE_T, GRADIENT) \
  T w = LOAD_T(weight + index);                \
  T g = GRADIENT + rate.z * w;                 \
  T v = LOAD_T(velocity + index);              \
  MOMENTUM_DIRECTION(T)                        \
  STORE_T(v, velocity + index);                \
  STEP(T, STORE_T, w, d)

// m ← β₁m + (1−β₁)g,  v ← β₂v + (1−β₂)g²;  d = m·c₁/(√(v·c₂) + ε), c = 1/(1 − βᵗ). For w, g, m
// and v in scope.
#define ADAM_DIRECTION(T)                   \
  m = beta1 * m + (1.0f - beta1) * g;       \
  v = beta2 * v + (1.0f - beta2) * g * g;   \
  T d = m * correction1 / (sqrt(v * correction2) + rate.y);

#define ADAM(T, LOAD_T, STORE_T, GRADIENT) \
  T w = LOAD_T(weight + index);            \
  T g = GRADIENT + rate.z * w;             \
  T m = LOAD_T(mean + index);              \
  T v = LOAD_T(square + index);            \
  ADAM_DIRECTION(T)                        \
  STORE_T(m, mean + index);                \
  STORE_T(v, square + index);              \
  STEP(T, STORE_T, w, d)
