// What all elementwise update rules share. A rule (Tensors/ElementwiseRule.swift) is put before the
// program as macros:
//   STATES 0 to 2, RULE_FIRST, RULE_SECOND: names of the tensors that it keeps
//   HYPERPARAMETERS, STEP_NUMBERS: how many numbers a replica has, and how many of a step
//   RULE_NUMBERS(numbers, step): declares them as floats, `schedule` among them
//   RULE_DIRECTION(T): makes d of w, g, the state and the numbers
// With s the schedule's factor and rate = (η_l, ε_l, coupled λ_l, decoupled η_l·λ_l):
//   g ← g + rate.z·w,   w ← (1 − s·rate.w)·w − s·rate.x·d
// With `records`, `change` takes the step's Δw = −s·rate.w·w − s·rate.x·d, which the difference of the
// weights would lose to rounding.

#define LOAD_ONE(p) (*(p))
#define STORE_ONE(v, p) (*(p) = (v))

#define STEP(T, STORE_T, w, d)                                                              \
  if (records) STORE_T(-schedule * rate.w * (w) - schedule * rate.x * (d), change + index); \
  STORE_T((w) * (1.0f - schedule * rate.w) - schedule * rate.x * (d), weight + index);

#if STATES > 0
#define LOAD_FIRST(T, VALUE) T RULE_FIRST = VALUE;
#define STORE_FIRST(STORE_T, PLACE) STORE_T(RULE_FIRST, PLACE);
#else
#define LOAD_FIRST(T, VALUE)
#define STORE_FIRST(STORE_T, PLACE)
#endif
#if STATES > 1
#define LOAD_SECOND(T, VALUE) T RULE_SECOND = VALUE;
#define STORE_SECOND(STORE_T, PLACE) STORE_T(RULE_SECOND, PLACE);
#else
#define LOAD_SECOND(T, VALUE)
#define STORE_SECOND(STORE_T, PLACE)
#endif

// Declares the direction d of T's worth of elements from `index` on and updates the state, where weight,
// first_state, second_state, rate and what RULE_SCOPE declares are in scope.
#define DIRECTION_OF_ELEMENTS(T, LOAD_T, STORE_T, GRADIENT) \
  T w = LOAD_T(weight + index);                       \
  T g = GRADIENT + rate.z * w;                        \
  LOAD_FIRST(T, LOAD_T(first_state + index))          \
  LOAD_SECOND(T, LOAD_T(second_state + index))        \
  RULE_DIRECTION(T)                                   \
  STORE_FIRST(STORE_T, first_state + index)           \
  STORE_SECOND(STORE_T, second_state + index)

// Updates them, where change and records are in scope too.
#define UPDATE_ELEMENTS(T, LOAD_T, STORE_T, GRADIENT)     \
  DIRECTION_OF_ELEMENTS(T, LOAD_T, STORE_T, GRADIENT)     \
  STEP(T, STORE_T, w, d)

// The numbers of a replica; those of its step are at step_numbers.
#define RULE_SCOPE(own_numbers, step_numbers)  \
  float epsilon = rate.y;                      \
  RULE_NUMBERS(own_numbers, step_numbers)
