#!/usr/bin/env bash
# Unpacks gputrain-gpu-bundle.tar.xz, which lies beside this script, and runs gputrain's check of a GPU:
# eight minutes, results in ./gpu-check. Variables as Benchmarks/GPU/check.sh has them, and
#
#     FOLDER   where to unpack (default: a temporary folder, removed at the end)
set -euo pipefail
bundle=$(cd "$(dirname "$0")" && pwd)/gputrain-gpu-bundle.tar.xz
[ -e "$bundle" ] || { echo "gpu-check: $bundle is missing" >&2; exit 1; }
if [ -z "${FOLDER:-}" ]; then
  FOLDER=$(mktemp -d)
  trap 'rm -rf "$FOLDER"' EXIT
fi
mkdir -p "$FOLDER"
# Minimal images have no xz; Python has its own.
tar -C "$FOLDER" -xJf "$bundle" 2>/dev/null ||
  python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2])' "$bundle" "$FOLDER"
"$FOLDER/gputrain-gpu-bundle/Benchmarks/GPU/check.sh"
