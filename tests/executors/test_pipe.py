"""What goes in at one end of a pipe comes out at the other, message by message."""

from __future__ import annotations

import os
import threading

import pytest

from rota.executors.process.pipe import READ_AT_ONCE, Pipe


def test_messages_of_any_size_come_out_as_they_went_in() -> None:
    ours, theirs = Pipe.pair()
    messages = [b"", b"x", b"two", b"y" * (3 * READ_AT_ONCE + 1), b"", b"the last"]
    sender = threading.Thread(target=lambda: [theirs.send(each) for each in messages])
    sender.start()

    received = [ours.receive() for _ in messages]

    sender.join()
    assert received == messages
    assert not ours.wait(0)


def test_a_message_that_was_read_with_another_is_not_waited_for() -> None:
    ours, theirs = Pipe.pair()
    theirs.send(b"one")
    theirs.send(b"two")

    assert ours.wait(10)
    assert ours.receive() == b"one"
    assert ours.wait(0)
    assert ours.receive() == b"two"


def test_part_of_a_message_holds_up_nobody() -> None:
    ours, theirs = Pipe.pair()
    os.write(theirs.descriptor, (1_000).to_bytes(4, "big") + b"not all of it")

    assert not ours.wait(0.05)
    os.write(theirs.descriptor, b"x" * (1_000 - len(b"not all of it")))
    assert ours.wait(10)
    assert len(ours.receive()) == 1_000


def test_what_is_no_message_is_refused() -> None:
    ours, theirs = Pipe.pair()
    os.write(theirs.descriptor, b"xxxxxxxx")

    with pytest.raises(OSError, match="none of ours"):
        ours.wait(10)


def test_an_end_that_does_not_read_is_given_up() -> None:
    ours, theirs = Pipe.pair()

    with pytest.raises(OSError, match="does not read"):
        ours.send(b"x" * 2**24, patience=0.05)
    theirs.close()


def test_the_end_is_told_to_both_after_what_was_said_before_it() -> None:
    ours, theirs = Pipe.pair()
    theirs.send(b"the last word")
    theirs.close()

    assert ours.receive() == b"the last word"
    assert ours.wait(10)
    with pytest.raises(EOFError):
        ours.receive()
    with pytest.raises(OSError, match="pipe"):
        ours.send(b"hello?")
    ours.close()
