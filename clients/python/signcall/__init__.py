"""A thin client of Signcall: every route, the live sequence with resume, and .pose clips.

Needs nothing but Python 3.9. A short way in:

    from signcall import Client
    sam = Client("http://127.0.0.1:8080")
    sam.register("sam", "sam@example.org", "a long enough password")
    room = sam.post_rooms()["room_code"]
    for event in sam.live(room):
        print(event)
"""

import json as _json
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

from .api import Routes

__all__ = ["Client", "Closed", "Problem"]

# A server that says nothing for so long is gone: it sends a heartbeat every 15 s.
SILENCE_S = 45
# The first pause before connecting again; it doubles up to the last.
PAUSE_S, PAUSE_MAX_S = 0.2, 10.0


class Problem(Exception):
    """What the server refused, as it said it (RFC 9457)."""

    def __init__(self, status, body, retry_after):
        super().__init__(f"{status} {body.get('code', '')}: {body.get('detail', '')}")
        self.status, self.body, self.retry_after = status, body, retry_after
        self.code = body.get("code", "")


class Closed(Exception):
    """The live sequence is over for this client: logged out, blocked, removed, or the room closed."""

    def __init__(self, code, reason):
        super().__init__(f"{code} {reason}")
        self.code, self.reason = code, reason


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

    def send_pose(self, code, clip, attempts=5):
        """Sends a whole .pose file (bytes); retried under one key, so it is taken once."""
        key = str(uuid.uuid4())
        for attempt in range(attempts):
            try:
                return self.post_rooms_code_frames(code, clip, "application/x-pose", idempotency_key=key)
            except Problem as problem:
                if problem.status not in (429, 503) or attempt + 1 == attempts:
                    raise
                time.sleep(problem.retry_after or 1)
        return None

    def live(self, code, after=None, stop=lambda: False):
        """Yields what happens in a room, as dicts, for ever: reconnects and resumes by itself, so
        nothing is missing or doubled. Without `after` it begins now. Raises `Closed` at the end."""
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
                if problem.status not in (429, 503):
                    raise
                pause = problem.retry_after or pause
            except OSError:
                pass
            time.sleep(pause)
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
