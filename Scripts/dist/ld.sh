#!/bin/sh
# The linker that PoCL calls for each kernel, on machines that have none: GNU ld, without the C
# library's development files. What a kernel needs of libc, libm and libgcc is in the process that
# loads it.
set -eu
folder=$(readlink -f -- "$0")
folder=${folder%/*}
for argument; do
  shift
  case $argument in
    -l* | -L* | --as-needed | --no-as-needed) ;;
    *) set -- "$@" "$argument" ;;
  esac
done
exec "$folder/ld.bfd" "$@"
