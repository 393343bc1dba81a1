#!/usr/bin/env bash
# On a machine with a GPU: the CUDA tests, then the benchmarks, then PyTorch on the same shapes where it is installed.
#   bench/cuda/run.sh FOLDER_OF_PROGRAMS COMMIT >> bench/cuda/log.jsonl
# The folder is build/cuda/cuda, which `cmake --preset cuda` and a build fill, or a copy of it; COMMIT names what the
# programs were built from, with "-dirty" where that holds. Prints one JSON line per measurement, with the device and the
# versions, and the clocks after it; what the tests say goes to standard error.
set -euo pipefail
[ $# = 2 ] || { sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2; }
programs=$1 commit=$2

ask() { nvidia-smi --query-gpu="$1" --format=csv,noheader | head -n 1; }
# describe FILE: what stands before each measurement of a program that has run.
describe() {
  printf '{"commit": "%s", "binary": "%s", "date": "%s", "device": "%s", "driver": "%s", "clocks": "%s", ' "$commit" \
    "$(sha256sum "$1" | cut -c 1-16)" "$(date -u +%F)" "$(ask name)" "$(ask driver_version)" \
    "$(ask clocks.sm), $(ask clocks.mem)"
}

[ -x "$programs/test_cuda" ] || { echo "bench/cuda/run.sh: no test_cuda in $programs" >&2; exit 2; }
"$programs/test_cuda" >&2 || { echo "bench/cuda/run.sh: the tests failed; no figures" >&2; exit 1; }
for program in "$programs"/cuda_*; do
  measured=$("$program")
  before=$(describe "$program")
  while read -r line; do echo "$before${line#\{}"; done <<< "$measured"
done
torch=$(dirname "$0")/torch_rms_norm.py
if python3 -c 'import torch' 2> /dev/null; then
  measured=$(python3 "$torch")
  before=$(describe "$torch")
  while read -r line; do echo "$before${line#\{}"; done <<< "$measured"
fi
