#!/usr/bin/env bash
# Compiles the kernels of products on GPUs for NVIDIA's processors, where there need be none, and
# says what they take: registers, spilled bytes, local memory, and instructions by kind.
#   Scripts/check-ptx.sh [sm_80|sm_90 …]
# Needs clang with the nvptx target and libclc (Debian: clang-19 libclc-19), ptxas and, for the
# instructions, cuobjdump or nvdisasm (CUDA; or `pip install nvidia-cuda-nvcc-cu12
# nvidia-cuda-nvdisasm`): from PATH, or CLANG, LIBCLC, PTXAS and NVDISASM name them.
set -euo pipefail
cd "$(dirname "$0")/.."
clang=${CLANG:-$(command -v clang-19 || command -v clang)}
libclc=${LIBCLC:-/usr/lib/clc/nvptx64--nvidiacl.bc}
ptxas=${PTXAS:-$(command -v ptxas)}
nvdisasm=${NVDISASM:-$(command -v nvdisasm || true)}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# source, name, architecture, definitions
check() {
  local source=$1 name=$2 architecture=$3
  shift 3
  local ptx=$folder/$name.ptx cubin=$folder/$name.cubin
  "$clang" --target=nvptx64--nvidiacl -march="$architecture" -x cl -cl-std=CL1.2 -O3 \
    -cl-kernel-arg-info -Xclang -finclude-default-header -Xclang -mlink-builtin-bitcode \
    -Xclang "$libclc" -Xclang -target-feature -Xclang +ptx78 -Wno-override-module -Wno-pass-failed \
    -DWIDTH=4 "${@/#/-D}" -S -o "$ptx" "Kernels/$source.cl"
  "$ptxas" -arch="$architecture" -v -o "$cubin" "$ptx" 2>&1 |
    awk -v name="$name $architecture" '
      /Compiling entry function/ { match($0, /'"'"'[^'"'"']*'"'"'/); kernel = substr($0, RSTART + 1, RLENGTH - 2) }
      /bytes spill stores/ { spill = $5 + $9 }
      /Used [0-9]+ registers/ {
        match($0, /Used [0-9]+/); registers = substr($0, RSTART + 5, RLENGTH - 5)
        memory = match($0, /[0-9]+ bytes smem/) ? substr($0, RSTART, RLENGTH - 11) : 0
        printf "%-30s %-16s registers %3d  spilled %5d B  local memory %6d B\n", name, kernel, registers, spill, memory
      }
      /error|warning/ { print }'
  if [ -n "$nvdisasm" ]; then
    "$nvdisasm" "$cubin" 2>/dev/null | awk -v name="$name" '
      match($0, /(HMMA|FFMA|LDGSTS|LDS|STS|LDG|STG|LDL|STL|BAR|F2F|F2FP)[.A-Z0-9_]*/) {
        full = substr($0, RSTART, RLENGTH); sub(/\.(STRONG|GPU|E|BYPASS|SYS|CONSTANT|LTC128B).*/, "", full); n[full]++ }
      END { line = ""; for (i in n) line = line sprintf("%s %d  ", i, n[i]); print "    whole file: " line }'
  fi
}

[ $# -gt 0 ] || set -- sm_80 sm_90
for architecture in "$@"; do
  for form in 0 1 2; do
    for tile in "128 128 16 8 8" "64 64 16 4 4" "32 32 16 4 4"; do
      read -r m n k threadM threadN <<<"$tile"
      check multiply_local "local-${m}x$n-form$form" "$architecture" FORM=$form TILE_M=$m TILE_N=$n \
        TILE_K=$k THREAD_M=$threadM THREAD_N=$threadN PADDING=4
    done
    for precision in 1 2 3; do
      for tile in "128 128 16 64 32 3" "64 64 16 32 32 4"; do
        read -r m n k warpM warpN stages <<<"$tile"
        check multiply_tensor "tensor$precision-${m}x$n-form$form" "$architecture" FORM=$form \
          PRECISION=$precision TILE_M=$m TILE_N=$n TILE_K=$k WARP_M=$warpM WARP_N=$warpN \
          STAGES=$stages
      done
    done
  done
done
