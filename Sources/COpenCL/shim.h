// OpenCL 1.2 is the newest version every driver in use offers (NVIDIA's OpenCL 3.0 included).
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
