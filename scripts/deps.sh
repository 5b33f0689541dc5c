#!/usr/bin/env bash
# Installs what Weir is built, run and tested with, from the system's packages (Debian 12 or later, Ubuntu 24.04 or later).
#
#   scripts/deps.sh run     what `make run` needs: a compiler, meson, the libraries, and curl to try it with
#   scripts/deps.sh check   the same, and what `make check` needs besides
#   scripts/deps.sh bench   the same as check, and the peers that `make bench` compares with (it skips those that are missing)
#
# Idempotent and quiet: says what it adds when something is missing, nothing otherwise. Needs root or sudo only then; without
# either it names the command that root has to run, once.
set -euo pipefail

level=${1:-run}
run_packages=(gcc libc6-dev make meson ninja-build pkg-config curl
  libsqlite3-dev libmicrohttpd-dev libyyjson-dev libxxhash-dev libssl-dev libyaml-dev zlib1g-dev libzstd-dev libcurl4-openssl-dev libicu-dev libidn2-dev libhiredis-dev librdkafka-dev)
check_packages=(clang clang-format libclang-rt-14-dev libcmocka-dev sqlite3 nodejs npm python3 git redis-server
  default-jre-headless maven) # the last two run and fetch the Kafka that tests send to
bench_packages=(g++ postgresql redis-tools)

packages=("${run_packages[@]}")
case "$level" in
  run) ;;
  check) packages+=("${check_packages[@]}") ;;
  bench) packages+=("${check_packages[@]}" "${bench_packages[@]}") ;;
  *) echo "usage: deps.sh [run|check|bench]" >&2; exit 2 ;;
esac

# What the end-to-end tests take from npm, by the lock file. Where npm does not answer they skip what needs it, and say so.
install_npm_packages() {
  local tests
  tests=$(cd "$(dirname "$0")/../tests" && pwd)
  [ "$level" = run ] && return
  [ "$tests/node_modules/.package-lock.json" -nt "$tests/package-lock.json" ] && return
  command -v npm >/dev/null || { echo "npm is missing: end-to-end tests skip what needs its packages" >&2; return 0; }
  echo "installing what the end-to-end tests take from npm"
  timeout 120 npm ci --prefix "$tests" --ignore-scripts --no-audit --no-fund >/dev/null 2>&1 ||
    echo "npm does not answer: end-to-end tests skip what needs its packages" >&2
}

# ---- Other systems ---------------------------------------------------------------------------------------------------

# Names differ there, so what counts is what can be found; the build says the rest.
check_other_system() {
  local name missing=()
  for name in cc meson ninja pkg-config curl; do command -v "$name" >/dev/null || missing+=("$name"); done
  for name in sqlite3 libmicrohttpd yyjson libxxhash libcrypto yaml-0.1 zlib libzstd libcurl icu-i18n libidn2 hiredis rdkafka; do
    pkg-config --exists "$name" 2>/dev/null || missing+=("$name")
  done
  [ ${#missing[@]} -eq 0 ] && exit 0
  echo "missing: ${missing[*]}" >&2
  echo "This installs by itself on Debian and Ubuntu only. Install these with their development files, then try again." >&2
  exit 1
}

command -v dpkg-query >/dev/null && command -v apt-get >/dev/null || check_other_system

# ---- What is missing -------------------------------------------------------------------------------------------------

installed=" $(dpkg-query -W -f='${db:Status-Status} ${Package} ' "${packages[@]}" 2>/dev/null || true)"
missing=()
for package in "${packages[@]}"; do
  [ "$package" = nodejs ] && command -v node >/dev/null && continue
  [ "$package" = npm ] && command -v npm >/dev/null && continue
  [ "$package" = default-jre-headless ] && command -v java >/dev/null && continue
  [ "$package" = maven ] && command -v mvn >/dev/null && continue
  [[ "$package" == libclang-rt-* ]] && compgen -G '/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.asan-*.a' >/dev/null && continue
  [[ "$installed" == *" installed $package "* ]] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && { install_npm_packages; exit 0; }

# ---- Who may install -------------------------------------------------------------------------------------------------

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  as_root=(sudo)
  if ! command -v sudo >/dev/null || ! sudo true; then
    root=$(cd "$(dirname "$0")/.." && pwd)
    printf '%s\n' "missing: ${missing[*]}" "Only root can install packages. Let root run this once, then try again:" \
      "  su -c '$root/scripts/deps.sh $level'" >&2
    exit 1
  fi
fi

# ---- Installing ------------------------------------------------------------------------------------------------------

output=$(mktemp)
trap 'rm -f "$output"' EXIT
# Quiet unless it fails. On a machine that has just been started the system's own updates may hold the lock for a while.
apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@" \
    >"$output" 2>&1 && return
  cat "$output" >&2
  echo "apt-get $1 failed: what it says is above" >&2
  exit 1
}

# Debian 12 has no yyjson. Add the next suite from the mirror that the machine already uses, pinned so that nothing but
# yyjson can ever come from it.
add_yyjson_suite() {
  local mirror
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' 2>/dev/null |
    awk '$2 == "bookworm" { print $1; exit }')
  [ -n "$mirror" ] || { echo "this system's package lists have no libyyjson-dev: install yyjson 0.8 or later, then try again" >&2; exit 1; }
  echo "adding the suite trixie, pinned to yyjson alone (/etc/apt/sources.list.d/weir-yyjson.list)"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" |
    "${as_root[@]}" tee /etc/apt/sources.list.d/weir-yyjson.list >/dev/null
  printf '%s\n' 'Package: *' 'Pin: release n=trixie' 'Pin-Priority: -1' '' \
    'Package: libyyjson0 libyyjson-dev' 'Pin: release n=trixie' 'Pin-Priority: 500' |
    "${as_root[@]}" tee /etc/apt/preferences.d/weir-yyjson >/dev/null
}

candidate() { apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: //p'; }

# The sanitizer runtime's package carries clang's version in its name; take the one of the clang that this suite has.
clang_runtime() {
  local version
  version=$(apt-cache depends clang 2>/dev/null | sed -n 's/.*Depends: clang-\([0-9]*\)$/\1/p' | head -n 1)
  echo "libclang-rt-${version:-14}-dev"
}

apt update
for i in "${!missing[@]}"; do
  [[ "${missing[i]}" == libclang-rt-* ]] && missing[i]=$(clang_runtime)
done
case " ${missing[*]} " in *" libyyjson-dev "*)
  case "$(candidate libyyjson-dev)" in ''|'(none)') add_yyjson_suite; apt update ;; esac ;;
esac
echo "installing: ${missing[*]}"
apt install --no-install-recommends -y "${missing[@]}"
install_npm_packages
