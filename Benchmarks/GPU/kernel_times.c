// Device time by kernel: stands between a program and its OpenCL driver, times every launch by the
// queue's profiling, and writes sums when the program ends.
//
//     cc -shared -fPIC -O2 -o kernel_times.so kernel_times.c -ldl
//     KERNEL_TIMES=FILE LD_PRELOAD=./kernel_times.so gputrain bench step …
//
// FILE gets a line of JSON for each kernel (its name, the definitions of its program and its size in
// work-items), with launches, microseconds of device time in all and of its fastest launch; and one for
// the gaps between a launch's end and the next one's start. KERNEL_TIMES_SKIP=N leaves out the first N
// launches.

#define _GNU_SOURCE
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REAL(name) \
  static __typeof__(&name) real; \
  if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name);

enum { most_kinds = 512, most_pending = 8192, name_bytes = 1024 };

// A kernel launched with one global size.
struct kind {
  cl_kernel kernel;
  size_t items, group;
  char name[name_bytes];
  long launches;
  double total, fastest;
};

static struct kind kinds[most_kinds];
static int kind_count;
static struct { cl_event event; int kind; } pending[most_pending];
static int pending_count;
static long seen;
static double gaps, last_end;
static long gap_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

// Takes the times of all launches that are pending, in order.
static void harvest(void) {
  for (int i = 0; i < pending_count; i++) {
    cl_ulong start = 0, end = 0;
    cl_event event = pending[i].event;
    clWaitForEvents(1, &event);
    int failed = clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_START, sizeof start, &start, NULL)
      || clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_END, sizeof end, &end, NULL);
    clReleaseEvent(event);
    if (failed) continue;
    struct kind *kind = &kinds[pending[i].kind];
    double microseconds = (end - start) * 1e-3;
    kind->fastest = kind->launches == 0 || microseconds < kind->fastest ? microseconds : kind->fastest;
    kind->launches++;
    kind->total += microseconds;
    if (i > 0 && last_end > 0) {
      gaps += start * 1e-3 - last_end;
      gap_count++;
    }
    last_end = end * 1e-3;
  }
  pending_count = 0;
  last_end = 0;
}

static int find(cl_kernel kernel, size_t items, size_t group) {
  for (int i = 0; i < kind_count; i++)
    if (kinds[i].kernel == kernel && kinds[i].items == items && kinds[i].group == group) return i;
  if (kind_count == most_kinds) return -1;
  struct kind *kind = &kinds[kind_count];
  kind->kernel = kernel;
  kind->items = items;
  kind->group = group;
  char name[128] = "", options[4096] = "";
  cl_program program = NULL;
  cl_device_id devices[1];
  clGetKernelInfo(kernel, CL_KERNEL_FUNCTION_NAME, sizeof name, name, NULL);
  clGetKernelInfo(kernel, CL_KERNEL_PROGRAM, sizeof program, &program, NULL);
  clGetProgramInfo(program, CL_PROGRAM_DEVICES, sizeof devices, devices, NULL);
  clGetProgramBuildInfo(program, devices[0], CL_PROGRAM_BUILD_OPTIONS, sizeof options, options, NULL);
  for (char *c = options; *c; c++)
    if (*c == '"' || *c == '\\' || *c < ' ') *c = ' ';
  snprintf(kind->name, sizeof kind->name, "\"kernel\": \"%s\", \"options\": \"%.800s\"", name, options);
  return kind_count++;
}

cl_command_queue clCreateCommandQueue(
    cl_context context, cl_device_id device, cl_command_queue_properties properties, cl_int *code) {
  REAL(clCreateCommandQueue)
  return real(context, device, properties | CL_QUEUE_PROFILING_ENABLE, code);
}

cl_int clEnqueueNDRangeKernel(
    cl_command_queue queue, cl_kernel kernel, cl_uint dimensions, const size_t *offset, const size_t *global,
    const size_t *local, cl_uint count, const cl_event *list, cl_event *event) {
  REAL(clEnqueueNDRangeKernel)
  const char *skip = getenv("KERNEL_TIMES_SKIP");
  if (event || !getenv("KERNEL_TIMES") || ++seen <= (skip ? atol(skip) : 0))
    return real(queue, kernel, dimensions, offset, global, local, count, list, event);
  size_t items = 1, group = 1;
  for (cl_uint i = 0; i < dimensions; i++) {
    items *= global[i];
    group *= local ? local[i] : 1;
  }
  cl_event own = NULL;
  cl_int code = real(queue, kernel, dimensions, offset, global, local, count, list, &own);
  if (code != CL_SUCCESS) return code;
  pthread_mutex_lock(&lock);
  if (pending_count == most_pending) harvest();
  int kind = find(kernel, items, group);
  if (kind < 0) {
    clReleaseEvent(own);
  } else {
    pending[pending_count].event = own;
    pending[pending_count++].kind = kind;
  }
  pthread_mutex_unlock(&lock);
  return code;
}

cl_int clFinish(cl_command_queue queue) {
  REAL(clFinish)
  cl_int code = real(queue);
  pthread_mutex_lock(&lock);
  harvest();
  pthread_mutex_unlock(&lock);
  return code;
}

static void __attribute__((destructor)) write_times(void) {
  const char *path = getenv("KERNEL_TIMES");
  FILE *file = path ? fopen(path, "w") : NULL;
  if (!file) return;
  for (int i = 0; i < kind_count; i++)
    if (kinds[i].launches)
      fprintf(file, "{%s, \"items\": %zu, \"group\": %zu, \"launches\": %ld, \"microseconds\": %.3f, \"fastest\": %.3f}\n",
        kinds[i].name, kinds[i].items, kinds[i].group, kinds[i].launches, kinds[i].total, kinds[i].fastest);
  fprintf(file, "{\"gaps\": %ld, \"microseconds\": %.3f}\n", gap_count, gaps);
  fclose(file);
}
