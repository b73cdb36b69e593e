"""A table says what its sources say; the trouble of one is its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Boolean, Column, DateTime, Engine, Integer, MetaData, Table, Text, UniqueConstraint, select

from rota import JobResult
from rota.recipes import Answer, Missing, Safety, Source, Sync, bind
from tests.recipes.conftest import NOW, cook

metadata = MetaData()
shows = Table(
    "show",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("cinema", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("film", Text, nullable=False),
    Column("starts", DateTime(timezone=True), key="starts_at", nullable=False),
    Column("version", Integer, nullable=False, default=1),
    Column("missed", Integer, nullable=False, default=0),
    Column("cancelled", Boolean, nullable=False, default=False),
    Column("seen_at", DateTime(timezone=True)),
    UniqueConstraint("cinema", "code"),
)
Say = Callable[..., None]


class Cinemas:
    """What each says at the moment; what is an exception is raised."""

    def __init__(self) -> None:
        self.says: dict[str, Any] = {}
        self.asked: list[str] = []

    def source(self, name: str, **options: Any) -> Source:
        def fetch(_run: Any) -> Answer:
            self.asked.append(name)
            said = self.says.get(name, [])
            if isinstance(said, Exception):
                raise said
            return said if isinstance(said, Answer) else Answer([{"cinema": name, **row} for row in said])

        return Source(name, fetch, **options)


@pytest.fixture
def cinemas(engine: Engine) -> Iterator[Cinemas]:
    metadata.create_all(engine)
    bind(metadata, engine)
    yield Cinemas()
    metadata.drop_all(engine)


def show(code: str, film: str = "Ran", days: float = 10) -> dict[str, Any]:
    return {"code": code, "film": film, "starts_at": NOW + timedelta(days=days)}


def sync(cinemas: Cinemas, names: Iterable[str] = ("roxy", "rex"), **options: Any) -> Sync:
    given = {
        "key": ["cinema", "code"],
        "source": shows.c.cinema,
        "seen_at": shows.c.seen_at,
        "present": {"cancelled": False},
        "missing": Missing(
            misses=shows.c.missed, set_values={"cancelled": True}, where=lambda now: shows.c.starts_at > now
        ),
    }
    return Sync(shows, [cinemas.source(name) for name in names], **{**given, **options})


def ask(recipe: Sync, run: int = 1, **options: Any) -> JobResult:
    """Each run is an hour after the one before."""
    return cook(recipe, id=run, **{"as_of": NOW + timedelta(hours=run), **options})


def done(result: JobResult) -> dict[str, int]:
    return {name: count for name, count in result.counts.items() if count}


def rows(engine: Engine, *columns: str) -> list[Any]:
    with engine.connect() as connection:
        found = connection.execute(select(*(shows.c[name] for name in columns)).order_by(shows.c.cinema, shows.c.code))
        return [tuple(row) for row in found]


def test_what_is_new_is_added_and_what_changed_is_changed_and_the_rest_left_alone(
    engine: Engine, cinemas: Cinemas
) -> None:
    cinemas.says = {"roxy": [show("1"), show("2")], "rex": [show("1")]}
    first = ask(sync(cinemas))
    cinemas.says["roxy"] = [show("1", film="Ikiru"), show("2"), show("2", film="Ran")]
    second = ask(sync(cinemas), 2)

    assert (first.status, done(first)) == ("success", {"fetched": 3, "new": 3})
    assert done(second) == {"fetched": 4, "updated": 1, "unchanged": 2}
    assert second.details["roxy"] == {"status": "success"}
    assert rows(engine, "cinema", "code", "film") == [("rex", "1", "Ran"), ("roxy", "1", "Ikiru"), ("roxy", "2", "Ran")]
    assert done(ask(sync(cinemas), 3)) == {"fetched": 4, "unchanged": 3}


def test_what_two_complete_answers_do_not_hold_is_gone_and_comes_back(engine: Engine, cinemas: Cinemas) -> None:
    cinemas.says = {"roxy": [show("1"), show("2"), show("old", days=-1)]}
    ask(sync(cinemas))
    cinemas.says["roxy"] = [show("1")]

    counts = [done(ask(sync(cinemas), run)) for run in (2, 3, 4)]

    assert counts == [
        {"fetched": 1, "unchanged": 1, "missing": 1},
        {"fetched": 1, "unchanged": 1, "missing": 1, "gone": 1},
        {"fetched": 1, "unchanged": 1, "missing": 1},
    ]
    assert rows(engine, "code", "cancelled") == [("1", False), ("2", True), ("old", False)]
    cinemas.says["roxy"] = [show("1"), show("2")]
    assert done(ask(sync(cinemas), 5)) == {"fetched": 2, "updated": 1, "unchanged": 1}
    assert rows(engine, "code", "cancelled", "missed")[:2] == [("1", False, 0), ("2", False, 0)]


def test_a_run_that_asks_again_counts_what_is_missing_once(engine: Engine, cinemas: Cinemas) -> None:
    cinemas.says["roxy"] = [show("1"), show("2")]
    ask(sync(cinemas, ["roxy"]))
    cinemas.says["roxy"] = [show("1")]

    results = [ask(sync(cinemas, ["roxy"]), 2, attempt=attempt) for attempt in (1, 2, 3)]

    assert [result.counts["missing"] for result in results] == [1, 0, 0]
    assert rows(engine, "code", "cancelled", "missed") == [("1", False, 0), ("2", False, 1)]


@pytest.mark.parametrize("said", [OSError("503"), Answer([], complete=False)])
def test_of_an_answer_that_failed_or_is_not_whole_nothing_is_missing(
    engine: Engine, cinemas: Cinemas, said: Any
) -> None:
    cinemas.says = {"roxy": [show("1")], "rex": [show("1")]}
    ask(sync(cinemas))
    cinemas.says["roxy"] = said

    results = [ask(sync(cinemas), run) for run in (2, 3, 4)]

    failed = isinstance(said, Exception)
    assert {result.status for result in results} == {"partial" if failed else "success"}
    assert results[0].details["roxy"]["status"] == ("failed" if failed else "success")
    assert results[0].counts["unchanged"] == 1
    assert rows(engine, "missed", "cancelled") == [(0, False), (0, False)]


def test_where_all_fail_it_has_failed(cinemas: Cinemas) -> None:
    cinemas.says = {"roxy": OSError("away"), "rex": ValueError("no json")}

    result = ask(sync(cinemas))

    assert (result.status, result.error_count) == ("failed", 2)
    assert [error["message"] for error in result.errors] == ["OSError", "ValueError"]


@pytest.mark.parametrize(("options", "missing"), [({}, 0), ({"floor": 21}, 21), ({"floor": 0}, 0)])
def test_an_answer_that_collapsed_is_seen_above_so_many_rows(
    engine: Engine, cinemas: Cinemas, options: dict[str, Any], missing: int
) -> None:
    cinemas.says["roxy"] = [show(str(number)) for number in range(21)]
    cook(sync(cinemas, ["roxy"], **options))
    cinemas.says["roxy"] = []

    result = cook(sync(cinemas, ["roxy"], **options), id=2, as_of=NOW + timedelta(hours=6))

    assert result.counts["missing"] == missing
    assert (result.status == "failed") == (not missing)


def test_what_is_believed_is_told(cinemas: Cinemas) -> None:
    told = sync(cinemas, floor=5).description
    assert told == "Make show say what roxy, rex say, unless more than 50% and 5 rows are missing at once."
    assert sync(cinemas, safety=Safety(most_fraction=None)).description == "Make show say what roxy, rex say."


def test_an_answer_that_lacks_most_of_what_is_there_is_taken_for_a_mistake(engine: Engine, cinemas: Cinemas) -> None:
    cinemas.says = {"roxy": [show(f"{n:03}") for n in range(50)]}
    few = {"safety": Safety(most_fraction=0.5, runaway=None, batch=7)}
    assert done(ask(sync(cinemas, **few))) == {"fetched": 50, "new": 50}
    cinemas.says["roxy"] = [show("001")]

    result = ask(sync(cinemas, **few), 2)

    assert (result.details["roxy"]["status"], done(result).get("missing")) == ("failed", None)
    assert "lacks 49 of 50 rows" in str(result.errors)
    assert set(rows(engine, "missed")) == {(0,)}


def test_a_row_that_cannot_be_kept_leaves_the_others(engine: Engine, cinemas: Cinemas) -> None:
    odd = [{"film": "no code", "starts_at": NOW}, {**show("3"), "film": None}, {**show("4"), "starts_at": "some day"}]
    cinemas.says = {"roxy": [show("1"), *odd, show("5")]}

    result = ask(sync(cinemas))

    assert done(result) == {"fetched": 5, "new": 2, "invalid": 3}
    assert rows(engine, "code") == [("1",), ("5",)]
    assert {error["item"] for error in result.errors} == {"roxy: roxy/3", "roxy: roxy/4"}


def test_what_changes_may_change_more_and_what_is_old_is_dropped(engine: Engine, cinemas: Cinemas) -> None:
    def version(row: Any, given: Any, _run: Any) -> dict[str, int]:
        if row is None:
            return {}
        return {"version": row.version + 1} if given["starts_at"] != row.starts_at.replace(tzinfo=UTC) else {}

    recipe = sync(cinemas, also=version, drop=lambda given, now: given["starts_at"] < now - timedelta(days=30))
    cinemas.says = {"roxy": [show("1"), show("2"), show("3", days=-31)]}
    first = ask(recipe)
    cinemas.says["roxy"] = [show("1", days=11), show("2", film="Ikiru")]
    ask(recipe, 2)

    assert done(first) == {"fetched": 3, "new": 2, "dropped": 1}
    assert rows(engine, "code", "version") == [("1", 2), ("2", 1)]


def test_a_source_that_was_asked_a_moment_ago_rests(cinemas: Cinemas) -> None:
    cinemas.says = {"roxy": [show("1")]}
    recipe = sync(cinemas, (), missing=None)
    object.__setattr__(recipe, "sources", [cinemas.source("roxy", every="10m"), cinemas.source("rex")])

    first, second = ask(recipe), ask(recipe, 2)
    cinemas.says["rex"] = OSError("away")
    third = ask(recipe, 3)

    assert cinemas.asked == ["roxy", "rex", "rex", "rex"]
    assert (first.status, second.status, third.status) == ("success", "success", "partial")
    assert second.details["roxy"] == {"status": "skipped", "reason": "resting"}
    assert "1 of the sources failed; 1 of the sources skipped" in third.message


def test_a_dry_run_counts_and_writes_nothing(engine: Engine, cinemas: Cinemas) -> None:
    cinemas.says = {"roxy": [show("1"), show("2")]}
    ask(sync(cinemas))
    before = rows(engine, *shows.c.keys())
    cinemas.says["roxy"] = [show("1", film="Ikiru"), show("3")]

    result = ask(sync(cinemas), 2, dry_run=True)

    assert (result.status, done(result)) == ("dry_run", {"fetched": 2, "new": 1, "updated": 1})
    assert rows(engine, *shows.c.keys()) == before


def test_the_moment_of_an_answer_is_kept(engine: Engine, cinemas: Cinemas) -> None:
    cinemas.says = {"roxy": [show("1")]}
    ask(sync(cinemas))
    ask(sync(cinemas), 2)

    [(seen,)] = rows(engine, "seen_at")
    assert seen.replace(tzinfo=UTC) == datetime(2026, 3, 5, 14, tzinfo=UTC)


def test_a_number_where_the_table_has_text_is_the_same_row_each_time(engine: Engine, cinemas: Cinemas) -> None:
    cinemas.says = {"roxy": [{**show("7"), "code": 7}]}
    ask(sync(cinemas))
    cinemas.says = {"roxy": [{**show("7", film="Ikiru"), "code": 7}]}

    assert done(ask(sync(cinemas), 2)) == {"fetched": 1, "updated": 1}
    assert rows(engine, "code", "film", "missed") == [("7", "Ikiru", 0)]


def test_what_an_error_says_stands_in_no_log(cinemas: Cinemas, caplog: pytest.LogCaptureFixture) -> None:
    cinemas.says = {"roxy": OSError("GET https://roxy.example/shows?token=S3CRET failed")}

    ask(sync(cinemas))

    assert "a source failed" in caplog.text
    assert "S3CRET" not in caplog.text
