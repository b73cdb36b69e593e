"""An attempt whose body is in another process: what comes back from there becomes its end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, Literal

from rota.body.log import LogLines
from rota.body.run import Progress
from rota.errors import Interrupted, RunCancelledError, RunLostError, RunTimedOutError
from rota.model.attempt import Caps, End, Ended, Envelope
from rota.model.job import Job

GRACE_SECONDS = 5.0
"""How long a body may go on after it was told to stop, before its process is killed."""
LOST_GRACE_SECONDS = 1.0
"""The same where another node may have the run at any moment."""
_KINDS: tuple[type[Interrupted], ...] = (RunTimedOutError, RunCancelledError, RunLostError)
REASONS = {kind.__name__: kind for kind in _KINDS}
_ENDS = {RunTimedOutError: End.TIMED_OUT, RunCancelledError: End.CANCELLED, RunLostError: End.HANDED_BACK}


class RemoteAttempt:
    """As the engine sees it: like any attempt. As a slot sees it: an order to send, and messages to hear."""

    kind: Literal["process"] = "process"

    def __init__(self, envelope: Envelope, job: Job, now_us: Callable[[], int], caps: Caps) -> None:
        self.envelope = envelope
        self.key = envelope.key
        self.job = job
        self.progress = Progress()
        self.lines = LogLines(caps)
        self.started_us = 0
        self.submitted_at = 0.0
        self.deadline: float | None = None
        self.kill_at: float | None = None
        """``time.monotonic()`` at which its process is killed, whatever it does."""
        self.peak_rss: int | None = None
        self.reason: Interrupted | None = None
        self.ended: Ended | None = None
        self._now_us = now_us
        self._caps = caps

    def interrupt(self, reason: Interrupted) -> None:
        self.reason = self.reason or reason

    def measure(self) -> None:
        """Its slot does, which knows its processes."""

    def measured(self, rss: int) -> None:
        self.peak_rss = max(self.peak_rss or 0, rss)

    def order(self) -> bytes:
        """What the child is given to do; its time begins."""
        self.started_us = self._now_us()
        steady = time.monotonic()
        if self.job.timeout is not None:
            self.deadline = steady + self.job.timeout
        if self.job.hard_timeout is not None:
            self.kill_at = steady + self.job.hard_timeout
        caps = self._caps.result_bytes
        return json.dumps(["do", [self.envelope, caps, self.started_us - int(steady * 1_000_000)]]).encode()

    def stop(self) -> bytes:
        """What the child is told when it should stop."""
        return json.dumps(["stop", [self.envelope.key, type(self.reason).__name__, str(self.reason)]]).encode()

    @property
    def grace(self) -> float:
        """Seconds from the signal to stop until the process is killed."""
        return LOST_GRACE_SECONDS if isinstance(self.reason, RunLostError) else GRACE_SECONDS

    def hear(self, message: bytes) -> bool:
        """What the child says of it. True: it has ended."""
        kind, data = json.loads(message.decode())
        match kind:
            case "log":
                self.lines.add(data)
            case "progress":
                self._move(data)
            case "ended":
                ended = Ended._make(data)
                self._move(ended.progress)
                self._end(ended._replace(end=End(ended.end)))
                return True
        return False

    def killed(self, by: End, error: str) -> None:
        """Its process is gone. Where it had been told to stop, that is why; else ``by`` says what killed it."""
        if self.reason is not None and by is not End.OUT_OF_MEMORY:
            by, error = self._interrupted()
        self._end(Ended(by, self.started_us or self._now_us(), self._now_us(), error=error))

    def unusable(self, why: str) -> None:
        """No process could be had for it: it goes back, for another node to do."""
        self._end(Ended(End.HANDED_BACK, 0, self._now_us(), error=f"no process could be started for it: {why}"))

    def _interrupted(self) -> tuple[End, str]:
        reason = self.reason
        return next((end for kind, end in _ENDS.items() if isinstance(reason, kind)), End.TIMED_OUT), str(reason)

    def _move(self, progress: Any) -> None:
        if progress is not None:
            self.progress.done, self.progress.total = progress
            self.progress.changed = True

    def _end(self, ended: Ended) -> None:
        progress = (self.progress.done, self.progress.total) if self.progress.changed else None
        self.ended = ended._replace(progress=progress, peak_rss=self.peak_rss, log=self.lines.text())
