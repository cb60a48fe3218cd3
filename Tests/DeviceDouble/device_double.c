// A device double: stands between a program and its OpenCL driver and changes what the program sees,
// so that what a GPU does can be tried where there is none.
//
//     clang -shared -fPIC -O1 -o libdouble.so device_double.c -ldl
//     DOUBLE_KIND=gpu LD_PRELOAD=./libdouble.so gputrain …
//
// Each behaviour is asked for by an environment variable of its own; without one calls go through.
//
//   DOUBLE_KIND=gpu         devices say that they are GPUs: no native kernels, scalar registers, and
//                           the memory of DOUBLE_MEMORY
//   DOUBLE_PLATFORM=NAME    the name that every platform says it has
//   DOUBLE_ARGUMENTS=none   kernels' arguments are unknown, as of programs loaded from binaries:
//                           the call fails with CL_INVALID_VALUE; =empty: their types are empty texts
//   DOUBLE_DROP=A,B         launches of kernels whose names begin so are left out; * drops all
//   DOUBLE_DROP_AFTER=N     but not the first N launches of the process
//   DOUBLE_MEMORY=BYTES     no more memory than this for buffers; beyond, CL_MEM_OBJECT_ALLOCATION_FAILURE
//   DOUBLE_MEMORY_FILE=F    what is in use is counted in F, for several processes on one device
//   DOUBLE_FAIL=N:CODE      the N-th launch, from 1, fails with CODE
//   DOUBLE_LOST=N:CODE      the N-th launch and every call after it fail with CODE
//   DOUBLE_LOG=FILE         a line for every program built ("build OPTIONS"), kernel made ("kernel
//                           NAME") and buffer refused ("refused"), appended; "launches N" at the end

#define _GNU_SOURCE
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define REAL(name) \
  static __typeof__(&name) real; \
  if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name);

static const char *setting(const char *name) {
  const char *value = getenv(name);
  return value && *value ? value : NULL;
}

static int is_gpu(void) {
  const char *kind = setting("DOUBLE_KIND");
  return kind && strcmp(kind, "gpu") == 0;
}

// Whether one of the comma-separated `parts` begins `text`.
static int matches(const char *parts, const char *text) {
  for (const char *part = parts; part && *part;) {
    size_t length = strcspn(part, ",");
    if (length == 1 && *part == '*') return 1;
    char one[256] = {0};
    memcpy(one, part, length < sizeof one ? length : sizeof one - 1);
    if (strncmp(text, one, length) == 0) return 1;
    part += length + (part[length] == ',');
  }
  return 0;
}

static void note(const char *what, const char *value) {
  const char *file = setting("DOUBLE_LOG");
  if (!file) return;
  char line[4096];
  int length = snprintf(line, sizeof line, "%s %s\n", what, value);
  int descriptor = open(file, O_WRONLY | O_CREAT | O_APPEND, 0666);
  if (descriptor < 0) return;
  if (write(descriptor, line, length < (int)sizeof line ? length : (int)sizeof line - 1) < 0) {}
  close(descriptor);
}

// The device, once it is lost, answers every call with this.
static _Atomic int lost;
static _Atomic long launches;

__attribute__((destructor)) static void finish(void) {
  char count[32];
  snprintf(count, sizeof count, "%ld", (long)launches);
  if (launches) note("launches", count);
}

// N:CODE of a setting's `value`, where it is there and `launch` is its N, or beyond with `after`.
static int failure(const char *value, long launch, int after) {
  if (!value) return 0;
  char *end;
  long at = strtol(value, &end, 10);
  if (launch != at && !(after && launch > at)) return 0;
  return *end == ':' ? atoi(end + 1) : CL_OUT_OF_RESOURCES;
}

// MARK: What devices say

// Answers an information call with `value` of `count` bytes.
static cl_int answer(const void *value, size_t count, size_t size, void *to, size_t *needed) {
  if (needed) *needed = count;
  if (to && size < count) return CL_INVALID_VALUE;
  if (to) memcpy(to, value, count);
  return CL_SUCCESS;
}

cl_int clGetPlatformInfo(cl_platform_id platform, cl_platform_info name, size_t size, void *to,
                         size_t *needed) {
  REAL(clGetPlatformInfo)
  const char *own = setting("DOUBLE_PLATFORM");
  if (name == CL_PLATFORM_NAME && own) return answer(own, strlen(own) + 1, size, to, needed);
  return real(platform, name, size, to, needed);
}

cl_int clGetDeviceInfo(cl_device_id device, cl_device_info name, size_t size, void *to,
                       size_t *needed) {
  REAL(clGetDeviceInfo)
  if (is_gpu()) {
    cl_device_type type = CL_DEVICE_TYPE_GPU;
    cl_device_exec_capabilities kernels = CL_EXEC_KERNEL;
    cl_uint one = 1;
    const char *memory = setting("DOUBLE_MEMORY");
    cl_ulong bytes = memory ? strtoull(memory, NULL, 10) : 0;
    switch (name) {
      case CL_DEVICE_TYPE: return answer(&type, sizeof type, size, to, needed);
      case CL_DEVICE_EXECUTION_CAPABILITIES:
        return answer(&kernels, sizeof kernels, size, to, needed);
      case CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT:
        return answer(&one, sizeof one, size, to, needed);
      case CL_DEVICE_GLOBAL_MEM_SIZE:
      case CL_DEVICE_MAX_MEM_ALLOC_SIZE:
        if (bytes) return answer(&bytes, sizeof bytes, size, to, needed);
    }
  }
  return real(device, name, size, to, needed);
}

cl_int clGetKernelArgInfo(cl_kernel kernel, cl_uint index, cl_kernel_arg_info name, size_t size,
                          void *to, size_t *needed) {
  REAL(clGetKernelArgInfo)
  const char *mode = setting("DOUBLE_ARGUMENTS");
  if (mode && strcmp(mode, "none") == 0) return CL_INVALID_VALUE;
  if (mode && name == CL_KERNEL_ARG_TYPE_NAME) return answer("", 1, size, to, needed);
  return real(kernel, index, name, size, to, needed);
}

// MARK: Programs and kernels

cl_int clBuildProgram(cl_program program, cl_uint count, const cl_device_id *devices,
                      const char *options, void(CL_CALLBACK *notify)(cl_program, void *),
                      void *data) {
  REAL(clBuildProgram)
  note("build", options ? options : "");
  // What only NVIDIA's driver takes is not handed on to the one that stands in for it.
  char *own = options ? strdup(options) : NULL;
  for (char *at; own && (at = strstr(own, "-cl-nv-"));)
    memset(at, ' ', strcspn(at, " "));
  cl_int code = real(program, count, devices, own, notify, data);
  free(own);
  return code;
}

cl_kernel clCreateKernel(cl_program program, const char *name, cl_int *code) {
  REAL(clCreateKernel)
  note("kernel", name);
  return real(program, name, code);
}

cl_int clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel, cl_uint dimensions,
                              const size_t *offset, const size_t *global, const size_t *local,
                              cl_uint count, const cl_event *before, cl_event *event) {
  REAL(clEnqueueNDRangeKernel)
  // Read once: what a step costs the host is measured beside this.
  static const char *fail, *lose, *drop;
  static long kept;
  static int known;
  if (!known) {
    fail = setting("DOUBLE_FAIL");
    lose = setting("DOUBLE_LOST");
    drop = setting("DOUBLE_DROP");
    const char *after = setting("DOUBLE_DROP_AFTER");
    kept = after ? strtol(after, NULL, 10) : 0;
    known = 1;
  }
  long launch = ++launches;
  if (lost) return lost;
  int code = failure(fail, launch, 0);
  if (code) return code;
  if ((code = failure(lose, launch, 1))) return lost = code;
  if (drop && !event && launch > kept) {
    if (strcmp(drop, "*") == 0) return CL_SUCCESS;
    char name[256] = {0};
    clGetKernelInfo(kernel, CL_KERNEL_FUNCTION_NAME, sizeof name - 1, name, NULL);
    if (matches(drop, name)) return CL_SUCCESS;
  }
  return real(queue, kernel, dimensions, offset, global, local, count, before, event);
}

// MARK: A device that is lost

cl_int clFinish(cl_command_queue queue) {
  REAL(clFinish)
  return lost ? lost : real(queue);
}

cl_int clEnqueueReadBuffer(cl_command_queue queue, cl_mem buffer, cl_bool blocking, size_t offset,
                           size_t size, void *to, cl_uint count, const cl_event *before,
                           cl_event *event) {
  REAL(clEnqueueReadBuffer)
  return lost ? lost : real(queue, buffer, blocking, offset, size, to, count, before, event);
}

cl_int clEnqueueWriteBuffer(cl_command_queue queue, cl_mem buffer, cl_bool blocking, size_t offset,
                            size_t size, const void *from, cl_uint count, const cl_event *before,
                            cl_event *event) {
  REAL(clEnqueueWriteBuffer)
  return lost ? lost : real(queue, buffer, blocking, offset, size, from, count, before, event);
}

// MARK: Memory

static _Atomic long *used(void) {
  static _Atomic long own, *shared;
  if (shared) return shared;
  const char *file = setting("DOUBLE_MEMORY_FILE");
  if (!file) return shared = &own;
  int descriptor = open(file, O_RDWR | O_CREAT, 0666);
  if (descriptor < 0 || ftruncate(descriptor, sizeof own) != 0) return shared = &own;
  void *memory = mmap(NULL, sizeof own, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  close(descriptor);
  return shared = memory == MAP_FAILED ? &own : memory;
}

static void CL_CALLBACK give_back(cl_mem buffer, void *size) {
  (void)buffer;
  *used() -= (long)size;
}

cl_mem clCreateBuffer(cl_context context, cl_mem_flags flags, size_t size, void *memory,
                      cl_int *code) {
  REAL(clCreateBuffer)
  const char *limit = setting("DOUBLE_MEMORY");
  if (lost || (limit && *used() + (long)size > strtol(limit, NULL, 10))) {
    note("refused", "");
    if (code) *code = lost ? lost : CL_MEM_OBJECT_ALLOCATION_FAILURE;
    return NULL;
  }
  cl_mem buffer = real(context, flags, size, memory, code);
  if (buffer && limit) {
    *used() += (long)size;
    clSetMemObjectDestructorCallback(buffer, give_back, (void *)size);
  }
  return buffer;
}
