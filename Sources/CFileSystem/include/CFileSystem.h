// System calls that Swift's C library module lacks.
#pragma once

// Waits until all that the file system of `descriptor` holds is on the disk; 0, or −1 with errno set.
// Where the system has no such call, ENOSYS.
int gputrain_sync_file_system(int descriptor);
