#!/usr/bin/env bash
# Builds the documentation's pages into .build/docs; every warning, and every public symbol without
# documentation, is an error. Needs nothing but the toolchain.
#     python3 -m http.server --directory .build/docs   # then /documentation/gputrain
set -euo pipefail
cd "$(dirname "$0")/.."
swift=${SWIFT:-swift}
docc=${DOCC:-docc}
command -v "$docc" >/dev/null || { echo "docs: docc is not in PATH; it comes with Swift" >&2; exit 1; }

# From the lowest module: each may link to those before it.
modules=(OpenCL Tensors Spectral Networks Training Experiments GPUTrain)
catalogue() { case $1 in GPUTrain) echo Sources/Umbrella/GPUTrain.docc ;; *) echo "Sources/$1/$1.docc" ;; esac; }

# The symbol graph is of every target; it fails where the tests' module is not built.
"$swift" build --build-tests
"$swift" package dump-symbol-graph --minimum-access-level public --skip-synthesized-members >/dev/null
graphs=$(dirname "$(find -L .build -path '*/symbolgraph/GPUTrain.symbols.json' | head -n 1)")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
archives=()
for module in "${modules[@]}"; do
  mkdir "$work/$module"
  cp "$graphs/$module.symbols.json" "$work/$module"
  "$docc" convert "$(catalogue "$module")" --additional-symbol-graph-dir "$work/$module" \
    --fallback-display-name "$module" --fallback-bundle-identifier "gputrain.$module" \
    --fallback-default-module-kind Module --warnings-as-errors \
    --enable-experimental-external-link-support "${archives[@]/#/--dependency=}" \
    --output-path "$work/$module.doccarchive"
  archives+=("$work/$module.doccarchive")
done
"$swift" Scripts/undocumented.swift "${modules[@]/#/$graphs/}"
rm -rf .build/docs
"$docc" merge "${archives[@]}" --synthesized-landing-page-name gputrain \
  --synthesized-landing-page-topics-style list --output-path .build/docs
echo "docs: .build/docs/documentation"
