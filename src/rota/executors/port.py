"""What an executor is to the engine: it makes attempts of envelopes, does them, and gives each back with its end."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import Literal, Protocol, TypeVar, get_args

from rota.body.log import LogLines
from rota.body.run import Progress
from rota.errors import Interrupted
from rota.model.attempt import Ended, Envelope
from rota.model.job import Job

Kind = Literal["thread", "process"]
KINDS: tuple[Kind, ...] = get_args(Kind)


def kind_for(job: Job, kinds: Container[Kind], *, suspect: bool = False, manual: bool = False) -> Kind:
    """Who does a run of this job, which a node need not have; a suspect is done apart where that can be.

    Under a clock that a test moves (``manual``) there are no processes: a child would go by another clock.
    """
    if "process" in kinds:
        return "process" if suspect or job.executor == "process" else "thread"
    return "process" if job.executor == "process" and not manual else "thread"


class Underway(Protocol):
    """An attempt from its claim to its end, wherever it is done."""

    @property
    def kind(self) -> Kind:
        """Of the executor that does it."""

    @property
    def envelope(self) -> Envelope: ...

    @property
    def key(self) -> tuple[int, int]:
        """Run and claim."""

    @property
    def job(self) -> Job: ...

    @property
    def progress(self) -> Progress: ...

    @property
    def lines(self) -> LogLines: ...

    started_us: int
    """Microseconds of UTC; 0 before the body begins."""
    deadline: float | None
    """``time.monotonic()`` at which its time is up; ``None`` before it begins, or without a time-out."""
    peak_rss: int | None

    def interrupt(self, reason: Interrupted) -> None:
        """Tell the body to stop; the first reason stays."""

    def measure(self) -> None:
        """Note how much memory it takes, if that is the most so far."""


A = TypeVar("A", bound=Underway)
"""The executor's own kind of attempt."""
OnEnd = Callable[[Underway, Ended], None]
"""Called with each attempt when it is over, in whatever thread learned of it; never with one that was taken back."""


class Executor(Protocol[A]):
    """Does attempts. Each that was submitted either ends, once, or is taken back."""

    @property
    def size(self) -> int:
        """How many it does at one time; 0 while it can do none."""

    def attempt(self, envelope: Envelope, job: Job) -> A:
        """An attempt that this executor can do; nothing begins yet."""

    def submit(self, attempts: Sequence[A]) -> None:
        """Take attempts of its own making on; those that find no free place wait in order."""

    def take_back(self, waiting_longer_than: float = 0.0) -> list[A]:
        """Attempts that have waited for a place for so many seconds, not begun: they are the caller's again."""

    def stop(self) -> None:
        """Let what is idle end; twice is no mistake."""
