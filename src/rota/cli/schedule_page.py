"""One schedule as people see it: its policies, what comes, and the verdicts on what was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rota.cli.output import Column, Output

if TYPE_CHECKING:
    from rota.app import Rota
    from rota.model.schedule import ScheduleRecord

SHOWN = (
    Column("name", "schedule"), Column("job"), Column("when"), Column("state"), Column("source"),
    Column("paused_told", "paused"), Column("edited_told", "edited"), Column("arguments"),
    Column("policies_told", "policies"), Column("watermark", show=Output.both),
)  # fmt: skip
FIRES = (
    Column("due_at", "due"), Column("kind"), Column("verdict"), Column("run_id", "run"), Column("moments"),
    Column("reason"),
)  # fmt: skip
LAST_FIRES = 10


def show_schedule(app: Rota, record: ScheduleRecord, out: Output) -> None:
    from rota.app.items import schedule_document

    fires = app.schedules.fires(record.name, limit=LAST_FIRES)
    document = schedule_document(record, app.schedules.next_fires(record.name), fires)
    if out.as_json:
        out.document(document)
        return
    out.one({**document, **_words(document, out)}, SHOWN)
    if document["next_fires"]:
        click.echo("\nnext")
        for each in document["next_fires"]:
            click.echo(f"  {each:%a %Y-%m-%d %H:%M:%S %Z}  {out.distance(each)}")
    if document["fires"]:
        click.echo()
        out.listing(document["fires"], FIRES)


def _words(document: dict[str, Any], out: Output) -> dict[str, Any]:
    policies = {key: value for key, value in document["policies"].items() if value not in (None, 0, 0.0)}
    paused = [document["paused_by"], document["paused_why"], out.moment(document["paused_at"])]
    edited = [document["edited_by"], out.moment(document["edited_at"])]
    return {
        "arguments": document["arguments"] or None,
        "policies_told": ", ".join(f"{key} {value}" for key, value in policies.items()),
        "paused_told": ", ".join(part for part in paused if part),
        "edited_told": ", ".join(part for part in edited if part),
    }
