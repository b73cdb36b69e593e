"""What newcomers get wrong: each mistake is told in one line of what and one of what to do, with its exit code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import Result

from tests.cli.conftest import SOURCE, Shop, open_shop
from tests.ledgers import newer_code

ROTA = [sys.executable, "-m", "rota"]


def told(result: Result) -> list[str]:
    """The lines on stderr; nothing went to stdout, and no traceback anywhere."""
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return result.stderr.splitlines()


def assert_two_lines(result: Result, code: int, what: str, todo: str) -> None:
    lines = told(result)
    assert result.exit_code == code
    assert [line.partition(":")[0] for line in lines] == ["Error", "Hint"], lines
    assert what in lines[0]
    assert todo in lines[1]


def test_a_wrong_cron_shows_the_place_under_its_one_line(shop: Shop) -> None:
    result = shop.rota("schedule", "add", "x", "--job", "shop/sync", "--cron", "61 * * * *")

    assert result.exit_code == 2
    assert told(result) == ["Error: minute: 61 is outside 0-59", "  61 * * * *", "  ^^", "Hint: allowed: 0-59"]


def test_an_unknown_zone(shop: Shop) -> None:
    result = shop.rota("schedule", "add", "x", "--job", "shop/sync", "--every", "1h", "--tz", "Europe/Pari")

    assert_two_lines(result, 2, "no time zone is called 'Europe/Pari'", "did you mean Europe/Paris?")


def test_an_argument_that_cannot_be_stored(shop: Shop) -> None:
    result = shop.rota("job", "run", "shop/sync", "--arg", "days=NaN")

    assert_two_lines(result, 2, "argument.days: nan is nothing that JSON can hold", "pass None")


@pytest.mark.parametrize("depth", [200, 100_000])
def test_arguments_that_are_nested_too_deep(shop: Shop, depth: int) -> None:
    document = f'{{"days": {"[" * depth}{"]" * depth}}}'
    result = shop.rota("job", "run", "shop/sync", "--json-args", document)

    assert result.exit_code == 2
    assert "nested" in told(result)[-2 if depth == 200 else -1]


def test_an_argument_that_the_job_does_not_take(shop: Shop) -> None:
    result = shop.rota("job", "run", "shop/sync", "--arg", "dayz=1")

    assert_two_lines(result, 2, "takes no argument 'dayz'", "Did you mean 'days'?")


@pytest.mark.parametrize("name", ["by", "job", "self", "timeout"])
def test_an_argument_called_like_one_of_our_own(shop: Shop, name: str) -> None:
    result = shop.rota("job", "run", "shop/sync", "--arg", f"{name}=1")

    assert_two_lines(result, 2, f"takes no argument {name!r}", "There are: days, name")


@pytest.mark.parametrize("command", ["run", "show"])
def test_an_unknown_job(shop: Shop, command: str) -> None:
    assert_two_lines(
        shop.rota("job", command, "shop/snyc"), 3, "there is no job 'shop/snyc'", "Did you mean 'shop/sync'?"
    )


def test_a_job_without_its_prefix(shop: Shop) -> None:
    assert_two_lines(shop.rota("job", "run", "sync"), 3, "there is no job 'sync'", "Did you mean 'shop/sync'?")


READS = (
    ["run", "ls"], ["run", "show", "1"], ["run", "why", "1"], ["run", "logs", "1"], ["run", "wait", "1"],
    ["run", "cancel", "1"], ["status"], ["job", "ls"], ["job", "run", "shop/sync"], ["schedule", "ls"],
    ["schedule", "why", "x"], ["dead", "ls"], ["queue", "ls"], ["node", "ls"], ["db", "vacuum"],
)  # fmt: skip


@pytest.mark.parametrize("command", READS, ids=" ".join)
def test_a_database_that_is_not_there_yet_is_not_made_by_looking(empty_shop: Shop, command: list[str]) -> None:
    assert_two_lines(empty_shop.rota(*command), 6, "there is no database", "rota db init")
    assert not (empty_shop.place / "rota.db").exists()


@pytest.mark.parametrize("command", READS, ids=" ".join)
def test_a_database_that_is_away(place: Path, command: list[str]) -> None:
    shop = open_shop(place, "postgresql://me:hunter2@127.0.0.1:1/none")
    result = shop.rota(*command)

    assert_two_lines(result, 6, "cannot reach postgresql://me:***@127.0.0.1:1/none", "Is the server up")
    assert "hunter2" not in result.output


def test_a_database_without_tables(place: Path, database_url: str) -> None:
    shop = open_shop(place, database_url)
    with shop.app.store.database.exclusive() as tx:
        tx.script("CREATE TABLE something (id BIGINT);")

    assert_two_lines(shop.rota("run", "ls"), 6, "holds no tables of Rota yet", "Make them: rota db init")

    shop.rota("db", "migrate", "--dry-run")

    assert_two_lines(shop.rota("run", "ls"), 6, "holds no tables of Rota yet", "Make them: rota db init")


@pytest.mark.parametrize(
    ("schedule", "what"),
    [
        ('cron("61 * * * *")', "minute: 61 is outside 0-59"),
        ('cron("0 9 * * *", tz="Europe/Pari")', "no time zone is called 'Europe/Pari'"),
    ],
)
def test_a_mistake_over_a_job_says_where_it_stands(place: Path, schedule: str, what: str) -> None:
    source = (
        f"from rota import Rota, cron\n\nrota = Rota({{url!r}})\n\n\n@rota.job(schedule={schedule})\ndef x(): ...\n"
    )
    shop = open_shop(place, f"sqlite:///{place}/rota.db", source)

    lines = told(shop.rota("job", "ls"))

    assert lines[0] == f"Error: {what}"
    assert f"Where: {place}/{shop.module}.py, line 6" in lines
    assert lines[-1].startswith("Hint: ")


def test_an_empty_file_as_a_database(place: Path) -> None:
    (place / "rota.db").touch()
    shop = open_shop(place, f"sqlite:///{place}/rota.db")

    assert_two_lines(shop.rota("run", "ls"), 6, "holds no tables of Rota yet", "Make them: rota db init")


@pytest.mark.parametrize("command", [["run", "ls"], ["status"], ["job", "run", "shop/sync"]], ids=" ".join)
def test_an_older_schema(shop_anywhere: Shop, command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    newer_code(monkeypatch)

    result = shop_anywhere.rota(*command)

    assert_two_lines(
        result,
        6,
        "the database is at schema 2" if "postgres" in shop_anywhere.url else "at schema 1",
        "rota db migrate",
    )


OLD_LEDGER = """
CREATE TABLE migration (number BIGINT, name TEXT, applied_at BIGINT);
INSERT INTO migration VALUES (1, '0001_initial', 7);
"""


@pytest.mark.parametrize("command", [["run", "ls"], ["status"], ["db", "init"]], ids=" ".join)
@pytest.mark.parametrize(
    ("tables", "what", "todo"),
    [
        ("CREATE TABLE rota_event (id BIGINT);", "no migration of Rota made: rota_event", "a database of its own"),
        (OLD_LEDGER, "a ledger of an older Rota", "drop these tables"),
    ],
    ids=["foreign", "older"],
)
def test_tables_that_are_in_the_way(
    place: Path, database_url: str, command: list[str], tables: str, what: str, todo: str
) -> None:
    shop = open_shop(place, database_url)
    with shop.app.store.database.exclusive() as tx:
        tx.script(tables)

    assert_two_lines(shop.rota(*command), 6, what, todo)


@pytest.mark.parametrize("command", [["run", "ls"], ["status"], ["db", "migrate"]], ids=" ".join)
def test_a_newer_schema(place: Path, database_url: str, command: list[str]) -> None:
    shop = open_shop(place, database_url)
    shop.app.prepare()
    with shop.app.store.database.exclusive() as tx:
        tx.script("INSERT INTO rota_migration VALUES (99, '0099_later', 0);")

    assert_two_lines(shop.rota(*command), 6, "at schema 99, newer than", "Upgrade Rota")


def test_a_wrong_setting(shop: Shop) -> None:
    result = shop.rota("run", "ls", app=False, ROTA_WORKER__THREADS="many", ROTA_DATABASE=shop.url)

    assert_two_lines(result, 2, "ROTA_WORKER__THREADS: should be a whole number", "rota config check")


def test_a_database_of_a_kind_that_we_do_not_know(place: Path) -> None:
    result = open_shop(place, "unused").rota("run", "ls", "--store", "mysql://me:hunter2@db/x", app=False)

    assert_two_lines(result, 2, "'mysql' is no kind of database", "sqlite:///app.db")
    assert "hunter2" not in result.output


def test_two_jobs_of_one_name(place: Path) -> None:
    twice = SOURCE + '\n@rota.job("shop/sync")\ndef again() -> None: ...\n'
    shop = open_shop(place, "sqlite:///rota.db", twice)

    assert_two_lines(shop.rota("job", "ls"), 2, "two jobs are called 'shop/sync'", "another name")


def test_a_missing_extra(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    holidays = SOURCE.replace('tz="Europe/Paris")', 'tz="Europe/Paris").excluding(Holidays("FR"))')
    shop = open_shop(place, "sqlite:///rota.db", holidays.replace("import Retry", "import Holidays, Retry"))
    monkeypatch.setitem(sys.modules, "holidays", None)

    result = shop.rota("job", "ls")

    assert result.exit_code == 2
    assert told(result) == [
        "Error: holiday calendars need the package holidays",
        f"Where: {place}/{shop.module}.py, line 7",
        "Hint: pip install 'rota[holidays]'",
    ]


def test_an_application_that_is_not_there(place: Path) -> None:
    result = open_shop(place, "sqlite:///rota.db").rota("--app", "nowhere:rota", "job", "ls", app=False)

    assert_two_lines(result, 2, "there is no module 'nowhere'", "--app and ROTA_APP")


def test_a_moment_that_cannot_be_read(shop: Shop) -> None:
    result = shop.rota("schedule", "why", "shop/sync", "--at", "someday")

    assert result.exit_code == 2
    assert "'someday' is not a moment; write 2026-11-22T10:00, now, -2h, +15m, 07:00 or tomorrow 07:00" in result.stderr


# --- the same from outside, as real processes


def test_a_mistake_is_told_by_a_real_process_as_well(empty_shop: Shop) -> None:
    command = [*ROTA, "--app", f"{empty_shop.module}:rota", "run", "ls"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=empty_shop.place)

    assert (done.returncode, done.stdout) == (6, "")
    assert len(done.stderr.splitlines()) == 2


def test_a_list_for_a_script_loads_nothing_it_does_not_need(shop: Shop) -> None:
    shop.app.enqueue("shop/sync")
    script = "import sys; from rota.cli.main import main as rota; rota(standalone_mode=False); print(*sys.modules)"
    command = [sys.executable, "-c", script, "--app", f"{shop.module}:rota", "run", "ls", "--json"]

    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=shop.place)

    assert {"rich", "psycopg", "holidays", "uvicorn", "jinja2"}.isdisjoint(done.stdout.splitlines()[-1].split())
