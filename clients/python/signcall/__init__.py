"""A thin client of Signcall: every route, the live sequence with resume, signing and `.pose` clips.

Needs nothing but Python 3.9. A short way in:

    from signcall import Client
    sam = Client("http://127.0.0.1:8080")
    sam.register("sam", "sam@example.org", "a long enough password")
    room = sam.post_rooms()["room_code"]
    for event in sam.live(room):
        print(event)
"""

import http.client
import itertools
import json as _json
import random
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

from . import pose
from .api import Routes
from .problem import Closed, Problem
from .signing import PATIENCE_S, Signing

__all__ = ["Client", "Closed", "Problem", "Signing", "pose"]

# A server that says nothing for so long is gone: it sends a heartbeat every 15 s.
SILENCE_S = 45
# The first pause before connecting again; it doubles up to the last.
PAUSE_S, PAUSE_MAX_S = 0.2, 10.0
# What passes by itself, and how often one request is tried.
PASSING, ATTEMPTS = (429, 503), 5


class Client(Routes):
    """One user of one server. Not for several threads at once."""

    def __init__(self, url, token=None, timeout=30):
        self.url, self.token, self.timeout = url.rstrip("/"), token, timeout

    def register(self, username, email, password):
        """Registers, and is logged in afterwards."""
        made = self.post_users({"username": username, "email": email, "password": password})
        self.token = made["token"]
        return made["user"]

    def log_in(self, username, password):
        """Logs in."""
        made = self.post_tokens({"username": username, "password": password})
        self.token = made["token"]
        return made["user"]

    def request(self, method, path, query=None, headers=None, json=None, data=None):
        """Asks once; raises `Problem` when the server refuses."""
        headers = {name: str(value) for name, value in (headers or {}).items() if value is not None}
        if json is not None:
            data = _json.dumps(json).encode()
            headers["Content-Type"] = "application/json"
        with self._open(method, path, query, headers, data) as answer:
            body = answer.read()
            kind = answer.headers.get_content_type()
            if not body:
                return None
            return _json.loads(body) if kind == "application/json" else body.decode()

    def send_pose(self, code, clip):
        """Sends a whole .pose file (bytes) as a stream of its own, and returns when all its captions
        are kept. Retried under one key, so it is taken once."""
        key = str(uuid.uuid4())
        sent = self._patiently(
            lambda: self.post_rooms_code_frames(code, clip, "application/x-pose", idempotency_key=key)
        )
        done, moved = sent["done_seq"], time.monotonic()
        while sent["accepted"] and done <= sent["last_seq"]:
            time.sleep(PAUSE_S)
            now = self._patiently(lambda: self.post_rooms_code_frames_end(code, stream=sent["stream"]))
            if now["done_seq"] > done:
                done, moved = now["done_seq"], time.monotonic()
            elif time.monotonic() - moved > PATIENCE_S:
                raise TimeoutError(f"captions of frames from {done} on do not come")
        return sent

    def _patiently(self, ask):
        """Asks again what may be asked twice, while the server says that it passes."""
        for attempt in itertools.count(1):
            try:
                return ask()
            except Problem as problem:
                if problem.status not in PASSING or attempt == ATTEMPTS:
                    raise
                time.sleep(problem.retry_after or 1)
            except (OSError, http.client.HTTPException):
                if attempt == ATTEMPTS:
                    raise
                time.sleep(PAUSE_S)

    def play(self, code, clip, real_pace=True):
        """Signs a .pose file (bytes) frame by frame, as a camera would, and returns when all its
        captions are kept."""
        signing, began = Signing(self, code), time.monotonic()
        for frame in pose.read(clip):
            if real_pace:
                time.sleep(max(0.0, began + frame.time_us / 1e6 - time.monotonic()))
            signing.push(frame)
        signing.end()

    def live(self, code, after=None, stop=lambda: False):
        """Yields what happens in a room, as dicts, for ever: reconnects and resumes by itself, so
        nothing is missing or doubled. Without `after` it begins now. Raises `Closed` at the end.

        Who keeps texts has to forget them too: all of `data["user_id"]` at `texts_erased`, and at
        `texts_expired` those of the kind (`message`, `transcript`) that `data` names which were
        created before its day `before`."""
        pause = PAUSE_S
        while not stop():
            try:
                for event in self._events(code, after):
                    pause = PAUSE_S
                    data = event.get("data") or {}
                    if event["type"] == "close":
                        if not data["reconnect"]:
                            raise Closed(data["code"], data["reason"])
                        break
                    # A snapshot and the word that all was sent say where the sequence stands.
                    says = data if event["type"] in ("reset", "ready") else event
                    after = says.get("seq", after)
                    yield event
                    if stop():
                        return
            except Problem as problem:
                if problem.status not in PASSING:
                    raise
                pause = problem.retry_after or pause
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(pause * 2, PAUSE_MAX_S)

    def _events(self, code, after):
        headers = {"Accept": "text/event-stream"}
        if after is not None:
            headers["Last-Event-ID"] = str(after)
        path = f"/rooms/{urllib.parse.quote(code, safe='')}/events"
        with self._open("GET", path, None, headers, None, SILENCE_S) as answer:
            lines = []
            for line in answer:
                line = line.decode().rstrip("\r\n")
                if line.startswith("data:"):
                    lines.append(line[5:].lstrip())
                elif not line and lines:
                    yield _json.loads("\n".join(lines))
                    lines = []

    def _open(self, method, path, query, headers, data, timeout=None):
        url = f"{self.url}/api/v1{path}"
        asked = {name: value for name, value in (query or {}).items() if value is not None}
        if asked:
            url += "?" + urllib.parse.urlencode(asked)
        request = urllib.request.Request(url, data=data, headers=headers, method=method)
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        try:
            return urllib.request.urlopen(request, timeout=timeout or self.timeout)
        except urllib.error.HTTPError as refused:
            with refused:
                text = refused.read()
            try:
                body = _json.loads(text)
            except ValueError:
                body = {"detail": text.decode(errors="replace")[:200]}
            retry_after = refused.headers.get("Retry-After")
            raise Problem(refused.code, body, float(retry_after) if retry_after else None) from None
