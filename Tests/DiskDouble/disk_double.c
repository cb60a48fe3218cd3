// A disk double: stands between a program and the files of one folder, so that what a full, broken or slow
// disk does can be tried at each of the program's calls.
//
//     clang -shared -fPIC -O1 -o libdisk.so disk_double.c -ldl
//     DISK_FOLDER=/tmp/out DISK_FAIL=7:ENOSPC LD_PRELOAD=./libdisk.so gputrain …
//
// Calls that change files are counted: write, fsync, syncfs, rename, link and mkdir of what lies in DISK_FOLDER.
//
//   DISK_FAIL=N:CODE        the N-th of them, from 1, fails with CODE: ENOSPC, EIO, EDQUOT or EROFS
//   DISK_FULL=N:CODE        the N-th and every later one
//   DISK_CUT=N              the N-th is the last: it does half of what it should where it writes, and the
//                           process is killed
//   DISK_DELAY=MICROSECONDS each takes so much longer
//   DISK_LOG=FILE           gets the number of calls when the program ends

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REAL(name) \
  static __typeof__(&name) real; \
  if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name);

static atomic_long calls;

static int code_of(const char *name) {
  return strcmp(name, "EIO") == 0 ? EIO : strcmp(name, "EDQUOT") == 0 ? EDQUOT
         : strcmp(name, "EROFS") == 0 ? EROFS : ENOSPC;
}

// Whether a path lies in the folder.
static int is_ours(const char *path) {
  const char *folder = getenv("DISK_FOLDER");
  return folder && path && strncmp(path, folder, strlen(folder)) == 0;
}

static int is_our_file(int descriptor) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  return is_ours(path);
}

// The number and code of a variable; 0 where it is not set.
static long setting(const char *name, int *code) {
  const char *value = getenv(name);
  if (!value) return 0;
  const char *colon = strchr(value, ':');
  *code = colon ? code_of(colon + 1) : 0;
  return atol(value);
}

// Counts a call. 0: it goes through; > 0: the code it fails with; −1: it is the last.
static int verdict(void) {
  long call = atomic_fetch_add(&calls, 1) + 1;
  const char *delay = getenv("DISK_DELAY");
  if (delay) usleep((useconds_t)atol(delay));
  int code = 0;
  long number = setting("DISK_FAIL", &code);
  if (number && call == number) return code;
  number = setting("DISK_FULL", &code);
  if (number && call >= number) return code;
  number = setting("DISK_CUT", &code);
  return number && call == number ? -1 : 0;
}

// Fails or ends as the verdict says; what a call does halfway comes before it.
#define JUDGE(isOurs, halfway) \
  if (isOurs) { \
    int code = verdict(); \
    if (code > 0) { errno = code; return -1; } \
    if (code < 0) { halfway; kill(getpid(), SIGKILL); pause(); } \
  }

ssize_t write(int descriptor, const void *bytes, size_t count) {
  REAL(write)
  JUDGE(is_our_file(descriptor), (void)!real(descriptor, bytes, count / 2))
  return real(descriptor, bytes, count);
}

int fsync(int descriptor) {
  REAL(fsync)
  JUDGE(is_our_file(descriptor), )
  return real(descriptor);
}

int syncfs(int descriptor) {
  REAL(syncfs)
  JUDGE(is_our_file(descriptor), )
  return real(descriptor);
}

int rename(const char *from, const char *to) {
  REAL(rename)
  JUDGE(is_ours(to), )
  return real(from, to);
}

int link(const char *from, const char *to) {
  REAL(link)
  JUDGE(is_ours(to), )
  return real(from, to);
}

int mkdir(const char *path, mode_t mode) {
  REAL(mkdir)
  JUDGE(is_ours(path), )
  return real(path, mode);
}

__attribute__((destructor)) static void tell(void) {
  const char *file = getenv("DISK_LOG");
  FILE *log = file ? fopen(file, "w") : NULL;
  if (!log) return;
  fprintf(log, "%ld\n", atomic_load(&calls));
  fclose(log);
}
