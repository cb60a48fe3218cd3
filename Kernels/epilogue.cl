// What may become of a product's elements, as the kernels of products get it by arguments and hand it on.

// `epilogue`, a set:
#define HAS_BIAS 1
#define HAS_OUTPUT 2
#define DERIVATIVE 4
#define UPDATE 8
#define ADDEND 16
// Of kernels for GPUs: tiles below the diagonal are left out; of the symmetric C they have nothing new.
#define SYMMETRIC 32

// Pointers are to the replica that is computed.
typedef struct {
  uint epilogue;
  __global float* c;
  __global const float* side;
  __global float* output;
  uint kind;
  // Of UPDATE, see rules.cl:
  __global float *first_state, *second_state, *change;
  __global const float *numbers, *step;
  float4 rate;
  float alpha;
  uint frozen, records;
} Epilogue;

// What rules.cl wants in scope, of the epilogue at e.
#define EPILOGUE_SCOPE(e)                                                                   \
  __global float *weight = (e)->c, *change = (e)->change;                                   \
  __global float *first_state = (e)->first_state, *second_state = (e)->second_state;        \
  float4 rate = (e)->rate;                                                                  \
  bool records = (e)->records;                                                              \
  RULE_SCOPE((e)->numbers, (e)->step)
