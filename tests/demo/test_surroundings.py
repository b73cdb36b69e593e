"""Where the settings of the demonstration lead the applications."""

from __future__ import annotations

from pathlib import Path

from apps.bazaar.settings import Settings as Bazaar
from apps.demo.surroundings import folders, surroundings
from apps.faf.settings import Settings as Faf
from apps.learn.settings import Settings as Learn
from apps.savings.settings import Settings as Savings


def test_every_application_is_led_to_what_was_started(tmp_path: Path) -> None:
    files = folders(tmp_path)
    with surroundings(tmp_path) as around:
        env = {**files, **around.environment}

        assert Savings.from_env(env).smtp_port == Faf.from_env(env).smtp_port == around.mails.port
        assert Learn.from_env(env).redis_url.endswith(f":{around.valkey_port}")
        assert Savings.from_env(env).redis_port == around.valkey_port
        assert Bazaar.from_env(env).push_tokens_guard == "park"
        assert {Bazaar.from_env(env).uploads, Learn.from_env(env).logs} == {tmp_path / "uploads", tmp_path / "logs"}


def test_without_valkey_no_redis_of_somebody_else_is_touched(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("apps.demo.valkey.find_spec", lambda _: None)

    with surroundings(tmp_path) as around:
        assert Learn.from_env(around.environment).redis_url == "redis://127.0.0.1:1"
        assert Savings.from_env(around.environment).redis_port == 1
