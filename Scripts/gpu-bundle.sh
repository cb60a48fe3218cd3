#!/usr/bin/env bash
# make gpu-bundle: dist/gputrain-gpu-bundle.tar.xz and dist/gpu-check.sh, which unpacks it and runs
# `make gpu-check` from it on a machine that has a GPU's driver and Python, and no Swift. At most 40 MB.
#
#     program/gputrain, program/lib/       the program, the libraries it is linked to; no driver
#     program/glibc/                       the C library's files, for machines whose own is older
#     Benchmarks/GPU/, Benchmarks/Peers/   what make gpu-check runs
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=Scripts/dist/carry.sh
. Scripts/dist/carry.sh

most=40000000
for tool in strip ldd xz cc; do
  command -v "$tool" >/dev/null || fail "$tool is missing (Debian, Ubuntu: binutils, libc-bin, xz-utils, gcc)"
done

build=(swift build -c release --product gputrain)
"${build[@]}"
built=$("${build[@]}" --show-bin-path)/gputrain

name=gputrain-gpu-bundle
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
folder=$work/$name
mkdir -p "$folder"/program/{lib,glibc} "$folder"/Benchmarks/{GPU,Peers}
install -m 755 "$built" "$folder/program/gputrain"
strip "$folder/program/gputrain"
needed=$(libraries_of "$built") || exit 1
while read -r library path; do
  if is_glibc "$library" || is_runtime "$library"; then
    # Beside the C library, as both have to be the newer ones.
    install -m 755 "$path" "$folder/program/glibc/$library"
  else
    install -m 755 "$path" "$folder/program/lib/$library"
    strip --strip-unneeded "$folder/program/lib/$library"
  fi
done <<<"$needed"
install -m 755 "$(interpreter_of "$built")" "$folder/program/glibc/ld-linux.so"
# Drivers need the rest of the C library, whose parts must all be of one version.
place=$(dirname "$(readlink -f "$(awk '$1 == "libc.so.6" { print $2 }' <<<"$needed")")")
for part in libdl.so.2 libpthread.so.0 librt.so.1 libresolv.so.2 libutil.so.1 libanl.so.1 libmvec.so.1; do
  [ ! -e "$place/$part" ] || install -m 755 "$place/$part" "$folder/program/glibc/$part"
done
git describe --always --dirty >"$folder/program/version" 2>/dev/null || :
cc -shared -fPIC -O2 -o "$folder/program/kernel_times.so" Benchmarks/GPU/kernel_times.c -ldl
cp Benchmarks/GPU/*.py Benchmarks/GPU/check.sh "$folder/Benchmarks/GPU/"
cp Benchmarks/Peers/{peers,worker}.py "$folder/Benchmarks/Peers/"
cp LICENSE "$folder/"

mkdir -p dist
tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner -cf - "$name" | xz -6 -T0 >"dist/$name.tar.xz"
install -m 755 Scripts/dist/gpu-check.sh dist/gpu-check.sh
size=$(stat -c %s "dist/$name.tar.xz")
[ "$size" -le "$most" ] || fail "dist/$name.tar.xz has $size bytes, more than $most"
say "dist/$name.tar.xz: $size bytes; on the machine with the GPU: bash gpu-check.sh"
