#!/usr/bin/env bash
# pipeline.sh TOY PROGRAMS: trains on the toy conversations through all stages and expects the model to know them.
set -euo pipefail
toy=$1 programs=$2
rm -rf pipeline
mkdir pipeline
cd pipeline
options=(--context 256 --learning-rate 1e-2 --warm-up 5 --report-every 50)
grep '"image": ' "$toy/data.jsonl" | grep -v '"image": .*"image": ' | sed "s|\"image\": \"|&$toy/|" > pictures.jsonl
"$programs/train" contrastive "$toy/start" contrastive pictures.jsonl --from-scratch --steps 20 "${options[@]}"
"$programs/train" text-warm-up contrastive/model warm-up "$toy/data.jsonl" --steps 20 "${options[@]}"
"$programs/train" S0 warm-up/model S0 "$toy/data.jsonl" --steps 20 "${options[@]}"
"$programs/train" S1 S0/model S1 "$toy/data.jsonl" --steps 100 "${options[@]}"
"$programs/train" S2 S1/model S2 "$toy/data.jsonl" --steps 5 "${options[@]}"
"$programs/train" S3 S2/model S3 "$toy/data.jsonl" --steps 5 "${options[@]}"
"$programs/train" SFT S3/model SFT "$toy/data.jsonl" --steps 50 "${options[@]}"
"$programs/evaluate" SFT/model "$toy/data.jsonl" --max-tokens 16 --require 0.75 --json score.json --answers answers.jsonl
"$programs/answers" SFT/model "$toy/data.jsonl" --count 2 --samples samples > shown.txt
[ "$(grep -c '"expected"' samples/samples.json)" = 2 ] && [ -s samples/1.ppm ]
[ "$(wc -l < answers.jsonl)" = "$(wc -l < "$toy/data.jsonl")" ]
grep -q '"exact_match"' score.json
[ -s shown.txt ]
# A chat gives the answers of the evaluation, in one question or in the terminal.
expected=$(sed -n '1s/.*"answer":"\([^"]*\)".*/\1/p' answers.jsonl)
[ -n "$expected" ]
answer=$("$programs/chat" SFT/model --image "$toy/red.ppm" --greedy --max-tokens 16 "What colour is this?")
[ "$answer" = "$expected" ]
answer=$(printf '/image %s\nWhat colour is this?\n/clear\n/quit\n' "$toy/red.ppm" |
  "$programs/chat" SFT/model --greedy --max-tokens 16 2> terminal.txt)
[ "$answer" = "$expected" ]
grep -q 'prompt [0-9]* tokens, [0-9]* of them visual' terminal.txt
grep -q '^(end, ' terminal.txt
[ -n "$("$programs/describe_image" SFT/model "$toy/red.ppm")" ]
# The conversation goes on after an error; --system holds over /clear.
printf '/image nowhere.png\nWhat?\n/clear\nWho?\n/quit\n' |
  "$programs/chat" SFT/model --greedy --max-tokens 4 --system "Be brief." > /dev/null 2> terminal.txt
grep -q 'nowhere.png' terminal.txt
without=$(printf 'Who?\n/quit\n' | "$programs/chat" SFT/model --greedy --max-tokens 4 2>&1 > /dev/null | sed -n 's/.*prompt \([0-9]*\) .*/\1/p')
with=$(sed -n 's/.*prompt \([0-9]*\) .*/\1/p' terminal.txt)
[ "$with" -gt "$without" ]
# Ctrl-C ends a reply that would not end, and the conversation goes on.
cp -r SFT/model endless
echo '{"eos_token_id": 2000000000}' > endless/generation_config.json
mkfifo lines
trap 'kill $chat 2> /dev/null || :' EXIT
chat=
"$programs/chat" endless --temperature 50 --max-tokens 1000000 < lines > said.txt 2> terminal.txt &
chat=$!
exec 3> lines
echo 'What?' >&3
for ((i = 0; i < 600; ++i)); do [ -s said.txt ] && break; sleep 0.05; done
kill -INT $chat
for ((i = 0; i < 600; ++i)); do grep -q '^(cancelled, ' terminal.txt && break; sleep 0.05; done
grep -q '^(cancelled, [1-9]' terminal.txt
printf '/clear\n/quit\n' >&3
exec 3>&-
wait $chat
"$programs/chat" endless --temperature 50 --max-tokens 1000000 'What?' > once.txt 2> cancelled.txt &
chat=$! status=0
for ((i = 0; i < 600; ++i)); do [ -s once.txt ] && break; sleep 0.05; done
kill -INT $chat
wait $chat || status=$?
[ $status = 130 ]
[ "$(cat cancelled.txt)" = "(cancelled)" ]
# With --png the image is saved with what the answer points at, in a program that writes PNG.
if "$programs/chat" SFT/model --image "$toy/red.ppm" --greedy --max-tokens 16 --png answer.png "What colour is this?" > /dev/null 2> png.txt; then
  [ -s answer.png ]
else
  grep -q 'vlm::image' png.txt
fi
status=0
"$programs/chat" SFT/model --png answer.png "What colour is this?" 2> png.txt || status=$?
[ $status = 2 ]
grep -q 'got       0 images' png.txt
# The model in blocks: written, and read by another program.
"$programs/quantize" SFT/model blocks --format int8 > bits.txt
grep -q 'bits for each' bits.txt
"$programs/quantize" SFT/model panels --format bf16 > /dev/null
# bf16 made while loading answers as bf16 from a folder.
"$programs/chat" SFT/model --weights bf16 --image "$toy/red.ppm" --greedy "What colour is this?" > made.txt
"$programs/chat" panels --image "$toy/red.ppm" --greedy "What colour is this?" > read.txt
cmp made.txt read.txt
"$programs/evaluate" blocks "$toy/data.jsonl" --max-tokens 16 > /dev/null
"$programs/weight_formats" SFT/model "$toy/data.jsonl" --limit 4 --json formats.jsonl > /dev/null
[ "$(wc -l < formats.jsonl)" = 11 ]
head -n 1 formats.jsonl | grep -Eq '"logit_error":0[,.}]'
# Wrong input: one error, exit status 2.
status=0
"$programs/evaluate" nowhere "$toy/data.jsonl" 2> error.txt || status=$?
[ $status = 2 ]
grep -q 'nowhere' error.txt
status=0
"$programs/evaluate" SFT/model "$toy/data.jsonl" --require 1 --limit 12 --max-tokens 1 > /dev/null || status=$?
[ $status = 1 ]
