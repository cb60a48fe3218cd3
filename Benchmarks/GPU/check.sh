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
  libraries="$inside/lib\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
  cat >"$program" <<END
#!/bin/bash
LD_LIBRARY_PATH="$libraries" exec "$inside/gputrain" "\$@"
END
  chmod 755 "$program"
  # With its own C library where the machine's is older than the one that it was built with, or where
  # the compiler's runtime is missing.
  if [ -n "${OLD_GLIBC:-}" ] || ! "$program" --help >/dev/null 2>&1; then
    say "the C library carried is used; the machine's is $(ldd --version 2>/dev/null | head -n 1 || echo unknown)"
    cat >"$program" <<END
#!/bin/bash
exec "$inside/glibc/ld-linux.so" --argv0 gputrain --library-path "$inside/glibc:$libraries" \\
  "$inside/gputrain" "\$@"
END
    "$program" --help >/dev/null || { say "the program does not start here"; exit 1; }
  fi
else
  program=$root/.build/release/gputrain
  [ -x "$program" ] || (cd "$root" && swift build -c release --product gputrain)
fi
version=$(cat "$root/program/version" 2>/dev/null || git -C "$root" describe --always --dirty 2>/dev/null || :)

# NVIDIA's OpenCL, where containers have it: out of the dynamic loader's sight, or named by no ICD file.
known=$(ldconfig -p 2>/dev/null | awk '/libnvidia-opencl\.so\.1 / { print $NF; exit }' || :)
for library in $known {/usr/local/nvidia/lib64,/usr/local/nvidia/lib,/run/opengl-driver/lib}/libnvidia-opencl.so.1; do
  [ -e "$library" ] || continue
  if [ "$library" != "$known" ]; then
    # It opens its compiler by name, from beside itself.
    export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$(dirname "$library")"
  fi
  if [ -z "${OCL_ICD_VENDORS:-}${OPENCL_VENDOR_PATH:-}" ] && ! grep -qs nvidia /etc/OpenCL/vendors/*.icd; then
    export OCL_ICD_VENDORS="$out/vendors"
    mkdir -p "$OCL_ICD_VENDORS"
    cp /etc/OpenCL/vendors/*.icd "$OCL_ICD_VENDORS/" 2>/dev/null || :
    echo "$library" >"$OCL_ICD_VENDORS/nvidia.icd"
    say "no ICD file names NVIDIA's OpenCL: $library is used"
  fi
  break
done
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
