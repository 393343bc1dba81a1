#!/usr/bin/env bash
# parity.sh FOLDER PROGRAM: the exit status of parity is 0, 1 or 2, and its table names the first stage that differs.
set -uo pipefail
folder=$1 parity=$2
rm -rf parity
mkdir parity
cd parity
expect() {
  local wanted=$1 status=0
  shift
  "$parity" "$@" > out.txt 2> err.txt || status=$?
  [ $status = "$wanted" ] || { echo "expected $wanted, got $status: $*"; cat out.txt err.txt; exit 1; }
}
expect 0 "$folder" "$folder/reference.safetensors"
grep -q '^text.layers.0 ' out.txt && grep -q '^grad.lm_head.weight ' out.txt && grep -q '^no stage over 0.0001$' out.txt || exit 1
# The last bits differ somewhere.
expect 1 "$folder" "$folder/reference.safetensors" --tolerance 0
grep -q '^first stage over 0: ' out.txt || exit 1
# Weights that are not those of the reference: a bias of the merger is zero.
mkdir other
cp "$folder/config.json" other
python3 - "$folder/model.safetensors" other/model.safetensors <<'END'
import json, struct, sys
data = bytearray(open(sys.argv[1], "rb").read())
size = struct.unpack("<Q", data[:8])[0]
first, last = json.loads(data[8 : 8 + size])["model.visual.merger.linear_fc2.bias"]["data_offsets"]
data[8 + size + first : 8 + size + last] = bytes(last - first)
open(sys.argv[2], "wb").write(data)
END
expect 1 other "$folder/reference.safetensors"
grep -q '^first stage over 0.0001: visual.merger$' out.txt || exit 1
# Wrong use and wrong input.
expect 2 "$folder"
expect 2 "$folder" nowhere.safetensors
expect 2 nowhere "$folder/reference.safetensors"
expect 2 "$folder" "$folder/model.safetensors"
grep -q 'tensor    input_ids' err.txt || exit 1
expect 2 "$folder" "$folder/reference.safetensors" --tolerance none
