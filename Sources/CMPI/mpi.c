#include "CMPI.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Handles of Open MPI are addresses of its own symbols, those of MPICH's interface numbers. The calls are the
// same but for that.

typedef int (*init_thread_t)(int *, char ***, int, int *);
typedef int (*finalize_t)(void);

#define CALLS(handle)                                                                                  \
  int (*rank)(handle, int *);                                                                          \
  int (*size)(handle, int *);                                                                          \
  int (*allgatherv)(const void *, int, handle, void *, const int *, const int *, handle, handle);      \
  int (*alltoallv)(const void *, const int *, const int *, handle, void *, const int *, const int *,   \
                   handle, handle);                                                                    \
  int (*abort)(handle, int);                                                                           \
  handle world;                                                                                        \
  handle word

static struct { CALLS(void *); } open_mpi;
static struct { CALLS(int); } mpich;
static void *library;
static finalize_t finalize;

// Of MPICH's binary interface, which its members have agreed on.
enum { MPICH_WORLD = 0x44000000, MPICH_INT = 0x4c000405 };
enum { THREAD_FUNNELED = 1 };

static int is_open_mpi(void) { return open_mpi.world != NULL; }

#define LOAD(calls)                                                                                    \
  ((*(void **)&calls.rank = dlsym(library, "MPI_Comm_rank")) &&                                        \
   (*(void **)&calls.size = dlsym(library, "MPI_Comm_size")) &&                                        \
   (*(void **)&calls.allgatherv = dlsym(library, "MPI_Allgatherv")) &&                                 \
   (*(void **)&calls.alltoallv = dlsym(library, "MPI_Alltoallv")) &&                                   \
   (*(void **)&calls.abort = dlsym(library, "MPI_Abort")))

// The launcher says by its environment whose library its processes want.
static const char *const open_mpi_first[] = {"libmpi.so.40", "libmpi.so", "libmpich.so.12", "libmpi.so.12"};
static const char *const mpich_first[] = {"libmpich.so.12", "libmpi.so.12", "libmpi.so.40", "libmpi.so"};

static void *load(const char *path) {
  // Open MPI's plugins look for its symbols among everybody's.
  if (path) return dlopen(path, RTLD_NOW | RTLD_GLOBAL);
  const char *const *names = getenv("PMI_SIZE") && !getenv("OMPI_COMM_WORLD_SIZE") ? mpich_first : open_mpi_first;
  void *found = NULL;
  for (int place = 0; place < 4 && !found; place++) found = dlopen(names[place], RTLD_NOW | RTLD_GLOBAL);
  return found;
}

int gputrain_mpi_begin(const char *path, char *message, size_t capacity) {
  library = load(path);
  if (!library) {
    const char *reason = path ? dlerror() : "no libmpi.so.40, libmpi.so, libmpich.so.12 or libmpi.so.12";
    snprintf(message, capacity, "%s", reason ? reason : "it cannot be loaded");
    return -1;
  }
  init_thread_t init = (init_thread_t)dlsym(library, "MPI_Init_thread");
  finalize = (finalize_t)dlsym(library, "MPI_Finalize");
  open_mpi.world = dlsym(library, "ompi_mpi_comm_world");
  open_mpi.word = dlsym(library, "ompi_mpi_int");
  mpich.world = MPICH_WORLD;
  mpich.word = MPICH_INT;
  if (!init || !finalize || !(is_open_mpi() ? LOAD(open_mpi) : LOAD(mpich))) {
    snprintf(message, capacity, "%s", "the library has not the calls of MPI");
    return -1;
  }
  int provided = 0;
  int code = init(NULL, NULL, THREAD_FUNNELED, &provided);
  if (code != 0) snprintf(message, capacity, "MPI_Init_thread returned %d", code);
  return code;
}

int gputrain_mpi_rank(void) {
  int rank = 0;
  if (is_open_mpi()) open_mpi.rank(open_mpi.world, &rank);
  else mpich.rank(mpich.world, &rank);
  return rank;
}

int gputrain_mpi_size(void) {
  int size = 1;
  if (is_open_mpi()) open_mpi.size(open_mpi.world, &size);
  else mpich.size(mpich.world, &size);
  return size;
}

int gputrain_mpi_gather(const void *own, int count, void *all, const int *counts, const int *offsets) {
  return is_open_mpi()
             ? open_mpi.allgatherv(own, count, open_mpi.word, all, counts, offsets, open_mpi.word, open_mpi.world)
             : mpich.allgatherv(own, count, mpich.word, all, counts, offsets, mpich.word, mpich.world);
}

int gputrain_mpi_exchange(
    const void *own, const int *sent, const int *sent_offsets, void *pieces, const int *received,
    const int *received_offsets) {
  return is_open_mpi() ? open_mpi.alltoallv(own, sent, sent_offsets, open_mpi.word, pieces, received,
                                            received_offsets, open_mpi.word, open_mpi.world)
                       : mpich.alltoallv(own, sent, sent_offsets, mpich.word, pieces, received, received_offsets,
                                         mpich.word, mpich.world);
}

void gputrain_mpi_abort(int status) {
  if (is_open_mpi()) open_mpi.abort(open_mpi.world, status);
  else mpich.abort(mpich.world, status);
}

void gputrain_mpi_end(void) { finalize(); }
