#!/usr/bin/env bash
# tokens.sh TOY GOLDEN PROGRAMS: texts become ids and texts again; conversations become the prompts of the goldens.
set -euo pipefail
toy=$1 golden=$2 programs=$3
rm -rf tokens
mkdir tokens
cd tokens
printf '%s\n' '{"text": "A red square: é 猫\n"}' '{"text": ""}' > texts.jsonl
"$programs/tokenize" "$toy/start" < texts.jsonl > ids.jsonl
"$programs/tokenize" "$toy/start" --decode < ids.jsonl > back.jsonl
cmp texts.jsonl back.jsonl
for variant in instruct thinking; do
  mkdir "$variant"
  cp "$golden/chat/chat_template.$variant.jinja" "$variant/chat_template.jinja"
  cat "$golden"/chat/{given,conversations}.jsonl | grep "^{\"template\": \"$variant\"" > conversations.jsonl
  "$programs/prompt" "$variant" < conversations.jsonl > prompts.jsonl
  python3 -c 'import json
for conversation, prompt in zip(open("conversations.jsonl"), open("prompts.jsonl"), strict=True):
    assert json.loads(conversation)["text"] == json.loads(prompt)'
done
# Wrong input: one error that names the line, exit status 2.
for call in "tokenize $toy/start" "prompt instruct"; do
  status=0
  echo '{"text": 1, "messages": 1}' | "$programs/"$call 2> error.txt > /dev/null || status=$?
  [ $status = 2 ]
  grep -q 'line 1' error.txt
done
status=0
printf '[1]\n[99999999]\n' | "$programs/tokenize" "$toy/start" --decode 2> error.txt > /dev/null || status=$?
[ $status = 2 ]
grep -q 'line 2' error.txt
# Neither an image nor a video.
for file in texts.jsonl /dev/null .; do
  status=0
  "$programs/look" "$toy/start" $file > /dev/null 2> error.txt || status=$?
  [ $status = 2 ]
  [ "$(grep -c '^vlm::' error.txt)" = 1 ]
  [ "$(grep -c '' error.txt)" -le 6 ]
done
# What cannot be read or written is no success.
status=0
"$programs/tokenize" "$toy/start" < . 2> error.txt || status=$?
[ $status = 2 ]
grep -q 'cannot be read' error.txt
status=0
"$programs/tokenize" "$toy/start" < texts.jsonl 2> error.txt > /dev/full || status=$?
[ $status = 2 ]
grep -q 'cannot be written' error.txt
