"""Secrets that get new values: never two that are current, never one that does not work, and never a value told."""

from __future__ import annotations

import json
import pickle
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, MetaData, event, update
from sqlalchemy.exc import PendingRollbackError

from apps.database import connect
from rota import JobResult
from rota.errors import ConfigError, LockUnavailableError, NotFoundError
from rota.recipes import FileStore, RotateSecrets, SecretAdapter, audit, bind, ready, secret_tables
from rota.recipes.secret_policy import Policy
from rota.recipes.secret_value import Value
from rota.recipes.secret_versions import TakenError, Versions
from rota.testing import FakeHome, make_run
from tests.recipes.conftest import NOW

metadata = MetaData()
policies, versions = secret_tables(metadata)
Put = Callable[..., None]
RowsOf = Callable[..., list[Any]]
DAY = timedelta(days=1)


class Crash(BaseException):
    """What nothing catches: as if the process were killed there."""


class Service(SecretAdapter):
    """Something that knows passwords, or keys that it makes itself; like real ones it takes its time, and fails."""

    def __init__(self) -> None:
        self.password = ""
        self.keys: dict[str, str] = {}
        self.revoked: list[str] = []
        self.refuses = 0
        """So many logins fail from now on."""
        self.before: Callable[[str], None] = lambda call: None

    def create(self, policy: Policy, token: str) -> Mapping[str, str]:
        self.before("create")
        made = {"id": token, "key": self.keys.setdefault(token, f"key-of-{token}-{len(self.keys)}")}
        self.before("created")
        return made

    def apply(self, policy: Policy, value: Value) -> None:
        self.before("apply")
        self.password = value.reveal()
        self.before("applied")

    def verify(self, policy: Policy, value: Value) -> None:
        self.before("verify")
        if self.refuses:
            self.refuses -= 1
            raise PermissionError(f"{value.reveal()} was not accepted")
        assert self.password == value.reveal()

    def revoke(self, policy: Policy, value: Value) -> None:
        self.before("revoke")
        self.revoked.append(value.reveal())
        if policy.kind == "provider":
            self.keys.pop(value.fields()["id"], None)


class Rotated:
    """The recipe on a store of the test's own, with days that pass."""

    def __init__(self, engine: Engine, directory: Path) -> None:
        self.engine, self.service, self.home = engine, Service(), FakeHome()
        self.store: Any = FileStore(directory / "secrets.env")
        self.options: dict[str, Any] = {"adapters": {"db": self.service, "keys": self.service}, "pause": 0}

    @property
    def recipe(self) -> RotateSecrets:
        return RotateSecrets(policies, versions, self.store, **self.options)

    def on(self, day: float = 0, *, dry_run: bool = False, **options: Any) -> JobResult:
        run = make_run(as_of=NOW + day * DAY, id=int(day * 1_000) + 1, home=self.home, dry_run=dry_run, job="rotate")
        return self.recipe(run, **options)

    def current(self, name: str = "db") -> str:
        return self.recipe.ring(name, NOW).current[1].reveal()


@pytest.fixture
def rotated(engine: Engine, database_url: str, tmp_path: Path) -> Iterator[Rotated]:
    """On an engine that keeps its connections, as those of applications do: a rotation asks many short things."""
    metadata.create_all(engine)
    kept = connect(database_url)
    bind(metadata, kept)
    yield Rotated(kept, tmp_path)
    kept.dispose()


def policy(name: str = "db", kind: str = "generated", **values: Any) -> dict[str, Any]:
    return {"name": name, "kind": kind, **values}


def states(rows_of: RowsOf, name: str = "db") -> list[str]:
    return [row.state for row in sorted(rows_of(versions), key=lambda row: row.version) if row.name == name]


def test_the_first_run_makes_what_is_missing_and_the_interval_makes_the_next(
    rotated: Rotated, put: Put, rows_of: RowsOf
) -> None:
    put(policies, policy())

    first = rotated.on()
    password = rotated.current()
    early = rotated.on(89.999)
    due = rotated.on(90)

    assert (first.details["rotated"], early.details["rotated"], due.details["rotated"]) == (["db"], [], ["db"])
    assert first.details["next_due"] == early.details["next_due"] == {"db": (NOW + 90 * DAY).isoformat()}
    assert due.details["next_due"] == {"db": (NOW + 180 * DAY).isoformat()}
    assert states(rows_of) == ["previous", "current"]
    assert (rotated.service.password, len(rotated.current())) == (rotated.current(), 43)
    assert password != rotated.current()
    [old, new] = rows_of(versions)
    assert (new.fingerprint, old.not_after - NOW) == (Value(rotated.current()).fingerprint, 91 * DAY)
    assert first.counts == {"checked": 1, "rotated": 1, "revoked": 0, "manual_required": 0, "failed": 0, "skipped": 0}


@pytest.mark.defect("LP-B4")
def test_started_anew_each_day_it_rotates_when_the_time_has_come_and_not_when_the_clock_goes_back(
    rotated: Rotated, put: Put
) -> None:
    put(policies, policy())

    found = [day for day in (*range(0, 80, 8), *range(80, 121), 119) if rotated.on(day).details["rotated"]]

    assert found == [0, 90]


def test_what_was_current_is_good_for_its_grace_then_revoked_and_destroyed(
    rotated: Rotated, put: Put, rows_of: RowsOf, tmp_path: Path
) -> None:
    put(policies, policy(interval_days=2))
    rotated.on()
    old = rotated.current()
    rotated.on(2)
    assert sorted(rotated.recipe.ring("db", NOW + 2.9 * DAY).keys) == ["db:1", "db:2"]

    early, end = rotated.on(2.999), rotated.on(3)

    assert (early.details["revoked"], end.details["revoked"]) == ([], ["db:1"])
    assert rotated.service.revoked == [old]
    assert old not in (tmp_path / "secrets.env").read_text()
    row = rows_of(versions)[0]
    assert (row.state, row.value_ref, row.fingerprint) == ("revoked", None, Value(old).fingerprint)
    assert list(rotated.recipe.ring("db", NOW + 3 * DAY).keys) == ["db:2"]


def test_a_next_one_waits_while_the_one_before_is_good_unless_a_person_will_have_it(
    rotated: Rotated, put: Put, rows_of: RowsOf
) -> None:
    put(policies, policy())
    rotated.on()

    assert rotated.on(1, force=["db"]).details["rotated"] == ["db"]
    with rotated.engine.begin() as connection:
        connection.execute(update(policies).values(interval_days=1))
        connection.execute(update(versions).where(versions.c.state == "previous").values(not_after=NOW + 5 * DAY))
    waits = rotated.on(2.5)
    forced = rotated.on(2.6, force=["db"])

    assert waits.details["skipped"] == {"db": "previous_in_grace"}
    assert forced.details["rotated"] == ["db"]
    assert states(rows_of) == ["previous", "previous", "current"]


def test_a_grace_is_at_least_as_long_as_what_was_signed_lives(rotated: Rotated, put: Put, rows_of: RowsOf) -> None:
    rotated.service.lifetime = 30 * DAY
    put(policies, policy())
    rotated.on()
    rotated.on(90)

    assert rows_of(versions)[0].not_after == NOW + 120 * DAY + timedelta(hours=1)


# --- what goes wrong


def test_a_test_that_fails_leaves_the_old_one_at_work(
    rotated: Rotated, put: Put, rows_of: RowsOf, tmp_path: Path
) -> None:
    put(policies, policy(), policy("other"))
    rotated.on()
    old = rotated.current()
    rotated.service.refuses = 3

    failed = rotated.on(90)

    assert (failed.status, failed.details["failed"], failed.details["rotated"]) == ("partial", ["db"], ["other"])
    assert failed.errors == [{"item": "db", "kind": "secret", "message": "PermissionError"}]
    assert (rotated.service.password, rotated.current()) == (old, old)
    assert states(rows_of) == ["current", "failed"]
    assert (tmp_path / "secrets.env").read_text().count("DB_V") == 1
    assert ("secret.rotation_failed", {"secret": "db", "version": 2}) in rotated.home.emitted
    assert rotated.on(91).details["rotated"] == ["db"]
    assert states(rows_of) == ["previous", "failed", "current"]


def test_a_provider_that_needs_a_while_is_asked_again(rotated: Rotated, put: Put) -> None:
    put(policies, policy())
    rotated.service.refuses = 2

    assert rotated.on().status == "success"


@pytest.mark.long
@pytest.mark.parametrize("kind", ["generated", "provider"])
def test_killed_at_any_call_the_next_run_ends_it_with_one_current_that_works(
    rotated: Rotated, put: Put, rows_of: RowsOf, kind: str
) -> None:
    """Before each statement, each call of the store and of the service in turn: it dies there, and begins again."""
    put(policies, policy(kind=kind, provider="keys", interval_days=2))
    rotated.on()
    calls = {"at": 0, "die": -1}

    def may_die(*_: Any) -> None:
        calls["at"] += 1
        if 0 < calls["die"] <= calls["at"]:  # who is dead does nothing more
            raise Crash

    class Store(FileStore):
        __slots__ = ()

        def __getattribute__(self, name: str) -> Any:
            if name in ("put", "get", "promote", "delete"):
                may_die()
            return super().__getattribute__(name)

    rotated.store = Store(rotated.store.path)
    rotated.service.before = may_die
    event.listen(rotated.engine, "before_cursor_execute", lambda _c, _u, sql, *_: sql.startswith("SELECT") or may_die())
    event.listen(rotated.engine, "commit", may_die)

    day, crashes = 2.0, 0
    while True:
        calls.update(at=0, die=crashes + 1)
        with suppress(Crash, PendingRollbackError):
            rotated.on(day)
        if calls["at"] < calls["die"]:
            break
        crashes += 1
        calls.update(at=0, die=-1)
        rotated.on(day)
        found = states(rows_of)
        assert (found.count("current"), found.count("pending"), found[-1]) == (1, 0, "current")
        assert rotated.service.password == rotated.recipe.ring("db", NOW + day * DAY).current[1].reveal()
        if kind == "provider":
            assert len(rotated.service.keys) == 1 + found.count("previous")
        day += 2

    assert crashes > 25
    calls.update(die=-1)
    rotated.on(day + 1)
    kept = [row for row in rows_of(versions) if row.value_ref]
    assert len(kept) == 1
    assert "_V" in (text := Path(rotated.store.path).read_text())
    assert text.count("_V") == 1


def test_two_nodes_at_once_rotate_once(rotated: Rotated, put: Put, rows_of: RowsOf) -> None:
    put(policies, policy())
    start, found = threading.Barrier(2), []

    class Held:
        """The lock of all nodes."""

        lock = threading.Lock()

        def __init__(self, *_: Any) -> None: ...

        def __enter__(self) -> None:
            if not self.lock.acquire(blocking=False):
                raise LockUnavailableError("held")

        def __exit__(self, *_: Any) -> None:
            self.lock.release()

    rotated.home.lock = Held  # type: ignore[method-assign, assignment]

    def node() -> None:
        start.wait()
        found.append(rotated.on())

    rotated.service.before = lambda call: call == "verify" and threading.Event().wait(0.2)  # type: ignore[assignment, return-value]
    threads = [threading.Thread(target=node) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert states(rows_of) == ["current"]
    assert sorted(len(each.details["rotated"]) for each in found) == [0, 1]


def test_what_another_run_has_taken_is_left_to_it(rotated: Rotated, put: Put, rows_of: RowsOf) -> None:
    put(policies, policy())

    def take(call: str) -> None:
        if call == "verify":
            with rotated.engine.begin() as connection:
                connection.execute(update(versions).values(state="current", activated_at=NOW))

    rotated.service.before = take

    result = rotated.on()

    assert (result.status, result.details["skipped"], result.details["rotated"]) == ("success", {"db": "busy"}, [])
    assert states(rows_of) == ["current"]


# --- kinds, groups, policies


def test_a_pair_that_a_provider_makes_is_one_secret(rotated: Rotated, put: Put, rows_of: RowsOf) -> None:
    put(policies, policy("aws", "provider", provider="keys", interval_days=30))

    rotated.on()
    pair = rotated.recipe.ring("aws", NOW).current[1].fields()
    rotated.service.refuses = 3
    rotated.on(30)

    assert pair == {"id": "aws:1", "key": "key-of-aws:1-0"}
    assert list(rotated.service.keys) == ["aws:1"]  # the one that failed was given back
    assert json.loads(rotated.service.password)["id"] == "aws:1"


def test_what_only_a_person_can_get_is_asked_for_and_then_taken(rotated: Rotated, put: Put, rows_of: RowsOf) -> None:
    put(policies, policy("stripe", "manual", interval_days=60))

    asked = rotated.on()
    given = rotated.recipe.supply(make_run(as_of=NOW, home=rotated.home), "stripe", "sk_live_1")
    quiet, warned = rotated.on(52.9), rotated.on(53)
    again = rotated.on(60)

    assert (asked.status, asked.details["manual_required"], asked.details["rotated"]) == ("success", ["stripe"], [])
    assert rotated.home.emitted[0] == ("secret.manual_rotation_due", {"secret": "stripe"})
    assert given.details["rotated"] == ["stripe"]
    assert rotated.recipe.ring("stripe", NOW).current[1].reveal() == "sk_live_1"
    assert (quiet.warnings, warned.warnings) == (
        [], ["stripe is due on 2026-05-04, and a person must get its value"],
    )  # fmt: skip
    assert again.details["manual_required"] == ["stripe"]
    assert states(rows_of, "stripe") == ["current"]


def test_a_value_that_is_given_takes_the_place_of_one_that_a_crash_has_left(
    rotated: Rotated, put: Put, rows_of: RowsOf
) -> None:
    put(policies, policy("db", "manual"))

    def die(call: str) -> None:
        if call == "verify":
            raise Crash

    rotated.service.before = die
    with suppress(Crash):
        rotated.recipe.supply(make_run(as_of=NOW, home=rotated.home), "db", "mistyped")
    rotated.service.before = lambda call: None
    rotated.recipe.supply(make_run(as_of=NOW, home=rotated.home, id=2), "db", "right")

    assert (states(rows_of), rotated.current(), rotated.service.password) == (["failed", "current"], "right", "right")
    assert "mistyped" not in Path(rotated.store.path).read_text()


def test_a_value_that_is_there_already_may_be_the_first(rotated: Rotated, put: Put) -> None:
    put(policies, policy(), policy("other"))

    rotated.recipe.supply(make_run(as_of=NOW, home=rotated.home), "db", "of old")

    assert (rotated.current(), rotated.on(1).details["rotated"]) == ("of old", ["other"])


def test_a_value_that_somebody_has_changed_in_the_store_stops_its_secret_alone(rotated: Rotated, put: Put) -> None:
    put(policies, policy(interval_days=2), policy("other", interval_days=2))
    rotated.on()
    rotated.on(2)
    rotated.store.keep("DB_V1", Value("another"))

    result = rotated.on(3)

    assert (result.details["revoked"], result.details["failed"]) == (["other:1"], ["db"])
    assert result.errors[0]["message"] == "ChangedValueError"


def test_without_a_lock_a_second_node_finds_it_taken(rotated: Rotated, put: Put, rows_of: RowsOf) -> None:
    """As one does whose lock has run out: its own look was before the other's row."""
    put(policies, policy())
    rows = Versions(versions, make_run(as_of=NOW))

    ready(rotated.engine)
    rows.begin("db")
    with pytest.raises(TakenError, match="db is pending already"):
        rows.begin("db")

    assert states(rows_of) == ["pending"]


def test_members_of_a_group_rotate_together_or_not_at_all(rotated: Rotated, put: Put, rows_of: RowsOf) -> None:
    put(policies, policy("a", group_name="g"), policy("db", group_name="g", interval_days=120), policy("z"))
    rotated.on()
    rotated.service.refuses = 3

    broken = rotated.on(90)
    done = rotated.on(91)

    assert (broken.details["failed"], broken.details["skipped"], broken.details["rotated"]) == (
        ["db"], {"a": "group"}, ["z"],
    )  # fmt: skip
    assert (states(rows_of, "a"), states(rows_of)) == (["previous", "failed", "current"],) * 2
    assert done.details["rotated"] == ["a", "db"]


@pytest.mark.parametrize("odd", [{"paused": True}, {"kind": "manual"}, {"interval_days": 0}])
def test_a_member_that_cannot_go_along_keeps_its_group(
    rotated: Rotated, put: Put, rows_of: RowsOf, odd: dict[str, Any]
) -> None:
    put(policies, policy("a", group_name="g"), policy("b", group_name="g") | odd)

    result = rotated.on()

    assert result.details["skipped"]["a"] == "group"
    assert rows_of(versions) == []


def test_what_is_paused_is_let_be(rotated: Rotated, put: Put, rows_of: RowsOf) -> None:
    put(policies, policy(paused=True))

    assert rotated.on(force=["db"]).details["skipped"] == {"db": "paused"}
    assert rows_of(versions) == []


@pytest.mark.parametrize(("values", "why"), [
    ({"interval_days": 30, "grace_seconds": 30 * 86_400 + 1}, "its interval of 30 days, 0:00:00 is shorter"),
    ({"kind": "provider"}, "no adapter makes its values"),
    ({"kind": "odd"}, "there is no kind 'odd'"),
    ({"alphabet": "01", "length": 64}, "64 bits can be guessed"),
])  # fmt: skip
def test_a_policy_that_cannot_be_kept_fails_alone(rotated: Rotated, put: Put, values: dict[str, Any], why: str) -> None:
    rotated.options = {}
    put(policies, policy("bad") | values, policy("good"))

    result = rotated.on()

    assert (result.status, result.details["rotated"], result.details["failed"]) == ("partial", ["good"], ["bad"])
    assert result.errors[0]["kind"] == "config"
    assert why in result.errors[0]["message"]


def test_a_password_has_the_alphabet_and_the_length_that_its_service_takes(rotated: Rotated, put: Put) -> None:
    put(policies, policy(alphabet="abcdefghjkmnpqrstuvwxyz23456789", length=40), policy("long", length=64))

    rotated.on()

    assert (len(rotated.current()), set(rotated.current()) <= set("abcdefghjkmnpqrstuvwxyz23456789")) == (40, True)
    assert len(rotated.current("long")) == 86


def test_a_name_that_is_none_is_told_with_those_that_are(rotated: Rotated, put: Put) -> None:
    put(policies, policy())

    with pytest.raises(ConfigError, match="no secret 'jwt'") as caught:
        rotated.on(force=["jwt"])
    assert caught.value.hint == "There are db."


def test_a_dry_run_tells_what_is_due_and_writes_nothing(rotated: Rotated, put: Put, rows_of: RowsOf) -> None:
    put(policies, policy(interval_days=2), policy("m", "manual", interval_days=7))
    rotated.on()
    rotated.on(2)
    before, text = (rows_of(versions), rows_of(audit)), Path(rotated.store.path).read_text()

    dry = rotated.on(4, dry_run=True)
    assert ((rows_of(versions), rows_of(audit)), Path(rotated.store.path).read_text()) == (before, text)
    wet = rotated.on(4)

    assert (dry.status, dry.counts) == ("dry_run", wet.counts)
    assert dry.details["revoked"] == wet.details["revoked"] == ["db:1"]


# --- what is told


def test_a_value_stands_nowhere_but_in_its_store(
    rotated: Rotated, put: Put, rows_of: RowsOf, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    put(policies, policy(interval_days=2), policy("aws", "provider", provider="keys", interval_days=2))
    found, values = [rotated.on()], {rotated.current(), rotated.service.keys["aws:1"]}
    rotated.service.refuses = 3
    for day in (2, 3, 5, 7):
        found.append(rotated.on(day))
        values |= {rotated.current(), *rotated.service.keys.values()}

    told = repr((found, rotated.recipe, rows_of(audit), rows_of(versions), rotated.home.emitted, caplog.text))
    assert len(values) > 4
    assert [value for value in values if value in told] == []
    accounts = [(row.action, row.target_id) for row in rows_of(audit) if row.target_id.startswith("db")]
    assert accounts[:5] == [
        ("secret.pending", "db:1"), ("secret.current", "db:1"), ("secret.pending", "db:2"),
        ("secret.previous", "db:1"), ("secret.current", "db:2"),
    ]  # fmt: skip


def test_a_value_shows_itself_to_nobody_who_does_not_ask() -> None:
    value = Value("hunter2")

    assert "hunter2" not in f"{value} {value!r} {[value]}"
    assert not hasattr(value, "__dict__")
    with pytest.raises(TypeError):
        pickle.dumps(value)
    with pytest.raises(TypeError):
        json.dumps(value)


# --- reading what was signed


class BadSignatureError(Exception):
    pass


class TooOldError(Exception):
    pass


def test_what_was_signed_with_the_key_before_is_read_until_that_is_over(rotated: Rotated, put: Put) -> None:
    put(policies, policy())
    rotated.on()
    kid, signed_with = rotated.recipe.ring("db", NOW).current
    rotated.on(90)
    asked: list[str] = []

    def check(key: Value) -> str:
        asked.append(key.reveal())
        if key.reveal() != signed_with.reveal():
            raise BadSignatureError
        return "read"

    ring = rotated.recipe.ring("db", NOW + 90.5 * DAY)
    assert (ring.verify(check, BadSignatureError), len(asked)) == ("read", 2)
    assert (ring.verify(check, BadSignatureError, kid=kid), len(asked)) == ("read", 3)
    late = rotated.recipe.ring("db", NOW + 91 * DAY)
    with pytest.raises(BadSignatureError):
        late.verify(check, BadSignatureError)
    with pytest.raises(NotFoundError, match="db:1"):
        late.verify(check, BadSignatureError, kid=kid)


def test_what_is_too_old_is_not_tried_with_another_key(rotated: Rotated, put: Put) -> None:
    put(policies, policy())
    rotated.on()
    rotated.on(90)
    asked = []

    def check(key: Value) -> None:
        asked.append(key)
        raise TooOldError

    with pytest.raises(TooOldError):
        rotated.recipe.ring("db", NOW + 90 * DAY).verify(check, BadSignatureError)
    assert len(asked) == 1


def test_a_secret_without_a_current_version_has_no_keys(rotated: Rotated) -> None:
    with pytest.raises(NotFoundError, match="jwt has no current version"):
        rotated.recipe.ring("jwt", datetime.now(UTC))
