#!/bin/bash
# Runs a peer in Python and Cairn in turn and prints the median of each figure and the ratio.
#   tests/bench/compare.sh images FOLDER     JPEGs to normalised crops: torchvision, DALI, Cairn
#   tests/bench/compare.sh sounds FOLDER     WAVs to 128 bands at 16 kHz: torchaudio, Cairn
#   tests/bench/compare.sh videos FOLDER     videos to clips of 16 frames: torchcodec, decord, PyAV, Cairn
#   tests/bench/compare.sh optimizer         AdamW, moving average, zeroed gradient of a ViT-B
#   tests/bench/compare.sh step [MODEL]      one I-JEPA step of vit_tiny | vit_small
# Environment: PYTHON (with the peers' packages), PEERS (folder of their programs), CAIRN, ROUNDS, BATCH, PRECISION, DEVICE
# (cpu | cuda; on cuda Cairn replays recorded steps).
set -euo pipefail
cd "$(dirname "$0")/../.."
PYTHON=${PYTHON:-python3} PEERS=${PEERS:-../shared/peers} CAIRN=${CAIRN:-build/bin/cairn} ROUNDS=${ROUNDS:-3}
DEVICE=${DEVICE:-cpu}
results=$(mktemp)
trap 'rm -f "$results"' EXIT

# record NAME KEY COMMAND...: runs a command that prints JSON and keeps one figure of it; KEY is dotted.
record() {
  local name=$1 key=$2
  shift 2
  "$@" 2>/dev/null | "$PYTHON" -c '
import json, sys
text = sys.stdin.read()
found = json.loads(text) if text.lstrip().startswith("{\n") else json.loads(text.strip().splitlines()[-1])
for part in sys.argv[2].split("."):
    found = found[part]
print(sys.argv[1], found, sep="\t")' "$name" "$key" >>"$results"
}

# report UNIT: medians over the rounds; how many times the last one each of them costs.
report() {
  "$PYTHON" - "$results" "$1" <<'PY'
import statistics, sys
runs = {}
for line in open(sys.argv[1]):
    name, figure = line.rstrip("\n").split("\t")
    runs.setdefault(name, []).append(float(figure))
medians = {name: statistics.median(values) for name, values in runs.items()}
own = list(medians.values())[-1]
for name, values in runs.items():
    print(f"{name:24} {medians[name]:10.3f} {sys.argv[2]}  ({min(values):.3f} to {max(values):.3f})  {medians[name] / own:.2f} x")
PY
}

for _ in $(seq "$ROUNDS"); do
  case ${1:-} in
    images)
      [ -d "${2:-}" ] || { echo "no folder of pictures: '${2:-}'" >&2; exit 2; }
      record "torchvision" cpu_ms_per_image "$PYTHON" "$PEERS/image_loader.py" "$2" --peer torchvision --decode tv
      record "DALI" cpu_ms_per_image "$PYTHON" "$PEERS/image_loader.py" "$2" --peer dali --decode crop
      record "Cairn" processor_ms_per_sample.median "$CAIRN" bench loader configs/ijepa/bench-vit-tiny.toml --json \
        --segments 5 --batches 8 --set modality.type=image.folder --set "modality.path=$2" --set modality.size=224 \
        --set modality.patch=16 --set train.batch_size=64 --set train.workers=2
      unit="processor-ms an image" ;;
    sounds)
      [ -d "${2:-}" ] || { echo "no folder of sounds: '${2:-}'" >&2; exit 2; }
      record "torchaudio" cpu_ms_per_clip "$PYTHON" "$PEERS/audio_frontend.py" "$2"
      record "Cairn" processor_ms_per_sample.median "$CAIRN" bench loader configs/ajepa/audioset-vitb.toml --json \
        --segments 5 --batches 20 --set "modality.path=$2" --set train.batch_size=32 --set train.workers=2
      unit="processor-ms a clip" ;;
    videos)
      [ -d "${2:-}" ] || { echo "no folder of videos: '${2:-}'" >&2; exit 2; }
      for peer in torchcodec decord pyav; do
        record "$peer" cpu_ms_per_clip "$PYTHON" "$PEERS/video_loader.py" "$2" --peer "$peer"
      done
      record "Cairn" processor_ms_per_sample.median "$CAIRN" bench loader configs/vjepa/vitl16.toml --json \
        --segments 5 --batches 10 --set modality.type=video.clips --set "modality.path=$2" --set train.batch_size=8 \
        --set train.workers=2
      unit="processor-ms a clip" ;;
    optimizer)
      record "PyTorch, three passes" ms_per_step "$PYTHON" "$PEERS/optimizer_step.py" --impl fused --threads 2 --device "$DEVICE"
      record "Cairn, one pass" step_ms.median "$CAIRN" bench optimizer --threads 2 --device "$DEVICE" --json
      unit="ms" ;;
    step)
      model=${2:-vit_tiny}
      peer=("$PYTHON" "$PEERS/ijepa_torch.py" --model "$model" --batch "${BATCH:-16}" --threads 2 --device "$DEVICE")
      record "PyTorch, float32" ms_per_step "${peer[@]}"
      record "PyTorch, bfloat16" ms_per_step "${peer[@]}" --dtype bf16
      record "Cairn, ${PRECISION:-float32}" step_ms.median "$CAIRN" bench step "configs/ijepa/bench-${model/vit_/vit-}.toml" \
        --json --device "$DEVICE" --set train.threads=2 --set "train.batch_size=${BATCH:-16}" \
        --set "train.precision=${PRECISION:-float32}" --set train.graphs=true
      unit="ms a step" ;;
    *) sed -n '2,8p' "$0" >&2; exit 2 ;;
  esac
done
report "$unit"
