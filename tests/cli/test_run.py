from __future__ import annotations

import json

from tests.cli.conftest import Shop


def test_a_list_is_items_and_a_cursor_with_moments_in_utc(shop_anywhere: Shop) -> None:
    shop = shop_anywhere
    ids = [shop.app.enqueue("shop/sync").id for _ in range(3)]
    first = shop.json("run", "ls", "--limit", "2")
    rest = shop.json("run", "ls", "--limit", "2", "--after", first["next"])

    assert [item["id"] for item in first["items"] + rest["items"]] == ids[::-1]
    assert rest["next"] is None
    item = first["items"][0]
    assert (item["job"], item["state"], item["attempt"]) == ("shop/sync", "available", 0)
    assert item["due_at"].endswith("Z")


def test_a_list_is_narrowed_by_state_job_queue_and_schedule(shop: Shop) -> None:
    shop.app.enqueue("shop/sync")
    later = shop.app.options(delay=60).enqueue("shop/breaks")
    [by_schedule] = shop.app.schedules.run_now("shop/sync", by="anna")

    def listed(*options: str) -> list[int]:
        return [item["id"] for item in shop.json("run", "ls", *options)["items"]]

    assert listed("--state", "scheduled") == [later.id]
    assert len(listed("--state", "scheduled", "--state", "available")) == 3
    assert listed("--job", "shop/breaks") == [later.id]
    assert len(listed("--queue", "sync")) == 2
    assert listed("--schedule", "shop/sync") == [by_schedule]


def test_an_empty_list_says_what_to_do_on_stderr(shop: Shop) -> None:
    result = shop.rota("run", "ls")

    assert (result.exit_code, result.stdout) == (0, "")
    assert "rota job run" in result.stderr


def test_show_is_one_object_with_values_and_not_texts(shop_anywhere: Shop) -> None:
    shop = shop_anywhere
    handle = shop.app.enqueue("shop/sync", days=3)
    shop.work()
    document = shop.json("run", "show", str(handle.id))

    assert document["arguments"] == {"days": 3}
    assert document["result"] == {"days": 3, "name": "", "dry": False}
    assert [each["outcome"] for each in document["attempts"]] == ["succeeded"]


def test_show_tells_people_the_attempts_and_what_befell_it(shop: Shop) -> None:
    handle = shop.app.enqueue("shop/breaks")
    shop.work()
    shown = shop.rota("run", "show", str(handle.id)).stdout

    assert "ValueError: no paper" in shown
    assert "ATTEMPT" in shown
    assert "run.failed" in shown


def test_logs_are_the_lines_of_the_body(shop: Shop) -> None:
    handle = shop.app.enqueue("shop/sync", days=3)
    shop.work()

    assert "fetching days=3" in shop.rota("run", "logs", str(handle.id)).stdout
    assert "fetching days=3" in shop.json("run", "logs", str(handle.id))["items"][0]["lines"][0]


def test_a_run_that_logged_nothing_says_so_apart_from_the_data(shop: Shop) -> None:
    handle = shop.app.enqueue("shop/breaks")
    before = shop.rota("run", "logs", str(handle.id))
    shop.work()
    after = shop.rota("run", "logs", str(handle.id))

    assert (before.stdout, before.stderr) == ("", f"Run {handle.id} has logged nothing: it has not started yet.\n")
    assert (after.stdout, after.stderr) == ("", f"Run {handle.id} has logged nothing.\n")
    assert after.exit_code == 0


def test_a_failed_run_shows_its_last_traceback_line_by_line(shop: Shop) -> None:
    handle = shop.app.enqueue("shop/breaks")
    shop.work()

    shown = shop.rota("run", "show", str(handle.id)).stdout.splitlines()

    at = shown.index("attempt 1:")
    assert shown[at + 1] == "  Traceback (most recent call last):"
    assert shown[-2:] == ['      raise ValueError("no paper")', "  ValueError: no paper"]


def test_following_the_logs_ends_with_the_run(shop: Shop) -> None:
    with shop.app.running():
        handle = shop.app.enqueue("shop/sync", days=4)
        result = shop.rota("run", "logs", str(handle.id), "-f")

    assert result.exit_code == 0
    assert result.stdout.count("fetching days=4") == 1


def test_waiting_tells_by_the_exit_code_how_it_ended(shop: Shop) -> None:
    good, bad = shop.app.enqueue("shop/sync"), shop.app.enqueue("shop/breaks")
    with shop.app.running():
        assert shop.rota("run", "wait", str(good.id), "--timeout", "60s").exit_code == 0
        result = shop.rota("run", "wait", str(bad.id), "--timeout", "60s")

    assert result.exit_code == 1
    assert "ValueError: no paper" in result.stdout


def test_waiting_too_long_is_124_and_the_run_goes_on(shop: Shop) -> None:
    handle = shop.app.enqueue("shop/sync")
    result = shop.rota("run", "wait", str(handle.id), "--timeout", "50ms")

    assert result.exit_code == 124
    assert (
        result.stderr
        == f"Error: after 50ms run {handle.id} is still available\nHint: Ask why: rota run why {handle.id}\n"
    )
    assert handle.state == "available"


def test_cancel_and_retry_tell_the_state_and_name_who_did_it(shop: Shop) -> None:
    handle = shop.app.enqueue("shop/sync")

    assert shop.json("run", "cancel", str(handle.id))["items"] == [
        {"id": handle.id, "state": "cancelled", "error": None}
    ]
    assert shop.json("run", "retry", str(handle.id))["items"][0]["state"] == "available"
    actors = {event.actor for event in shop.app.runs.events(handle.id)}
    assert all(actor and actor.startswith("cli") for actor in actors)


def test_one_run_that_cannot_be_changed_is_an_error_of_two_lines(shop: Shop) -> None:
    handle = shop.app.enqueue("shop/sync")
    result = shop.rota("run", "retry", str(handle.id))

    assert result.exit_code == 5
    assert result.stderr.splitlines()[0] == f"Error: run {handle.id} is available"
    assert len(result.stderr.splitlines()) == 2


def test_of_several_runs_those_that_can_be_changed_are(shop: Shop) -> None:
    handle = shop.app.enqueue("shop/sync")
    result = shop.rota("run", "cancel", "999", str(handle.id), "--json")

    assert result.exit_code == 3
    states = {item["id"]: item["state"] for item in json.loads(result.stdout)["items"]}
    assert states == {999: None, handle.id: "cancelled"}


def test_why_is_a_sentence_for_people_and_facts_for_programs(shop_anywhere: Shop) -> None:
    handle = shop_anywhere.app.enqueue("shop/sync")
    sentence = shop_anywhere.rota("run", "why", str(handle.id)).stdout
    document = shop_anywhere.json("run", "why", str(handle.id))

    assert sentence.startswith(f"Run {handle.id} of shop/sync waits: no node is alive")
    assert document["facts"][0]["kind"] == "no_node"
    assert document["state"] == "available"


def test_a_misspelt_filter_is_answered_with_the_nearest_name(shop: Shop) -> None:
    for option, name, meant in (
        ("--job", "shop/snyc", "shop/sync"),
        ("--queue", "snyc", "sync"),
        ("--schedule", "shop/syn", "shop/sync"),
    ):
        result = shop.rota("run", "ls", option, name)
        assert result.exit_code == 3
        assert f"Did you mean {meant!r}?" in result.stderr


def test_a_cursor_that_is_none_is_refused(shop: Shop) -> None:
    assert shop.rota("run", "ls", "--after", "x").exit_code == 2


def test_a_database_by_its_url_needs_no_application(shop: Shop) -> None:
    shop.app.enqueue("shop/sync")

    result = shop.rota("run", "ls", "--store", shop.url, "--json", app=False)

    assert len(json.loads(result.stdout)["items"]) == 1


def test_a_database_of_the_settings_needs_no_application_either(shop: Shop) -> None:
    shop.app.enqueue("shop/sync")

    result = shop.rota("run", "ls", "--json", app=False, ROTA_DATABASE=shop.url)

    assert len(json.loads(result.stdout)["items"]) == 1


def test_without_any_of_them_it_says_what_to_give(shop: Shop) -> None:
    result = shop.rota("run", "ls", app=False)

    assert result.exit_code == 2
    assert "--store" in result.stderr
