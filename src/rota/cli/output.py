"""What a command prints: data to stdout, as a table for people or JSON for programs; talk to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from rota.cli.moments import show_distance, show_moment
from rota.cli.terminal import echo, is_terminal, wants_colour
from rota.clock import Clock, SystemClock, from_us
from rota.explain.finding import Finding, capitalised
from rota.model.duration import show_duration
from rota.shown import visible

if TYPE_CHECKING:  # rich takes 0.1 s: it is imported when a terminal is written to
    from rich.console import Console

Item = Mapping[str, Any]

STYLES = {
    "succeeded": "green",
    "fired": "green",
    "healthy": "green",
    "running": "blue",
    "scheduled": "dim",
    "waiting": "yellow",
    "superseded": "dim",
    "paused": "yellow",
    "cancelled": "yellow",
    "expired": "yellow",
    "skipped": "yellow",
    "missed": "red",
    "failed": "red",
    "lost": "red",
}
"""How a word is coloured wherever it fills a cell."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: which key of an item it shows, under what heading, and how.

    ``show`` is a method of ``Output``, as in ``Column("due_at", show=Output.distance)``; without one, the
    value's type decides.
    """

    key: str
    title: str = ""
    show: Callable[[Output, Any], str] | None = None

    @property
    def heading(self) -> str:
        return (self.title or self.key.replace("_", " ")).upper()


@dataclass(frozen=True, slots=True)
class Output:
    """How this call wants to be answered. Items are dicts of plain values; moments are aware datetimes."""

    as_json: bool = False
    utc: bool = False
    clock: Clock = field(default_factory=SystemClock)

    def listing(self, items: Sequence[Item], columns: Sequence[Column], *, cursor: Any = None, empty: str = "") -> None:
        """Print ``{"items": […], "next": cursor}``, or a table; ``empty`` is said where there is nothing."""
        if self.as_json:
            self.document({"items": list(items), "next": cursor})
        elif items:
            self._table([column.heading for column in columns], [self._row(item, columns) for item in items])
            if cursor is not None:
                self.say(f"There are more: go on with --after {cursor}")
        elif empty:
            self.say(empty)

    def one(self, item: Item, columns: Sequence[Column] = ()) -> None:
        """Print one object: the JSON object, or a line for each value that is there."""
        if self.as_json:
            self.document(item)
            return
        shown = columns or [Column(key) for key in item]
        lines = [(column.heading.lower(), self._cell(column, item)) for column in shown]
        width = max((len(name) for name, text in lines if text), default=0)
        for name, text in lines:
            if text:
                echo(f"{name:<{width}}  {text}")

    def document(self, value: Any) -> None:
        text = json.dumps(value, indent=2, ensure_ascii=False, default=_as_json)
        click.echo("\n".join(_escaped(line) for line in text.split("\n")))

    def say(self, message: str) -> None:
        """Talk to the person, apart from the data."""
        echo(message, err=True)

    def findings(self, found: Iterable[Finding], mark: str = "-") -> None:
        """Each on a line, and below it what to do."""
        for each in found:
            echo(each.text if mark == "-" else each.sentence, head=f"{mark} ")
            self.todo(each)

    @staticmethod
    def todo(found: Finding, indent: str = "  ") -> None:
        if found.todo:
            echo(capitalised(found.todo), head=f"{indent}→ ")

    @contextmanager
    def progress(self, label: str) -> Iterator[Callable[[int | None, int | None], None]]:
        """A bar on the terminal while waiting; its function takes (done, total). In a pipe, nothing."""
        if self.as_json or not is_terminal(sys.stderr):
            yield lambda _done, _total: None
            return
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

        name = TextColumn("{task.description}", markup=False)
        parts = (name, BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        with Progress(*parts, console=_console(stderr=True), transient=True) as bar:
            task = bar.add_task(visible(label), total=None)
            yield lambda done, total: bar.update(task, completed=done or 0, total=total)

    def text(self, value: Any) -> str:
        """A value as its type suggests."""
        match value:
            case None:
                return ""
            case bool():
                return "yes" if value else "no"
            case datetime():
                return self.moment(value)
            case timedelta():
                return show_duration(value.total_seconds())
            case dict() | list() | tuple():
                return json.dumps(value, ensure_ascii=False, default=_as_json)
            case _:
                return str(value)

    def moment(self, value: datetime | None) -> str:
        return show_moment(value, utc=self.utc) if value else ""

    def at_least(self, value: int) -> str:
        """A count that stops at a cap."""
        from rota.explain.words import at_least

        return at_least(value)

    def distance(self, value: datetime | None) -> str:
        return show_distance(value, self._now()) if value else ""

    def both(self, value: datetime | None) -> str:
        return f"{self.moment(value)} ({self.distance(value)})" if value else ""

    def duration(self, value: float | None) -> str:
        return "" if value is None else show_duration(value)

    def _now(self) -> datetime:
        return from_us(self.clock.now_us())

    def _row(self, item: Item, columns: Sequence[Column]) -> list[str]:
        return [self._cell(column, item) for column in columns]

    def _cell(self, column: Column, item: Item) -> str:
        """Made visible before it is measured."""
        return visible((column.show or Output.text)(self, item.get(column.key)))

    def _table(self, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        if is_terminal(sys.stdout) or wants_colour(sys.stdout):
            _print_rich(headings, rows)
        else:
            _print_plain(headings, rows)


def _print_plain(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Aligned for the eye, and nothing cut: what is piped is read by something."""
    lines = [headings, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(headings))]
    for line in lines:
        echo("  ".join(f"{text:<{width}}" for text, width in zip(line, widths, strict=True)).rstrip())


def _print_rich(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold dim")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(text, style=STYLES.get(text, "")) for text in row))
    console = _console()
    with console.capture() as printed:  # written by click, as all the rest is: rich ends the process if a pipe closes
        console.print(table)
    click.echo(printed.get(), nl=False, color=True)


def _console(*, stderr: bool = False) -> Console:
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    colour = wants_colour(stream)
    width, height = (None, None) if is_terminal(stream) else (10_000, 25)  # a pipe has no size
    return Console(
        file=stream,
        force_terminal=colour,
        color_system="standard" if colour else None,  # else rich believes TERM and not FORCE_COLOR
        highlight=False,
        width=width,
        height=height,  # without one, a dumb TERM makes rich take 80 columns
    )


def _escaped(line: str) -> str:
    """JSON that is the same to a program, and harmless on a terminal."""
    return line if line.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line)


def _as_json(value: Any) -> Any:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case set() | frozenset():
            return sorted(value)
        case _:
            return str(value)
