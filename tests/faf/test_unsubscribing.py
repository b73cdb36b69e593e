"""A contact's link ends the invitations of the owner whose contact he is, and of nobody else."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

import pytest

from apps.demo.mail_catcher import MailCatcher
from apps.faf.unsubscribing import opt_out
from tests.faf.conftest import Faf
from tests.faf.test_invitations import channels, invite, mails
from tests.faf.test_planning import contact, owner

__all__ = ["channels", "mails"]


@pytest.mark.defect("FF-B16")
def test_a_link_ends_the_invitations_of_one_owner(faf: Faf, mails: MailCatcher, channels: dict[str, Any]) -> None:
    faf.put(
        users=[owner(1), owner(2)],
        contacts=[contact(1, email="anna@x.org"), contact(2, 2, email="anna@x.org")],
    )
    invite(channels)
    [mine] = [mail for mail in mails.mails if mail["From"].startswith("o1 ")]
    link = re.search(r"token=([^>]+)>", mine["List-Unsubscribe"])
    assert link is not None

    assert not opt_out(faf.settings, faf.engine, "forged")
    assert opt_out(faf.settings, faf.engine, unquote(link[1]))
    once = faf.rows("contacts", "id", "opted_out", "opted_out_at", "opt_out_reason", "email_status")
    assert opt_out(faf.settings, faf.engine, unquote(link[1]))

    assert faf.rows("contacts", "id", "opted_out", "opted_out_at", "opt_out_reason", "email_status") == once
    assert [(row[0], row[1], row[3], row[4]) for row in once] == [
        (1, True, "manual_unsubscribe", "unsubscribed"),
        (2, False, None, "active"),
    ]
