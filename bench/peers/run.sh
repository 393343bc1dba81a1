#!/usr/bin/env bash
# Times the library's operations beside the same operations in PyTorch, row by row (rows.txt), interleaved.
#   bench/peers/run.sh [--json FILE] [--rounds N] [--threads N] [--only EXPRESSION] [--server PROGRAM]
# Needs the benchmarks (cmake --preset cpu, then cmake --build build/cpu) and a Python with PyTorch, which VLM_PYTHON
# names (default: python3). Exit status: 0 compared, 1 the results of both sides differ, 2 something is missing.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
python=${VLM_PYTHON:-python3}

if ! "$python" -c 'import torch, numpy' 2> /dev/null; then
  echo "bench/peers/run.sh: $python has no PyTorch. For example:" >&2
  echo "  python3 -m venv build/peers && build/peers/bin/pip install -r tests/golden/requirements.txt" >&2
  echo "  VLM_PYTHON=build/peers/bin/python bench/peers/run.sh" >&2
  exit 2
fi
exec "$python" "$root/bench/peers/torch_rows.py" "$@"
