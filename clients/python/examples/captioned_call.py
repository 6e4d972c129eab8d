#!/usr/bin/env python3
"""Two people in a room: one signs (.pose clips), the other reads the captions.

    python3 clients/python/examples/captioned_call.py http://127.0.0.1:8080 CLIP.pose…

The first clip is sent as a file, the others are played frame by frame, as a camera would.
"""

import secrets
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from signcall import Client  # noqa: E402

# The last caption is on its way for at most so long.
LAST_WITHIN_S = 10


def somebody(url, name):
    """Registers a person with a name and a password of their own."""
    who, name = Client(url), f"{name}-{secrets.token_hex(3)}"
    who.register(name, f"{name}@example.org", secrets.token_urlsafe(18))
    return who


def main(url, clips):
    sam, rita = somebody(url, "sam"), somebody(url, "rita")
    code = sam.post_rooms()["room_code"]
    rita.post_rooms_code_participants(code)
    print(f"room {code}")
    shown, over = [], threading.Event()

    def read():
        for event in rita.live(code, after=0, stop=over.is_set):
            if event["type"] == "message":
                print(f"chat     {event['data']['msg_content']}")
            elif event["type"] == "partial":
                print(f"partial  {event['data']['text']} …")
            elif event["type"] == "transcript":
                print(f"final    {event['data']['ts_content']}")
                shown.append(event["data"]["ts_content"])

    threading.Thread(target=read, daemon=True).start()
    sam.post_rooms_code_messages(code, {"msg_content": "Hello! I sign, you read."})
    sam.put_rooms_code_captions_me(code, {"consent": True})
    for number, clip in enumerate(Path(clip).read_bytes() for clip in clips):
        if number == 0:
            sam.send_pose(code, clip)
        else:
            sam.play(code, clip)
    written = [row["ts_content"] for row in rita.get_rooms_code_transcripts(code)["data"]]
    until = time.monotonic() + LAST_WITHIN_S
    while len(shown) < len(written) and time.monotonic() < until:
        time.sleep(0.05)
    over.set()
    print("transcript", " ".join(written))
    return 0 if written and written == shown else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
