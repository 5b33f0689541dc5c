#!/usr/bin/env bash
# Installs what Weir is built, run and tested with, from the system's packages (Debian 12 or later, Ubuntu 24.04 or later).
#
#   scripts/deps.sh run     what `make run` needs: a compiler, meson, the libraries
#   scripts/deps.sh check   the same, and what `make check` needs besides
#   scripts/deps.sh bench   the same as check, and the peers that `make bench` compares with (it skips those that are missing)
#
# Idempotent and quiet: prints one line when there is something to add, nothing otherwise. Needs root or sudo only then.
set -euo pipefail

run_packages=(gcc libc6-dev make meson ninja-build pkg-config
  libsqlite3-dev libmicrohttpd-dev libyyjson-dev libxxhash-dev libssl-dev libyaml-dev libcurl4-openssl-dev libicu-dev)
check_packages=(clang clang-format libclang-rt-14-dev libcmocka-dev curl sqlite3 nodejs python3 git)
bench_packages=(npm g++ postgresql redis-server redis-tools)

packages=("${run_packages[@]}")
case "${1:-run}" in
  run) ;;
  check) packages+=("${check_packages[@]}") ;;
  bench) packages+=("${check_packages[@]}" "${bench_packages[@]}") ;;
  *) echo "usage: deps.sh [run|check|bench]" >&2; exit 2 ;;
esac

installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# The sanitizer runtime's package carries clang's version in its name; take the one of the clang that this suite has.
clang_runtime() {
  local version
  version=$(apt-cache depends clang 2>/dev/null | sed -n 's/.*Depends: clang-\([0-9]*\)$/\1/p' | head -n 1)
  echo "libclang-rt-${version:-14}-dev"
}

missing=()
for package in "${packages[@]}"; do
  [ "$package" = nodejs ] && command -v node >/dev/null && continue
  [ "$package" = npm ] && command -v npm >/dev/null && continue
  [[ "$package" == libclang-rt-* ]] && compgen -G '/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.asan-*.a' >/dev/null && continue
  installed "$package" || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if ! command -v apt-get >/dev/null; then
  echo "make deps knows Debian and Ubuntu; install these by hand: ${missing[*]}" >&2
  exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "make deps needs root or sudo to install: ${missing[*]}" >&2; exit 1; }
  as_root=(sudo)
fi
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" >/dev/null; }

# Debian 12 has no yyjson. Add the next suite from the mirror that the machine already uses, pinned so that nothing but
# yyjson can ever come from it.
add_yyjson_suite() {
  local mirror
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' 2>/dev/null |
    awk '$2 == "bookworm" { print $1; exit }')
  [ -n "$mirror" ] || { echo "libyyjson-dev is not in this system's package lists; install yyjson 0.8 or later" >&2; exit 1; }
  echo "adding the suite trixie, pinned to yyjson alone (/etc/apt/sources.list.d/weir-yyjson.list)"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" |
    "${as_root[@]}" tee /etc/apt/sources.list.d/weir-yyjson.list >/dev/null
  printf '%s\n' 'Package: *' 'Pin: release n=trixie' 'Pin-Priority: -1' '' \
    'Package: libyyjson0 libyyjson-dev' 'Pin: release n=trixie' 'Pin-Priority: 500' |
    "${as_root[@]}" tee /etc/apt/preferences.d/weir-yyjson >/dev/null
}

apt update
candidate() { apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: //p'; }
for i in "${!missing[@]}"; do
  [[ "${missing[i]}" == libclang-rt-* ]] && missing[i]=$(clang_runtime)
done
case " ${missing[*]} " in *" libyyjson-dev "*)
  case "$(candidate libyyjson-dev)" in ''|'(none)') add_yyjson_suite; apt update ;; esac ;;
esac
echo "installing: ${missing[*]}"
apt install --no-install-recommends -y "${missing[@]}"
