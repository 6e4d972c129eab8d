"""What a server refuses, and how a live sequence ends."""


class Problem(Exception):
    """What the server refused, as it said it (RFC 9457)."""

    def __init__(self, status, body, retry_after=None):
        super().__init__(f"{status} {body.get('code', '')}: {body.get('detail', '')}")
        self.status, self.body, self.retry_after = status, body, retry_after
        self.code = body.get("code", "")


class Closed(Exception):
    """The live sequence is over for this client: logged out, blocked, removed, or the room closed."""

    def __init__(self, code, reason):
        super().__init__(f"{code} {reason}")
        self.code, self.reason = code, reason
