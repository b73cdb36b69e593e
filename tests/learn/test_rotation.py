"""LP-6: the platform's secrets, on a real database, a real server of sessions, and each kind of store."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError

from apps.learn.rotation import POLICIES, add_policies, put_values, secret_rotation, store_of
from apps.learn.settings import Settings
from apps.learn.tables import secret_policies
from rota.errors import ConfigError, SettingsError
from rota.recipes import AwsStore, FileStore, writing
from rota.recipes.secret_value import Value
from tests.learn.conftest import Learn
from tests.learn.helpers import MIDNIGHT, ago

JOB = "secret-rotation"


def policy(name: str, kind: str = "generated", **values: Any) -> dict[str, Any]:
    return {"name": name, "kind": kind, **values}


def version(name: str, number: int, state: str, days: float, **values: Any) -> dict[str, Any]:
    row = {"id": f"{name}{number}", "name": name, "version": number, "state": state, "value_ref": f"{name}:{number}"}
    return {**row, "created_at": ago(days), "activated_at": ago(days), **values}


def settings(tmp_path: Path, **given: Any) -> Settings:
    return Settings(secrets_file=tmp_path / "secrets.env", **given)


def states(learn: Learn, name: str) -> list[str]:
    rows = [row for row in learn.rows("secret_versions").values() if row["name"] == name]
    return [row["state"] for row in sorted(rows, key=lambda row: row["version"])]


@pytest.mark.defect("LP-B4")
def test_each_night_does_what_is_due_of_what_was_loaded(learn: Learn, tmp_path: Path) -> None:
    learn.put(
        secret_policies=[
            policy("jwt", grace_seconds=30 * 86_400 + 3_600),
            policy("young"),
            policy("stripe", "manual", interval_days=60),
            policy("soon", "manual", interval_days=60),
            policy("aws", "provider", interval_days=30, provider="aws"),
            policy("off", paused=True),
            policy("fresh"),
            policy("strange", interval_days=1, grace_seconds=90_000),
        ],
        secret_versions=[
            version("jwt", 1, "current", 90),
            version("young", 4, "current", 89.999),
            version("young", 3, "previous", 179, not_after=ago(0)),
            version("stripe", 1, "current", 60),
            version("soon", 1, "current", 54),
            version("off", 1, "current", 400),
        ],
    )
    names = ("jwt:1", "young:4", "young:3", "stripe:1", "soon:1", "off:1")
    put_values(settings(tmp_path), {name: f"value of {name}" for name in names})

    result = learn.run(JOB)

    assert result["status"] == "partial"
    details = result["details"]
    assert (details["rotated"], details["revoked"], details["manual_required"]) == (
        ["fresh", "jwt"], ["young:3"], ["stripe"],
    )  # fmt: skip
    assert (details["failed"], details["skipped"]) == (["aws", "strange"], {"off": "paused"})
    assert {each["item"]: each["message"].partition(" of ")[0] for each in result["errors"]} == {
        "aws": "no adapter makes its values", "strange": "its interval",
    }  # fmt: skip
    assert result["counts"] == {
        "checked": 8, "rotated": 2, "revoked": 1, "manual_required": 1, "failed": 2, "skipped": 1,
    }  # fmt: skip
    assert [each.partition(" ")[0] for each in result["warnings"]] == ["soon"]
    assert details["next_due"]["jwt"] == (MIDNIGHT + timedelta(days=90)).isoformat()
    [old] = [row for row in learn.rows("secret_versions").values() if row["name"] == "jwt" and row["version"] == 1]
    assert (old["state"], datetime.fromisoformat(old["not_after"]) - MIDNIGHT) == (
        "previous", timedelta(days=30, hours=1),
    )  # fmt: skip
    again = learn.run(JOB)["details"]
    assert (again["rotated"], again["revoked"]) == ([], [])


@pytest.mark.defect("LP-B4")
def test_what_is_signed_with_the_key_before_is_good_for_a_month_and_an_hour(learn: Learn, tmp_path: Path) -> None:
    learn.put(secret_policies=[policy("jwt_secret")])
    learn.run(JOB)
    due = MIDNIGHT + timedelta(days=90)
    learn.run(JOB, due=due)
    recipe = secret_rotation(settings(tmp_path))
    end = due + timedelta(days=30, hours=1)

    assert list(recipe.ring("jwt_secret", end - timedelta(microseconds=1)).keys) == ["jwt_secret:2", "jwt_secret:1"]
    assert list(recipe.ring("jwt_secret", end).keys) == ["jwt_secret:2"]
    assert learn.run(JOB, due=end)["details"]["revoked"] == ["jwt_secret:1"]


def test_values_stand_in_the_file_and_nowhere_else(learn: Learn, tmp_path: Path) -> None:
    learn.put(secret_policies=[policy("jwt_secret"), policy("session_secret")])

    found = [learn.run(JOB), learn.run(JOB, arguments={"force": ["jwt_secret"]})]

    text = (tmp_path / "secrets.env").read_text()
    values = set(re.findall(r"=(\S{43})$", text, re.MULTILINE))
    assert (len(values), (tmp_path / "secrets.env").stat().st_mode & 0o777) == (3, 0o600)
    ledger = b"".join(path.read_bytes() for path in tmp_path.glob("ledger-*"))
    told = json.dumps([found, learn.everything()]).encode() + ledger
    assert [value for value in values if value.encode() in told] == []
    assert states(learn, "jwt_secret") == ["previous", "current"]


def test_a_name_that_is_none_fails_at_once_and_names_those_that_are(learn: Learn) -> None:
    learn.put(secret_policies=[policy("jwt_secret")])

    with pytest.raises(AssertionError, match="there is no secret 'jwt'"):
        learn.run(JOB, arguments={"force": ["jwt"]})


def test_a_dry_run_changes_nothing(learn: Learn, tmp_path: Path) -> None:
    learn.put(secret_policies=[policy("jwt_secret"), policy("stripe", "manual")])
    before = learn.everything()

    result = learn.run(JOB, dry_run=True)

    assert (result["status"], result["details"]["rotated"]) == ("dry_run", ["jwt_secret"])
    assert (learn.everything(), (tmp_path / "secrets.env").exists()) == (before, False)


def test_both_passwords_of_redis_are_good_until_the_earlier_one_is_over(
    open_learn: Callable[..., Learn], valkey_port: int, tmp_path: Path
) -> None:
    learn = open_learn(redis_user="learn")
    learn.put(secret_policies=[policy("redis_password", interval_days=180)])
    learn.run(JOB)
    recipe = secret_rotation(settings(tmp_path))

    def password() -> str:
        return recipe.ring("redis_password", MIDNIGHT).current[1].reveal()

    def works(given: str) -> bool:
        with Redis(port=valkey_port) as client:
            try:
                return bool(client.execute_command("AUTH", "learn", given))
            except AuthenticationError:
                return False

    first = password()
    due = MIDNIGHT + timedelta(days=180)
    learn.run(JOB, due=due)
    second = password()
    assert (works(first), works(second), first == second) == (True, True, False)

    learn.run(JOB, due=due + timedelta(days=1))
    with Redis(port=valkey_port) as client:
        assert (works(first), works(second)) == (False, True)
        client.execute_command("ACL", "DELUSER", "learn")


def test_a_server_that_is_away_leaves_the_others_their_turn(open_learn: Callable[..., Learn]) -> None:
    learn = open_learn(redis_user="learn", redis_url="redis://localhost:1")
    learn.put(secret_policies=[policy("redis_password"), policy("session_secret")])

    result = learn.run(JOB)

    assert (result["status"], result["details"]["rotated"]) == ("partial", ["session_secret"])
    assert result["errors"] == [{"item": "redis_password", "kind": "secret", "message": "ConnectionError"}]
    assert states(learn, "redis_password") == ["failed"]


def test_in_a_column_the_values_are_encrypted_beside_their_versions(open_learn: Callable[..., Learn]) -> None:
    from cryptography.fernet import Fernet

    key = Fernet.generate_key().decode()
    learn = open_learn(store="column", secrets_key=key)
    learn.put(secret_policies=[policy("jwt_secret")])

    learn.run(JOB)

    [(ref, row)] = learn.rows("secret_values").items()
    assert ref == "jwt_secret:1"
    assert len(Fernet(key).decrypt(row["value"])) == 43


def test_the_usual_policies_are_added_once_and_what_a_person_has_changed_stays(learn: Learn) -> None:
    learn.put(secret_policies=[policy("jwt_secret", interval_days=45)])

    assert (add_policies(learn.engine), add_policies(learn.engine)) == (len(POLICIES) - 1, 0)
    assert learn.rows("secret_policies")["jwt_secret"]["interval_days"] == 45
    result = learn.run(JOB)
    assert (result["counts"]["rotated"], result["counts"]["manual_required"]) == (4, 6)
    with writing(learn.engine) as connection:
        connection.execute(secret_policies.update().values(paused=True))
    assert learn.run(JOB)["counts"]["skipped"] == len(POLICIES)


def test_what_is_wrong_with_the_store_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="LEARN_SECRETS_KEY"):
        Settings.from_env({"LEARN_SECRET_STORE": "column"})
    assert isinstance(store_of(settings(tmp_path, store="aws")), AwsStore)
    with pytest.raises(ConfigError, match="AWS gives"):
        put_values(settings(tmp_path, store="aws"), {"a": "b"})


def test_a_file_of_data_brings_its_values_along(tmp_path: Path) -> None:
    data = {"secret_policies": [policy("jwt")], "secret_versions": [version("jwt", 1, "current", 1)],
            "_secret_store": {"jwt:1": "of old"}}  # fmt: skip
    (tmp_path / "data.json").write_text(json.dumps(data))
    env = {"LEARN_DATABASE_URL": f"sqlite:///{tmp_path}/learn.db", "LEARN_SECRETS_FILE": str(tmp_path / "s.env"),
           "PATH": "/usr/bin:/bin", "PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}  # fmt: skip

    command = [sys.executable, "-m", "apps.learn.load", str(tmp_path / "data.json")]
    subprocess.run(command, check=True, env=env, cwd=Path(__file__).parents[2])

    assert FileStore(tmp_path / "s.env").get("jwt:1").reveal() == "of old"
    assert repr(Value("of old")) == "Value(…)"
