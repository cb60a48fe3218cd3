#!/usr/bin/env bash
# Writes the help texts in Tests/CommandTests/Help again, with the built program.
# Usage: Scripts/help-texts.sh [PROGRAM]
set -euo pipefail
cd "$(dirname "$0")/.."
program=${1:-.build/debug/gputrain}
for file in Tests/CommandTests/Help/*.txt; do
  name=$(basename "$file" .txt)
  words=${name//-/ }
  [ "$name" = gputrain ] && words=
  # shellcheck disable=SC2086  # a command's name is one word or two
  COLUMNS=80 "$program" help $words >"$file"
done
