#!/bin/sh
# Starts gputrain with the libraries in this folder; asks for no more than a shell and coreutils.
#
# Set for the program alone, beside what the user has set: where OpenCL's drivers are, where PoCL
# finds its linker, a cache folder where the user's cannot be written, and LD_LIBRARY_PATH where the
# machine's libstdc++ is missing or old, or its GPU driver lies where the loader does not look.
set -eu

fail() { printf 'gputrain: %s\n' "$*" >&2; exit 1; }

folder=$(readlink -f -- "$0")
folder=${folder%/*}
case $folder in
  *[:\;]*) fail "its folder's path must have no colon and no semicolon: $folder" ;;
esac

# The C library: nothing else of the machine is needed but a GPU's driver. What is made for CPUs
# asks for a newer one than the rest.
[ -e '@INTERPRETER@' ] || fail "needs a system with glibc (@INTERPRETER@)"
glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null) || glibc=
glibc=${glibc#glibc 2.}
glibc=${glibc%%.*}
: "${glibc:=@GLIBC_ALL@}"
if [ "$glibc" -lt '@GLIBC@' ]; then
  fail "needs glibc 2.@GLIBC@ or newer, this machine has 2.$glibc"
fi

# Lists are one a line; nothing is a pattern.
IFS='
'
set -f
known_libraries=$(PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2>/dev/null) || known_libraries=

# Prints where the loader finds library $1; fails where it does not.
loaded_from() {
  first_of "$1" $(printf '%s' "${LD_LIBRARY_PATH:-}" | tr ':;' '\n\n') && return
  for line in $known_libraries; do
    case $line in *"	$1 ("*' => /'*) printf '%s\n' "${line#* => }" && return ;; esac
  done
  first_of "$1" /lib/@MACHINE@-linux-gnu /usr/lib/@MACHINE@-linux-gnu /lib64 /usr/lib64 /lib /usr/lib
}

# Prints the first file of name $1 in the folders that follow; fails where there is none.
first_of() {
  library=$1
  shift
  for place; do
    if [ -e "$place/$library" ]; then printf '%s\n' "$place/$library" && return; fi
  done
  return 1
}

# The newer libstdc++ of the machine's and ours, as its drivers may need what ours lacks.
version=$(loaded_from libstdc++.so.6) && version=$(readlink -f -- "$version") || version=
version=${version##*/libstdc++.so.6.0.}
case $version in '' | *[!0-9]*) version=0 ;; esac
if [ "$version" -lt '@LIBSTDCXX@' ]; then
  if [ "$glibc" -lt '@GLIBC_ALL@' ]; then
    fail "needs libstdc++.so.6.0.@LIBSTDCXX@, or glibc 2.@GLIBC_ALL@ for its own, which is 2.$glibc here"
  fi
  export LD_LIBRARY_PATH="$folder/lib/fallback${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
fi

# Caches: the user's folder, else a private one among the temporary files.
usable() { [ -n "$1" ] && mkdir -p -- "$1/gputrain" 2>/dev/null && [ -w "$1/gputrain" ]; }
case ${XDG_CACHE_HOME:-} in
  /*) cache=$XDG_CACHE_HOME ;;
  *) if [ -d "${HOME:-}" ]; then cache=$HOME/.cache; else cache=; fi ;;
esac
if ! usable "$cache"; then
  wanted=${cache:-a home directory}
  cache=${TMPDIR:-/tmp}/gputrain-$(id -u)
  mkdir -m 700 -- "$cache" 2>/dev/null || :
  # One that somebody else has put there is not trusted: compiled kernels are read from it.
  if [ -L "$cache" ] || [ ! -O "$cache" ] || ! usable "$cache"; then
    cache=$(mktemp -d 2>/dev/null) && usable "$cache" ||
      fail "neither $wanted nor ${TMPDIR:-/tmp} can be written; set XDG_CACHE_HOME or TMPDIR"
  fi
  export XDG_CACHE_HOME="$cache"
  printf 'gputrain: %s cannot be written; compiled kernels are kept in %s\n' "$wanted" "$cache" >&2
fi

# Prints the machine's drivers as its ICD files name them.
machine_drivers() {
  set +f
  for icd in /etc/OpenCL/vendors/*.icd; do
    driver=
    # A last line may have no end.
    if [ -r "$icd" ]; then IFS= read -r driver <"$icd" || :; fi
    if [ -n "$driver" ]; then printf '%s\n' "$driver"; fi
  done
}

# OpenCL's loader reads one folder of ICD files: one with the machine's drivers and our PoCL.
choose_drivers() {
  drivers=$(machine_drivers)
  if ! nvidia=$(loaded_from libnvidia-opencl.so.1); then
    # Where containers have it; it loads its compiler by name, from beside itself.
    nvidia=$(first_of libnvidia-opencl.so.1 /usr/local/nvidia/lib64 /usr/local/nvidia/lib \
      /run/opengl-driver/lib) &&
      export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}${nvidia%/*}"
  fi
  case $drivers in
    *nvidia*) ;;
    *) [ -z "$nvidia" ] || drivers="$nvidia${drivers:+
$drivers}" ;;
  esac
  pocl=libpocl.so.2
  # A PoCL of the machine's own is not loaded beside another one.
  case $drivers in *pocl*) pocl= ;; esac
  [ "$glibc" -ge '@GLIBC_ALL@' ] || pocl=
  # PoCL links what it has compiled by the `ld` that it finds there first.
  [ -z "$pocl" ] || export COMPILER_PATH="$folder/pocl/bin${COMPILER_PATH:+:$COMPILER_PATH}"
  if [ -z "$drivers" ] && [ -n "$pocl" ]; then
    export OCL_ICD_VENDORS="$folder/vendors"
    return
  fi
  vendors=$cache/gputrain/vendors/$(printf '%s\n' "$drivers" $pocl | cksum | tr -dc '0-9')
  mkdir -p -- "$vendors"
  number=0
  for driver in $drivers $pocl; do
    number=$((number + 1))
    [ -e "$vendors/$number.icd" ] && continue
    printf '%s\n' "$driver" >"$vendors/.$$" && mv -f -- "$vendors/.$$" "$vendors/$number.icd"
  done
  export OCL_ICD_VENDORS="$vendors"
}
[ -n "${OCL_ICD_VENDORS:-}${OPENCL_VENDOR_PATH:-}" ] || choose_drivers

exec "$folder/libexec/gputrain" "$@"
