#!/usr/bin/env bash
# make gpu-check: what a GPU does with gputrain, and how fast beside PyTorch and JAX, in eight minutes.
#
#     Benchmarks/GPU/check.sh
#
# Runs from a checkout, or from the bundle of `make gpu-bundle`, whose program and libraries it takes.
# Needs Python 3.8 or newer, else self-tests are all there is; the peers' rows need one with torch
# or jax. Settings of the card (clocks, power, MIG) are left alone. Ctrl-C ends all that runs, and
# what is known by then is written. Variables:
#
#     OUT          where results go: results.json, table.txt, log.txt and a page to commit (./gpu-check)
#     DEVICE       as --device has it (gpu); DEVICE=cpu lets the CPU stand in
#     PYTHON       a Python with torch or jax (default: the first python3 that has one)
#     BUDGET       seconds for everything (480)
#     SMALL=1      small sizes, which try the check and measure nothing
#     OLD_GLIBC=1  takes the bundle's C library though the machine's would do
#     EARLIER      results.json of an earlier check of this card: cases measured there are taken from it
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

# Self-tests alone, which share the time: of every route, or on a CPU of those that compute in fp32.
without_python() {
  local routes=("tiled fp32" "clblast fp32" "tiled tf32x3" "tiled tf32" "tiled bf16") status=0 route
  [ "${DEVICE:-gpu}" != cpu ] || routes=("opencl fp32" "tiled fp32" "clblast fp32")
  local budget=${BUDGET:-480}
  local each=$((${budget%.*} / (${#routes[@]} + 1)))
  timeout --foreground --kill-after=2 "$each" "$program" devices || { say "devices: status $?"; status=1; }
  for route in "${routes[@]}"; do
    timeout --foreground --kill-after=2 "$each" "$program" selftest --device "${DEVICE:-gpu}" \
      --gemm "${route% *}" --precision "${route#* }" || { say "$route: $(ended $?)"; status=1; }
  done
  return $status
}
# How a self-test ended, by its status; 124 is of timeout, 137 where the end had to be forced: a driver
# that hangs, or a caller that blocks signals.
ended() { case $1 in 124 | 137) echo "not finished in time" ;; *) echo "status $1" ;; esac; }

# Any Python that the scripts can be run by, though it has no peers.
python=
for candidate in python3 "${PYTHON:-}"; do
  if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 8))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
if [ -z "$python" ]; then
  say "no Python 3.8 or newer: nothing is compared, and no page is made"
  without_python 2>&1 | tee "$out/log.txt"
  exit
fi
# In the background, as bash would let a signal wait until it has ended.
# shellcheck disable=SC2086  # CHECK_ARGS are several words
"$python" "$here/check.py" --program "$program" --out "$out" --device "${DEVICE:-gpu}" \
  --budget "${BUDGET:-480}" --python "${PYTHON:-}" --version "$version" \
  ${SMALL:+--small} ${EARLIER:+--earlier "$EARLIER"} ${CHECK_ARGS:-} &
checking=$!
trap 'kill -TERM "$checking" 2>/dev/null || :; wait "$checking"; exit $?' INT TERM
wait "$checking"
