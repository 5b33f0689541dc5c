#!/usr/bin/env bash
# Builds in build/, which is made when it is not there; prints warnings and errors, and nothing when all is well.
#
#   scripts/build.sh [TARGET…]       all targets, or those named; MESON_FLAGS are for the first time
set -euo pipefail
cd "$(dirname "$0")/.."

if [ ! -f build/build.ninja ]; then
  echo "building, for the first time"
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  # shellcheck disable=SC2086 # flags are words
  meson setup build ${MESON_FLAGS:-} >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
fi
ninja -C build --quiet "$@" | { grep -vx 'ninja: no work to do.' || true; }
