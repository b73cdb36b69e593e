"""What signals do to a process that works: the first asks it to stop, a second one ends it; its part as process 1."""

from __future__ import annotations

import faulthandler
import functools
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any, TypeVar

from rota.cli.supervisor import LEASH

Command = TypeVar("Command", bound=Callable[..., Any])
ENDING = (signal.SIGTERM, signal.SIGINT)
ASKING = (*ENDING, *((signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()))
"""All ask for a stop. A second one of the first two ends at once; HUP does not, as some send it right after TERM."""
BACKSTOP_SECONDS = 0.5


def signals_first(command: Command) -> Command:
    """Before anything of the application is loaded: from now on a signal is heard."""

    @functools.wraps(command)
    def wrapped(*args: Any, **others: Any) -> Any:
        if os.getpid() == 1:
            _be_process_one()
        for each in ASKING:
            _handle(each, _end_before_the_start)
        return command(*args, **others)

    return wrapped  # type: ignore[return-value]


def on_signals(stop: Callable[[], None], kill: Callable[[], None]) -> None:
    """``stop`` at the first, ``kill`` and the end of this process at the second."""

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - as the interpreter calls it
        kill()
        end_at_once(number)

    def ask(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        stop()
        for each in ENDING:
            signal.signal(each, end)

    for each in ASKING:
        _handle(each, ask)


def end_at_once(number: int) -> None:
    _write("Ended at once; what ran is rescued by others, or at the next start.")
    os._exit(128 + number)


def end_within(seconds: float, kill: Callable[[], None]) -> Callable[[], None]:
    """Whatever hangs, this process is gone then: also where a body holds on to the interpreter.

    Returns what calls it off.
    """

    def end() -> None:
        kill()
        _write(f"Not down after {seconds:g} s; ended at once. What ran is rescued by others, or at the next start.")
        os._exit(1)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    with suppress(Exception):  # where stderr is no file
        faulthandler.dump_traceback_later(seconds + BACKSTOP_SECONDS, exit=True)

    def call_off() -> None:
        timer.cancel()
        faulthandler.cancel_dump_traceback_later()

    return call_off


def _handle(number: signal.Signals, handler: Callable[[int, FrameType | None], None]) -> None:
    """A signal that this process was started to ignore (``nohup``) stays ignored."""
    if number in ENDING or signal.getsignal(number) is not signal.SIG_IGN:
        signal.signal(number, handler)


def _end_before_the_start(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - as the interpreter calls it
    if LEASH not in os.environ:  # else the process above tells of it, in the format that it knows already
        _write("Ended before it was up.")
    os._exit(128 + number)


def _write(message: str) -> None:
    from rota.cli.logs import line

    sys.stderr.write(f"{line(message, logging.WARNING)}\n")  # not by the log: this may come while it is written to
    sys.stderr.flush()


def _be_process_one() -> None:
    """As process 1, orphans become our children, and signals without a handler do nothing.

    The work is done in a child, whose own children nobody takes from it; this process passes signals on and reaps.
    """
    child = os.fork()
    if child == 0:
        return

    def pass_on(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - as the interpreter calls it
        with suppress(ProcessLookupError):
            os.kill(child, number)

    for each in (*ASKING, signal.SIGUSR1, signal.SIGUSR2, signal.SIGQUIT):
        signal.signal(each, pass_on)
    while True:
        ended, status = os.wait()
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)
