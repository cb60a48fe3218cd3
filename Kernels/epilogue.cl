// What may become of a product's elements, as the kernels of products are told and hand it on.

// `epilogue`, a set:
#define HAS_BIAS 1
#define HAS_OUTPUT 2
#define DERIVATIVE 4
#define UPDATE 8

// `rule`, as UpdateDirection.kernelArguments numbers them:
#define RULE_STANDS_STILL 0
#define RULE_SGD 1
#define RULE_MOMENTUM 2
#define RULE_NESTEROV 3
#define RULE_ADAM 4

// Pointers are to the replica that is computed.
typedef struct {
  uint epilogue;
  __global float* c;
  __global const float* side;
  __global float* output;
  uint kind;
  __global float* first;   // velocity or mean
  __global float* second;  // square
  __global float* change;
  float4 rate;
  float4 numbers;  // μ, or β₁, β₂ and their corrections
  float alpha, schedule;
  uint rule, records;
} Epilogue;

// What rules.cl wants in scope, of the epilogue at e.
#define RULE_SCOPE(e)                                                        \
  __global float *weight = (e)->c, *change = (e)->change;                    \
  __global float *velocity = (e)->first, *mean = (e)->first, *square = (e)->second; \
  float4 rate = (e)->rate;                                                   \
  float schedule = (e)->schedule, momentum = (e)->numbers.x;                 \
  float beta1 = (e)->numbers.x, beta2 = (e)->numbers.y;                      \
  float correction1 = (e)->numbers.z, correction2 = (e)->numbers.w;          \
  bool records = (e)->records, nesterov = (e)->rule == RULE_NESTEROV;
