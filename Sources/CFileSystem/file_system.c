#define _GNU_SOURCE
#include "CFileSystem.h"

#include <errno.h>
#include <unistd.h>

int gputrain_sync_file_system(int descriptor) {
#ifdef __linux__
  return syncfs(descriptor);
#else
  errno = ENOSYS;
  return -1;
#endif
}
