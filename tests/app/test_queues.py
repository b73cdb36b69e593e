from __future__ import annotations

from rota import Rota
from rota.testing import run_due


def test_nothing_starts_from_the_moment_its_queue_is_paused(rota: Rota) -> None:
    @rota.job
    def mail() -> None: ...

    run_due(rota)
    rota.queues.pause("default", "anna")
    handle = mail.enqueue()
    run_due(rota)

    assert handle.state == "available"


def test_a_limit_holds_from_the_moment_it_is_set(rota: Rota) -> None:
    @rota.job
    def mail() -> None: ...

    run_due(rota)
    rota.queues.limit("default", "anna", None, "1/m")
    mail.enqueue()
    waits = mail.enqueue()
    run_due(rota)

    assert waits.state == "available"


def test_a_pause_between_the_look_at_a_queue_and_the_claim_is_seen(rota: Rota) -> None:
    @rota.job(concurrency=1)
    def mail() -> None: ...

    rota.prepare()
    node = rota.node()
    node.identity.register()
    handle = mail.enqueue()
    looked_at = node.claimer.survey({"thread": 4})
    rota.queues.pause("default", "anna")

    assert node.claimer.claim_from(looked_at, {"thread": 10}) == ([], False)
    assert handle.state == "available"
