#ifndef GPUTRAIN_CMPI_H
#define GPUTRAIN_CMPI_H

#include <stddef.h>
#include <stdint.h>

// The message passing interface of whatever library is installed, loaded when it is asked for: Open MPI's
// binary interface, or that which MPICH, Intel MPI and MVAPICH share. One thread calls.

/// Loads a library, `path` or where it is null one of the usual names, and begins.
///
/// message: takes `capacity` bytes of text where it fails. Returns 0, or -1 where there is no library, or what
/// MPI_Init_thread returned.
int gputrain_mpi_begin(const char *path, char *message, size_t capacity);

/// This process among all, from 0; and how many there are.
int gputrain_mpi_rank(void);
int gputrain_mpi_size(void);

/// Every process's words of 32 bits, at `offsets` words of `all`, in every process.
///
/// counts, offsets: of each process. Returns MPI's code, 0 where all is well.
int gputrain_mpi_gather(const void *own, int count, void *all, const int *counts, const int *offsets);

/// Piece j of this process's words goes to process j.
///
/// sent, sent_offsets: of what each process gets. received, received_offsets: of what each gives.
int gputrain_mpi_exchange(
    const void *own, const int *sent, const int *sent_offsets, void *pieces, const int *received,
    const int *received_offsets);

/// Ends every process of the job with this status.
void gputrain_mpi_abort(int status);

/// Ends the library's work, once all processes are here.
void gputrain_mpi_end(void);

#endif
