"""``make up``: CodeNotify and all it talks to, on this machine, with made-up people."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import entry_points
from pathlib import Path
from types import FrameType

import click
from sqlalchemy import Engine, inspect, select

from apps import rota
from apps.codenotify import generator
from apps.codenotify.demo.surroundings import Surroundings, surroundings
from apps.codenotify.tables import users
from apps.database import connect, reading

ROOT = Path(__file__).parents[3]
HOME = ROOT / ".rota"
NEWS_EVERY_S = 2.0


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--fresh", is_flag=True, help="Forget what is there from before, and begin anew.")
@click.option("--size", type=click.Choice(["small", "medium"]), default="medium", help="How many people to make up.")
@click.option("--data", type=click.Path(path_type=Path), default=HOME / "codenotify", help="Where to keep the data.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def main(fresh: bool, size: generator.Size, data: Path, arguments: tuple[str, ...]) -> None:
    """CodeNotify with local platforms, mail server and webhook provider, run by `rota up ARGUMENTS`.

    The data is kept from one start to the next.
    """
    os.chdir(ROOT)
    check(arguments)
    if fresh:
        forget(data)
    database = os.environ.get("CODENOTIFY_DATABASE_URL") or f"sqlite:///{data / 'codenotify.db'}"
    with surroundings(data) as around:
        prepare(database, size)
        ask_for_a_sync()
        introduce(around)
        environment = {**os.environ, **around.environment, "CODENOTIFY_DATABASE_URL": database}
        code = run_rota(arguments, environment, around)
        summarise(around, data)
    sys.exit(code)


def check(arguments: Sequence[str]) -> None:
    """Refuse what `rota up` would refuse, before anything is made for it."""
    (entry,) = entry_points(group="console_scripts", name="rota")
    command = entry.load()
    context = click.Context(command, info_name="rota")
    command.get_command(context, "up").make_context("up", list(arguments), parent=context)


def say(text: str) -> None:
    click.echo(text, err=True)


def forget(data: Path) -> None:
    """Only what a demonstration has left here; a database elsewhere is not ours to remove."""
    shutil.rmtree(data, ignore_errors=True)
    for file in HOME.glob("rota.db*"):
        file.unlink()


def prepare(database: str, size: generator.Size) -> None:
    engine = connect(database)
    try:
        if has_people(engine):
            say("CodeNotify's data is there from before; --fresh would begin anew.")
            return
        say("Making up people and contests …")
        data = generator.generate(size, as_of=datetime.now(UTC))
        generator.load(engine, data, lambda table, rows: say(f"  {rows:>6,} {table.replace('_', ' ')}"))
    finally:
        engine.dispose()


def has_people(engine: Engine) -> bool:
    if not inspect(engine).has_table(users.name):
        return False
    with reading(engine) as connection:
        return connection.execute(select(users.c.id).limit(1)).first() is not None


def ask_for_a_sync() -> None:
    """The first one by hand: nobody wants to wait for six o'clock."""
    rota.migrate()
    handle = rota.options(by="make up").trigger("codenotify/sync-contests", force=True, source="manual")
    say(f"Asked for one sync-contests by hand: run {handle.id}. It will ask for a dispatch if it finds anything new.")
    rota.close()


def introduce(around: Surroundings) -> None:
    say(f"Contest platforms answer at {around.platforms.root}. To break one, and to mend it again:")
    say(f"  curl -X PUT {around.platforms.root}/scenario/codechef/unavailable")
    say(f"  curl -X PUT {around.platforms.root}/scenario/codechef/ok")
    say(f"Mails are kept in {shown(around.mails.directory)}")


def run_rota(arguments: Sequence[str], environment: Mapping[str, str], around: Surroundings) -> int:
    """``rota up`` as a child in a session of its own, so that a Ctrl-C reaches it once, through us."""
    command = [sys.executable, "-m", "rota", "up", *arguments]
    child = subprocess.Popen(command, env=dict(environment), start_new_session=True)  # noqa: S603 - our own command

    def forward(number: int, _frame: FrameType | None) -> None:
        child.send_signal(signal.SIGTERM if number == signal.SIGHUP else number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # a terminal that closes only hangs up
        signal.signal(number, forward)
    code = watch(child, around)
    return code if code >= 0 else 128 - code


def watch(child: subprocess.Popen[bytes], around: Surroundings) -> int:
    """Says now and then what has been caught, until the child ends; returns its code."""
    told = (0, 0)
    while True:
        try:
            return child.wait(NEWS_EVERY_S)
        except subprocess.TimeoutExpired:
            caught = (around.mails.count, len(around.hooks.messages))
            if caught != told:
                say(f"Caught {caught[0]:,} mails and {caught[1]:,} webhook messages so far.")
            told = caught


def summarise(around: Surroundings, data: Path) -> None:
    received = Counter(hook.channel for hook in around.hooks.messages)
    told = ", ".join(f"{count:,} {channel}" for channel, count in sorted(received.items())) or "none"
    everything = len(around.mails.index())
    click.echo("")
    click.echo(f"Mails caught     {around.mails.count:,} now, {everything:,} in all: {shown(around.mails.directory)}")
    click.echo(f"Webhooks caught  {told}: {shown(data / 'webhooks.jsonl')}")
    click.echo("")
    click.echo("Now try")
    click.echo("  .venv/bin/rota run ls                what ran, and how it ended")
    click.echo("  .venv/bin/rota run show 1            one run, with its counts")
    click.echo("  .venv/bin/rota schedule ls           what is due when")
    click.echo("  make up                              go on with the data that is there")
    click.echo('  make up ARGS="--fresh"               begin anew')


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


if __name__ == "__main__":
    main()
