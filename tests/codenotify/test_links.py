"""The pages behind the links: a GET never acts, a POST does, for the person of the token alone."""

from __future__ import annotations

import httpx
import pytest

from apps.codenotify import dispatch
from apps.codenotify.links import LinkServer
from apps.codenotify.settings import Settings
from apps.codenotify.tables import users
from apps.codenotify.tokens import token, url
from rota.testing import make_run
from tests.codenotify.helpers import DAY, NOW, add_contest, add_user, announce, rows


@pytest.fixture
def site(services):
    with LinkServer(lambda: services.settings) as server:
        yield server


def here(site, link: str) -> str:
    return link.replace("https://codenotify.example", site.url)


def user(services):
    return rows(services, users)[0]


def test_a_get_shows_a_button_and_a_one_click_post_unsubscribes(services, site):
    link = here(site, url(services.settings, "unsubscribe", add_user(services, channels={"email": True, "push": True})))

    for _ in range(2):
        assert "<button>Unsubscribe</button>" in httpx.get(link).text
        assert httpx.head(link).status_code == 200
    assert user(services).channels == {"email": True, "push": True}

    answer = httpx.post(link, data={"List-Unsubscribe": "One-Click"})
    assert (answer.status_code, user(services).channels) == (200, {"email": False, "push": True})


def test_keeping_an_account_is_activity(services, site):
    link = here(site, url(services.settings, "keep", add_user(services, last_login_at=NOW - 170 * DAY)))

    httpx.get(link)
    assert user(services).last_active_at is None
    assert httpx.post(link).status_code == 200
    assert user(services).last_active_at is not None


def test_preferences_are_shown_and_kept(services, site):
    link = here(site, url(services.settings, "preferences", add_user(services, notify_before_hours=24)))
    assert 'value="24"' in httpx.get(link).text
    chosen = {
        "alert_frequency": "weekly",
        "notify_before_hours": "48",
        "platforms": ["atcoder", "nowhere"],
        "channels": "push",
    }

    assert httpx.post(link, data=chosen).status_code == 200

    row = user(services)
    assert (row.alert_frequency, row.notify_before_hours, row.platforms) == ("weekly", 48, ["atcoder"])
    assert [name for name, on in row.channels.items() if on] == ["push"]


@pytest.mark.parametrize("hours", ["0", "169", "", "a", "²", "9" * 30])
def test_what_cannot_be_kept_changes_nothing(services, site, hours):
    link = here(site, url(services.settings, "preferences", add_user(services)))

    answer = httpx.post(link, data={"alert_frequency": "daily", "notify_before_hours": hours})

    assert (answer.status_code, user(services).alert_frequency) == (400, "immediate")


@pytest.mark.parametrize("path", ["unsubscribe", "keep", "preferences"])
@pytest.mark.parametrize("query", ["", "?user=1", "?user=1&token=x", "?user=²&token=x", "?user=1&token=%ED%A0%BD"])
def test_a_link_that_is_not_ours_does_nothing(services, site, path, query):
    add_user(services)

    for answer in (httpx.get(f"{site.url}/{path}{query}"), httpx.post(f"{site.url}/{path}{query}")):
        assert answer.status_code == 403
    assert user(services).channels == {"email": True}


def test_a_link_is_its_readers_and_nobody_elses(services, site, mails, wall):
    ada, bob = add_user(services, "ada"), add_user(services, "bob")
    link = here(site, url(services.settings, "unsubscribe", ada))

    assert httpx.post(link.replace(f"user={ada}&", f"user={bob}&")).status_code == 403
    assert httpx.post(link).status_code == 200
    add_contest(services, announce())
    dispatch.dispatch_notifications(make_run(as_of=wall()), services)

    assert mails.recipients == ["bob@example.test"]


@pytest.mark.parametrize("purpose", ["unsubscribe", "keep", "preferences"])
@pytest.mark.parametrize("other", ["unsubscribe", "keep", "preferences"])
def test_a_link_is_good_for_its_own_purpose_alone(services, site, purpose, other):
    link = here(site, url(services.settings, purpose, add_user(services)))

    answer = httpx.get(link.replace(f"/{purpose}?", f"/{other}?"))

    assert answer.status_code == (200 if purpose == other else 403)
    assert (user(services).last_active_at, user(services).channels) == (None, {"email": True})


def test_another_secret_makes_other_tokens():
    assert token(Settings(), "keep", 1) != token(Settings(unsubscribe_secret="x"), "keep", 1)


def test_another_page_is_not_there(site):
    assert httpx.get(f"{site.url}/").status_code == 404
