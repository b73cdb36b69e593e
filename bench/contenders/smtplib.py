"""A bare loop with ``smtplib``: the same mails over one connection, and no account of them."""

from __future__ import annotations

import smtplib
import sys
import time

from bench.mails import people, sink
from bench.mime import Mails


def campaign(count: int, url: str) -> float:
    with sink() as server:
        mails = Mails()
        begun = time.perf_counter()
        with smtplib.SMTP("127.0.0.1", server.port) as connection:
            for person in people(count):
                connection.send_message(mails.make(person))
        took = time.perf_counter() - begun
        assert len(set(server.ids())) == count
    return count / took


if __name__ == "__main__":
    print(globals()[sys.argv[1]](int(sys.argv[2]), sys.argv[3]))
