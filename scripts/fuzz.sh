#!/usr/bin/env bash
# Lets libFuzzer look for inputs that break a promise of a parser, under the address and undefined-behaviour sanitizers.
#
#   scripts/fuzz.sh [NAME]       one harness of tests/fuzz, or each in turn
#
# SECONDS_EACH=60 says how long. What was found before is kept in build-fuzz/corpus; an input that fails stays there as
# crash-*, and belongs into tests/fuzz/corpus/NAME with the fix.
set -euo pipefail
cd "$(dirname "$0")/.."

names=("${@:-}")
[ -n "${names[0]}" ] || mapfile -t names < <(ls tests/fuzz/corpus)
for name in "${names[@]}"; do
  [ -f "tests/fuzz/fuzz_$name.c" ] || { echo "no harness tests/fuzz/fuzz_$name.c" >&2; exit 2; }
done

seconds=${SECONDS_EACH:-60}
[[ $seconds =~ ^[1-9][0-9]{0,5}$ ]] || { echo "SECONDS_EACH=$seconds: from 1 to 999999" >&2; exit 2; }

[ -f build-fuzz/build.ninja ] ||
  CC=clang meson setup build-fuzz -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false >/dev/null
echo "building the harnesses"
ninja -C build-fuzz --quiet "${names[@]/#/tests/fuzz/fuzz_}"
fuzzer=
trap 'kill "$fuzzer" 2>/dev/null; exit 143' TERM INT
for name in "${names[@]}"; do
  mkdir -p "build-fuzz/corpus/$name"
  echo "fuzz $name: $seconds s"
  UBSAN_OPTIONS=halt_on_error=1 "build-fuzz/tests/fuzz/fuzz_$name" -max_total_time="$seconds" -max_len=16384 \
    -artifact_prefix=build-fuzz/ "build-fuzz/corpus/$name" "tests/fuzz/corpus/$name" >"build-fuzz/$name.log" 2>&1 &
  fuzzer=$!
  wait "$fuzzer" || { tail -n 60 "build-fuzz/$name.log"; exit 1; }
  tail -n 1 "build-fuzz/$name.log"
done
