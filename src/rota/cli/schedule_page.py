"""One schedule as people see it: its policies, what comes, and the verdicts on what was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rota.cli.output import Column, Output
from rota.cli.terminal import echo

if TYPE_CHECKING:
    from rota.app import Rota
    from rota.model.schedule import ScheduleRecord

COLUMNS = (
    Column("name", "schedule"), Column("job"), Column("state"), Column("next_due_at", "next", Output.distance),
    Column("source"), Column("when"),
)  # fmt: skip
SHOWN = (
    Column("name", "schedule"), Column("job"), Column("when"), Column("state"), Column("source"),
    Column("paused_text", "paused"), Column("aside_why", "set aside"), Column("edited_text", "edited"),
    Column("arguments"), Column("policies_text", "policies"), Column("watermark", show=Output.both),
)  # fmt: skip
STATES = {"off": "off here", "set_aside": "set aside"}
FIRES = (
    Column("due_at", "due"), Column("kind"), Column("verdict"), Column("run_id", "run"), Column("moments"),
    Column("reason"),
)  # fmt: skip
LAST_FIRES = 10


def list_schedules(items: Sequence[dict[str, Any]], out: Output, *, cursor: str | None = None, empty: str = "") -> None:
    out.listing(items if out.as_json else [_row(each) for each in items], COLUMNS, cursor=cursor, empty=empty)


def _row(item: dict[str, Any]) -> dict[str, Any]:
    """One that stands still has no next moment for people, whatever the ledger keeps for when it goes on."""
    next_due_at = item["next_due_at"] if item["state"] in {"active", "not_before"} else None
    state = STATES.get(item["state"], item["state"])
    if state == "not_before":
        state = f"not before {item['starts'].astimezone():%Y-%m-%d}"
    return {**item, "state": state, "next_due_at": next_due_at}


def show_schedule(app: Rota, record: ScheduleRecord, out: Output) -> None:
    from rota.app.items import schedule_document

    fires = app.schedules.fires(record.name, limit=LAST_FIRES)
    next_fires = app.schedules.next_fires(record.name)
    document = schedule_document(record, next_fires, fires, app.settings.log.masked)
    if out.as_json:
        out.document(document)
        return
    out.one({**_row(document), **_words(document, out)}, SHOWN)
    if document["next_fires"]:
        echo()
        echo("next")
        for each in document["next_fires"]:
            echo(f"  {each:%a %Y-%m-%d %H:%M:%S %Z}  {out.distance(each)}")
    if document["fires"]:
        echo()
        out.listing(document["fires"], FIRES)


def _words(document: dict[str, Any], out: Output) -> dict[str, Any]:
    policies = {key: value for key, value in document["policies"].items() if value not in (None, 0, 0.0)}
    paused = [document["paused_by"], document["paused_why"], out.moment(document["paused_at"])]
    edited = [document["edited_by"], out.moment(document["edited_at"])]
    return {
        "arguments": document["arguments"] or None,
        "policies_text": ", ".join(f"{key} {value}" for key, value in policies.items()),
        "paused_text": ", ".join(part for part in paused if part),
        "edited_text": ", ".join(part for part in edited if part),
    }
