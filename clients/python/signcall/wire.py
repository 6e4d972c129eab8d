"""Writes landmark batches as the server reads them: `SLF1`, little-endian, 75 points, nothing lost."""

import struct

from .pose import MISSING

MEDIA_TYPE = "application/vnd.signcall.landmarks"
# Most frames of a batch that the server takes.
BATCH_MAX = 256
# Left hand, right hand, body; 3 numbers each; f32; pixels; with confidences in f32.
SCHEMA, SIZES, DIMS, F32, PIXELS, FLAGS = 2, (("left", 21), ("right", 21), ("body", 33)), 3, 0, 1, 2 | 8
POINTS = sum(size for _, size in SIZES)


def batch(frames, first):
    """The frames, of which the first has the number `first` within its stream, as bytes."""
    size = int(frames[0].width), int(frames[0].height)
    head = struct.pack("<4sHHBBBBHHIH", b"SLF1", SCHEMA, POINTS, DIMS, F32, PIXELS, FLAGS, *size, first, len(frames))
    return head + b"".join(_frame(frame) for frame in frames)


def _frame(frame):
    parts, points = 0, []
    for bit, (name, size) in enumerate(SIZES):
        found = getattr(frame, name)
        parts |= bool(found) << bit
        points += found or [MISSING] * size
    numbers = [number for point in points for number in point[:3]]
    sure = [point[3] for point in points]
    return struct.pack(f"<QB{POINTS * DIMS}f{POINTS}f", frame.time_us, parts, *numbers, *sure)
