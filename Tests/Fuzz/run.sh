#!/usr/bin/env bash
# Fuzzes every reader of outside bytes with libFuzzer, which looks for inputs that reach new code.
#
#     Tests/Fuzz/run.sh [--inputs N] [--jobs N] [--reader NAME]… [PROGRAM]
#
# --inputs   how many inputs in all, shared out over the readers (1,000,000)
# --jobs     readers at a time (1)
# PROGRAM    the gputrain that makes seeds (.build/release/gputrain)
#
# An input that ends the process, takes more than 10 seconds, or 256 MiB in one piece or 1 GiB in all, is a
# finding: it is kept in .build-fuzz/findings, and the status is 1. What was found to reach new code stays in
# .build-fuzz/corpus, and the next run begins with it.
set -euo pipefail
cd "$(dirname "$0")/../.."

inputs=1000000 jobs=1 program=.build/release/gputrain chosen=()
while [ $# -gt 0 ]; do
  case $1 in
    --inputs) inputs=$2 && shift 2 ;;
    --jobs) jobs=$2 && shift 2 ;;
    --reader) chosen+=("$2") && shift 2 ;;
    --*) echo "$0: unknown option $1" >&2 && exit 64 ;;
    *) program=$1 && shift ;;
  esac
done
[ -x "$program" ] || { echo "$program is missing: make build, or give another" >&2 && exit 1; }

place=$PWD/.build-fuzz
mkdir -p "$place"/{corpus,findings,logs}
# Optimised, with every check that the program has, and with what is internal to be seen.
build=(env GPUTRAIN_FUZZ=yes "${SWIFT:-swift}" build -c release --scratch-path "$place/build"
  --sanitize=fuzzer -Xswiftc -enable-testing --product Fuzz)
"${build[@]}"
fuzz=$("${build[@]}" --show-bin-path)/Fuzz

# Small results of the program itself.
# Else Swift's own handler ends a process that traps before libFuzzer has kept the input.
export SWIFT_BACKTRACE=enable=no
export FUZZ_MADE=$place/made
if ! [ -e "$FUZZ_MADE/done" ]; then
  rm -rf "$FUZZ_MADE"
  mkdir "$FUZZ_MADE"
  common=(--steps 4 --batch-size 16 --depth 2 --quiet)
  "$program" sweep "${common[@]}" --widths 8,16 --log2-lr=-9,-7,-5 --seeds 1 --diagnose 2:all \
    --out "$FUZZ_MADE/sweep" >/dev/null
  "$program" train "${common[@]}" --width 8 --checkpoint-every 2 --save "$FUZZ_MADE/w.safetensors" \
    --out "$FUZZ_MADE/train" >/dev/null
  "$program" check "${common[@]}" --widths 8,16 --seeds 2 --out "$FUZZ_MADE/check" >/dev/null || [ $? -le 2 ]
  "$program" figures --quiet --widths 8,16 --seeds 2 --steps 4 --spectrum-width 8 --batch-sizes 1,4 \
    --out "$FUZZ_MADE/figures" >/dev/null
  touch "$FUZZ_MADE/done"
fi
FUZZ_SEEDS=$place/seeds "$fuzz"

[ ${#chosen[@]} -gt 0 ] || mapfile -t chosen < <(ls "$place/seeds")
# Readers that write a page of what they have read take a hundred times as long, and get a hundredth.
slow=' sweep-json history result metrics config check figures claim '
weight() { [[ $slow == *" $1 "* ]] && echo 1 || echo 100; }
units=0
for reader in "${chosen[@]}"; do units=$((units + $(weight "$reader"))); done

fuzz_reader() { # its name
  mkdir -p "$place/corpus/$1"
  FUZZ_READER=$1 "$fuzz" -runs=$(((inputs * $(weight "$1") + units - 1) / units)) -timeout=10 \
    -malloc_limit_mb=256 -rss_limit_mb=1024 -max_len=32768 \
    -artifact_prefix="$place/findings/$1-" -print_final_stats=1 "$place/corpus/$1" "$place/seeds/$1" \
    >"$place/logs/$1" 2>&1
}
export -f fuzz_reader weight
export place inputs units slow fuzz

# A process that a finding ended has left its files in memory.
sweep_up() {
  for left in /dev/shm/gputrain-fuzz-*; do [ -e "/proc/${left##*-}" ] || rm -rf "$left"; done
}
trap sweep_up EXIT

status=0
printf '%s\n' "${chosen[@]}" | xargs -P "$jobs" -I{} bash -c 'fuzz_reader {}' || status=1

total=0
printf '%-18s %9s %9s %9s %s\n' reader inputs corpus seconds found
for reader in "${chosen[@]}"; do
  log=$place/logs/$reader
  count=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  seconds=$(sed -n 's/^Done .* in \([0-9]*\) second.*/\1/p' "$log")
  found=$(find "$place/findings" -name "$reader-*-*" | wc -l)
  printf '%-18s %9s %9s %9s %s\n' "$reader" "${count:-?}" "$(ls "$place/corpus/$reader" | wc -l)" \
    "${seconds:--}" "$found"
  total=$((total + ${count:-0}))
done
echo "$total inputs, $(find "$place/findings" -type f | wc -l) findings in $place/findings"
exit $status
