#!/usr/bin/env bash
# make gpu-check: what a GPU does with gputrain, and how fast beside PyTorch and JAX, in eight minutes.
#
#     Benchmarks/GPU/check.sh
#
# Runs from a checkout, or from the bundle of `make gpu-bundle`, whose program and libraries it takes.
# Needs Python 3; the peers' rows need one with torch or jax. Settings of the card (clocks, power, MIG)
# are left alone. Variables:
#
#     OUT          where results go: results.json, table.txt, log.txt and a page to commit (./gpu-check)
#     DEVICE       as --device has it (gpu); DEVICE=cpu lets the CPU stand in
#     PYTHON       a Python with torch or jax (default: the first python3 that has one)
#     BUDGET       seconds for everything (480)
#     SMALL=1      small sizes, which try the check and measure nothing
#     OLD_GLIBC=1  takes the bundle's C library though the machine's would do
#     CHECK_ARGS   more for check.py
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
out=${OUT:-gpu-check}
mkdir -p "$out"
out=$(cd "$out" && pwd)
say() { printf 'gpu-check: %s\n' "$*"; }

# The program: the bundle's, started with its libraries, which the peers' Python is spared; or the
# checkout's.
if [ -n "${GPUTRAIN:-}" ]; then
  program=$GPUTRAIN
elif [ -x "$root/program/gputrain" ]; then
  started=$(mktemp -d)
  trap 'rm -rf "$started"' EXIT
  program=$started/gputrain
  inside=$root/program
  export GPU_CHECK_OPENCL="$inside/lib/libOpenCL.so.1"
  write() { printf '#!/bin/bash\n%s\n' "$1" >"$program" && chmod 755 "$program"; }
  write "LD_LIBRARY_PATH=\"$inside/lib\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}\" exec \"$inside/gputrain\" \"\$@\""
  # With its own C library where the machine's is older than the one that it was built with, or where
  # the compiler's runtime is missing.
  if [ -n "${OLD_GLIBC:-}" ] || ! "$program" --help >/dev/null 2>&1; then
    say "the C library carried is used; the machine's is $(ldd --version 2>/dev/null | head -n 1 || echo unknown)"
    write "exec \"$inside/glibc/ld-linux.so\" --argv0 gputrain --library-path \"$inside/glibc:$inside/lib\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}\" \"$inside/gputrain\" \"\$@\""
    "$program" --help >/dev/null || { say "the program does not start here"; exit 1; }
  fi
else
  program=$root/.build/release/gputrain
  [ -x "$program" ] || (cd "$root" && swift build -c release --product gputrain)
fi
version=$(cat "$root/program/version" 2>/dev/null || git -C "$root" describe --always --dirty 2>/dev/null || :)

# NVIDIA's OpenCL, where containers have it and no ICD file names it.
if [ -z "${OCL_ICD_VENDORS:-}${OPENCL_VENDOR_PATH:-}" ] &&
  ! grep -qs nvidia /etc/OpenCL/vendors/*.icd; then
  for folder in $(ldconfig -p 2>/dev/null | awk '/libnvidia-opencl\.so\.1 /{ print $NF }' | xargs -r dirname) \
    /usr/local/nvidia/lib64 /usr/local/nvidia/lib /run/opengl-driver/lib; do
    [ -e "$folder/libnvidia-opencl.so.1" ] || continue
    vendors=$out/vendors
    mkdir -p "$vendors"
    cp /etc/OpenCL/vendors/*.icd "$vendors/" 2>/dev/null || :
    echo "$folder/libnvidia-opencl.so.1" >"$vendors/nvidia.icd"
    export OCL_ICD_VENDORS="$vendors"
    # It opens its compiler by name, from beside itself.
    export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folder"
    say "no ICD file names NVIDIA's OpenCL: $folder/libnvidia-opencl.so.1 is used"
    break
  done
fi
# Kernels of five routes are more than the driver keeps by default.
export CUDA_CACHE_MAXSIZE=${CUDA_CACHE_MAXSIZE:-2147483648}

if ! python=$(command -v python3); then
  say "no python3: nothing is compared, and no page is made"
  "$program" devices
  status=0
  for route in "tiled fp32" "clblast fp32" "tiled tf32x3" "tiled tf32" "tiled bf16"; do
    timeout 150 "$program" selftest --device "${DEVICE:-gpu}" --gemm "${route% *}" \
      --precision "${route#* }" || { say "$route: status $?"; status=1; }
  done
  exit $status
fi
# shellcheck disable=SC2086  # CHECK_ARGS are several words
"$python" "$here/check.py" --program "$program" --out "$out" --device "${DEVICE:-gpu}" \
  --budget "${BUDGET:-480}" --python "${PYTHON:-}" --version "$version" ${SMALL:+--small} ${CHECK_ARGS:-}
