from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from rota.config import Settings, load_settings, values
from rota.errors import SettingsError
from rota.model.policy import OF_A_SCHEDULE, Also

DEFAULTS = Settings()


def write(folder: Path, name: str = "rota.toml", text: str = "") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def problems(cwd: Path, **environ: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(environ, cwd)
    return caught.value.problems


def test_nothing_given_is_the_defaults_and_says_so(tmp_path: Path) -> None:
    settings = load_settings({}, tmp_path)

    assert settings == DEFAULTS
    assert settings.database.url == "sqlite:///.rota/rota.db"
    assert settings.origins == {}


def test_a_later_source_overrules_an_earlier_one_value_by_value(tmp_path: Path) -> None:
    write(tmp_path, "pyproject.toml", '[tool.rota]\napp = "a:package"')
    write(tmp_path, text='app = "b:file"\n[worker]\nthreads = 3\nprocesses = 2')

    settings = load_settings({"ROTA_WORKER__THREADS": "5"}, tmp_path)

    assert (settings.app, settings.node.threads, settings.processes) == ("b:file", 5, 2)
    assert settings.origins["app"] == "rota.toml"
    assert settings.origins["worker.threads"] == "ROTA_WORKER__THREADS"
    assert settings.origins["worker.processes"] == "rota.toml"
    assert "worker.drain" not in settings.origins


def test_files_are_found_upward_and_named_relative_to_where_one_stands(tmp_path: Path) -> None:
    write(tmp_path, text="[keep]\nruns_days = 7")
    write(tmp_path, "pyproject.toml", '[tool.rota]\napp = "shop:rota"')
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)

    settings = load_settings({}, below)

    assert (settings.app, settings.node.runs_days) == ("shop:rota", 7)
    assert settings.origins["keep.runs_days"] == "../../rota.toml"


def test_a_named_file_is_read_instead_of_the_one_found(tmp_path: Path) -> None:
    write(tmp_path, text='environment = "found"')
    named = write(tmp_path, "other.toml", 'environment = "named"')

    assert load_settings({"ROTA_CONFIG": str(named)}, tmp_path).environment == "named"
    assert load_settings({"ROTA_CONFIG": "other.toml"}, tmp_path).environment == "named"
    assert problems(tmp_path, ROTA_CONFIG="none.toml") == ["ROTA_CONFIG: there is no file none.toml"]


def test_all_mistakes_of_all_sources_are_told_at_once_each_with_its_place(tmp_path: Path) -> None:
    write(tmp_path, "pyproject.toml", '[tool.rota]\ndatabase = "sqlite:///x.db"')
    write(tmp_path, text='databse = "x"\n[worker]\nthreads = "lots"\n[workr]\n[queues.mail]\nrate = "fast"')

    assert problems(tmp_path, ROTA_KEEP__RUNS_DAYS="0", ROTA_LOG__LEVEL="loud", ROTA_WORKER_THREADS="4") == [
        "pyproject.toml:database.url: [tool.rota] takes only `app`; move this to rota.toml",
        "rota.toml:databse: there is no such setting; did you mean database?",
        "rota.toml:workr: there is no such setting",
        "ROTA_WORKER_THREADS: there is no such setting; did you mean ROTA_WORKER__THREADS?",
        "rota.toml:worker.threads: should be a whole number, not 'lots'",
        "ROTA_KEEP__RUNS_DAYS: should be greater than 0, not '0'",
        "ROTA_LOG__LEVEL: should be 'debug', 'info', 'warning' or 'error', not 'loud'",
        """rota.toml:queues.mail.rate: 'fast' is not a rate (Write "100/m", "5/s" or "1000/24h".)""",
    ]


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("ROTA_WORKR__THREADS", "ROTA_WORKER__THREADS"),
        ("ROTA_DATABASE_URL", "ROTA_DATABASE__URL"),
        ("ROTA_SCHEDULES__NIGHTLY__CRONE", "ROTA_SCHEDULES__NIGHTLY__CRON"),
        ("ROTA_LEASE__HARTBEAT", "ROTA_LEASE__HEARTBEAT"),
    ],
)
def test_an_unknown_variable_is_refused_with_what_was_meant(tmp_path: Path, variable: str, meant: str) -> None:
    assert problems(tmp_path, **{variable: "1"}) == [f"{variable}: there is no such setting; did you mean {meant}?"]


@pytest.mark.parametrize(
    "variable", ["ROTA_", "ROTA_FOO", "ROTA_WORKER", "ROTA_APP__X", "ROTA_QUEUES__MAIL", "ROTA___"]
)
def test_a_variable_that_is_no_setting_is_refused_even_when_empty(tmp_path: Path, variable: str) -> None:
    assert problems(tmp_path, **{variable: ""})[0].startswith(f"{variable}: there is no such setting")


def test_what_is_not_ours_in_the_environment_is_left_alone(tmp_path: Path) -> None:
    assert load_settings({"ROTATION": "x", "rota_x": "y", "PATH": "/"}, tmp_path) == DEFAULTS


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    empty = dict.fromkeys(("ROTA_DATABASE", "ROTA_WORKER__THREADS", "ROTA_CONFIG"), "")

    assert load_settings(empty, tmp_path) == DEFAULTS


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("90", 90), ("90s", 90), ("15m", 900), ("6h", 21_600), ("1d", 86_400), ("1h30m", 5_400), ("500ms", 0.5)],
)
def test_durations_are_numbers_or_words_in_files_and_variables_alike(
    tmp_path: Path, given: str, seconds: float
) -> None:
    write(tmp_path, text=f"[worker]\ndrain = {given if given.isdigit() else repr(given)}")

    assert load_settings({}, tmp_path).node.drain == seconds
    assert load_settings({"ROTA_WORKER__DRAIN": given}, tmp_path).node.drain == seconds


@pytest.mark.parametrize("given", ["-5", "1 fortnight", "inf", "nan", "5x", "m"])
def test_what_is_no_duration_is_refused_with_an_example(tmp_path: Path, given: str) -> None:
    [problem] = problems(tmp_path, ROTA_POLL__INTERVAL=given)

    assert problem.startswith(f"ROTA_POLL__INTERVAL: {given!r} is not a duration")
    assert '"90s"' in problem


def test_a_secret_comes_from_the_file_that_a_variable_names(tmp_path: Path) -> None:
    secret = write(tmp_path, "secret", "postgresql://rota:pw@db/rota\n")

    settings = load_settings({"ROTA_DATABASE_FILE": str(secret)}, tmp_path)

    assert settings.database.url == "postgresql://rota:pw@db/rota"
    assert settings.origins["database.url"] == "ROTA_DATABASE_FILE"
    assert problems(tmp_path, ROTA_DATABASE_FILE="/none") == [
        "ROTA_DATABASE_FILE: /none cannot be read: No such file or directory"
    ]


def test_one_setting_given_by_two_variables_is_refused(tmp_path: Path) -> None:
    secret = write(tmp_path, "secret", "sqlite:///b.db")

    assert problems(tmp_path, ROTA_DATABASE="sqlite:///a.db", ROTA_DATABASE_FILE=str(secret)) == [
        "ROTA_DATABASE_FILE: ROTA_DATABASE sets the same; keep one"
    ]


@pytest.mark.parametrize("url", ["mysql://rota:hunter2@db/rota", "hunter2"])
def test_a_password_is_never_shown(tmp_path: Path, url: str) -> None:
    secret = write(tmp_path, "secret", url)

    assert "hunter2" not in str(problems(tmp_path, ROTA_DATABASE=url))
    assert "hunter2" not in str(problems(tmp_path, ROTA_DATABASE_FILE=str(secret)))
    assert "hunter2" not in repr(Settings().in_code(url="postgresql://rota:hunter2@db/rota"))


@pytest.mark.parametrize("spelling", ["SHOP_SYNC_PRICES", "shop_sync_prices", "Shop/Sync-Prices", "SHOP__SYNC_PRICES"])
def test_a_variable_names_a_schedule_whatever_its_case_and_marks(tmp_path: Path, spelling: str) -> None:
    variable = f"ROTA_SCHEDULES__{spelling}__CRON"
    name = "shop/sync-prices" if spelling != "SHOP__SYNC_PRICES" else "shop--sync-prices"

    settings = load_settings({variable: "0 */3 * * *"}, tmp_path)

    assert settings.schedule(name).cron == "0 */3 * * *"
    assert settings.schedule("another").cron is None


def test_a_variable_overrules_the_schedule_in_the_file_under_the_name_it_has_there(tmp_path: Path) -> None:
    write(tmp_path, text='[schedules."shop/sync-prices"]\ncron = "0 1 * * *"\ntz = "Europe/Berlin"')

    settings = load_settings({"ROTA_SCHEDULES__SHOP_SYNC_PRICES__CRON": "0 2 * * *"}, tmp_path)

    assert list(settings.schedules) == ["shop/sync-prices"]
    schedule = settings.schedule("shop/sync-prices")
    assert (schedule.cron, schedule.tz) == ("0 2 * * *", "Europe/Berlin")


def test_a_variable_that_may_mean_two_names_is_refused(tmp_path: Path) -> None:
    write(tmp_path, text="[queues.a-b]\nconcurrency = 1\n[queues.a_b]\nconcurrency = 2")

    assert problems(tmp_path, ROTA_QUEUES__A_B__CONCURRENCY="3") == [
        "ROTA_QUEUES__A_B__CONCURRENCY: may mean a-b or a_b; rename one"
    ]


def test_a_name_in_a_file_is_exact(tmp_path: Path) -> None:
    write(tmp_path, text="[queues.a_b]\nconcurrency = 2")

    settings = load_settings({}, tmp_path)

    assert settings.queue("a_b").concurrency == 2
    assert settings.queue("a-b").concurrency is None


def test_a_list_in_a_variable_is_separated_by_commas(tmp_path: Path) -> None:
    assert load_settings({"ROTA_WORKER__QUEUES": "mail, slow"}, tmp_path).node.queues == ("mail", "slow")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[lease]\nheartbeat = 8", "heartbeat must be at most half of duration"),
        ('[schedules.s]\ncron = "* * * * *"\nevery = "5m"', "cron and every exclude each other"),
        ('[schedules.s]\ncron = "0 99 * * *"', "rota.toml:schedules.s.cron: hour: 99 is outside 0-23"),
        ('[schedules.s]\ntz = "Europe/Belin"', "did you mean Europe/Berlin?"),
        ('[schedules.s]\ntz = "Mars/Phobos"', "no time zone is called 'Mars/Phobos'"),
        ("[schedules.s]\nevery = 0", "should be greater than 0"),
        ('[schedules.s]\noverlap = "skp"', "should be 'skip', 'queue_one'"),
        ("[worker]\nqueues = []", "at least 1 item"),
        ("[queues.mail]\nconcurrency = 0", "should be greater than 0"),
        ("app = 5", "rota.toml:app: should be text in quotation marks, not 5"),
        ("worker = 5", "rota.toml:worker: there is no such setting"),
        ("[app]\nx = 1", "rota.toml:app.x: there is no such setting"),
        ("threads =", "rota.toml: Invalid value"),
    ],
)
def test_values_that_make_no_sense_are_refused_before_anything_starts(tmp_path: Path, text: str, told: str) -> None:
    write(tmp_path, text=text)

    [problem] = problems(tmp_path)

    assert told in problem


@pytest.mark.parametrize("text", ["", "[worker]", "[queues.mail]", "[schedules]", "queues = {}"])
def test_an_empty_section_is_harmless(tmp_path: Path, text: str) -> None:
    write(tmp_path, text=text)

    assert load_settings({}, tmp_path) == DEFAULTS


def test_a_file_that_is_not_text_is_a_mistake_and_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / "rota.toml").write_bytes(b"\xff\xfe\x00")

    [problem] = problems(tmp_path)

    assert problem.startswith("rota.toml: ")


def test_the_settings_of_a_schedule_are_the_policies_that_may_be_given_there(tmp_path: Path) -> None:
    given = {
        "catch_up": '"all"',
        "catch_up_window": '"6h"',
        "catch_up_cap": "3",
        "overlap": '"allow"',
        "each": '"host"',
        "jitter": "5",
        "starts": "2026-12-01T00:00:00+01:00",
        "ends": '"2026-12-31T00:00:00Z"',
    }
    write(tmp_path, text="[schedules.s]\n" + "\n".join(f"{name} = {value}" for name, value in given.items()))

    policies = load_settings({}, tmp_path).schedule("s").policies()

    assert given.keys() == {name for name, policy in OF_A_SCHEDULE.items() if Also.SETTINGS in policy.also}
    assert policies == {
        "catch_up": "all",
        "catch_up_window": 21_600,
        "catch_up_cap": 3,
        "overlap": "allow",
        "each": "host",
        "jitter": 5,
        "starts": datetime(2026, 11, 30, 23, tzinfo=UTC),
        "ends": datetime(2026, 12, 31, tzinfo=UTC),
    }


def test_a_host_is_named_in_the_file_or_by_a_variable_and_by_a_name_only(tmp_path: Path) -> None:
    write(tmp_path, text='host = "web-1"')

    assert load_settings({}, tmp_path).node.host_name == "web-1"
    assert load_settings({"ROTA_HOST": "web-2"}, tmp_path).node.host_name == "web-2"
    write(tmp_path, text='host = ""')
    with pytest.raises(SettingsError, match="no name for a host"):
        load_settings({}, tmp_path)


@pytest.mark.parametrize("ends", ["2026-12-01", "2026-12-01T07:00:00", '"soon"', "5"])
def test_a_moment_without_a_zone_is_refused(tmp_path: Path, ends: str) -> None:
    write(tmp_path, text=f"[schedules.s]\nends = {ends}")

    [problem] = problems(tmp_path)

    assert "schedules.s.ends" in problem
    assert "2026-12-01T00:00:00+01:00" in problem


@pytest.mark.parametrize("short", [True, False])
def test_the_database_is_a_table_or_in_short_its_url(tmp_path: Path, short: bool) -> None:
    url = "postgresql://rota@db/shop"
    write(tmp_path, text=f'database = "{url}"' if short else f'[database]\nurl = "{url}"\nschema = "jobs"')

    settings = load_settings({}, tmp_path)
    over = load_settings({"ROTA_DATABASE": "sqlite:///x.db", "ROTA_DATABASE__SCHEMA": "other"}, tmp_path)

    assert (settings.database.url, settings.database.schema) == (url, None if short else "jobs")
    assert settings.origins["database.url"] == "rota.toml"
    assert (over.database.url, over.database.schema) == ("sqlite:///x.db", "other")
    assert over.origins["database.url"] == "ROTA_DATABASE"


def test_the_database_given_by_both_names_is_refused(tmp_path: Path) -> None:
    assert problems(tmp_path, ROTA_DATABASE="sqlite:///a.db", ROTA_DATABASE__URL="sqlite:///b.db") == [
        "ROTA_DATABASE__URL: ROTA_DATABASE sets the same; keep one"
    ]
    assert problems(tmp_path, ROTA_DATABASE__URL="mysql://me:hunter2@db/x") == [
        "ROTA_DATABASE__URL: must begin with sqlite:/// or postgresql://"
    ]


@pytest.mark.parametrize("name", ["node.threads", "node.linger", "processes", "args_bytes", "origins.x", "loose"])
def test_what_the_tree_calls_a_setting_is_not_its_name_in_the_files(tmp_path: Path, name: str) -> None:
    write(tmp_path, text=f"{name} = 1")

    [problem] = problems(tmp_path)

    assert "there is no such setting" in problem


def test_a_number_in_a_list_of_names_is_told_with_its_place(tmp_path: Path) -> None:
    write(tmp_path, text='[worker]\nqueues = ["mail", 3]')

    assert problems(tmp_path) == ["rota.toml:worker.queues: should be text in quotation marks, not 3"]


def test_every_value_that_is_given_has_an_origin(tmp_path: Path) -> None:
    settings = load_settings({"ROTA_QUEUES__MAIL__RATE": "100/m"}, tmp_path)

    assert settings.origins.keys() < values(settings).keys()
    assert settings.origins["queues.mail.rate"] == "ROTA_QUEUES__MAIL__RATE"


def test_a_file_that_is_nested_too_deep_is_told_so(tmp_path: Path) -> None:
    write(tmp_path, text=f"a = {'[' * 5_000}")

    assert problems(tmp_path) == ["rota.toml: it is nested too deep to be read"]
