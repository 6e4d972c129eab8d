#!/usr/bin/env bash
# Everything that takes an NVIDIA card, as one table: whether the card says what the CPU says, how fast
# it is beside PyTorch on the same weights, and what it makes of real clips.
#
#   benches/gpu.sh BINARY [CLIPS…]
#
# BINARY: target/cuda/signcall-cuda-sm80 or -sm90 (`cargo xtask cuda build`); CLIPS: folders with a
# clips.csv. Needs the libraries of CUDA 13 (a container of NVIDIA's, or the wheels' folder in
# LD_LIBRARY_PATH); PyTorch is measured where `python3 -c 'import torch'` works.
set -uo pipefail
binary=$(realpath "${1:?the binary of cargo xtask cuda build}")
shift
here=$(cd "$(dirname "$0")" && pwd)
models=$here/../crates/recognizer/models
failed=0
say() { printf '\n== %s\n' "$*"; }
run() { "$@" || { failed=1; echo "FAILED: $*"; }; }

say "the card"
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv || true
for model in asl-basic asl-digits; do
  say "$model: the same as the CPU, and how fast"
  run "$binary" bench --model $model --device cuda:0 --json
  run "$binary" bench --model $model --device cuda:0 --precision f32 --batch 64,1024 --json
  say "$model: PyTorch on the same weights"
  if python3 -c 'import torch' 2>/dev/null; then
    run python3 "$here/peers/gpu.py" "$models/$model"
  else
    echo "PyTorch is not installed here: not measured"
  fi
done
for clips in "$@"; do
  model=asl-basic
  [ "$(basename "$clips")" = digits ] && model=asl-digits
  say "$(basename "$clips"): texts on the card and on the CPU"
  for device in cpu cuda:0; do
    run "$binary" evaluate --model $model --device $device --clips "$clips" --threads 1 --json \
      >"/tmp/gpu-$$-${device%%:*}.json"
  done
  python3 - "/tmp/gpu-$$-cpu.json" "/tmp/gpu-$$-cuda.json" <<'PY' || failed=1
import json, sys
cpu, card = (json.loads(open(path).read().splitlines()[-1]) for path in sys.argv[1:])
same = True
for key in ("clips", "forced_top1", "stream_exact", "cer", "streamed_differs", "per_class"):
    equal = cpu.get(key) == card.get(key)
    same &= equal
    if key != "per_class" or not equal:
        print(f"{key:<18} cpu {str(cpu.get(key))[:60]:<24} card {str(card.get(key))[:60]:<24} {'equal' if equal else 'DIFFERS'}")
sys.exit(0 if same else 1)
PY
  rm -f "/tmp/gpu-$$-cpu.json" "/tmp/gpu-$$-cuda.json"
done
say "$([ $failed = 0 ] && echo 'all of it held' || echo 'something FAILED, see above')"
exit $failed
