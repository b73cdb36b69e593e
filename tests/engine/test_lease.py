"""``rota.lock``: one holder at a time over all nodes, a term that rises, and a holder who learns of its loss."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from rota import Rota, Run
from rota.errors import LockUnavailableError
from rota.model.lease import Lease
from rota.store import leases
from rota.testing import ManualClock, run_due
from tests.engine.helpers import until

Open = Callable[..., Rota]


def held(app: Rota) -> list[Lease]:
    """The leases that somebody holds, or let lapse."""
    with app.store.read() as tx:
        return leases.strays(tx, 2**62, 100)


def test_one_holds_it_and_the_other_is_told(open_app: Open, ledger_url: str) -> None:
    one, two = open_app(ledger_url), open_app(ledger_url)

    with one.lock("billing") as first:
        with pytest.raises(LockUnavailableError, match="'billing' is held"), two.lock("billing"):
            pass
        with two.lock("other") as other:
            assert other.term == 1
    with two.lock("billing") as second:
        assert second.term == first.term + 1


def test_the_term_rises_with_each_holding(app: Rota, clock: ManualClock) -> None:
    terms = []
    for _ in range(3):
        with app.lock("billing") as lease:
            terms.append(lease.term)

    assert terms == [1, 2, 3]


def test_it_is_given_back_when_the_body_raises(app: Rota) -> None:
    with pytest.raises(ZeroDivisionError), app.lock("billing"):
        raise ZeroDivisionError

    with app.lock("billing") as lease:
        assert lease.term == 2


def test_a_lock_can_be_held_again_and_is_renewed_then_too(app: Rota, clock: ManualClock) -> None:
    lock = app.lock("billing", ttl=0.06)

    for term in (1, 2):
        with lock:
            assert (lock.term, lock.lost) == (term, False)
            before = held(app)
            clock.advance(seconds=0.02)
            until(lambda before=before: held(app) != before)
        assert not lock.lost


def test_a_holder_that_was_too_slow_learns_that_the_lock_is_lost(
    open_app: Open, ledger_url: str, clock: ManualClock
) -> None:
    one, two = open_app(ledger_url), open_app(ledger_url)

    with one.lock("billing", ttl=0.06) as first:
        clock.advance(seconds=60)
        with two.lock("billing", ttl=600) as second:
            assert second.term > first.term
            until(lambda: first.lost)
            assert [lease.term for lease in held(one)] == [second.term]
        assert not second.lost
    assert held(one) == []


def test_a_late_holder_gives_nothing_back_that_is_anothers(open_app: Open, ledger_url: str, clock: ManualClock) -> None:
    one, two = open_app(ledger_url), open_app(ledger_url)
    second = two.lock("billing", ttl=600)

    with one.lock("billing", ttl=60):
        clock.advance(seconds=61)
        second.__enter__()
    with pytest.raises(LockUnavailableError), one.lock("billing"):
        pass

    second.__exit__(None, None, None)


def test_who_waits_gets_it_when_it_is_free(open_app: Open, ledger_url: str) -> None:
    one, two = open_app(ledger_url), open_app(ledger_url)
    got: list[int] = []

    def wait() -> None:
        with two.lock("billing", wait=60) as lease:
            got.append(lease.term)

    with one.lock("billing"):
        thread = threading.Thread(target=wait)
        thread.start()
        threading.Event().wait(0.05)
        assert got == []
    thread.join(60)

    assert got == [2]


def test_many_threads_never_hold_it_together(open_app: Open, ledger_url: str) -> None:
    apps = [open_app(ledger_url), open_app(ledger_url)]
    inside: list[int] = []
    together: list[int] = []
    terms: list[int] = []

    def hold(app: Rota) -> None:
        for _ in range(3):
            with app.lock("billing", wait=60) as lease:
                inside.append(1)
                together.append(len(inside))
                terms.append(lease.term)
                inside.pop()

    threads = [threading.Thread(target=hold, args=(apps[number % 2],)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert together == [1] * 12
    assert terms == sorted(terms)
    assert len(set(terms)) == 12


def test_a_body_locks_through_its_run(app: Rota) -> None:
    @app.job
    def bill(run: Run) -> int:
        with run.lock("billing", ttl="1m") as lease:
            return int(lease.term)

    handle = bill.enqueue()
    run_due(app)

    assert handle.result == 1
