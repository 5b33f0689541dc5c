#!/usr/bin/env bash
# Writes the pages of docs/ that the program makes of its own tables.
#
#   scripts/docs.sh [PROGRAM]            writes them, with build/weir unless another is named
#   scripts/docs.sh --check [PROGRAM]    fails when they are not what it would write
set -euo pipefail
cd "$(dirname "$0")/.."

check=false
[ "${1:-}" = --check ] && { check=true; shift; }
weir=${1:-build/weir}
# The environment must not show in what is written.
unset "${!WEIR_@}"

stale=0
for page in cli configuration; do
  if $check; then
    "$weir" docs "$page" | diff -u "docs/$page.md" - >&2 || { echo "docs/$page.md is stale: run make docs" >&2; stale=1; }
  else
    "$weir" docs "$page" >"docs/$page.md"
  fi
done
exit "$stale"
