"""Reads `.pose` files, v0.1 and v0.2: the hands and the body of the first person, found by name."""

import struct
import sys
from array import array

HAND = (
    "WRIST THUMB_CMC THUMB_MCP THUMB_IP THUMB_TIP "
    "INDEX_FINGER_MCP INDEX_FINGER_PIP INDEX_FINGER_DIP INDEX_FINGER_TIP "
    "MIDDLE_FINGER_MCP MIDDLE_FINGER_PIP MIDDLE_FINGER_DIP MIDDLE_FINGER_TIP "
    "RING_FINGER_MCP RING_FINGER_PIP RING_FINGER_DIP RING_FINGER_TIP "
    "PINKY_MCP PINKY_PIP PINKY_DIP PINKY_TIP"
).split()
BODY = (
    "NOSE LEFT_EYE_INNER LEFT_EYE LEFT_EYE_OUTER RIGHT_EYE_INNER RIGHT_EYE RIGHT_EYE_OUTER "
    "LEFT_EAR RIGHT_EAR MOUTH_LEFT MOUTH_RIGHT LEFT_SHOULDER RIGHT_SHOULDER LEFT_ELBOW RIGHT_ELBOW "
    "LEFT_WRIST RIGHT_WRIST LEFT_PINKY RIGHT_PINKY LEFT_INDEX RIGHT_INDEX LEFT_THUMB RIGHT_THUMB "
    "LEFT_HIP RIGHT_HIP LEFT_KNEE RIGHT_KNEE LEFT_ANKLE RIGHT_ANKLE LEFT_HEEL RIGHT_HEEL "
    "LEFT_FOOT_INDEX RIGHT_FOOT_INDEX"
).split()
# Component of the file, part of a frame, names of the points in the order of the live wire.
PARTS = (
    ("LEFT_HAND_LANDMARKS", "left", HAND),
    ("RIGHT_HAND_LANDMARKS", "right", HAND),
    ("POSE_LANDMARKS", "body", BODY),
)
MISSING = (0.0, 0.0, 0.0, 0.0)


class Frame:
    """One moment. `left`, `right` and `body` are lists of (x, y, z, confidence), in pixels, in
    MediaPipe's order, or None; a point that was not found has confidence 0. `time_us` counts
    microseconds on any clock that does not run backwards."""

    __slots__ = ("time_us", "width", "height", "left", "right", "body")

    def __init__(self, time_us, width, height, left=None, right=None, body=None):
        self.time_us, self.width, self.height = time_us, width, height
        self.left, self.right, self.body = left, right, body


def read(data):
    """The frames of a file, given as bytes. Raises `ValueError` for what is no such file."""
    try:
        return _read(data)
    except (struct.error, IndexError, UnicodeDecodeError) as fault:
        raise ValueError(f"not a whole .pose file: {fault}") from fault


def _read(data):
    at = 0

    def take(form):
        nonlocal at
        values = struct.unpack_from("<" + form, data, at)
        at += struct.calcsize("<" + form)
        return values if len(values) > 1 else values[0]

    def text():
        nonlocal at
        size = take("H")
        at += size
        return data[at - size : at].decode()

    version = round(take("f"), 3)
    if version not in (0.1, 0.2):
        raise ValueError(f"version {version} of .pose is not read here, only 0.1 and 0.2")
    width, height, _depth, components = take("4H")
    points, dims, found = 0, 0, {}
    for _ in range(components):
        name, letters = text(), text()
        count, limbs, colours = take("3H")
        names = [text() for _ in range(count)]
        at += limbs * 4 + colours * 6
        for component, part, wanted in PARTS:
            if component == name:
                places = {point: points + index for index, point in enumerate(names)}
                axes = [letters.find(axis) for axis in "XYZ"]
                found[part] = ([places.get(point) for point in wanted], axes)
        points += count
        dims = max(dims, len(letters) - 1)
    fps, frames, people = take("HHH") if version == 0.1 else take("fIH")
    numbers = array("f")
    numbers.frombytes(data[at : at + len(data[at:]) // 4 * 4])
    if sys.byteorder == "big":
        numbers.byteswap()
    per_frame = people * points
    if version == 0.1 and per_frame:  # counts in 16 bits, and wraps around
        frames = max(frames, len(numbers) // (per_frame * (dims + 1)))
    sure = frames * per_frame * dims
    if fps <= 0 or len(numbers) < sure + frames * per_frame:
        raise ValueError(f"{frames} frames of {per_frame} points are said to be there, and are not")

    def point(place, axes, frame):
        if place is None:
            return MISSING
        start = frame * per_frame + place
        confidence = numbers[sure + start]
        if not confidence > 0:
            return MISSING
        x, y, z = (numbers[start * dims + axis] if axis >= 0 else 0.0 for axis in axes)
        return x, y, z, min(confidence, 1.0)

    shown = []
    for frame in range(frames):
        one = Frame(round(frame * 1e6 / fps), width, height)
        for part, (places, axes) in found.items() if per_frame else ():
            all_points = [point(place, axes, frame) for place in places]
            if any(p[3] > 0 for p in all_points):
                setattr(one, part, all_points)
        shown.append(one)
    return shown
