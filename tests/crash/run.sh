#!/usr/bin/env bash
# The thundering herd against a server that is killed under it (see thundering.c), and the proof of what it left behind.
#
#   tests/crash/run.sh [--quick] [--clients N] [--records N] [--kills N] [--seed N]
#
# Without arguments: 1,000 clients × 10,000 records, ten kills. --quick is what `make check` runs. WEIR_BIN names another
# binary than build/weir; the herd is built beside it. Ends with "N passed, N failed".
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
weir=$(realpath "${WEIR_BIN:-$root/build/weir}")
export WEIR_BIN=$weir

clients=1000 records=10000 kills=10 seed=$((RANDOM))
while [ $# -gt 0 ]; do
  case "$1" in
    --quick) clients=300 records=5000 kills=10 ;;
    --clients) clients=$2; shift ;;
    --records) records=$2; shift ;;
    --kills) kills=$2; shift ;;
    --seed) seed=$2; shift ;;
    *) echo "usage: run.sh [--quick] [--clients N] [--records N] [--kills N] [--seed N]" >&2; exit 2 ;;
  esac
  shift
done

herd=$(dirname "$weir")/tests/crash/thundering
[ -x "$herd" ] || { echo "run.sh: $herd is missing: build it with ninja" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

passed=0 failed=0
step() { # NAME COMMAND…: runs it, tells how it went, and counts
  local name=$1
  shift
  if "$@" >"$work/output" 2>&1; then
    passed=$((passed + 1))
    echo "ok   $name: $(tail -n 1 "$work/output")"
  else
    failed=$((failed + 1))
    echo "FAIL $name (again with --clients $clients --records $records --kills $kills --seed $seed)"
    cat "$work/output"
  fi
}

node "$root/tests/crash/make_records.mjs" "$records" "$seed" >"$work/records.ndjson"
step "herd" env -u WEIR_BIN "$herd" "$weir" "$work/data" "$work/records.ndjson" "$clients" "$kills" "$seed"
step "verify" env -u WEIR_BIN "$weir" verify --data "$work/data"
step "check" node "$root/tests/crash/check.mjs" "$work/data" "$work/records.ndjson"
step "rebuild" env -u WEIR_BIN "$weir" verify --rebuild --data "$work/data"
step "check again" node "$root/tests/crash/check.mjs" "$work/data" "$work/records.ndjson"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
