#!/usr/bin/env bash
# Tries what make gpu-bundle made: unpacked in a bare folder, away from the checkout, with the CPU
# standing in for a GPU (PoCL), and again with the C library that the bundle carries.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -e dist/gputrain-gpu-bundle.tar.xz ] || { echo "gpu-bundle-test: make gpu-bundle comes first" >&2; exit 1; }
bare=$(mktemp -d)
trap 'rm -rf "$bare"' EXIT
cp dist/gputrain-gpu-bundle.tar.xz dist/gpu-check.sh "$bare"
cd "$bare"

for old in "" 1; do
  out=$bare/results-$old
  env -u GPUTRAIN -u LD_LIBRARY_PATH DEVICE=cpu SMALL=1 OLD_GLIBC=$old OUT="$out" bash gpu-check.sh >said.txt 2>&1 ||
    { cat said.txt; echo "gpu-bundle-test: failed" >&2; exit 1; }
  grep -q '(ours)' said.txt
  [ -z "$old" ] || grep -q 'the C library carried is used' said.txt
  ls "$out"/*-cpu-*.md >/dev/null
  # PoCL may compile tiles for longer than a search of them is given.
  if grep -E '^\[.*: (failed|cut|left out)' said.txt | grep -v 'search of tiles: cut'; then
    cat said.txt; echo "gpu-bundle-test: a part failed" >&2; exit 1
  fi
  echo "gpu-bundle-test: ${old:+with the C library carried, }all parts done: $(grep -c '(ours)' said.txt) cases"
done
