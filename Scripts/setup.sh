#!/usr/bin/env bash
# Installs what gputrain needs beside Swift, and only what is missing; with `dist`, also what
# Scripts/dist.sh needs.
set -euo pipefail

say() { printf 'setup: %s\n' "$*"; }

if ! command -v swift >/dev/null; then
  say "Swift 6.2 or newer is needed: https://www.swift.org/install" >&2
  exit 1
fi

version=$(swift --version 2>/dev/null | grep -oE 'Swift version [0-9]+\.[0-9]+' | grep -oE '[0-9]+\.[0-9]+' || true)
if [ "$(printf '6.2\n%s\n' "$version" | sort -V | head -n 1)" != 6.2 ]; then
  say "Swift 6.2 or newer is needed, this is $version: https://www.swift.org/install" >&2
  exit 1
fi

packages=(
  ocl-icd-opencl-dev  # OpenCL's loader, to link against
  opencl-headers      # CL/cl.h
  libclblast-dev      # matrix products on GPUs
  libopenblas-dev     # matrix products on CPUs
  pocl-opencl-icd     # OpenCL on the CPU, where there is no GPU
  zlib1g-dev          # compressed data files
  pkg-config          # where the libraries lie
)

if [ "${1:-}" = dist ]; then
  packages+=(
    binutils  # strip, objdump, and the linker that is carried along
    patchelf  # where the libraries look for one another
  )
fi

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  say "this is no Debian or Ubuntu: install what these packages hold, then run make again:"
  printf '  %s\n' "${packages[@]}"
  exit 0
fi

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
  [ "$status" = "install ok installed" ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    say "as root, run: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
say "installing what is missing: ${missing[*]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -y -qq --no-install-recommends "${missing[@]}"
