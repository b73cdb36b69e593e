"""`rota up`: everything in one command."""

from __future__ import annotations

import functools
import gc
import logging
import os
import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import click

from rota.cli import warden
from rota.cli.application import application_name
from rota.cli.moments import duration
from rota.cli.options import Command, with_app
from rota.cli.signals import end_within, on_signals, signals_first
from rota.cli.supervisor import LEASH, LIFE, Supervisor
from rota.errors import ConfigError
from rota.model.node import NodeSettings
from rota.model.process import resident_bytes
from rota.model.size import size_in_bytes
from rota.model.suggestion import suggestion

if TYPE_CHECKING:
    from rota.app import Rota
    from rota.app.health import HealthServer
    from rota.engine.node import Node
    from rota.model.event import Event

LOCAL = "127.0.0.1"
STOP_SECONDS = 5.0
"""Beyond the drain, a stop takes no longer than this."""
SHOWN = 5
VITAL = {"heartbeat", "worker", "finisher"}
LEASES_OF_PATIENCE = 3
GARBAGE_AFTER = 20_000
"""New objects after which cycles are looked for; to do so after every few runs is a tenth of a busy node's work."""


def _seldom_looking_for_garbage(command: Command) -> Command:
    """From before the application is loaded: what it is made of stays, and is looked through again and again else."""

    @functools.wraps(command)
    def wrapped(*args: Any, **others: Any) -> Any:
        if 0 < gc.get_threshold()[0] < GARBAGE_AFTER:
            gc.set_threshold(GARBAGE_AFTER)
        return command(*args, **others)

    return wrapped  # type: ignore[return-value]


@click.command()
@click.option("--processes", type=click.IntRange(1, 256), help="Start so many processes, and watch over them.")
@click.option("--threads", type=click.IntRange(1, 10_000), help="Runs at one time, in each process.")
@click.option("--queues", metavar="A,B", help="Work on these queues only.")
@click.option("--no-schedule", is_flag=True, help="Only work: fire no schedules, rescue nothing.")
@click.option("--host", show_default=LOCAL, help="Where to answer /healthz, with --port.")
@click.option("--port", type=click.IntRange(0, 65_535), help="Answer /healthz and /readyz here; 0 takes a free one.")
@click.option("--for", "lasting", type=duration, metavar="DURATION", help="End by itself after so long: 30s, 5m.")
@click.option("--drain", type=duration, metavar="DURATION", help="Wait so long for what runs when stopping.")
@click.option("--recycle-after", type=click.IntRange(1), metavar="RUNS", help="Replace a process after so many runs.")
@click.option("--recycle-memory", metavar="SIZE", help="Replace a process that takes more: 500MB.")
@signals_first
@_seldom_looking_for_garbage
@with_app
def up(
    app: Rota,
    processes: int | None,
    threads: int | None,
    queues: str | None,
    no_schedule: bool,
    host: str | None,
    port: int | None,
    lasting: float | None,
    drain: float | None,
    recycle_after: int | None,
    recycle_memory: str | None,
) -> None:
    """Prepare the database, schedule and work, until told to stop.

    SIGTERM, SIGHUP or Ctrl-C: no new work, wait for what runs, hand back the rest, and be down 5 seconds after the
    drain at the latest. A second SIGTERM or Ctrl-C ends at once.

    \b
    rota up
    rota up --processes 4 --threads 8
    rota up --queues mail,reports --for 5m
    """
    from rota.cli.ledger import check_folder
    from rota.cli.logs import set_up_logging

    if host is not None and port is None:
        raise click.UsageError("--host needs --port.")
    check_folder(app.store)
    set_up_logging(app.settings)
    _warn_of_removed(app.prepare())
    _warn_of_queues(app, _names(queues))
    _warn_of_environment(app)
    count = processes or app.settings.processes
    settings = _recycled(app.settings.node, recycle_after, recycle_memory)
    settings = replace(settings, drain=settings.drain if drain is None else drain)
    watched = count > 1 or settings.recycle_after is not None or settings.recycle_memory is not None
    work: Work
    if watched and LEASH not in os.environ:
        arguments = _arguments(threads, queues, no_schedule, settings.drain) + _recycling(settings)
        work = Supervisor(application_name(), arguments, count, settings)
    else:
        settings = replace(settings, threads=threads or settings.threads, schedules=not no_schedule)
        work = _Working(app, app.node(replace(settings, queues=_names(queues) or settings.queues)))
    with _serving(app, host or LOCAL, port, work):
        until_told(lasting, work, settings.drain + STOP_SECONDS)


class _Working:
    """This process as a node."""

    def __init__(self, app: Rota, node: Node) -> None:
        from rota.cli.narrator import Narrator

        self._app = app
        self._node = node
        self._narrator = Narrator()
        self._warden: int | None = None
        settings = node.settings
        self._most_runs = settings.recycle_after and int(settings.recycle_after * random.uniform(0.9, 1.1))
        self._most_memory = settings.recycle_memory

    def start(self) -> None:
        from rota.cli.logs import say
        from rota.shown import counted

        if LEASH in os.environ:
            self._warden = warden.start(int(os.environ[LEASH]), patience=self._node.settings.drain + STOP_SECONDS)
        self._narrator.listen(self._app.listeners)
        gc.collect()
        gc.freeze()  # the code is here to stay: looking through it again and again is a tenth of a busy node's work
        self._node.start()
        jobs, schedules = counted(len(self._app.jobs), "job"), counted(len(self._app.declared_schedules), "schedule")
        say(f"Rota is up: {self._node.identity.id}, {jobs}, {schedules}.")
        if not self._app.jobs:
            say("It has no jobs: decorate a function with @rota.job, or include a blueprint.", logging.WARNING)
        if LEASH in os.environ:
            threading.Thread(target=_watch_leash, args=(self._node.asked_to_stop,), daemon=True).start()
            threading.Thread(target=_show_life, args=(self._lives,), daemon=True).start()

    def hanging(self) -> Sequence[str]:
        """Of the duties without which nothing is done."""
        return [name for name in self._node.hanging() if name in VITAL]

    def _lives(self) -> bool:
        """Whether nothing stands still for so long that only a new process helps."""
        return not VITAL & set(self._node.hanging(leases=LEASES_OF_PATIENCE))

    def wait(self, timeout: float) -> bool:
        self._narrator.flush()
        return self._node.asked_to_stop.wait(timeout) or self._is_worn()

    def _is_worn(self) -> bool:
        """Whether another process is to begin in place of this one. The spread keeps all from doing so at one time."""
        if self._most_runs is not None and self._node.inflight.completed >= self._most_runs:
            return True
        return self._most_memory is not None and (resident_bytes() or 0) > self._most_memory

    def stop(self) -> None:
        from rota.cli.logs import say
        from rota.shown import counted

        waiting = len(self._node.inflight)
        doing = f": waiting for {counted(waiting, 'run')}" if waiting else ""
        say(f"Stopping{doing} … (again: at once)")
        if not self._node.stop():
            say("Some runs were handed back; they will run again.", logging.WARNING)
        self._narrator.flush(last=True)
        self.kill()
        if self._node.fatal is not None:
            raise self._node.fatal
        say("Rota is down.")

    def kill(self) -> None:
        """Nothing but a warden stands beside this process."""
        if self._warden is not None:
            warden.end(self._warden)
            self._warden = None


class Work(Protocol):
    """What ``until_told`` keeps up; ``wait`` returns True when it wants to stop by itself."""

    def start(self) -> None: ...

    def wait(self, timeout: float) -> bool: ...

    def stop(self) -> None: ...

    def kill(self) -> None:
        """End at once what stands beside this process."""

    def hanging(self) -> Sequence[str]:
        """What stands still."""


def until_told(lasting: float | None, work: Work, stop_within: float) -> None:
    """Start, wait for a signal, the end of the time or a request from the ledger, stop: within so many seconds."""
    told = threading.Event()
    on_signals(told.set, work.kill)
    give_up_at = None if lasting is None else time.monotonic() + lasting
    work.start()
    while not told.is_set() and (give_up_at is None or time.monotonic() < give_up_at):
        left = 0.5 if give_up_at is None else max(0.0, min(0.5, give_up_at - time.monotonic()))
        if work.wait(left):
            break
    call_off = end_within(stop_within, work.kill)
    work.stop()
    if not told.is_set():
        call_off()  # a signal ends the process as a whole, whatever its other threads do


def _watch_leash(stop: threading.Event) -> None:
    """The process that watches over this one holds the other end: when it is gone, so is our reason to be."""
    os.read(int(os.environ[LEASH]), 1)
    stop.set()


def _show_life(lives: Callable[[], bool]) -> None:
    """A byte a second, while the interpreter turns and nothing stands still; the end of the pipe is nobody's loss."""
    pipe = int(os.environ[LIFE])
    os.set_blocking(pipe, False)
    while True:
        if lives():
            with suppress(OSError):
                os.write(pipe, b".")
        time.sleep(1.0)


def _serving(app: Rota, host: str, port: int | None, work: Work) -> HealthServer:
    from rota.app.health import HealthServer

    return HealthServer(app, host, port, work.hanging)


def _names(queues: str | None) -> tuple[str, ...]:
    names = tuple(name.strip() for name in (queues or "").split(",") if name.strip())
    if queues is not None and not names:
        raise ConfigError("--queues names no queue", hint="As in --queues mail,reports; leave it out for all.")
    return names


def _warn_of_queues(app: Rota, names: tuple[str, ...]) -> None:
    """Runs may be sent to any queue, by whoever asks for them: it is no mistake for sure. A child leaves it to us."""
    from rota.cli.logs import say

    if LEASH in os.environ:
        return
    known = {job.queue for job in app.jobs.values()} | set(app.settings.queues)
    for name in names:
        if name not in known | {"*"}:
            say(f"No job of the code uses the queue {name!r}. {suggestion(name, known)}", logging.WARNING)


def _warn_of_environment(app: Rota) -> None:
    """A child leaves it to us."""
    from rota.cli.logs import say
    from rota.explain.checks import unnamed_environment
    from rota.explain.finding import capitalised
    from rota.explain.here import here

    for found in () if LEASH in os.environ else unnamed_environment(app.settings.environment, here(app).named):
        say(f"{capitalised(found.text)} {capitalised(found.todo)}.", logging.WARNING)


def _warn_of_removed(events: list[Event]) -> None:
    """On purpose, or another application was started that has the same name and database."""
    from rota.cli.logs import say
    from rota.shown import counted

    gone = [event.subject.removeprefix("schedule:") for event in events if event.kind == "schedule.removed"]
    if gone:
        names = ", ".join(gone[:SHOWN]) + (", …" if len(gone) > SHOWN else "")
        hint = "If they belong to another application, give each a name of its own: Rota(name=…)."
        say(f"{counted(len(gone), 'schedule')} gone from the code, and removed: {names}. {hint}", logging.WARNING)


def _recycled(settings: NodeSettings, after: int | None, memory: str | None) -> NodeSettings:
    after = settings.recycle_after if after is None else after
    most = size_in_bytes(memory) if memory else settings.recycle_memory
    return replace(settings, recycle_after=after, recycle_memory=most)


def _recycling(settings: NodeSettings) -> list[str]:
    given = {"--recycle-after": settings.recycle_after, "--recycle-memory": settings.recycle_memory}
    return [word for name, value in given.items() if value is not None for word in (name, str(value))]


def _arguments(threads: int | None, queues: str | None, no_schedule: bool, drain: float) -> list[str]:
    given = {"--threads": threads, "--queues": queues, "--drain": drain}
    words = [word for name, value in given.items() if value is not None for word in (name, str(value))]
    return [*words, *(["--no-schedule"] if no_schedule else [])]
