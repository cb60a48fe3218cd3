// What may become of a product's elements, as the kernels of products are told.

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
