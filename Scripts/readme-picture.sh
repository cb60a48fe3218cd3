#!/usr/bin/env bash
# Makes README's picture, docs/images/transfer.svg, again: losses of the default sweep.
# Usage: Scripts/readme-picture.sh [PROGRAM]
set -euo pipefail
cd "$(dirname "$0")/.."
program=${1:-.build/release/gputrain}
out=$(mktemp -d)
trap 'rm -r "$out"' EXIT
"$program" sweep --out "$out/default" --pictures svg --size 220mm --font-size 11
cp "$out/default/report-pictures/loss.svg" docs/images/transfer.svg
