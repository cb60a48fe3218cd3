#!/usr/bin/env bash
# Tries the folder that make dist made on a machine that has nothing: a root of glibc, a shell and
# coreutils alone. Needs a kernel that lets users, or root, make name spaces.
set -euo pipefail
cd "$(dirname "$0")/.."

name=gputrain-linux-$(uname -m)
[ -d "dist/$name" ] || { echo "dist-test: make dist comes first" >&2; exit 1; }

if [ "${1:-}" != inside ]; then
  as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(--user --map-root-user)
  exec unshare "${as_root[@]}" --mount bash "Scripts/$(basename "$0")" inside
fi

# Tools and what they need; of libraries only the C library's and the shell's.
root=$(mktemp -d)
trap 'umount -lR "$root" 2>/dev/null || :; rmdir "$root" 2>/dev/null || :' EXIT
mount -t tmpfs none "$root"
mkdir -p "$root"/{bin,proc,sys,dev,tmp,home/user,"opt/a folder",etc/OpenCL,lib64,usr}
tools=(sh bash env ls cat id mkdir mktemp mv readlink cksum tr getconf)
for tool in "${tools[@]}"; do cp -L "$(command -v "$tool")" "$root/bin/"; done
for file in $(for tool in "${tools[@]}"; do ldd "$(command -v "$tool")"; done |
  grep -oE '/[^ ]+' | sort -u) /lib/"$(uname -m)"-linux-gnu/lib{m,dl,pthread,rt,resolv}.so.[0-9]; do
  mkdir -p "$root$(dirname "$file")"
  cp -Ln "$file" "$root$file"
done
for place in proc sys dev; do mount --rbind "/$place" "$root/$place"; done
mkdir "$root/opt/a folder/$name"
mount --bind "dist/$name" "$root/opt/a folder/$name"
mount -o remount,bind,ro "$root/opt/a folder/$name"
ln -s "../opt/a folder/$name/gputrain" "$root/bin/gputrain"

# Runs a line of shell inside; its output, both streams, is kept in $output.
inside() {
  local status=0
  output=$(chroot "$root" /bin/env -i PATH=/bin HOME=/home/user "$@" 2>&1) || status=$?
  return $status
}
expect() {
  if ! [[ $output == *$2* ]]; then
    printf 'dist-test: %s: expected "%s", got:\n%s\n' "$1" "$2" "$output" >&2
    exit 1
  fi
  printf 'dist-test: %s\n' "$1"
}
refuse() {
  if [[ $output == *$2* ]]; then
    printf 'dist-test: %s: unexpected "%s" in:\n%s\n' "$1" "$2" "$output" >&2
    exit 1
  fi
  printf 'dist-test: %s\n' "$1"
}

inside bash -c 'ls /lib/*/libstdc++* /bin/ld' && { echo "dist-test: the root is not bare" >&2; exit 1; }
inside sh -c 'cd /tmp && gputrain devices' || :
expect "devices, through a link, from a path with a space" "Portable Computing Language"
inside gputrain bench gemm --seconds 0.2 || :
expect "our products" "GFLOP/s"
inside gputrain bench gemm --gemm clblast --m 8 --n 8 --k 8 --seconds 0.1 || :
expect "CLBlast's products" "GFLOP/s"
inside gputrain bench gemm --gemm openblas --seconds 0.2 || :
expect "OpenBLAS's products" "GFLOP/s"
inside sh -c 'cd /home/user && gputrain sweep --widths 16,32 --seeds 2 --steps 20 \
  --log2-lr -8:-5:4 --parametrization spectral --out sweep && cat sweep/summary.csv' || :
expect "a sweep" "completed"
inside sh -c 'ls -d /home/user/.cache/pocl' || :
expect "kernels kept in the home directory" "/home/user/.cache/pocl"

inside HOME=/proc/none gputrain bench gemm --seconds 0.1 || :
expect "a home that cannot be written" "GFLOP/s"
expect "a home that cannot be written, said" "compiled kernels are kept in /tmp/gputrain-"
inside sh -c 'unset HOME; gputrain bench gemm --seconds 0.1' || :
expect "no home" "compiled kernels are kept in /tmp/gputrain-"
inside XDG_CACHE_HOME=/tmp/cache gputrain bench gemm --seconds 0.1 || :
refuse "the user's own cache folder" "are kept in"
inside ls /tmp/cache/pocl || :
expect "the user's own cache folder, in use" "kcache"
inside sh -c 'OCL_ICD_VENDORS=/nothing gputrain devices' || :
expect "the user's own drivers" "no OpenCL platform"

mkdir "$root/etc/OpenCL/vendors"
printf 'libnone.so.1' >"$root/etc/OpenCL/vendors/none.icd"
inside gputrain devices || :
expect "PoCL beside a driver of the machine's" "Portable Computing Language"
inside sh -c 'cat /home/user/.cache/gputrain/vendors/*/*.icd' || :
expect "drivers of the machine come first" $'libnone.so.1\nlibpocl.so.2'
mkdir -p "$root/usr/local/nvidia/lib64"
: >"$root/usr/local/nvidia/lib64/libnvidia-opencl.so.1"
inside sh -c 'gputrain devices; cat /home/user/.cache/gputrain/vendors/*/*.icd' || :
expect "a GPU's driver without an ICD file is found" \
  $'/usr/local/nvidia/lib64/libnvidia-opencl.so.1\nlibnone.so.1\nlibpocl.so.2'
echo "dist-test: all is well"
