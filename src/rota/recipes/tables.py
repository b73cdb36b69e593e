"""The recipes' own tables, beside the user's: so that what a batch did and the account of it are one transaction."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Dialect,
    Engine,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    func,
    inspect,
    select,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import JSON, TypeDecorator

from rota.errors import ConfigError
from rota.recipes.database import insert, writing

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TURNSTILE = 0x726F74617265  # any number will do, if nobody else's


class Instant(TypeDecorator[datetime]):
    """A moment, kept as microseconds of UTC: both databases then compare alike, to the microsecond."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> int | None:
        if value is None:
            return None
        if value.utcoffset() is None:
            raise ValueError(f"{value!r} has no time zone")
        return (value - _EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: int | None, _dialect: Dialect) -> datetime | None:
        return None if value is None else _EPOCH + timedelta(microseconds=value)


metadata = MetaData(info={"name": "rota.recipes.metadata"})
REHEARSED, CANARY, REFUSED = 1, 2, 3
"""A sweep that is no run to go by yet: it changed nothing, the first few rows, or those but for a refused one."""
_NUMBER = BigInteger().with_variant(Integer, "sqlite")

sweeps = Table(
    "rota_recipe_sweep",
    metadata,
    Column("run", Text, nullable=False),
    Column("part", Text, nullable=False),
    Column("job", Text, nullable=False),
    Column("attempt", BigInteger, nullable=False),
    Column("as_of", Instant, nullable=False),
    Column("predicate", Text, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("last_key", JSON),
    Column("changed", BigInteger, nullable=False, default=0),
    Column("counts", JSON),
    Column("overdue", BigInteger, nullable=False, default=0),
    Column("left_over", BigInteger),
    Column("oldest_at", Instant),
    Column("rehearsed", Integer, nullable=False, default=0),
    PrimaryKeyConstraint("run", "part", "predicate"),
    Index("rota_recipe_sweep_job", "job", "part", "started_at"),
    comment="One rule of one part of one run of a recipe: how far it is, and what was overdue before it and after it.",
)

audit = Table(
    "rota_recipe_audit",
    metadata,
    Column("id", _NUMBER, primary_key=True, autoincrement=True),
    Column("at", Instant, nullable=False),
    Column("job", Text, nullable=False),
    Column("run", Text, nullable=False),
    Column("actor", Text),
    Column("action", Text, nullable=False),
    Column("target_table", Text, nullable=False),
    Column("target_id", Text),
    Column("count", BigInteger, nullable=False),
    Column("cutoff", Instant),
    Column("sample", JSON),
    Column("details", JSON),
    Column("archive", JSON),
    Index("rota_recipe_audit_run", "run"),
    comment="One row for each batch that changed something, and for each thing that matters by itself.",
)

limits = Table(
    "rota_recipe_limit",
    metadata,
    Column("job", Text, primary_key=True),
    Column("batch", Integer),
    Column("pause_ms", Integer),
    Column("stopped", Integer, nullable=False, default=0),
    Column("changed_by", Text),
    comment="What a person has set for a sweep that runs, or will run.",
)


def ready(engine: Engine, of: MetaData = metadata) -> None:
    """Make these tables, else the recipes' own, where they are missing; processes that start together take turns.

    Raises ``ConfigError`` where they may not be made.
    """
    missing = _missing(engine, of)
    if not missing:
        return
    try:
        with writing(engine) as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(select(func.pg_advisory_xact_lock(_TURNSTILE)))
            of.create_all(connection)
    except DBAPIError as error:
        names = ", ".join(table.name for table in missing)
        raise ConfigError(
            f"the tables {names} are missing and cannot be made: {error.orig}",
            hint=f"Make them with your migrations: {of.info.get('name', 'their metadata')} has them.",
        ) from error


def present(engine: Engine, of: MetaData = metadata) -> bool:
    return not _missing(engine, of)


def _missing(engine: Engine, of: MetaData) -> list[Table]:
    there = set(inspect(engine).get_table_names())
    return [table for table in of.sorted_tables if table.name not in there]


def of_run(run: Any, part: str, rule: str) -> dict[str, Any]:
    """The columns of ``sweeps`` that say whose row it is."""
    return {
        "run": run.idempotency_key,
        "part": part,
        "predicate": rule,
        "job": run.job,
        "attempt": run.attempt,
        "as_of": run.as_of,
        "started_at": datetime.now(UTC),
        "counts": {},
    }


def insert_or_update(connection: Connection, table: Table, row: dict[str, Any], key: list[str]) -> Any:
    """Put a row in the place of the one of its key, if there is one."""
    statement = insert(connection, table).values(row)
    others = {name: statement.excluded[name] for name in row if name not in key}
    return statement.on_conflict_do_update(index_elements=key, set_=others)


def record(
    connection: Connection,
    run: Any,
    action: str,
    target: str,
    *,
    count: int = 1,
    target_id: object = None,
    cutoff: datetime | None = None,
    sample: list[Any] | None = None,
    details: dict[str, Any] | None = None,
    archive: dict[str, Any] | None = None,
) -> None:
    """Write the account of a change, in its transaction. It names rows by their keys, and holds nothing personal."""
    row = {
        "at": datetime.now(UTC),
        "job": run.job,
        "run": run.idempotency_key,
        "actor": run.actor,
        "action": action,
        "target_table": target,
        "target_id": None if target_id is None else str(target_id),
        "count": count,
        "cutoff": cutoff,
        "sample": sample,
        "details": details,
        "archive": archive,
    }
    connection.execute(audit.insert().values(row))


def last_batches(connection: Connection, job: str, table: str, count: int) -> list[dict[str, Any]]:
    """The newest first."""
    mine = (audit.c.job == job, audit.c.target_table == table)
    found = connection.execute(select(audit).where(*mine).order_by(audit.c.id.desc()).limit(count)).mappings()
    return [dict(row) for row in found]


def limits_of(engine: Engine, job: str) -> dict[str, Any] | None:
    """What a person has set; ``None`` where nobody has."""
    if not present(engine):
        return None
    with engine.connect() as connection:
        kept = connection.execute(select(limits).where(limits.c.job == job)).mappings().one_or_none()
    return None if kept is None else dict(kept)


def lift_limits(engine: Engine, job: str, *, by: str) -> None:
    """It goes as its recipe says again."""
    ready(engine)
    with writing(engine) as connection:
        connection.execute(limits.delete().where(limits.c.job == job))
        _note_limit(connection, job, by, {"lifted": True})


def set_limits(
    engine: Engine,
    job: str,
    *,
    by: str,
    batch: int | None = None,
    pause: float | None = None,
    stopped: bool | None = None,
) -> dict[str, Any]:
    """What is given is changed, and written down; the rest stays. Returns what holds now."""
    ready(engine)
    given = {"batch": batch, "pause_ms": None if pause is None else round(pause * 1_000), "stopped": stopped}
    changed = {name: int(value) for name, value in given.items() if value is not None} | {"changed_by": by}
    with writing(engine) as connection:
        statement = insert(connection, limits).values({"job": job, "stopped": 0} | changed)
        connection.execute(statement.on_conflict_do_update(index_elements=["job"], set_=changed))
        _note_limit(connection, job, by, changed)
        kept = connection.execute(select(limits).where(limits.c.job == job)).mappings().one()
    return dict(kept)


def _note_limit(connection: Connection, job: str, by: str, details: dict[str, Any]) -> None:
    who = {"at": datetime.now(UTC), "job": job, "run": "", "actor": by}
    what = {"action": "limit", "target_table": limits.name, "count": 1, "details": details}
    connection.execute(audit.insert().values(who | what))
