"""The command `rota`. It must start fast: a command's module is imported when the command is called."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import click

from rota.cli.groups import LazyGroup
from rota.shown import visible


class Main(LazyGroup):
    summaries: ClassVar[Mapping[str, str]] = {
        "up": "Prepare the database, schedule and work, until told to stop.",
        "status": "Show whether all is well.",
        "job": "The things that can be done: list, show, run.",
        "schedule": "When they are due: list, change, pause, look ahead, backfill.",
        "run": "What was asked for: list, show, logs, wait, retry, cancel, why.",
        "dead": "Runs that failed for good: list, retry, dismiss.",
        "recipe": "Maintenance made of recipes: list, show, run, limit, undo.",
        "queue": "The lanes: list, pause, resume, limit.",
        "node": "The processes that work: list, drain.",
        "db": "The database: prepare, migrate, check, adopt.",
        "cron": "Cron expressions: the next moments, in plain words.",
        "config": "Settings: show them and where they come from, check them.",
        "doctor": "Look for what is wrong with this installation.",
    }

    def invoke(self, ctx: click.Context) -> Any:
        """The one place where a command's error becomes a message and an exit code."""
        try:
            with _visible_usage():
                return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except (click.Abort, KeyboardInterrupt):
            click.echo("Interrupted.", err=True)
            ctx.exit(130)
        except Exception as error:  # noqa: BLE001 - whatever it is, the user sees a line and not a traceback
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                ctx.exit(_reader_left())
            from rota.cli.errors import report

            ctx.exit(report(error, debug=ctx.params["debug"]))

    def make_context(self, *args: Any, **others: Any) -> click.Context:
        with _visible_usage():
            return super().make_context(*args, **others)


@contextmanager
def _visible_usage() -> Iterator[None]:
    """What click says of a wrong use holds the words that were typed."""
    try:
        yield
    except click.ClickException as error:
        vars(error)["message"] = visible(error.message)  # click declares it final
        raise


def _reader_left() -> int:
    """As in `rota run ls | head -1`: that is no failure, and nothing more is written, not even at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 128 + signal.SIGPIPE


@click.group(
    cls=Main,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit codes: 0 ok, 1 it failed, 2 usage or settings, 3 not found, 4 refused, 5 conflict, "
    "6 database unreachable, 124 timed out, 130 interrupted.",
)
@click.option("--app", metavar="MODULE:ATTRIBUTE", help="The application; else ROTA_APP, else the settings.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document, as after the command.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="rota", message="%(prog)s %(version)s")
def main(app: str | None, as_json: bool, debug: bool) -> None:
    """The right job, at the right moment, once, and you can see why.

    \b
    rota up                             work here, until Ctrl-C
    rota job run sync-prices --wait     do it now and wait for the end
    rota run ls --state failed          what went wrong
    rota cron next "0 2 * * *"          when would that be
    """
