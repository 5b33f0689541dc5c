#!/usr/bin/env bash
# The thundering herd against a server that is killed under it (see thundering.c), and the proof of what it left behind.
#
#   tests/crash/run.sh [--quick] [--clients N] [--records N] [--kills N] [--seed N]
#
# Without arguments: 1,000 clients × 10,000 records, ten kills. --quick is what `make check` runs. WEIR_BIN names another
# binary than build/weir; the herd is built beside it. Ends with "N passed, N failed"; exit code 2 when nothing was run.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
weir=$(realpath -m "${WEIR_BIN:-$root/build/weir}")
export WEIR_BIN=$weir

refuse() { echo "run.sh: $1" >&2; exit 2; }

number=
read_number() { # OPTION MAX [VALUE], from 1
  local range="$1 takes a number from 1 to $2"
  [ $# -eq 3 ] || refuse "$range"
  [[ $3 =~ ^[0-9]{1,10}$ ]] && ((10#$3 >= 1 && 10#$3 <= $2)) || refuse "$range, not '$3'"
  number=$((10#$3))
}

clients=1000 records=10000 kills=10 seed=$((RANDOM + 1))
while [ $# -gt 0 ]; do
  case "$1" in
    --quick) clients=300 records=5000 kills=10 ;;
    --clients) read_number "$1" 10000 "${@:2:1}"; clients=$number; shift ;;
    --records) read_number "$1" 65535 "${@:2:1}"; records=$number; shift ;;
    --kills) read_number "$1" 1000 "${@:2:1}"; kills=$number; shift ;;
    --seed) read_number "$1" 4294967295 "${@:2:1}"; seed=$number; shift ;;
    *) refuse "'$1' is none of [--quick] [--clients N] [--records N] [--kills N] [--seed N]" ;;
  esac
  shift
done

herd=$(dirname "$weir")/tests/crash/thundering
case "$(basename "$(dirname "$weir")")" in
  build-check-tsan) how="make check-full STEPS=build-tsan" ;;
  build-check-*) how="make check STEPS=$(basename "$(dirname "$weir")" | sed s/-check//)" ;;
  *) how="scripts/build.sh weir tests/crash/thundering" ;;
esac
for program in "$weir" "$herd"; do
  [ -x "$program" ] || refuse "$program is missing: build it with \`$how\`, or name another weir with WEIR_BIN"
done
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
