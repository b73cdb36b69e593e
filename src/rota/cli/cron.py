"""`rota cron`: expressions in plain words and their next moments; it needs neither an application nor a database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rota.cli.groups import Group
from rota.cli.moments import read_moment, show_distance
from rota.cli.options import with_output
from rota.cli.output import Output
from rota.clock import from_us
from rota.model.duration import show_duration

if TYPE_CHECKING:
    from rota.calendar.expression import Cron
    from rota.calendar.text.explanation import Explanation, Fire

Command = TypeVar("Command", bound=Callable[..., Any])


@click.group(cls=Group)
def cron() -> None:
    """Cron expressions: the next moments, in plain words."""


def _expression(command: Command) -> Command:
    """The expression and all that goes with it; gives ``expression``, ``tz``, ``gap``, ``overlap``, ``after``."""
    for decorate in (
        click.option("--after", metavar="MOMENT", help="As seen from then and not from now; in the zone of --tz."),
        click.option("--overlap", type=click.Choice(["first", "second", "both"]), default="first", show_default=True),
        click.option("--gap", type=click.Choice(["after_gap", "skip"]), default="after_gap", show_default=True),
        click.option("--tz", metavar="ZONE", default="UTC", show_default=True, help="As Europe/Paris."),
        click.argument("expression"),
    ):
        command = decorate(command)
    return command


@cron.command()
@_expression
@click.option("-n", "count", type=click.IntRange(0, 10_000), default=5, show_default=True, help="So many fires.")
@with_output
def explain(expression: str, tz: str, gap: Any, overlap: Any, after: str | None, count: int, out: Output) -> None:
    """What an expression means, when it fires, and what the clock of its zone does to it.

    \b
    rota cron explain "30 2 * * *" --tz Europe/Paris
    """
    from rota.calendar import Cron
    from rota.calendar import explain as explained

    trigger = Cron(expression, tz, gap, overlap)
    explanation = explained(trigger, _moment(after, trigger, out), count)
    if out.as_json:
        out.document(explanation.to_data())
    else:
        click.echo("\n".join(_told(explanation, out)))


@cron.command("next")
@_expression
@click.option("-n", "count", type=click.IntRange(1, 10_000), default=10, show_default=True, help="So many fires.")
@with_output
def next_(expression: str, tz: str, gap: Any, overlap: Any, after: str | None, count: int, out: Output) -> None:
    """The next moments at which an expression fires.

    \b
    rota cron next "0 2 * * *" --tz Europe/Paris -n 3 --after 2027-03-27
    """
    from rota.calendar import Cron
    from rota.calendar.text.explanation import fire_data, next_fires

    trigger = Cron(expression, tz, gap, overlap)
    fires = list(next_fires(trigger, _moment(after, trigger, out), count, _now(out)))
    if out.as_json:
        out.document({"items": [fire_data(fire) for fire in fires], "next": None})
    else:
        click.echo("\n".join(_table([_fire_row(fire, out) for fire in fires])))
        if len(fires) < count:
            out.say("There are no more.")


def _now(out: Output) -> datetime:
    return from_us(out.clock.now_us())


def _moment(text: str | None, trigger: Cron, out: Output) -> datetime:
    """What ``--after`` says, read in the zone of the trigger where it names none."""
    if text is None:
        return _now(out)
    try:
        return read_moment(text, _now(out), trigger.zone.tzinfo)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--after") from None


def _told(explanation: Explanation, out: Output) -> Iterator[str]:
    yield explanation.sentence
    yield ""
    yield from _table([(row.name, row.text, row.means) for row in explanation.fields])
    yield ""
    yield from _table(
        [
            ("kind", explanation.kind),
            *(
                ("clock change" if first else "", f"{change.at:%a %d %b %Y}: {change.effect}")
                for first, change in zip((True, False), explanation.changes, strict=False)
            ),
            ("rhythm", _rhythm(explanation)),
            *(("note", warning) for warning in explanation.warnings),
        ]
    )
    yield ""
    yield from _table([_fire_row(fire, out) for fire in explanation.fires])


def _rhythm(explanation: Explanation) -> str:
    rhythm = explanation.rhythm
    rate = f"{_about(rhythm.per_day)} a day" if rhythm.per_day >= 1 else f"{_about(rhythm.per_year)} a year"
    if rhythm.shortest is None or rhythm.longest is None:
        return f"{rate}; at most one in the next {rhythm.days} days"
    pauses = f"{_length(rhythm.shortest)} to {_length(rhythm.longest)}"
    if rhythm.shortest == rhythm.longest:
        pauses = f"always {_length(rhythm.shortest)}"
    return f"{rate}; pauses in the next {rhythm.days} days: {pauses}"


def _fire_row(fire: Fire, out: Output) -> tuple[str, ...]:
    offset = fire.at.isoformat()[19:]
    local = f"{fire.at:%a %Y-%m-%d %H:%M:%S} {offset} {fire.at.tzname()}"
    utc = f"{fire.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"
    return (*(() if out.utc else (local,)), utc, show_distance(fire.at, fire.at - fire.wait), fire.note)


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Aligned columns; nothing is cut."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _length(pause: timedelta) -> str:
    return show_duration(pause.total_seconds())


def _about(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"
