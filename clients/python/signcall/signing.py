"""Signing on its way into a room: sent in small batches, kept here until the captions of it are
kept there, and sent again where it may have been lost."""

import time
import uuid

from . import wire
from .problem import Problem

# Frames gathered before a batch goes out: a fifth of a second of a camera.
BATCH = 5
# Most frames kept for sending again: what the server keeps of a live stream, at 60 a second.
KEPT_MAX = 1800
# How long nothing may come of it, and the pause between two tries.
PATIENCE_S, PAUSE_S = 30.0, 0.2


class Signing:
    """A stream of landmark frames. Consent to captions has to be given before; see `Client`."""

    def __init__(self, client, code, stream=None):
        self.client, self.code, self.stream = client, code, stream or uuid.uuid4().hex
        # Frames from number `done` on; below it the captions are kept by the server.
        self.done, self.next, self.kept = 0, 0, []
        self.moved = time.monotonic()

    def push(self, frame):
        """Takes a `pose.Frame`, and sends what has gathered."""
        self.kept.append(frame)
        if len(self.kept) > KEPT_MAX:
            self._forget(self.done + len(self.kept) - KEPT_MAX)
        while self._end() - self.next >= BATCH:
            self._send()

    def end(self):
        """Sends what is left and waits until all its captions are kept."""
        while self.done < self._end():
            if self.next < self._end():
                self._send()
            else:
                time.sleep(PAUSE_S)
                self._try(lambda: self.client.post_rooms_code_frames_end(self.code, stream=self.stream), self.next)

    def _end(self):
        return self.done + len(self.kept)

    def _send(self):
        frames = self.kept[self.next - self.done :][: wire.BATCH_MAX]
        body = wire.batch(frames, self.next)
        self._try(
            lambda: self.client.post_rooms_code_frames(self.code, body, wire.MEDIA_TYPE, stream=self.stream),
            self.next + len(frames),
        )

    def _try(self, ask, then):
        before = self.done, self.next
        try:
            taken = ask()
            self.next = then
            self._forget(min(taken["done_seq"], self._end()))
        except Problem as problem:
            self._again(problem)
        except OSError:
            self._lost()
        if (self.done, self.next) > before:
            self.moved = time.monotonic()
        elif time.monotonic() - self.moved > PATIENCE_S:
            raise TimeoutError(f"captions of frames from {self.done} on do not come")

    def _again(self, problem):
        expected = problem.body.get("expected_seq")
        if expected is not None and self.done <= expected <= self._end():
            self.next = expected
        elif problem.status == 429:
            time.sleep(problem.retry_after or PAUSE_S)
        elif problem.status >= 500:
            self._lost()
        else:
            raise problem

    def _lost(self):
        """What is not done may be lost with the server that took it."""
        self.next = self.done
        time.sleep(PAUSE_S)

    def _forget(self, done):
        if done > self.done:
            del self.kept[: done - self.done]
            self.done, self.next = done, max(self.next, done)
