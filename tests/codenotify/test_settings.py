"""Settings: what is read, and what is said about what cannot be."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from apps.codenotify.settings import Endpoint, Settings, Webhook
from rota.errors import SettingsError

README = Path(__file__).parents[2] / "apps" / "codenotify" / "README.md"


def test_without_any_the_defaults_hold():
    assert Settings.from_env({}) == Settings()


@pytest.mark.parametrize("text", ["true", "1", "yes", "on", "TRUE", "Yes"])
def test_what_means_yes(text):
    assert Settings.from_env({"SMTP_STARTTLS": text}).smtp_starttls


@pytest.mark.parametrize("text", ["false", "0", "no", "off", "FALSE", "Off"])
def test_what_means_no(text):
    assert not Settings.from_env({"CONTEST_SYNC_ENABLED": text}).sync_enabled


def test_everything_that_is_wrong_is_told_together():
    with pytest.raises(SettingsError) as error:
        Settings.from_env(
            {
                "APP_ENV": "moon",
                "CONTEST_SYNC_ENABLED": "maybe",
                "CONTEST_CLEANUP_DAYS": "0",
                "CONTEST_SYNC_INTERVAL": "every day",
                "NOTIFICATION_MAX_RETRIES": "many",
                "CODECHEF_URL": "codechef.com",
                "PUSH_RATE_PER_S": "-1",
                "SMTP_PASSWORD_FILE": "/nowhere",
                "CONTEST_HTTP_RETRY_DELAYS": "1, soon",
            }
        )

    named = [problem.split(":")[0] for problem in error.value.problems]
    assert sorted(named) == sorted(
        [
            "APP_ENV",
            "CONTEST_SYNC_ENABLED",
            "CONTEST_CLEANUP_DAYS",
            "CONTEST_SYNC_INTERVAL",
            "NOTIFICATION_MAX_RETRIES",
            "CODECHEF_URL",
            "PUSH_RATE_PER_S",
            "SMTP_PASSWORD",
            "CONTEST_HTTP_RETRY_DELAYS",
        ]
    )


def test_a_secret_may_stand_in_a_file(tmp_path):
    (tmp_path / "token").write_text("s3cret\n")

    settings = Settings.from_env({"PUSH_TOKEN_FILE": str(tmp_path / "token")})

    assert settings.webhooks["push"].token == "s3cret"


def test_a_secret_given_twice_is_refused_and_not_shown(tmp_path):
    (tmp_path / "token").write_text("s3cret")

    with pytest.raises(SettingsError) as error:
        Settings.from_env({"PUSH_TOKEN_FILE": str(tmp_path / "token"), "PUSH_TOKEN": "0ther"})

    assert "s3cret" not in str(error.value)
    assert "0ther" not in str(error.value)


def test_production_needs_a_secret_of_its_own():
    with pytest.raises(SettingsError, match="UNSUBSCRIBE_SECRET"):
        Settings.from_env({"APP_ENV": "production"})


def test_half_a_login_is_refused():
    with pytest.raises(SettingsError, match="SMTP_USERNAME"):
        Settings.from_env({"SMTP_USERNAME": "cn"})


def test_no_secret_is_shown_with_the_settings():
    settings = Settings.from_env({"SMTP_USERNAME": "cn", "SMTP_PASSWORD": "s3cret", "PUSH_TOKEN": "t0ken"})

    assert "s3cret" not in repr(settings)
    assert "t0ken" not in repr(settings)


def test_every_setting_is_in_the_readme_with_its_default():
    text = README.read_text()
    told = set(re.findall(r"^\| `([A-Z0-9_<>]+)`", text, re.MULTILINE))

    assert {field.metadata["name"] for field in fields(Settings) if "name" in field.metadata} <= told
    assert {f"<PLATFORM>{field.metadata['name']}" for field in fields(Endpoint)} <= told
    assert {f"<CHANNEL>{field.metadata['name']}" for field in fields(Webhook)} <= told
