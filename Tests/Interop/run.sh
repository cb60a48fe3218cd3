#!/usr/bin/env bash
# Round trips with Python's own packages: every Tests/Interop/check_*.py, with the built program.
#
#     Tests/Interop/run.sh [PROGRAM]      # by default .build/release/gputrain, else .build/debug's
#
# Makes a virtual environment under .build, once, and installs NumPy, pandas, safetensors, ml_dtypes
# and TensorBoard there. Where Python or the network is missing it says so and ends with 0.
# check_intel.py makes one of its own, with Intel's OpenCL runtime for CPUs.
# check_pytorch.py and check_series.py run where torch can be imported: PYTHON=/path/to/python names
# another Python.
set -euo pipefail
cd "$(dirname "$0")/../.."

skip() { printf 'interop: skipped: %s\n' "$*"; exit 0; }

program=${1:-}
for built in .build/release/gputrain .build/debug/gputrain; do
  if [ -z "$program" ] && [ -x "$built" ]; then program=$built; fi
done
[ -n "$program" ] || skip "no built program: run make build first"
[ -x "$program" ] || { printf 'interop: %s: no such program\n' "$program" >&2; exit 1; }

environment=.build/interop
if [ ! -x "$environment/bin/python" ] || [ ! -e "$environment/ready" ]; then
  command -v python3 >/dev/null || skip "no python3"
  rm -rf "$environment"
  python3 -m venv "$environment" >/dev/null 2>&1 || skip "python3 cannot make virtual environments"
  "$environment/bin/pip" install --quiet --disable-pip-version-check \
    numpy pandas safetensors ml_dtypes tensorboard setuptools\<81 || skip "packages cannot be had"
  touch "$environment/ready"
fi

status=0
for check in Tests/Interop/check_*.py; do
  python=$environment/bin/python
  needs=
  case "$check" in
  */check_pytorch.py) needs='torch, safetensors.torch' ;;
  */check_series.py) needs='torch, numpy' ;;
  esac
  if [ -n "$needs" ]; then
    python=${PYTHON:-$python}
    if ! "$python" -c "import $needs" 2>/dev/null; then
      printf 'interop: %s skipped: %s has no %s\n' "$check" "$python" "$needs"
      continue
    fi
  fi
  printf 'interop: %s\n' "$check"
  "$python" "$check" "$program" || { printf 'interop: %s failed\n' "$check" >&2; status=1; }
done
exit $status
