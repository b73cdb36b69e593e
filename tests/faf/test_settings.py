"""What cannot be meant is said at the start, all of it at once."""

from __future__ import annotations

import pytest

from apps.faf.blueprint import senders
from apps.faf.settings import Settings
from rota.errors import SettingsError
from rota.messages import HttpProvider


def test_all_mistakes_are_told_together() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env(
            {
                "SCHEDULER_MONTHLY_JOB_DAY": "29",
                "SCHEDULER_TIMEZONE": "Mars/Base",
                "FAF_CAMPAIGN_MODE": "both",
                "SCHEDULER_FIRST_REMINDER_DAYS": "8",
            }
        )

    text = str(caught.value)
    assert all(name in text for name in ("MONTHLY_JOB_DAY", "TIMEZONE", "CAMPAIGN_MODE", "SECOND_REMINDER_DAYS"))


def test_the_name_that_a_setting_had_before_is_understood() -> None:
    assert Settings.from_env({"MONTHLY_JOB_DAY": "7"}).monthly_day == 7
    with pytest.raises(SettingsError, match="says otherwise"):
        Settings.from_env({"MONTHLY_JOB_DAY": "7", "SCHEDULER_MONTHLY_JOB_DAY": "8"})


@pytest.mark.parametrize(("rate", "good"), [("0", True), ("1", True), ("0.33", False)])
@pytest.mark.defect("FF-B2")
def test_a_worker_must_have_time_for_a_batch(rate: str, good: bool) -> None:
    env = {"FAF_MAILS_PER_SECOND": rate}
    if good:
        Settings.from_env(env)
        return
    with pytest.raises(SettingsError, match=r"SCHEDULER_WORKER_TIMEOUT: give more, as 100 mails take 303\.03 s"):
        Settings.from_env(env)


@pytest.mark.parametrize("rate", [0.0, 0.5, 3.0])
def test_rates_and_the_provider_are_taken_as_they_are_set(rate: float) -> None:
    provider, smtp = senders(Settings(mails_per_second=rate, provider_url="http://p.example", provider_requests=1.5))

    assert isinstance(provider, HttpProvider)
    assert (provider.rate.messages, provider.rate.requests, provider.per_request) == (rate, 1.5, 100)
    assert (smtp.rate.messages, smtp.rate.requests) == (rate, 0.0)
