#!/usr/bin/env bash
# Collects the licences of all that a folder carries: one file each in FOLDER, and NOTICES, which says what
# has come from where. Ends with an error where the licence of something cannot be found.
#
#     Scripts/dist/notices.sh FOLDER CHECKOUTS FILE…
#
# CHECKOUTS   SwiftPM's folder of the sources of the packages that the program is made of
# FILE        a library or program of the system, as Debian's packages installed it
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=Scripts/dist/carry.sh
. "$root/Scripts/dist/carry.sh"

folder=$1 checkouts=$2
shift 2
mkdir -p "$folder"
notices=$folder/NOTICES

# Notes that part $1 of version $2 has come from $3, under the licence in file $4.
note() {
  [ -s "$4" ] || fail "the licence of $1 is missing: $4"
  cp "$4" "$folder/$1"
  printf '%-24s %-28s %s\n' "$1" "$2" "$3" >>"$notices"
}

cat >"$notices" <<TEXT
This folder carries the following, each under the licence in the file of its name.

TEXT
note gputrain "$(git -C "$root" rev-parse --short=12 HEAD 2>/dev/null || echo -)" "this project" "$root/LICENSE"

# The compiler's libraries, Foundation and the Unicode data in it among them, are linked in.
swift=$(command -v "${SWIFT:-swift}") || fail "swift is missing"
note swift "$("$swift" --version 2>/dev/null | grep -oE '[0-9][0-9.]+' | head -n 1)" https://swift.org \
  "$(dirname "$(readlink -f "$swift")")/../share/swift/LICENSE.txt"

found=
for package in "$checkouts"/*/; do
  [ -d "$package" ] || continue
  found=yes
  name=$(basename "$package")
  license=$(find "$package" -maxdepth 1 -iname 'LICENSE*' | sort | head -n 1)
  note "$name" "$(git -C "$package" describe --tags 2>/dev/null || echo -)" \
    "$(grep -oE "https://[^\"]*/$name" "$root/Package.swift" || echo -)" \
    "${license:-$package/LICENSE}"
done
[ -n "$found" ] || fail "no package's sources in $checkouts"
# Yams has its sources, without their licence.
note libyaml "in Yams" https://github.com/yaml/libyaml "$root/Scripts/dist/licenses/libyaml"

if [ $# -gt 0 ]; then
  command -v dpkg-query >/dev/null || fail "whose files are carried is known on Debian and Ubuntu alone"
fi
packages=()
for file in "$@"; do
  # The data base may name a file by its place before /usr was merged.
  package=$(dpkg-query -S "$file" "${file#/usr}" 2>/dev/null | head -n 1 | cut -d: -f1) || true
  [ -n "$package" ] || fail "no package has installed $file, so that its licence is not known"
  packages+=("$package")
done
for package in $(printf '%s\n' ${packages[@]+"${packages[@]}"} | sort -u); do
  note "$package" "$(dpkg-query -W -f '${Version}' "$package")" \
    "$(dpkg-query -W -f '${Homepage}' "$package")" "/usr/share/doc/$package/copyright"
done
