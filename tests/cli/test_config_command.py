from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rota.cli.main import main
from tests.cli.conftest import Shop, open_shop


@pytest.fixture(autouse=True)
def empty_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def rota(*arguments: str, **environ: str) -> Result:
    return CliRunner(env=environ).invoke(main, arguments)


def shown(*arguments: str, **environ: str) -> dict[str, dict[str, object]]:
    result = rota("config", "show", "--json", *arguments, **environ)
    assert result.exit_code == 0, result.output
    return {item["name"]: item for item in json.loads(result.stdout)["items"]}


def test_each_value_is_shown_with_where_it_came_from(tmp_path: Path) -> None:
    (tmp_path / "rota.toml").write_text("[worker]\nthreads = 3")

    items = shown(ROTA_WORKER__DRAIN="1m")

    assert items["worker.threads"] == {"name": "worker.threads", "value": 3, "origin": "rota.toml"}
    assert items["worker.drain"] == {"name": "worker.drain", "value": 60, "origin": "ROTA_WORKER__DRAIN"}
    assert items["lease.duration"]["origin"] == "default"


def test_the_origin_is_a_column_where_it_is_asked_for() -> None:
    plain = rota("config", "show", ROTA_WORKER__THREADS="3").stdout
    with_origin = rota("config", "show", "--origin", ROTA_WORKER__THREADS="3").stdout

    assert "ROTA_WORKER__THREADS" not in plain
    assert "ROTA_WORKER__THREADS" in with_origin
    assert plain.splitlines()[0].split() == ["SETTING", "VALUE"]


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("postgresql://rota:hunter2@db/rota", "postgresql://rota:***@db/rota"),
        (
            "postgresql://rota:hunter2%40@db:1/rota?sslmode=require",
            "postgresql://rota:***@db:1/rota?sslmode=require",
        ),
        ("postgresql://db/rota?user=a&password=hunter2", "postgresql://db/rota?user=a&password=***"),
        ("sqlite:////srv/rota.db", "sqlite:////srv/rota.db"),
    ],
)
def test_a_password_is_not_shown(url: str, seen: str) -> None:
    assert shown(ROTA_DATABASE=url)["database.url"]["value"] == seen
    assert "hunter2" not in rota("config", "show", ROTA_DATABASE=url).output


def test_check_tells_every_mistake_and_ends_with_2() -> None:
    result = rota("config", "check", ROTA_WORKER__THREADS="0", ROTA_FOO="1")

    assert result.exit_code == 2
    assert result.stderr.count("Error: ROTA_") == 2


def test_check_answers_programs_with_a_document() -> None:
    result = rota("config", "check", "--json", ROTA_WORKER__THREADS="0")

    assert result.exit_code == 2
    assert json.loads(result.stdout) == {
        "ok": False,
        "problems": ["ROTA_WORKER__THREADS: should be greater than 0, not '0'"],
        "warnings": [],
    }


def test_check_looks_at_the_application_too() -> None:
    pytest.importorskip("rota.app")

    for place in ("nowhere:rota", "json:nothing", "json:loads", "nothing"):
        result = rota("--app", place, "config", "check")
        assert result.exit_code == 2
        assert place.partition(":")[0] in result.stderr


def test_settings_that_cannot_be_used_stop_show_as_well() -> None:
    result = rota("config", "show", ROTA_LOG__LEVEL="loud")

    assert result.exit_code == 2
    assert result.stdout == ""


SCHEDULED = """
from rota import Rota, cron, every

rota = Rota({url!r})


@rota.job(schedule=every("10s"))
def beat() -> None: ...


@rota.job("shop/sync", schedule=every("1h"))
def sync() -> None: ...


@rota.job
def mail() -> None: ...
"""


def problems(shop: Shop, **environ: str) -> list[str]:
    """What `rota config check` finds; it must end with 2 where it finds something, and with 0 else."""
    result = shop.rota("config", "check", "--json", **environ)
    document = json.loads(result.stdout)
    assert (result.exit_code, document["ok"]) == ((2, False) if document["problems"] else (0, True))
    return list(document["problems"])


def test_check_refuses_each_schedule_that_no_job_has_and_names_the_nearest(place: Path) -> None:
    shop = open_shop(place, f"sqlite:///{place}/rota.db", SCHEDULED)
    (place / "rota.toml").write_text('[schedules.beatt]\nevery = "5s"\n[schedules.mail]\npaused = true')

    assert problems(shop, ROTA_SCHEDULES__NOPE__EVERY="1m") == [
        "the settings name a schedule 'beatt' that no job has (Did you mean 'beat'?)",
        "the settings name a schedule 'mail' that no job has (There are: beat, shop/sync)",
        "the settings name a schedule 'nope' that no job has (There are: beat, shop/sync)",
    ]


def test_check_tells_mistakes_of_schedules_of_the_database_and_of_settings_together(place: Path) -> None:
    shop = open_shop(place, "mysql://me:hunter2@db/x", SCHEDULED)
    (place / "rota.toml").write_text('[schedules.beatt]\nevery = "5s"\n[schedules.beat]\ntz = "UTC"')

    found = problems(shop)

    assert len(found) == 3
    assert "'beatt'" in found[0]
    assert "'mysql' is no kind of database" in found[1]
    assert "the settings of schedule 'beat' give tz" in found[2]
    assert "hunter2" not in str(found)


def test_check_looks_at_the_application_even_where_the_settings_are_wrong(place: Path) -> None:
    shop = open_shop(place, "unused", SCHEDULED)

    found = shop.rota("--app", "nowhere:rota", "config", "check", app=False, ROTA_WORKER__THREADS="0").stderr

    assert "ROTA_WORKER__THREADS" in found
    assert "there is no module 'nowhere'" in found


def test_check_approves_what_the_settings_say_of_a_schedule_that_is_there(place: Path) -> None:
    shop = open_shop(place, f"sqlite:///{place}/rota.db", SCHEDULED)
    (place / "rota.toml").write_text('[schedules."shop/sync"]\nevery = "5m"')

    assert problems(shop, ROTA_SCHEDULES__BEAT__EVERY="1m") == []
    assert not (place / "rota.db").exists()


def test_what_the_code_of_the_application_gives_is_shown_as_such(place: Path) -> None:
    shop = open_shop(place, "sqlite:///given.db", SCHEDULED)

    items = {item["name"]: item for item in shop.json("config", "show")["items"]}
    elsewhere = shop.rota("config", "show", "--json", "--app", "nowhere:rota", ROTA_DATABASE="sqlite:///named.db")

    assert (items["database.url"]["value"], items["database.url"]["origin"]) == ("sqlite:///given.db", "code")
    assert items["worker.threads"]["origin"] == "default"
    assert "What the application gives in its code is not shown: there is no module 'nowhere'" in elsewhere.stderr
    assert '"sqlite:///named.db"' in elsewhere.stdout
    assert not (place / "given.db").exists()


def test_check_shows_a_wrong_expression_as_a_start_does(place: Path) -> None:
    shop = open_shop(place, f"sqlite:///{place}/rota.db", WRONG_CRON)

    told, started = (shop.rota(*words).stderr for words in (("config", "check"), ("up",)))

    assert told == started
    assert "\n  0 25 * * *\n    ^^\n" in told
    [problem] = problems(shop)
    assert problem.endswith("line 4: hour: 25 is outside 0-23, in '0 25 * * *' (allowed: 0-23)")


def test_a_wrong_expression_in_the_settings_is_told_in_one_line(place: Path) -> None:
    shop = open_shop(place, f"sqlite:///{place}/rota.db", SCHEDULED)
    (place / "rota.toml").write_text('[schedules.beat]\ncron = "0 25 * * *"')

    told = shop.rota("config", "check").stderr

    assert "rota.toml:schedules.beat.cron: hour: 25 is outside 0-23, in '0 25 * * *' (allowed: 0-23)\n" in told


WRONG_CRON = """
from rota import Rota, cron
rota = Rota({url!r})
rota.job("a", schedule=cron("0 25 * * *"))(print)
"""
