"""The same weights in PyTorch on the same device: eager and `torch.compile`, bf16, carried state.

    python gpu.py FOLDER [BATCH …]

FOLDER holds model.json and weights.safetensors (landmarks or pictures). Features come from the host
and results go back to it in every step, as in `signcall bench`. Prints a row for each batch, and one
JSON object as the last line: {"64": {"torch_eager_frames_per_s", "torch_compile_frames_per_s"}, …}."""

import json
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

SECONDS = 1.5
INPUTS = 8
folder = sys.argv[1]
batches = [int(one) for one in sys.argv[2:]] or [1, 16, 64, 256, 1024, 4096]
spec = json.load(open(f"{folder}/model.json"))
arch, hop = spec["architecture"], spec["hop_frames"]
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
inner, kernel = arch["width"] * arch["expand"], arch["kernel"]


def weights():
    raw = open(f"{folder}/weights.safetensors", "rb").read()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    header.pop("__metadata__", None)
    for name, entry in header.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        values = np.frombuffer(raw[begin:end], np.float32).reshape(entry["shape"]).copy()
        dense = name.endswith((".weight", ".bias")) and not name.startswith("head.")
        yield name, torch.from_numpy(values).to(device, torch.bfloat16 if dense else torch.float32)


W = dict(weights())
if "channels" in arch:
    frame = 2 * 64 * 64
else:
    frame = len(spec["normalization"]["mean"])
    MEAN = torch.tensor(spec["normalization"]["mean"], device=device)
    SCALE = torch.tensor(spec["normalization"]["scale"], device=device)


def dense(x, name):
    weight = W[f"{name}.weight"]
    return torch.addmm(W[f"{name}.bias"], x.to(weight.dtype), weight)


def norm(x, name):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5) * W[name]


def landmarks(x):
    hand, body = W["hand.0.weight"].shape[0], W["body.0.weight"].shape[0]
    normal, parts = (x - MEAN) * SCALE, []
    for name, begin, size in [("hand", 0, hand), ("hand", hand, hand), ("body", 2 * hand, body)]:
        out = F.silu(dense(normal[:, begin : begin + size], f"{name}.0"))
        out = F.silu(dense(out, f"{name}.1"))
        parts.append(out * x[:, begin + size - 1 : begin + size].to(out.dtype))
    return F.silu(dense(torch.cat(parts, 1), "join"))


def pixels(x):
    edge, inputs = int((frame // 2) ** 0.5), 2
    x = x.reshape(-1, edge, edge, 2).permute(0, 3, 1, 2).to(torch.bfloat16)
    for index, channels in enumerate(arch["channels"]):
        taps = W[f"conv.{index}.weight"].reshape(3, 3, inputs, channels).permute(3, 2, 0, 1)
        x = F.silu(F.conv2d(x, taps, W[f"conv.{index}.bias"], stride=2, padding=1))
        inputs = channels
    return F.silu(dense(x.permute(0, 2, 3, 1).reshape(x.shape[0], -1), "join"))


def step(x, past):
    batch = x.shape[0]
    x = x.reshape(batch * hop, frame)
    x = (pixels(x) if "channels" in arch else landmarks(x)).float()
    carried = []
    for index, dilation in enumerate(arch["dilations"]):
        rows = F.silu(dense(norm(x, f"block.{index}.norm"), f"block.{index}.in"))
        rows = torch.cat([past[index], rows.reshape(batch, hop, inner)], 1)
        carried.append(rows[:, hop:].contiguous())
        mixed = sum(rows[:, tap * dilation : tap * dilation + hop].float() * W[f"block.{index}.taps"][tap] for tap in range(kernel))
        x = x + dense(F.silu(mixed).reshape(batch * hop, inner), f"block.{index}.out").float()
    logits = norm(x, "norm") @ W["head.weight"] + W["head.bias"]
    return F.log_softmax(logits / spec["temperature"], -1), carried


def measure(run, batch):
    past = [torch.zeros(batch, (kernel - 1) * d, inner, dtype=torch.bfloat16, device=device) for d in arch["dilations"]]
    inputs = [torch.randn(batch, hop, frame) for _ in range(INPUTS)]
    if device.type == "cuda":
        inputs = [one.pin_memory() for one in inputs]
    count, begun, until = 0, None, None
    with torch.inference_mode():
        while until is None or time.perf_counter() < until:
            said, past = run(inputs[count % INPUTS].to(device, non_blocking=True), past)
            past = [one.clone() for one in past]
            said.cpu()
            count += 1
            if until is None and count == 12:
                count, begun = 0, time.perf_counter()
                until = begun + SECONDS
    return count * batch * hop / (time.perf_counter() - begun)


told = {}
print(f"{spec['name']}, PyTorch {torch.__version__}, {device}, bf16, {hop} frames a hop")
for batch in batches:
    compiled = torch.compile(step, mode="max-autotune" if device.type == "cuda" else "default")
    row = {"torch_eager_frames_per_s": measure(step, batch), "torch_compile_frames_per_s": measure(compiled, batch)}
    told[str(batch)] = row
    print(f"{batch:>8} streams: eager {row['torch_eager_frames_per_s']:>12,.0f} frames/s, compiled {row['torch_compile_frames_per_s']:>12,.0f}")
print(json.dumps(told))
