#!/usr/bin/env bash
# Imports this package from packages made for it: by URL and branch, and by path from one that has a
# module `Training` of its own. Builds and runs each. What is imported is the working tree's tracked
# files as they are.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
swift=${SWIFT:-swift}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A package's name on the importing side is its directory's, so the copy is called gputrain.
copy=$work/gputrain
mkdir "$copy"
git ls-files -z --cached --others --exclude-standard |
  (while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done) |
  tar --null --files-from=- -cf - | tar -C "$copy" -xf -
git -C "$copy" init --quiet --initial-branch=main
git -C "$copy" add --all
git -C "$copy" -c user.name=check -c user.email=check@localhost commit --quiet --message copy

make_package() { # directory, dependency
  mkdir -p "$1/Sources/Importing"
  cp "$root/Tests/Interop/Import/main.swift" "$1/Sources/Importing"
  sed "s|\\.package(url: \"GPUTRAIN_URL\", branch: \"main\")|$2|" \
    "$root/Tests/Interop/Import/Package.swift" >"$1/Package.swift"
}

echo "by URL and branch"
make_package "$work/url" ".package(url: \"file://$copy\", branch: \"main\")"
"$swift" run --quiet --package-path "$work/url" Importing

echo "by path, beside another package's module Training"
mkdir -p "$work/other/Sources/Training"
echo 'public func lesson() -> String { "another Training" }' >"$work/other/Sources/Training/Lesson.swift"
cat >"$work/other/Package.swift" <<'MANIFEST'
// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "other", products: [.library(name: "Other", targets: ["Training"])],
  targets: [.target(name: "Training")])
MANIFEST
make_package "$work/path" ".package(path: \"$copy\"), .package(path: \"$work/other\")"
sed -i 's|\.product(name: "GPUTrain", package: "gputrain")|\.product(name: "GPUTrain", package: "gputrain"),\n.product(name: "Other", package: "other", moduleAliases: ["Training": "Lessons"])|' \
  "$work/path/Package.swift"
printf 'import Lessons\nprint(lesson())\n' >>"$work/path/Sources/Importing/main.swift"
"$swift" run --quiet --package-path "$work/path" Importing
