#!/usr/bin/env bash
# Builds in build/, which is made when it is not there; prints warnings and errors, and nothing when all is well.
#
#   scripts/build.sh [TARGET…]       all targets, or those named; MESON_FLAGS are for the first time
set -euo pipefail
cd "$(dirname "$0")/.."

log=$(mktemp)
trap 'rm -f "$log"' EXIT
quietly() { "$@" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }; }

if [ ! -f build/build.ninja ]; then
  echo "building, for the first time"
  # shellcheck disable=SC2086 # flags are words
  quietly meson setup build ${MESON_FLAGS:-}
fi
# `make run` sets build/ up without tests where cmocka is not there yet.
if [[ " $*" == *" tests/"* ]] && ! grep -q tests/unit/ build/build.ninja; then quietly meson configure build -Dtests=enabled; fi
quietly ninja -C build build.ninja # what meson has to say when one of its own files has changed
ninja -C build --quiet "$@" | { grep -vx 'ninja: no work to do.' || true; }
