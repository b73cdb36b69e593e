"""What an argument's name says is a secret is stored, given to the body, and shown to nobody."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rota import every
from rota.model.secret import masked
from tests.cli.conftest import SOURCE, open_shop

ARGUMENTS = {
    "user": "anna",
    "password": "hunter2",
    "at": [{"X-Api-Key": "k3y"}],
    "headers": {"Authorization": "Bearer t"},
}
SECRETS = ("hunter2", "k3y", "Bearer", "4711")


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [
        *((name, True) for name in ("password", "DB_PASSWORD", "clientSecret", "api-key", "apiKey", "access_token")),
        *((name, False) for name in ("user", "pass_through", "key", "keys", "tok")),
    ],
)
def test_a_name_tells_a_secret_whatever_its_case_and_marks(name: str, is_secret: bool) -> None:
    assert (masked({"a": [{name: "x"}]}) == {"a": [{name: "***"}]}) == is_secret


def test_a_secret_that_is_not_given_is_told_as_such_and_one_with_parts_is_masked_whole() -> None:
    assert masked({"token": None, "secret": {"a": 1}}) == {"token": None, "secret": "***"}


def test_no_command_shows_a_secret_argument_and_the_body_gets_it(
    place: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROTA_LOG__MASKED", "pin,iban")
    shop = open_shop(place, sqlite_url, SOURCE)
    got: list[str] = []
    shop.app.job("login", retry=1)(lambda password, **others: got.append(password))
    shop.app.prepare()
    shop.app.schedules.add("logins", "login", every("1h"), arguments={**ARGUMENTS, "Pin": "4711"})
    run = shop.app.enqueue("login", **ARGUMENTS, Pin="4711")

    shown = [
        shop.rota(*command, *form).output
        for command in (
            ("run", "show", str(run.id)),
            ("run", "why", str(run.id)),
            ("run", "ls"),
            ("schedule", "show", "logins"),
            ("schedule", "why", "logins"),
            ("job", "show", "login"),
            ("job", "run", "login", "--json-args", json.dumps({**ARGUMENTS, "Pin": "4711"})),
        )
        for form in ((), ("--json",))
    ]
    shop.work()
    shown += [shop.rota("run", "wait", str(run.id), *form).output for form in ((), ("--json",))]

    assert [secret for secret in SECRETS for text in shown if secret in text] == []
    assert '"user": "anna", "password": "***"' in shown[0]
    assert got == ["hunter2"] * 3
    assert json.loads(run.record().arguments)["password"] == "hunter2"
