#!/usr/bin/env bash
# make dist: a folder with gputrain and every library it needs but glibc and a GPU's driver, and the
# same as .tar.gz. On a machine without a GPU its PoCL computes, with the linker that PoCL calls.
#
#     gputrain           the start script
#     libexec/, lib/     the program, the libraries it is linked to
#     lib/fallback/      libstdc++ and libgcc_s, for machines that have none or older ones
#     pocl/              PoCL, LLVM and the linker, laid out as PoCL looks for its files
#     vendors/           PoCL's ICD file
#     licenses/          of everything that is carried, and NOTICES, which lists it
set -euo pipefail
cd "$(dirname "$0")/.."

# shellcheck source=Scripts/dist/carry.sh
. Scripts/dist/carry.sh

[ "$(uname -s)" = Linux ] || fail "folders are made on Linux, for Linux"
for tool in patchelf strip objdump ldd; do
  command -v "$tool" >/dev/null || fail "$tool is missing (Debian, Ubuntu: patchelf, binutils, libc-bin)"
done

machine=$(uname -m)
name=gputrain-linux-$machine
folder=dist/$name

build=(swift build -c release --static-swift-stdlib --scratch-path .build-dist --product gputrain)
"${build[@]}"
program=$("${build[@]}" --show-bin-path)/gputrain

rm -rf "$folder"
mkdir -p "$folder"/{libexec,lib/fallback,vendors,licenses}
mkdir -p "$folder"/pocl/{bin,dependencies,lib/here/pocl,share}

carried=() # real paths, for their licenses

# Copies file $1 to $2 without symbols that only debuggers need, to look for libraries in $3.
carry() {
  local source
  source=$(readlink -f "$1")
  install -m 755 "$source" "$2"
  strip --strip-unneeded "$2"
  # DT_RPATH goes before LD_LIBRARY_PATH, in which clusters have libraries of their own.
  patchelf --force-rpath --set-rpath "$3" "$2"
  carried+=("$source")
}

# Copies the libraries that file $1 needs into $2, unless they are in it or in lib/ already; of the
# compiler's runtime the newer is taken later, and glibc is the machine's own.
carry_libraries() {
  local library path needed
  needed=$(libraries_of "$1") || exit 1
  while read -r library path; do
    is_glibc "$library" && continue
    if is_runtime "$library"; then
      [ -e "$folder/lib/fallback/$library" ] || carry "$path" "$folder/lib/fallback/$library" '$ORIGIN'
    elif ! [ -e "$2/$library" ] && ! [ -e "$folder/lib/$library" ]; then
      carry "$path" "$2/$library" '$ORIGIN:$ORIGIN/../../lib'
    fi
  done <<<"$needed"
}

carry "$program" "$folder/libexec/gputrain" '$ORIGIN/../lib'
carry_libraries "$program" "$folder/lib"
# The loader finds PoCL by its name beside it.
patchelf --force-rpath --set-rpath '$ORIGIN:$ORIGIN/../pocl/lib/here' "$folder/lib/libOpenCL.so.1"

# PoCL looks for its devices in pocl/ beside it, and for the rest in ../../share/pocl.
pocl=$(ldconfig -p | sed -n 's|.*libpocl\.so\.2 .*=> ||p' | head -n 1)
[ -n "$pocl" ] || fail "libpocl.so.2 is missing (Debian, Ubuntu: pocl-opencl-icd)"
pocl=$(readlink -f "$pocl")
share=$(readlink -f "$(dirname "$pocl")/../../share/pocl")
here=$folder/pocl/lib/here
carry "$pocl" "$here/libpocl.so.2" '$ORIGIN/../../dependencies:$ORIGIN/../../../lib'
carry_libraries "$pocl" "$folder/pocl/dependencies"
for device in "$(dirname "$pocl")"/pocl/libpocl-devices-{basic,pthread}.so; do
  carry "$device" "$here/pocl/$(basename "$device")" '$ORIGIN:$ORIGIN/..'
done
cp -r "$share" "$folder/pocl/share/pocl"
echo libpocl.so.2 >"$folder/vendors/pocl.icd"

linker=$(command -v ld.bfd || command -v ld)
carry "$linker" "$folder/pocl/bin/ld.bfd" '$ORIGIN/../dependencies:$ORIGIN/../../lib'
carry_libraries "$linker" "$folder/pocl/dependencies"
install -m 755 Scripts/dist/ld.sh "$folder/pocl/bin/ld"

# The newest glibc 2.x that the files in some folders ask for.
glibc_of() {
  { find "$@" -type f -perm -u+x -exec objdump -T {} + 2>/dev/null || :; } |
    grep -oE 'GLIBC_2\.[0-9]+' | sort -Vu | tail -n 1 | cut -d. -f2
}
glibc_program=$(glibc_of "$folder/libexec" "$folder"/lib/*.so*)
glibc_all=$(glibc_of "$folder")
libstdcxx=$(readlink -f "$(ldd "$program" | awk '$1 == "libstdc++.so.6" { print $3 }')")
sed -e "s|@INTERPRETER@|$(patchelf --print-interpreter "$program")|g" -e "s|@GLIBC@|$glibc_program|g" \
  -e "s|@GLIBC_ALL@|$glibc_all|g" \
  -e "s|@LIBSTDCXX@|${libstdcxx##*.}|g" -e "s|@MACHINE@|$machine|g" Scripts/dist/start.sh \
  >"$folder/gputrain"
chmod 755 "$folder/gputrain"

bash Scripts/dist/notices.sh "$folder/licenses" .build-dist/checkouts "${carried[@]:1}"

tar -C dist --sort=name --owner=0 --group=0 --numeric-owner -czf "$folder.tar.gz" "$name"
say "$folder: $(du -sh "$folder" | cut -f1), $folder.tar.gz: $(du -h "$folder.tar.gz" | cut -f1)"
say "needs glibc 2.$glibc_program or newer with a GPU, 2.$glibc_all to compute on the CPU"
