"""`rota recipe`: maintenance jobs that are made of recipes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from rota.cli.groups import Group
from rota.cli.moments import duration
from rota.cli.options import acting_user, confirm, timeout_option, with_code, with_output, yes_option
from rota.cli.output import Column, Output
from rota.cli.terminal import echo
from rota.clock import from_us
from rota.errors import ConfigError, ConflictError, MissingExtraError, NotFoundError
from rota.model import payload
from rota.model.duration import show_duration

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from rota.app import Rota
    from rota.model.run import RunRecord
    from rota.recipes import Recipe
    from rota.recipes.part import Part

COLUMNS = (
    Column("job", "recipe"),
    Column("part"),
    Column("action"),
    Column("table"),
    Column("overdue"),
    Column("oldest", show=Output.distance),
    Column("intake", "in/day", lambda _, rate: "" if rate is None else f"{rate:,.0f}"),
    Column("drain", "out/day", lambda _, rate: "" if rate is None else f"{rate:,.0f}"),
    Column("caught_up_at", "caught up", Output.distance),
)
BATCHES = (
    Column("at", show=Output.distance),
    Column("run"),
    Column("action"),
    Column("count", "rows"),
    Column("actor", "by"),
    Column("archive", "kept", lambda _, kept: "yes" if kept else ""),
)
FORECASTS = (
    Column("at", show=Output.distance),
    Column("run"),
    Column("foreseen"),
    Column("changed", show=lambda _, count: "dry run" if count is None else f"{count:,}"),
    Column("left"),
)
RUNS = (
    Column("at", show=Output.distance),
    Column("run"),
    Column("state"),
    Column("mode", show=lambda _, mode: (mode or "").replace("_", " ")),
    Column("message", "result"),
)
LAST = 10
SEARCHED = 100
"""Runs among which dry ones are looked for."""
name_argument = click.argument("name", metavar="JOB")


@click.group(cls=Group)
def recipe() -> None:
    """Maintenance made of recipes: list, show, run, limit, undo."""


@recipe.command()
@with_code
@with_output
def ls(app: Rota, out: Output) -> None:
    """The jobs that are recipes, and whether each keeps up: by its last runs.

    \b
    rota recipe ls
    """
    items = [_item(job, part) for job, each in _recipes(app) for part in each.parts(_now())]
    out.listing(items, COLUMNS, empty='No job is a recipe: rota.job("name")(Retention(…)) makes one.')


@recipe.command()
@name_argument
@with_code
@with_output
def show(app: Rota, name: str, out: Output) -> None:
    """What a recipe was made of, would do now, what speaks against it, its last runs, what dry ones had foreseen.

    \b
    rota recipe show shop/old-notes
    """
    from rota.recipes.told import told_fields

    found = _find(app, name)
    parts = [{**_looked_at(name, part), "forecasts": _forecasts(app, name, part)} for part in found.parts(_now())]
    does, limits, made_of, runs = found.description, _limits(found, name), told_fields(found), _last_runs(app, name)
    if out.as_json:
        about = {"job": name, "description": does, "limits": limits, "made_of": made_of}
        out.document({**about, "parts": parts, "runs": runs})
        return
    out.one({"recipe": name, "does": does, "limits": _limits_told(limits), **made_of})
    for part in parts:
        batches, forecasts = part.pop("batches"), part.pop("forecasts")
        echo()
        out.one({name: value for name, value in part.items() if name != "job"})
        out.listing(batches, BATCHES)
        out.listing(forecasts, FORECASTS)
    if runs:
        echo()
    out.listing(runs, RUNS)


@recipe.command()
@name_argument
@click.option("--dry-run", is_flag=True, help="Look and count alone; prints a plan's token.")
@click.option("--plan", metavar="TOKEN", help="Do what a dry run has shown; refused where it is a tenth more by now.")
@click.option("--wait", is_flag=True, help="Wait for the end: exit 0 if it succeeded, 1 if not, 124 on time-out.")
@timeout_option
@with_code
@with_output
@click.pass_context
def run(
    ctx: click.Context,
    app: Rota,
    name: str,
    dry_run: bool,
    plan: str | None,
    wait: bool,
    timeout: float | None,
    out: Output,
) -> None:
    """Run a recipe now: a dry run first, then what it has shown.

    \b
    rota recipe run shop/old-notes --dry-run --wait
    rota recipe run shop/old-notes --plan 1204-0f3a5c2e9b71 --wait
    """
    from rota.cli.job import begin

    _find(app, name)
    if dry_run and plan is not None:
        raise ConfigError("a plan is done, not shown again", hint="Give --dry-run or --plan.")
    show = _show_plan if dry_run else None
    begin(ctx, app, name, {} if plan is None else {"plan": plan}, {"dry_run": dry_run}, wait, timeout, out, show)


@recipe.command()
@name_argument
@click.option("--batch", type=click.IntRange(1), metavar="N", help="At most so many rows in one transaction.")
@click.option("--pause", type=duration, metavar="DURATION", help="Rest so long between two batches.")
@click.option(
    "--stop/--go-on", "stopped", default=None, help="Stop after its batch; or let it go on with its next run."
)
@click.option("--none", "lifted", is_flag=True, help="Lift all of them: it goes as its recipe says.")
@with_code
@with_output
def limit(
    app: Rota, name: str, batch: int | None, pause: float | None, stopped: bool | None, lifted: bool, out: Output
) -> None:
    """Slow a sweep down, stop it, or let it go on, also while it runs: it looks once a second. `show` tells what holds.

    \b
    rota recipe limit shop/old-notes --batch 200 --pause 1s
    rota recipe limit shop/old-notes --stop
    rota recipe limit shop/old-notes --none
    """
    from rota.recipes.tables import lift_limits, set_limits

    given = {"batch": batch, "pause": pause, "stopped": stopped}
    if all(each is None for each in given.values()) != lifted:
        wrong = "limits are set or lifted, not both" if lifted else "no limit is given"
        raise ConfigError(wrong, hint="Give --batch, --pause, --stop or --go-on; or --none alone.")
    found = _find(app, name)
    for engine in _engines(found):
        if lifted:
            lift_limits(engine, name, by=acting_user())
        else:
            set_limits(engine, name, by=acting_user(), batch=batch, pause=pause, stopped=stopped)
    kept = _limits(found, name)
    if out.as_json:
        out.document(kept or {"job": name})
    else:
        out.say(f"{name}: {_limits_told(kept) or 'no limit but those of its recipe'}.")


@recipe.command()
@click.argument("run_id", metavar="RUN", type=int)
@click.option("--within", default="30d", show_default=True, metavar="AGE", help="Refused for a run longer ago.")
@yes_option
@with_code
@with_output
def undo(app: Rota, run_id: int, within: str, yes: bool, out: Output) -> None:
    """Put back the rows that a run removed, from its archive; those that are there again are left as they are.

    \b
    rota recipe undo 1204
    """
    from rota.recipes.age import Age
    from rota.recipes.database import engine_of
    from rota.recipes.undo import undo as put_back

    record = app.runs.get(run_id)
    found = _find(app, record.job)
    parts = [part for part in found.parts(_now()) if part.sink is not None]
    if not parts:
        raise ConflictError(f"{record.job} keeps nothing of what it removes", hint="A recipe with archive_to= does.")
    confirm(f"Put back what run {run_id} of {record.job} removed?", yes=yes)
    restored, existing = 0, []
    for part in parts:
        assert part.sink is not None  # noqa: S101 - chosen so
        age, key = Age.of(within), f"{record.job}:{run_id}"
        done = put_back(engine_of(part.rows.table), part.sink, part.rows, key, by=acting_user(), within=age)
        restored += done.restored
        existing += done.existing
    if out.as_json:
        out.document({"run": run_id, "restored": restored, "existing": existing})
    else:
        left = f"; {len(existing):,} are there again, and were left as they are" if existing else ""
        out.say(f"{restored:,} rows are back{left}.")


def _limits(found: Recipe, name: str) -> dict[str, Any] | None:
    """What a person has set, where it sweeps a table and somebody has."""
    from rota.recipes.database import engine_of
    from rota.recipes.tables import limits_of

    kept = (limits_of(engine_of(part.rows.table), name) for part in found.parts(_now()))
    return next((each for each in kept if each is not None), None)


def _limits_told(kept: dict[str, Any] | None) -> str:
    """``at most 200 rows a batch, 1s between two, stopped (anna)``; nothing where there is none."""
    if kept is None:
        return ""
    pause = None if kept["pause_ms"] is None else show_duration(kept["pause_ms"] / 1_000)
    said = [
        f"at most {kept['batch']:,} rows a batch" if kept["batch"] is not None else "",
        f"{pause} between two" if pause is not None else "",
        "stopped" if kept["stopped"] else "",
    ]
    told = ", ".join(each for each in said if each)
    return f"{told} ({kept['changed_by']})" if told else ""


def _show_plan(app: Rota, record: RunRecord, out: Output) -> None:
    """The sentence, the statement and the next command of a dry run; as any run where it has none of them."""
    from rota.cli.run import show_end

    result: Any = payload.load(record.result) if record.result is not None else None
    details = result.get("details") if isinstance(result, dict) else None
    if out.as_json or record.state != "succeeded" or not isinstance(details, dict):
        show_end(app, record, out)
        return
    echo(result["message"] or f"run {record.id} would do nothing")
    for each in (details, *(each for each in details.values() if isinstance(each, dict))):
        if "statement" in each:
            echo(each["statement"], head="  ")
    for warning in result["warnings"]:
        out.say(warning)
    plan = f" --plan {details['plan']}" if "plan" in details else ""
    out.say(f"Nothing was changed. To do it: rota recipe run {record.job}{plan} --wait")


def _last_runs(app: Rota, name: str) -> list[dict[str, Any]]:
    found = []
    for run in app.runs.page(job=name, limit=LAST):
        result = payload.load(run.result) if run.result is not None else None
        told = result.get("message") if isinstance(result, dict) else None
        at = from_us(run.finished_at or run.started_at or run.due_at)
        found.append({"at": at, "run": run.id, "state": run.state, "mode": run.mode, "message": told or run.error})
    return found


def _recipes(app: Rota) -> Iterator[tuple[str, Recipe]]:
    recipe_class = _recipe_class()
    for name, job in sorted(app.jobs.items()):
        if isinstance(job.function, recipe_class):
            yield name, job.function


def _recipe_class() -> type[Recipe]:
    try:
        from rota.recipes import Recipe
    except ImportError as error:
        raise MissingExtraError("recipes need SQLAlchemy", hint='Install it: pip install "rota[recipes]"') from error
    return Recipe


def _find(app: Rota, name: str) -> Recipe:
    from rota.cli.names import known_job

    known_job(app, name)
    found = dict(_recipes(app)).get(name)
    if found is None:
        raise NotFoundError(f"job {name} is no recipe", hint="rota recipe ls lists them.")
    return found


def _engines(found: Recipe) -> list[Engine]:
    from rota.recipes.database import engine_of

    engines = list(
        {id(engine): engine for part in found.parts(_now()) for engine in [engine_of(part.rows.table)]}.values()
    )
    if not engines:
        raise ConflictError("this recipe sweeps no table", hint="Limits are for those that do.")
    return engines


def _item(job: str, part: Part) -> dict[str, Any]:
    from rota.recipes.database import engine_of
    from rota.recipes.debt import debt_of

    debt = debt_of(engine_of(part.rows.table), job, part.key, part.rows)
    return {
        "job": job,
        "part": part.key,
        "action": part.action,
        "table": part.rows.table.name,
        "overdue": debt.overdue if debt else None,
        "oldest": debt.oldest if debt else None,
        "intake": debt.intake if debt else None,
        "drain": debt.drain if debt else None,
        "caught_up_at": debt.caught_up_at(_now()) if debt else None,
    }


def _looked_at(job: str, part: Part) -> dict[str, Any]:
    from rota.recipes import tables
    from rota.recipes.database import engine_of, reading
    from rota.recipes.guard import look

    engine = engine_of(part.rows.table)
    has_tables = tables.present(engine)
    with reading(engine) as connection:
        known = job if has_tables else None
        looked = look(connection, part.rows, part.safety, known, part.key, deletes=part.action == "delete")
        sql = part.rows.sql(connection)
        batches = tables.last_batches(connection, job, part.rows.table.name, LAST) if has_tables else []
    return {
        **_item(job, part),
        "cutoff": part.rows.cutoff,
        "overdue": looked.count,
        "of": looked.total,
        "oldest": looked.oldest,
        "trips": list(looked.trips),
        "warnings": list(looked.warnings),
        "where": sql,
        "batches": batches,
    }


def _forecasts(app: Rota, job: str, part: Part) -> list[dict[str, Any]]:
    """Of its last runs: dry ones stand in the ledger, the others beside the rows that they changed."""
    from rota.recipes.database import engine_of
    from rota.recipes.debt import Forecast, past_runs

    found = past_runs(engine_of(part.rows.table), job, part.key, LAST)
    for run in app.runs.page(job=job, state="succeeded", limit=SEARCHED):
        if run.mode == "dry_run" and run.finished_at is not None and run.result is not None:
            details = payload.load(run.result).get("details") or {}
            foreseen = (details.get(part.step) or {} if part.step else details).get("overdue")
            if foreseen is not None:
                found.append(Forecast(at=from_us(run.finished_at), run=f"{job}:{run.id}", foreseen=foreseen))
    newest = sorted(found, key=lambda each: each.at, reverse=True)[:LAST]
    return [asdict(each) for each in newest]


def _now() -> datetime:
    return datetime.now(UTC)
