#!/usr/bin/env bash
# Installs what is missing (Debian), builds, runs every test. Ends with ctest's closing lines and its exit status.
#   tests/run.sh          the optimised build
#   tests/run.sh --all    also the sanitizers (address and undefined behaviour, with the second compiler; threads),
#                         clang-tidy over all headers, and the fuzz targets
#   tests/run.sh --help
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

all=no
case "${1:-}" in
  "") ;;
  --all) all=yes ;;
  --help) sed -n '2,6s/^# \{0,1\}//p' tests/run.sh; exit 0 ;;
  *) echo "tests/run.sh: unknown option '$1'; try --help" >&2; exit 2 ;;
esac

needed=(g++ cmake ninja-build python3 nlohmann-json3-dev libboost-test-dev libcli11-dev)
# What uses these is left out where they are missing.
wanted=(git ccache clang-19 clang-format-19 clang-tidy-19 libclang-rt-19-dev
  libjpeg62-turbo-dev libpng-dev libwebp-dev libgif-dev
  libavformat-dev libavcodec-dev libswscale-dev libavutil-dev)

install_packages() {
  if ! command -v apt-get > /dev/null || ! command -v dpkg-query > /dev/null; then
    echo "tests/run.sh: not a Debian; needs what Debian calls: ${needed[*]} (and can use ${wanted[*]})"
    return
  fi
  local package missing=() optional=() as_root=()
  installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2> /dev/null)" = installed ]; }
  for package in "${needed[@]}"; do installed "$package" || missing+=("$package"); done
  for package in "${wanted[@]}"; do installed "$package" || optional+=("$package"); done
  [ ${#missing[@]} -eq 0 ] && [ ${#optional[@]} -eq 0 ] && return
  if [ "$(id -u)" != 0 ]; then
    if ! sudo -n true 2> /dev/null; then
      echo "tests/run.sh: neither root nor sudo; as root: apt-get install ${missing[*]} ${optional[*]}"
      return
    fi
    as_root=(sudo -n)
  fi
  "${as_root[@]}" apt-get update -qq || true
  for package in "${optional[@]}"; do
    if apt-cache show "$package" > /dev/null 2>&1; then missing+=("$package"); fi
  done
  echo "tests/run.sh: installing ${missing[*]}"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
}

# check_preset NAME options...: configures, builds and tests one preset. ctest tells the time of its tests.
check_preset() {
  local preset=$1 began=$SECONDS
  shift
  echo "== preset $preset"
  if ! cmake --preset "$preset" "$@" > "build/$preset.log" 2>&1; then
    cat "build/$preset.log"
    return 1
  fi
  cmake --build --preset "$preset" -j 2 || return 1
  echo "== preset $preset: built in $((SECONDS - began)) s"
  ctest --preset "$preset" -j 2
}

install_packages
mkdir -p build
failed=()
if [ $all = yes ]; then
  if command -v clang++-19 > /dev/null; then
    check_preset asan || failed+=(asan)
    check_preset lint || failed+=(lint)
  else
    echo "== no clang++-19 on this machine: the sanitizers with g++, preset lint skipped"
    check_preset asan -DCMAKE_CXX_COMPILER=g++ || failed+=(asan)
  fi
  check_preset tsan || failed+=(tsan)
  [ ${#failed[@]} -eq 0 ] || echo "== failed so far: ${failed[*]}"
fi
check_preset cpu || failed+=(cpu)
[ ${#failed[@]} -eq 0 ]
