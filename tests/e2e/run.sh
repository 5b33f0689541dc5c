#!/usr/bin/env bash
# The end-to-end tests: the real binary over real sockets, each test with a data directory of its own.
#
#   tests/e2e/run.sh [NAME…]     all of them, or those of the files NAME.test.mjs
#
# WEIR_BIN names another binary than build/weir. Ends with "N passed, N failed, N skipped".
set -euo pipefail
cd "$(dirname "$0")"
files=()
for name in "$@"; do files+=("$name.test.mjs"); done
[ ${#files[@]} -gt 0 ] || files=(*.test.mjs)

# What nobody has written has this in it, instead of zeros.
export MALLOC_PERTURB_=165

report=$(mktemp)
trap 'rm -f "$report"' EXIT
code=0
node --test --test-reporter=spec --test-reporter-destination=stdout --test-reporter=tap --test-reporter-destination="$report" \
  "${files[@]}" || code=$?
count() { sed -n "s/^# $1 \([0-9]*\)$/\1/p" "$report" | tail -n 1; }
grep -o '# SKIP .*' "$report" | sort | uniq -c || true
echo "$(count pass) passed, $(($(count fail) + $(count cancelled))) failed, $(count skipped) skipped"
exit "$code"
