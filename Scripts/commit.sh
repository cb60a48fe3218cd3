#!/bin/sh
# Writes OUTPUT/Commit.swift with the commit of PACKAGE, and a plus sign where files were changed; empty
# where nobody knows. The file stays as it is where that is what it says, so that nothing is compiled.
# Usage: commit.sh PACKAGE OUTPUT
package=${1%/}
# `git archive`, which makes the files that GitHub offers for download, writes the commit here
# (.gitattributes).
archived='$Format:%H$'
commit=
case $archived in [0-9a-f]*) commit=$archived ;; esac
# Not the repository of somebody who has unpacked the files in it.
if [ "$(git -C "$package" rev-parse --show-toplevel 2>/dev/null)" = "$(cd "$package" && pwd -P)" ]; then
  commit=$(git -C "$package" rev-parse HEAD 2>/dev/null)
  git -C "$package" diff --quiet HEAD 2>/dev/null || commit=$commit+
fi
mkdir -p "$2"
text="let gitCommit = \"$commit\""
[ "$(cat "$2/Commit.swift" 2>/dev/null)" = "$text" ] || printf '%s\n' "$text" >"$2/Commit.swift"
