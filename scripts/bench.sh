#!/usr/bin/env bash
# The measurements: builds, runs the scenarios named (all without a name), writes bench/results/. See bench/README.md.
#
#   scripts/bench.sh [SCENARIO…]       BENCH_QUICK=1 for small counts, BENCH_DIR=DIR for where data goes
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/deps.sh check
scripts/build.sh
exec node bench/run.mjs "$@"
