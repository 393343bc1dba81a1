#!/usr/bin/env bash
# photographs.sh SOURCE PROGRAMS: the photographs of the repository are what quickstart.sh takes where no others are: they
# unpack, every class has its share, and conversations can be composed from them.
set -euo pipefail
source=$1 programs=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

for name in {train,t10k}-{images-idx3,labels-idx1}-ubyte; do
  gunzip -c "$source/$name.gz" > "$folder/$name"
done
# The labels stand behind eight bytes.
counts() { tail -c +9 "$folder/$1" | od -An -v -t u1 -w1 | sort -n | uniq -c | awk '{ print $2 ":" $1 }' | xargs; }
[ "$(counts train-labels-idx1-ubyte)" = "0:100 1:100 2:100 3:100 4:100 5:100 6:100 7:100 8:100 9:100" ]
[ "$(counts t10k-labels-idx1-ubyte)" = "0:20 1:20 2:20 3:20 4:20 5:20 6:20 7:20 8:20 9:20" ]
[ "$(cat "$source"/* | wc -c)" -lt 600000 ]
grep -q "MIT License" "$source/LICENSE"

"$programs/compose" "$folder" "$folder/data" --scale 0.01 --variants 10 > "$folder/log"
[ "$(wc -l < "$folder/data/names.jsonl")" = 11000 ]
[ "$(wc -l < "$folder/data/sft.jsonl")" = 600 ]
[ "$(wc -l < "$folder/data/test_classify.jsonl")" = 200 ]
