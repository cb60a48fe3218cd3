// What CLBlast's C interface lacks: the parameters that a kernel is compiled with.
#pragma once

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

// Calls visit with the name and value of every parameter in force of kernel, in single precision.
// Returns CLBlast's status code; names last until visit returns.
int gputrain_clblast_parameters(cl_device_id device, const char *kernel, void *context,
                                void (*visit)(void *context, const char *name, size_t value));

#ifdef __cplusplus
}
#endif
