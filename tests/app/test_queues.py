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
