"""The made-up data of the applications: made where there is none, all at once, each in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import UTC, datetime
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path

import click

from apps.database import connect
from apps.demo.surroundings import ARCHIVE, HOOKS, LOGS, MAILS, SECRETS, UPLOADS, VALKEY
from apps.made_up import Size, is_filled

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".rota"
NAMES = ("savings", "bazaar", "learn", "faf", "codenotify")
"""Those with the most rows first: so they are all done soonest."""


def databases(names: Iterable[str], directory: Path) -> Mapping[str, str]:
    """The settings that say where each application's database is, for those of which nobody has said it."""
    wanted = {f"{name.upper()}_DATABASE_URL": f"sqlite:///{directory / name}.db" for name in names}
    given = {name for name in wanted if os.environ.get(name) or os.environ.get(f"{name}_FILE")}
    return {name: url for name, url in wanted.items() if name not in given}


def say(text: str) -> None:
    click.echo(text, err=True)


def prepare(names: Sequence[str], directory: Path, size: Size, *, with_redis: bool) -> set[str]:
    """Each application that has no data gets it, as of now; ``NAME.expected.json`` says what its jobs must count.

    Returns those whose data is new.
    """
    as_of = datetime.now(UTC)
    say("Making up data …")
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn"), initializer=_end_with_ctrl_c) as pool:
        work = {pool.submit(_prepare, name, directory, size, as_of, with_redis): name for name in names}
        return {work[done] for done in as_completed(work) if done.result()}


def _end_with_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _prepare(name: str, directory: Path, size: Size, as_of: datetime, with_redis: bool) -> bool:
    settings = import_module(f"apps.{name}.settings").Settings.from_env()
    engine = connect(settings.database_url)
    try:
        if is_filled(engine, import_module(f"apps.{name}.tables").users):
            say(f"The data of {name} is there from before; --fresh would begin anew.")
            return False
        fill = import_module(f"apps.{name}.generator").fill
        places = {"with_redis": with_redis} if name == "learn" else {}
        told = fill(
            engine, settings, size, as_of=as_of, progress=lambda rows: say(f"  {name:<10} {rows:>9,} rows"), **places
        )
    finally:
        engine.dispose()
    in_turn = {job: told[job] for job in import_module(f"apps.{name}").rota.jobs if job in told}
    text = json.dumps({"as_of": as_of.isoformat(), "expected": in_turn}, indent=1)
    (directory / f"{name}.expected.json").write_text(text + "\n")
    return True


def forget(directory: Path) -> None:
    """Only what a demonstration has left there; a database elsewhere is not ours to remove."""
    for path in _left_by_one(directory):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _left_by_one(directory: Path) -> Iterator[Path]:
    for name in (MAILS, HOOKS, UPLOADS, LOGS, VALKEY, ARCHIVE, SECRETS):
        yield from directory.glob(name)
    for name in NAMES:
        yield from directory.glob(f"{name}.db*")
        yield from directory.glob(f"{name}.expected.json")
