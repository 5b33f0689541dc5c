#!/usr/bin/env bash
# Runs the tests and counts them; what fails is printed, what passes is not.
#
#   scripts/check.sh test     units, contract, corpus, tidy (a few minutes)
#   scripts/check.sh check    what a push must pass: warning-free builds by gcc and clang, the same tests under the address and
#                             undefined-behaviour sanitizers, seeded defects (without them), end to end, kills under load,
#                             documentation, format (minutes)
#   scripts/check.sh full     the same, longer, and with the thread sanitizer and valgrind (hours)
#   scripts/check.sh full torture-store kills-long …    these steps alone, with what was built by earlier ones
#
# Ends with "N passed, N failed, N skipped"; exit code 0 when nothing failed. Logs stay in build-check/.
set -uo pipefail
cd "$(dirname "$0")/.."

level=${1:-test}
case "$level" in test | check | full) ;; *) sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 2 ;; esac
shift $(($# > 0))
only=("$@") met=()

logs=build-check
mkdir -p "$logs"
passed=0 failed=0 skipped=0
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1

is_asked() { [ ${#only[@]} -eq 0 ] || [[ " ${only[*]} " == *" $1 "* ]]; }

# step NAME COUNT COMMAND…: runs it with its output in a log. COUNT prints "passed failed skipped" when given the log, for
# commands that are many tests; `once` is for those that are one.
step() {
  is_asked "$1" || return 0
  met+=("$1")
  local name=$1 count=$2 log="$logs/$1.log" begun=$SECONDS code=0 p f s
  shift 2
  printf '%-22s' "$name"
  run_limited "$@" >"$log" 2>&1 </dev/null || code=$?
  read -r p f s <<<"$("$count" "$log" "$code")"
  # A command that fails without any test of it having failed (a crash, a time-out) is a failure all the same.
  [ "$code" -ne 0 ] && [ "$f" -eq 0 ] && f=1
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  printf '%6d passed' "$p"
  [ "$s" -gt 0 ] && printf ', %d skipped' "$s"
  [ "$f" -gt 0 ] && printf ', %d FAILED' "$f"
  printf '  (%d s)\n' $((SECONDS - begun))
  [ "$f" -eq 0 ] || show_failure "$log" "$count"
}

# Nothing may hang for ever, and a step may take twice as long as the longest does on a quiet machine; functions of this
# script are limited by what they call.
run_limited() {
  if [ "$(type -t "$1")" = function ]; then "$@"; else timeout --kill-after=20 1800 "$@"; fi
}

show_failure() { # LOG COUNT
  echo "---- $1"
  if [ "$2" = count_meson ] && [ -f "$(meson_json "$1")" ]; then
    meson_report show "$1"
  elif grep -q '^FAIL ' "$1"; then
    grep -A 12 '^FAIL ' "$1" | head -n 100
    echo "(the whole of it: $1)"
  elif grep -qE '^not ok|^FAIL|FAILED:|rror:|✖' "$1"; then
    grep -E -A 12 '^ *not ok|^FAIL|FAILED:|[Ee]rror:|WARNING: Thread|✖' "$1" | head -n 200
  else
    tail -n 60 "$1"
  fi
  echo "---- the end of $1"
}

once() { if [ "$2" -eq 0 ]; then echo 1 0 0; else echo 0 1 0; fi; }

# Meson's own log has each program's TAP; a program without is one test.
meson_json() { sed -n 's/^Full log written to \(.*\)\.txt$/\1.json/p' "$1"; }
count_meson() { meson_report count "$1" 2>/dev/null || echo 0 1 0; }
meson_report() { # count|show LOG
  python3 - "$1" "$(meson_json "$2")" <<'PYTHON'
import json, re, sys
what, path = sys.argv[1:]
passed = failed = skipped = 0
for line in open(path, encoding='utf-8'):
    test = json.loads(line)
    tap = re.findall(r'^(ok|not ok)\b([^\n]*)', test.get('stdout') or '', re.M)
    skips = sum('# SKIP' in rest.upper() for _, rest in tap)
    fails = sum(word == 'not ok' and '# SKIP' not in rest.upper() for word, rest in tap)
    oks = len(tap) - skips - fails
    bad = test['result'] not in ('OK', 'SKIP', 'EXPECTEDFAIL')
    if bad and fails == 0:
        fails = 1
    elif not tap:
        oks, skips = (0, 1) if test['result'] == 'SKIP' else (1, 0)
    passed, failed, skipped = passed + oks, failed + fails, skipped + skips
    if bad and what == 'show':
        said = re.sub(r'^ok .*\n', '', test.get('stdout') or '', flags=re.M)
        print(f"{test['name']}: {test['result']}\n{said[-6000:]}{(test.get('stderr') or '')[-6000:]}")
if what == 'count':
    print(passed, failed, skipped)
PYTHON
}

# The last line of a script of ours: "N passed, N failed" and maybe "N skipped".
count_line() {
  sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed\(, \([0-9]*\) skipped\)\{0,1\}$/\1 \2 0\4/p' "$1" | tail -n 1 | grep . || echo 0 1 0
}

# build DIR COMPILER FLAGS…: a build directory is kept from one run to the next.
build() {
  local dir=$1 compiler=$2
  shift 2
  [ -f "$dir/build.ninja" ] || CC=$compiler meson setup "$dir" -Dtests=enabled "$@" || return
  # `make run` sets build/ up without tests where cmocka is not there yet.
  grep -q tests/unit/ "$dir/build.ninja" || meson configure "$dir" -Dtests=enabled || return
  ninja -C "$dir"
}

meson_tests() { # DIR ARGUMENTS…
  local dir=$1
  shift
  # The machine may be busy with something else; what hangs is found a little later.
  meson test -C "$dir" --no-rebuild --print-errorlogs --timeout-multiplier 4 "$@"
}

# Versions do not agree on how a macro or a comment is laid out; one has to be right.
format_version=14
has_format_version() { clang-format --version | grep -q "version $format_version\."; }

format_check() {
  local bad
  bad=$(git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format --dry-run --Werror 2>&1 |
    sed -n 's/^\([^ :]*\):[0-9]*:[0-9]*: error.*/FAIL \1: run make fmt/p' | sort -u)
  [ -z "$bad" ] || { echo "$bad"; return 1; }
}

shell_check() {
  git ls-files -co --exclude-standard '*.sh' .ci/run | while read -r script; do bash -n "$script" || return; done
}

# Runs a command with what programs under the thread sanitizer need.
with_tsan() {
  LD_PRELOAD=$PWD/build-check-tsan/tests/support/libc11_threads.so \
    TSAN_OPTIONS="$TSAN_OPTIONS suppressions=$PWD/tests/support/thread_sanitizer.supp" "$@"
}

# What takes longer than what a push has to pass.
for_an_hour() { timeout --kill-after=20 3600 "$@"; }
for_hours() { timeout --kill-after=20 10800 "$@"; }
rounds() { for_an_hour env WEIR_BIN="$PWD/$1/weir" node tests/crash/rounds.mjs --rounds "$2"; }
end_to_end() { for_an_hour env WEIR_BIN="$PWD/$1/weir" tests/e2e/run.sh; }
# Each allocation fails, not just a slice of them.
torture_all() { CMOCKA_MESSAGE_OUTPUT=tap WEIR_TORTURE=all for_hours "build-check-gcc/tests/contract/test_torture_$1"; }

run_test() {
  step build once build build cc
  step tests count_meson meson_tests build --no-suite defects --no-suite slow
}

run_check() {
  step build-gcc once build build-check-gcc gcc -Dwerror=true
  step build-clang once build build-check-clang clang -Dwerror=true
  step build-asan once build build-check-asan gcc -Db_sanitize=address,undefined -Db_lundef=false
  step asan-ubsan count_meson meson_tests build-check-asan --no-suite tidy --no-suite defects --timeout-multiplier 10
  step seeded-defects count_meson meson_tests build-check-gcc --suite defects
  step tidy count_meson meson_tests build-check-gcc --suite tidy
  if has_format_version; then
    step format once format_check
  else
    echo "format                clang-format $format_version is what the code is formatted with: skipped"
    skipped=$((skipped + 1))
  fi
  step shell once shell_check
  step docs once scripts/docs.sh --check build-check-gcc/weir
  if command -v node >/dev/null; then
    step end-to-end count_line env WEIR_BIN="$PWD/build-check-gcc/weir" tests/e2e/run.sh
    step kills count_line env WEIR_BIN="$PWD/build-check-gcc/weir" tests/crash/run.sh --quick
    step kills-self-test count_line env WEIR_BIN="$PWD/build-check-gcc/weir" node tests/crash/rounds.mjs --self-test
    step kill-points count_line env WEIR_BIN="$PWD/build-check-gcc/weir" node tests/crash/rounds.mjs --rounds 60
  else
    echo "end-to-end              node is missing: skipped"
    skipped=$((skipped + 4))
  fi
}

run_full() {
  local some=$((RANDOM * 1000 + 1000000)) # seeds that nobody has seen
  step simulation once for_an_hour build-check-gcc/tests/sim/weir-sim --seeds 2000
  step simulation-drawn once for_an_hour build-check-gcc/tests/sim/weir-sim --seeds "$some-$((some + 499))"
  step simulation-intake once for_an_hour build-check-gcc/tests/sim/weir-sim-intake --seeds 1000
  step simulation-onboard once for_an_hour env WEIR_TORTURE=all build-check-gcc/tests/sim/test_sim_onboard_faults
  step build-tsan once build build-check-tsan clang -Db_sanitize=thread -Db_lundef=false
  step tsan count_meson with_tsan meson_tests build-check-tsan --no-suite tidy --no-suite sim --no-suite defects --timeout-multiplier 20
  step valgrind count_meson meson_tests build-check-gcc --suite unit --timeout-multiplier 30 \
    --wrap='valgrind --quiet --leak-check=full --error-exitcode=99'
  step end-to-end-tsan count_line with_tsan end_to_end build-check-tsan
  step end-to-end-asan count_line end_to_end build-check-asan
  local path
  for path in request store intake onboard; do step "torture-$path" once torture_all "$path"; done
  step every-bit once for_an_hour build-check-gcc/tests/sim/test_every_bit 7
  step kills-long count_line for_an_hour env WEIR_BIN="$PWD/build-check-gcc/weir" tests/crash/run.sh
  step kill-points-long count_line rounds build-check-gcc 1000
  step kill-points-asan count_line rounds build-check-asan 210
  step kill-points-tsan count_line with_tsan rounds build-check-tsan 60
  step fuzz once for_an_hour env SECONDS_EACH=60 scripts/fuzz.sh
}

case "$level" in
  test) run_test ;;
  check) run_check ;;
  full) run_check; run_full ;;
esac
for name in "${only[@]}"; do
  [ -n "$name" ] && [[ " ${met[*]} " == *" $name "* ]] || { echo "FAIL $name: there is no such step" && failed=$((failed + 1)); }
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
