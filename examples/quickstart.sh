#!/usr/bin/env bash
# From a bare Debian 12 to a vision-language model that was trained on this machine's processor: installs what is
# missing, builds, composes conversations from real photographs, trains through all stages, and asks about new ones.
#   examples/quickstart.sh           every stage in short, for two cores
#   examples/quickstart.sh --long    four times the steps, for better answers
#   examples/quickstart.sh --help
# Results are in runs/quickstart/: scores.json, report.html and the finished model in model/. Ctrl-C stops; the same
# command goes on with what is done. The photographs are those of Debian's package dataset-fashion-mnist, or of
# FASHION_MNIST=FOLDER; where neither is, 1,200 of them from this repository, from which a model learns much less.
set -euo pipefail
[ -z "${FASHION_MNIST:-}" ] || FASHION_MNIST=$(realpath -m "$FASHION_MNIST")
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scale=1
case "${1:-}" in
  "") ;;
  --long) scale=4 ;;
  --help) sed -n '2,9s/^# \{0,1\}//p' examples/quickstart.sh; exit 0 ;;
  *) echo "examples/quickstart.sh: unknown option '$1'; try --help" >&2; exit 2 ;;
esac

run=runs/quickstart
programs=build/quickstart/examples
photographs=${FASHION_MNIST:-/usr/share/datasets/fashion-mnist}
variants=$scale  # copies of each photograph, mirrored or moved
bar=0.87         # of the answers to which class a photograph is of, how many must be right in the end
needed=(g++ cmake ninja-build nlohmann-json3-dev libcli11-dev)

install_packages() {
  local package missing=() as_root=() photographs_missing=false
  if ! command -v dpkg-query > /dev/null; then
    echo "quickstart: not a Debian; needs what Debian calls: ${needed[*]}"
    return
  fi
  for package in "${needed[@]}"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null)" = installed ] || missing+=("$package")
  done
  if [ ! -e "$photographs/train-images-idx3-ubyte.gz" ] && [ -z "${FASHION_MNIST:-}" ] && [ ! -s "$run/photographs" ]; then
    photographs_missing=true
  fi
  [ ${#missing[@]} -eq 0 ] && [ $photographs_missing = false ] && return
  if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo > /dev/null; then
      [ ${#missing[@]} -eq 0 ] && return
      echo "quickstart: as root: apt-get install ${missing[*]}" >&2
      exit 2
    fi
    as_root=(sudo)
  fi
  if ! "${as_root[@]}" apt-get update -qq; then
    [ ${#missing[@]} -eq 0 ] && return
    exit 1
  fi
  # What is needed; then the photographs, which not every system has.
  local install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends)
  if [ ${#missing[@]} -gt 0 ]; then
    echo "== installing ${missing[*]}"
    "${install[@]}" "${missing[@]}" > /dev/null
  fi
  if [ $photographs_missing = true ] && [ -n "$(apt-cache search --names-only '^dataset-fashion-mnist$')" ]; then
    echo "== installing dataset-fashion-mnist"
    "${install[@]}" dataset-fashion-mnist > /dev/null || echo "quickstart: dataset-fashion-mnist could not be installed" >&2
  fi
}

build_programs() {
  echo "== building"
  mkdir -p build
  if ! { cmake -S . -B build/quickstart -G Ninja -DCMAKE_BUILD_TYPE=Release -DVLM_BUILD_TESTS=OFF -DVLM_CUDA=OFF &&
    cmake --build build/quickstart -j "$(nproc)" --target compose prepare train evaluate answers report; } > build/quickstart.log 2>&1; then
    tail -n 40 build/quickstart.log >&2
    exit 1
  fi
}

# Those of the repository where no others are. A run keeps the photographs that it began with.
find_photographs() {
  local before
  if [ -s "$run/photographs" ]; then
    before=$(cat "$run/photographs")
    if [ -n "${FASHION_MNIST:-}" ] && [ "$before" != "$photographs" ]; then
      echo "quickstart: $run holds a run with the photographs of $before; go on with those, or remove $run first" >&2
      exit 2
    fi
    photographs=$before
  elif [ ! -e "$photographs/train-images-idx3-ubyte.gz" ]; then
    if [ -n "${FASHION_MNIST:-}" ]; then
      echo "quickstart: no photographs in $photographs; name a folder with the four files of Fashion-MNIST:" >&2
      echo "  FASHION_MNIST=FOLDER examples/quickstart.sh" >&2
      exit 2
    fi
    photographs=examples/quickstart/photographs
    echo "quickstart: no package dataset-fashion-mnist; takes 1,000 photographs to learn from, and 200 to ask about"
  fi
  if [ "$photographs" = examples/quickstart/photographs ]; then
    variants=$((10 * scale))
    bar=0.3  # one in ten would be right by chance
  fi
}

compose_data() {
  [ -e "$run/start/preprocessor_config.json" ] && return  # the last file that is written below
  echo "== composing conversations from $photographs"
  local name
  mkdir -p "$run/idx"
  for name in {train,t10k}-{images-idx3,labels-idx1}-ubyte; do
    gunzip -c "$photographs/$name.gz" > "$run/idx/$name.partial"
    mv "$run/idx/$name.partial" "$run/idx/$name"
  done
  "$programs/compose" "$run/idx" "$run/data" --scale "$scale" --variants "$variants"
  echo "$photographs" > "$run/photographs"
  "$programs/prepare" "$run/data/corpus.txt" "$run/start"
}

# Tells the mean loss of the first and the last tenth of the steps. Stages that follow one another may begin near their
# end; none may end clearly above its beginning.
loss_is_sane() {
  sed 's/.*"loss":\([^,]*\),.*/\1/' "$1" | awk '{ loss[NR] = $1 } END {
    tenth = int(NR / 10); if (tenth < 1) tenth = 1
    for (i = 1; i <= tenth; ++i) { first += loss[i]; last += loss[NR + 1 - i] }
    printf "loss %.4f -> %.4f\n", first / tenth, last / tenth
    exit !(last < 1.1 * first) }'
}

# A run keeps its length: stages that are done are not trained again.
check_scale() {
  local before
  mkdir -p "$run"
  before=$scale
  [ -s "$run/scale" ] && before=$(cat "$run/scale")
  if [ "$before" != "$scale" ]; then
    echo "quickstart: $run holds a run of the other length; go on with that, or remove $run first" >&2
    exit 2
  fi
  echo "$scale" > "$run/scale"
}

# The score that `evaluate` prints for the first LIMIT lines of a task under a model: exact match, or mean IoU of boxes.
score_of() {
  local model=$1 task=$2 limit=$3 text
  text=$("$programs/evaluate" "$model" "$run/data/test_$task.jsonl" --limit "$limit" --max-tokens 96) || return 1
  sed -n 's/^\(exact match\|mean IoU\) \([0-9.]*\).*/\2/p' <<< "$text" | tail -n 1
}

# score NAME: sets `scored` to the held-out scores of a finished stage as JSON, and `classify` to the first of them.
score() {
  local name=$1 task limit photographs=1000 value
  [ "$name" = SFT ] && photographs=10000
  scored=""
  for task in classify:$photographs captions:200 pairs:300 grounding_iou:300 counting:500 time:300 documents:100; do
    limit=${task#*:} task=${task%:*}
    value=$(score_of "$run/$name/model" "${task%_iou}" "$limit")
    [ "$task" = classify ] && classify=$value
    scored+="${scored:+,}\"$task\":$value"
  done
  echo "held out: $(tr -d '"' <<< "$scored" | sed 's/,/, /g; s/:/ /g')"
}

# stage NAME START DATA options...: trains, checks the loss, scores on held-out photographs.
stage() {
  local name=$1 start=$2 data=$3 began seconds classify scored joined
  shift 3
  echo "== $name"
  if [ ! -e "$run/$name/model/config.json" ]; then
    "$programs/train" "$name" "$start" "$run/$name" "$data" --report-every 50 "$@"
  fi
  loss_is_sane "$run/$name/log.jsonl" || { echo "quickstart: the loss of $name rose" >&2; exit 1; }
  began=$SECONDS
  score "$name"
  # Steps from the log, which goes on over interruptions, and this scoring.
  if [ ! -s "$run/$name/seconds" ]; then
    sed 's/.*"seconds":\([0-9.]*\).*/\1/' "$run/$name/log.jsonl" |
      awk -v scoring=$((SECONDS - began)) '{ s += $1 } END { printf "%d\n", s + scoring + 0.5 }' > "$run/$name/seconds"
  fi
  seconds=$(cat "$run/$name/seconds")
  total=$((total + seconds))
  final=$classify
  scores+=("{\"stage\":\"$name\",\"seconds\":$seconds,\"scores\":{$scored}}")
  joined=$(IFS=,; echo "${scores[*]}")
  echo "{\"stages\":[$joined],\"total_seconds\":$total}" > "$run/scores.json.partial"
  mv "$run/scores.json.partial" "$run/scores.json"
}

scores=()
total=0
check_scale
install_packages
build_programs
find_photographs
compose_data
# What came before the first stage counts too, once.
[ -s "$run/preparation" ] || echo $SECONDS > "$run/preparation"
total=$(cat "$run/preparation")
stage contrastive "$run/start" "$run/data/names.jsonl" --from-scratch --steps $((3000 * scale)) --context 4096 \
  --learning-rate 2e-3 --end-rate 2e-5 --warm-up 60 --decay 0.05 --checkpoint-every 1000
stage text-warm-up "$run/contrastive/model" "$run/data/text.jsonl" --steps $((2200 * scale)) \
  --learning-rate 3e-3 --end-rate 3e-4 --warm-up 30 --checkpoint-every 1000
stage S0 "$run/text-warm-up/model" "$run/data/captions.jsonl" --steps 150 \
  --learning-rate 2e-3 --end-rate 5e-4 --warm-up 10
stage S1 "$run/S0/model" "$run/data/mixed.jsonl" --steps $((4000 * scale)) --context 3072 \
  --learning-rate 1.5e-3 --end-rate 3e-4 --warm-up 50 --checkpoint-every 1000
stage S2 "$run/S1/model" "$run/data/long.jsonl" --steps $((120 * scale)) --context 4096 \
  --learning-rate 5e-4 --end-rate 3e-4 --warm-up 10
stage S3 "$run/S2/model" "$run/data/longest.jsonl" --steps $((50 * scale)) --context 8192 \
  --learning-rate 5e-4 --end-rate 3e-4 --warm-up 10
stage SFT "$run/S3/model" "$run/data/sft.jsonl" --steps $((1600 * scale)) --context 3072 \
  --learning-rate 6e-4 --end-rate 1e-5 --warm-up 10 --decay 0.05 --checkpoint-every 1000

rm -rf "$run/model.partial"
cp -r "$run/SFT/model" "$run/model.partial"
rm -rf "$run/model"
mv "$run/model.partial" "$run/model"
"$programs/answers" "$run/model" "$run"/data/test_{classify,grounding,counting,time}.jsonl --count 4 \
  --samples "$run/samples"
"$programs/report" "$run" "$run/report.html"
echo "== $run/scores.json"
cat "$run/scores.json"
echo "== talk with it: cmake --build build/quickstart --target chat && $programs/chat $run/model"
awk "BEGIN { exit !($final >= $bar) }" || { echo "quickstart: of the answers, fewer than $bar were right" >&2; exit 1; }
