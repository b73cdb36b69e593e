"""Many runs at once, each under a key of its own."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from rota import Rota
from rota.errors import ConfigError, PayloadError
from rota.testing import run_due


def key(to: str, **_: Any) -> str:
    return f"welcome:{to}"


def test_what_waits_under_a_key_is_not_made_again_and_its_id_is_given(app: Rota) -> None:
    mail = app.job("mail", retry=1)(lambda to, n=0: None)
    first = mail.options(key=key).enqueue_many([{"to": "a"}, {"to": "b"}])

    second = mail.options(key=key).enqueue_many([{"to": "c"}, {"to": "b", "n": 1}, {"to": "c"}, {"to": "a"}])

    assert first.new == set(first)
    assert [second[1], second[3]] == [first[1], first[0]]
    assert second[0] == second[2]
    assert second.new == {second[0]}
    assert len(app.runs.page()) == 3
    assert mail.options(key="welcome:a").enqueue("a").id == first[0]

    run_due(app)
    third = mail.options(key=key).enqueue_many([{"to": "a"}])
    assert third.new == set(third)
    assert set(third).isdisjoint(first)


def test_those_that_share_a_limit_are_put_in_line(app: Rota) -> None:
    done: list[str] = []
    app.job("mail", concurrency=2)(lambda to: done.append(to))
    app.prepare()
    first = app.options(key=key).enqueue("mail", to="0")

    ids = app.options(key=key).enqueue_many("mail", [{"to": str(number)} for number in range(50)])
    [queue] = app.queues.all()

    assert ids[0] == first.id
    assert (queue.waiting, queue.held) == (2, 48)
    run_due(app)
    assert sorted(done, key=int) == [str(number) for number in range(50)]


def test_more_than_fit_into_one_statement(app: Rota) -> None:
    app.job("mail")(lambda to: None)
    items = [{"to": str(number % 4_000)} for number in range(5_000)]

    ids = app.options(key=key).enqueue_many("mail", items)

    assert (len(ids), len(set(ids)), len(ids.new)) == (5_000, 4_000, 4_000)
    assert ids[:1_000] == ids[4_000:]
    assert app.options(key=key).enqueue_many("mail", []) == []


def test_two_that_ask_at_one_time_make_each_key_once(app: Rota) -> None:
    app.job("mail")(lambda to: None)
    app.prepare()
    items = [{"to": str(number)} for number in range(300)]
    found: list[Any] = []
    gate = threading.Barrier(4)

    def ask() -> None:
        gate.wait(60)
        found.append(app.options(key=key).enqueue_many("mail", items))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)

    assert [list(ids) for ids in found] == [list(found[0])] * 4
    assert sum(len(ids.new) for ids in found) == 300


@pytest.mark.parametrize(
    ("key", "error", "hint"),
    [
        ("one", ConfigError, "key=lambda to"),
        (lambda to: None, ConfigError, "returns text"),
        (lambda other: "x", ConfigError, "returns text"),
        (lambda to: "a\0b", ConfigError, "returns text"),
        (lambda to: "x" * 600, PayloadError, "digest"),
    ],
)
def test_a_key_that_cannot_be_made_is_refused_and_nothing_is_enqueued(
    lite: Rota, key: Any, error: type[Exception], hint: str
) -> None:
    lite.job("mail")(lambda to: None)
    lite.prepare()

    with pytest.raises(error) as caught:
        lite.options(key=key).enqueue_many("mail", [{"to": "a"}])

    assert hint in caught.value.hint  # type: ignore[attr-defined]
    assert lite.runs.page() == []
