"""What a slot and its child say to each other: each message is its length and its bytes.

``multiprocessing.connection`` does the same; it takes longer to import than a child should take to start, and makes a
selector for each look.
"""

from __future__ import annotations

import os
import select
import time
from contextlib import suppress

LENGTH = 4
READ_AT_ONCE = 1_048_576
LONGEST = 2**30
EXIT_WITHOUT_PIPE = 76
"""With which a child ends that finds its own end closed: its body did it (EX_PROTOCOL of ``sysexits.h``)."""


class GarbledError(OSError):
    """What was heard is no message: somebody else wrote into the pipe."""


class Pipe:
    """One end. Whoever sends holds a lock of his own; one thread alone looks and receives."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        os.set_blocking(descriptor, False)
        self._heard = bytearray()
        self._ended = False
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)

    @classmethod
    def pair(cls) -> tuple[Pipe, Pipe]:
        import socket  # slow, and a child is given its end

        ours, theirs = socket.socketpair()
        return cls(ours.detach()), cls(theirs.detach())

    def send(self, message: bytes, patience: float | None = None) -> None:
        """Raises ``OSError`` where nobody is at the other end, or nobody reads there for so many seconds."""
        rest = memoryview(len(message).to_bytes(LENGTH, "big") + message)
        while rest:
            try:
                rest = rest[os.write(self.descriptor, rest) :]
            except BlockingIOError:
                self._wait_for_room(patience)

    def wait(self, seconds: float) -> bool:
        """Whether there is something to receive, at the latest after so long: a whole message, or the end.

        Raises ``GarbledError`` for what is no message.
        """
        give_up_at = time.monotonic() + seconds
        while self._length() is None and not self._ended:
            left = give_up_at - time.monotonic()
            if not self._poll.poll(max(0.0, left) * 1_000):
                return False
            self._hear()
            if left <= 0 and self._length() is None:
                return self._ended
        return True

    def receive(self) -> bytes:
        """The next message. Raises ``EOFError`` where the other end is closed."""
        while (length := self._length()) is None:
            if self._ended:
                raise EOFError
            self._poll.poll()
            self._hear()
        end = LENGTH + length
        message = bytes(self._heard[LENGTH:end])
        del self._heard[:end]
        return message

    def close(self) -> None:
        os.close(self.descriptor)

    def _length(self) -> int | None:
        """Of the next message, if all of it was heard."""
        if len(self._heard) < LENGTH:
            return None
        length = int.from_bytes(self._heard[:LENGTH], "big")
        if length > LONGEST:
            raise GarbledError(f"a message of {length:,} bytes, which is none of ours")
        return length if len(self._heard) >= LENGTH + length else None

    def _hear(self) -> None:
        with suppress(BlockingIOError):
            heard = os.read(self.descriptor, READ_AT_ONCE)
            self._ended = not heard
            self._heard += heard

    def _wait_for_room(self, patience: float | None) -> None:
        room = select.poll()
        room.register(self.descriptor, select.POLLOUT)
        if not room.poll(None if patience is None else patience * 1_000):
            raise OSError("the other end does not read")
