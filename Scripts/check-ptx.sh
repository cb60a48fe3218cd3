#!/usr/bin/env bash
# Compiles our kernels for NVIDIA's processors on a machine that has none, and says what they take:
# registers, spilled bytes, local memory, bytes of code, and instructions by kind; loads and stores
# with their widths (.64, .128: bits an item; none: 32).
#   Scripts/check-ptx.sh [sm_80|sm_90 …]
# Needs clang with the nvptx target and libclc (Debian: clang-19 libclc-19), ptxas and, for the
# instructions, cuobjdump or nvdisasm (CUDA; or `pip install nvidia-cuda-nvcc-cu12
# nvidia-cuda-nvdisasm`), and python3: from PATH, or CLANG, LIBCLC, PTXAS and NVDISASM name them.
set -euo pipefail
cd "$(dirname "$0")/.."
clang=${CLANG:-$(command -v clang-19 || command -v clang)}
libclc=${LIBCLC:-/usr/lib/clc/nvptx64--nvidiacl.bc}
ptxas=${PTXAS:-$(command -v ptxas)}
nvdisasm=${NVDISASM:-$(command -v nvdisasm || true)}
folder=$(mktemp -d)
rules=$folder
trap 'rm -rf "$folder"' EXIT

# ptx, name, architecture, options of ptxas
assemble() {
  local ptx=$1 name=$2 architecture=$3 cubin=$folder/$2.cubin
  shift 3
  "$ptxas" -arch="$architecture" -v "$@" -o "$cubin" "$ptx" 2>&1 |
    awk -v name="$name $architecture" '
      /Compiling entry function/ { match($0, /'"'"'[^'"'"']*'"'"'/); kernel = substr($0, RSTART + 1, RLENGTH - 2) }
      /bytes spill stores/ { spill = $5 + $9 }
      /Used [0-9]+ registers/ {
        match($0, /Used [0-9]+/); registers = substr($0, RSTART + 5, RLENGTH - 5)
        memory = match($0, /[0-9]+ bytes smem/) ? substr($0, RSTART, RLENGTH - 11) : 0
        printf "%-42s %-16s registers %3d  spilled %5d B  local memory %6d B\n", name, kernel, registers, spill, memory
      }
      /error|warning|Potential/ { print }'
  if [ -n "$nvdisasm" ]; then
    "$nvdisasm" "$cubin" 2>/dev/null | awk '
      match($0, /\/\*[0-9a-f][0-9a-f][0-9a-f][0-9a-f]+\*\/ /) { instructions++ }
      match($0, /(HGMMA|UBLKCP|HMMA|FFMA|LDGSTS|LDS|STS|LDG|STG|LDL|STL|BAR|CALL|MUFU)[.A-Z0-9_]*/) {
        full = substr($0, RSTART, RLENGTH)
        width = match(full, /\.(64|128)($|\.)/) ? "." substr(full, RSTART + 1, RLENGTH - 1) : ""
        sub(/\.$/, "", width); kind = full; sub(/\..*/, "", kind)
        if (kind == "HMMA") { kind = full; width = "" }
        if (kind == "BAR" && full !~ /SYNC/) next
        n[kind width]++ }
      END { printf "    %d B of code:", 16 * instructions
            count = sorted(n, names); for (i = 1; i <= count; i++) printf "  %s %d", names[i], n[names[i]]
            print "" }
      function sorted(from, to,   key, count, i, j) {
        for (key in from) { count++; for (i = count; i > 1 && to[i - 1] > key; i--) to[i] = to[i - 1]; to[i] = key }
        return count }'
  fi
}

# Arrays of local memory are cut where they are more than ptxas allows: registers do not depend on it.
# Divisions and roots are as exact as NVIDIA's OpenCL has them by default.
# source, name, architecture, definitions; -maxrregcount=N among them is an option of ptxas. ptxas is
# told the size of each kernel's work-group, which clang leaves out, and of local memory above 48 KiB,
# which a driver sees to, that its size is not known.
check() {
  local source=$1 name=$2 architecture=$3 ptx=$folder/$2.ptx
  shift 3
  local definitions=() options=()
  for word in "$@"; do
    case $word in
      -*) options+=("$word") ;;
      RULE=*) definitions+=(-include "$rules/${word#RULE=}.h") ;;
      *) definitions+=("-D$word") ;;
    esac
  done
  "$clang" --target=nvptx64--nvidiacl -march="$architecture" -x cl -cl-std=CL1.2 -O3 \
    -cl-kernel-arg-info -Xclang -finclude-default-header -Xclang -mlink-builtin-bitcode \
    -Xclang "$libclc" -Xclang -target-feature -Xclang +ptx80 -Wno-override-module -Wno-pass-failed \
    -Xclang -mllvm -Xclang -nvptx-prec-divf32=1 -Xclang -mllvm -Xclang -nvptx-prec-sqrtf32=0 \
    -DWIDTH=4 "${definitions[@]}" -S -o "$ptx" "Kernels/$source.cl"
  "$clang" -E -P -x cl -cl-std=CL1.2 -DWIDTH=4 "${definitions[@]}" "Kernels/$source.cl" |
    python3 -c '
import re, sys
ptx, text = sys.argv[1], sys.stdin.read()
sizes = re.findall(r"reqd_work_group_size\(([^,]+),[^)]*\)\)\)\s*void\s+(\w+)", text)
out = open(ptx).read()
for size, kernel in sizes:
    items = eval(size.replace("/", "//"))
    out = re.sub(r"(\.entry %s\(.*?\)\n)(\{)" % kernel, r"\1.reqntid %d, 1, 1\n\2" % items, out,
                 count=1, flags=re.S)
arrays = r"(\.shared [^;]*\[)(\d+)(\];)"
if sum(int(m[1]) for m in re.findall(arrays, out)) > 48 << 10:
    out = re.sub(arrays, r"\g<1>1024\g<3>", out)
open(ptx, "w").write(out)' "$ptx"
  assemble "$ptx" "$name" "$architecture" "${options[@]}"
}

# The macros of three update rules, as Sources/Tensors/ElementwiseRule.swift makes them.
rule_header() {
  local numbers=$1 steps=$2 scope=$3 direction=$4 names=("${@:5}")
  echo "#define STATES ${#names[@]}"
  echo "#define HYPERPARAMETERS $numbers"
  echo "#define STEP_NUMBERS $steps"
  echo "#define RULE_NUMBERS(numbers, step) $scope"
  echo "#define RULE_DIRECTION(T) $direction"
  [ ${#names[@]} -lt 1 ] || echo "#define RULE_FIRST ${names[0]}"
  [ ${#names[@]} -lt 2 ] || echo "#define RULE_SECOND ${names[1]}"
}
rule_header 0 1 "float schedule = (step)[0];" "T d = g;" >"$rules/sgd.h"
rule_header 1 1 "float momentum = (numbers)[0]; float schedule = (step)[0];" \
  "velocity = momentum * velocity + g; T d = velocity;" velocity >"$rules/momentum.h"
rule_header 2 3 "float beta1 = (numbers)[0]; float beta2 = (numbers)[1]; float schedule = (step)[0]; \
float correction1 = (step)[1]; float correction2 = (step)[2];" \
  "mean = beta1 * mean + (1.0f - beta1) * g; square = beta2 * square + (1.0f - beta2) * g * g; \
T d = mean * correction1 / (sqrt(square * correction2) + epsilon);" mean square >"$rules/adam.h"

# Variants of a transpose mode: what the definitions are called, and they. EPILOGUE: 1 bias, 2
# output, 4 derivative, 8 update; KIND: 1 relu, 3 gelu; RULE: of an update.
variants() {
  local none="EPILOGUE=0 KIND=0"
  echo "plain ALIGNED=1 $none"
  echo "unaligned ALIGNED=0 $none"
  echo "slice ALIGNED=1 $none SLICED=1"
  case $1 in
    0) echo "relu' ALIGNED=1 EPILOGUE=4 KIND=1" ;;
    1)
      echo "bias-relu ALIGNED=1 EPILOGUE=3 KIND=1"
      echo "bias-gelu ALIGNED=1 EPILOGUE=3 KIND=3"
      ;;
    2)
      echo "SGD ALIGNED=1 EPILOGUE=8 KIND=0 RULE=sgd"
      echo "momentum ALIGNED=1 EPILOGUE=8 KIND=0 RULE=momentum"
      echo "Adam ALIGNED=1 EPILOGUE=8 KIND=0 RULE=adam"
      echo "Adam-unaligned ALIGNED=0 EPILOGUE=8 KIND=0 RULE=adam"
      ;;
  esac
}

# What GPUProductKernel.buildOptions asks for: tile's rows, variant.
limit() {
  if [ "$1" = 128 ] && [ "$2" != slice ]; then echo LIMITED=1 -maxrregcount=128; fi
}

[ $# -gt 0 ] || set -- sm_80 sm_90
for architecture in "$@"; do
  for form in 0 1 2; do
    for tile in "128 128 16 8 8" "64 64 16 4 4" "32 32 16 4 4"; do
      read -r m n k threadM threadN <<<"$tile"
      while read -r variant definitions; do
        limit=$(limit "$m" "$variant")
        # shellcheck disable=SC2086
        check multiply_local "local-${m}x$n-form$form-$variant" "$architecture" FORM=$form \
          TILE_M=$m TILE_N=$n TILE_K=$k THREAD_M=$threadM THREAD_N=$threadN PADDING=4 \
          $definitions $limit
      done < <(variants $form)
    done
    for precision in 1 2 3; do
      for tile in "128 128 16 64 32 3" "64 64 16 32 32 4"; do
        read -r m n k warpM warpN stages <<<"$tile"
        while read -r variant definitions; do
          limit=$([ "$precision" = 3 ] || limit "$m" "$variant")
          # shellcheck disable=SC2086
          check multiply_tensor "tensor$precision-${m}x$n-form$form-$variant" "$architecture" \
            FORM=$form PRECISION=$precision TILE_M=$m TILE_N=$n TILE_K=$k WARP_M=$warpM \
            WARP_N=$warpN STAGES=$stages $definitions $limit
        done < <(variants $form)
      done
    done
  done
  for precision in 1 2 3; do
    for aligned in 0 1; do
      check pack "pack$precision-aligned$aligned" "$architecture" PRECISION=$precision ALIGNED=$aligned
    done
  done
  # Instructions of wgmma are those of one architecture alone.
  if [ "$architecture" = sm_90 ]; then
    for tile in "1 256 4" "1 128 6" "2 256 4" "2 128 6" "3 128 3"; do
      read -r precision n stages <<<"$tile"
      while read -r variant definitions; do
        case $n-$variant in *slice | *gelu | 256-[SAm]*) continue ;; esac
        # shellcheck disable=SC2086
        check multiply_warpgroup "warpgroup$precision-128x$n-$variant" sm_90a ASSEMBLED=1 FORM=0 \
          PRECISION=$precision TILE_N=$n STAGES=$stages $definitions
      done < <({ variants 0; variants 1; variants 2; } | sort -u)
    done
  fi
  for variant in "plain ALIGNED=1 EPILOGUE=0 KIND=0" "bias-gelu ALIGNED=1 EPILOGUE=3 KIND=3" \
    "unaligned ALIGNED=0 EPILOGUE=0 KIND=0"; do
    read -r name definitions <<<"$variant"
    # shellcheck disable=SC2086
    check slices "slices-$name" "$architecture" $definitions
  done
  for pass in "256 1 2" "256 1 6" "256 2 6" "512 2 6" "512 4 4" "256 0 6"; do
    read -r items quads count <<<"$pass"
    check spectral "pass-${items}x$quads-$count" "$architecture" GROUP_ITEMS=128 QUADS="$quads" \
      COUNT="$count" ITEMS="$items"
  done
  for vectors in 1 2 4 8; do
    check ritz "ritz-$vectors" "$architecture" VECTORS="$vectors" GROUP_ITEMS=128
  done
  # INPUTS, FEATURES, DEPTH, KIND, RULE, STATE_IN_REGISTERS, PARTS, as OnChipPlan chooses the last two.
  for network in "64 64 2 1 adam 1 4" "64 64 2 3 adam 1 4" "64 64 4 1 adam 0 4" \
    "64 64 4 1 momentum 1 4" "64 128 2 1 adam 0 2" "64 128 1 3 sgd 1 2" "20 48 3 2 momentum 1 4"; do
    read -r inputs features depth kind rule state parts <<<"$network"
    check on_chip "on_chip-${inputs}-${features}x$depth-kind$kind-rule$rule" "$architecture" \
      ITEMS=256 INPUTS="$inputs" FEATURES="$features" DEPTH="$depth" CLASSES=10 BATCH=64 \
      KIND="$kind" SQUARED_ERROR=0 BYTES=0 RULE="$rule" STATE_IN_REGISTERS="$state" PARTS="$parts" \
      LOCAL_BYTES="16 * Local_quads"
  done
  for head in 5 16 32 64 80 128; do
    check attention "attention-$head" "$architecture" HEAD="$head" GROUP_ITEMS=128
  done
  for rule in sgd momentum adam; do
    check update "update-$rule" "$architecture" RULE=$rule GROUP_ITEMS=128
  done
  for source in step gram reduction embedding rotation normalization gradient_scale norm_bounds; do
    check $source $source "$architecture" GROUP_ITEMS=128
  done
done
