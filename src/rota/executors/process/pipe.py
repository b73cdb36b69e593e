"""What a slot and its child say to each other: each message is its length and its bytes.

``multiprocessing.connection`` does the same; it takes longer to import than a child should take to start, and makes a
selector for each look.
"""

from __future__ import annotations

import os
import select

LENGTH = 4
READ_AT_ONCE = 65_536


class Pipe:
    """One end. Whoever sends holds a lock of his own; one thread alone looks and receives."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._heard = b""
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)

    @classmethod
    def pair(cls) -> tuple[Pipe, Pipe]:
        import socket  # slow, and a child is given its end

        ours, theirs = socket.socketpair()
        return cls(ours.detach()), cls(theirs.detach())

    def send(self, message: bytes) -> None:
        """Raises ``OSError`` where nobody is at the other end."""
        rest = memoryview(len(message).to_bytes(LENGTH, "big") + message)
        while rest:
            rest = rest[os.write(self.descriptor, rest) :]

    def wait(self, seconds: float) -> bool:
        """Whether there is something to receive, at the latest after so long: a message, or the end."""
        return self._length() is not None or bool(self._poll.poll(max(0.0, seconds) * 1_000))

    def receive(self) -> bytes:
        """The next message. Raises ``EOFError`` where the other end is closed."""
        while (length := self._length()) is None:
            self._hear()
        end = LENGTH + length
        message, self._heard = self._heard[LENGTH:end], self._heard[end:]
        return message

    def close(self) -> None:
        os.close(self.descriptor)

    def _length(self) -> int | None:
        """Of the next message, if all of it was heard."""
        if len(self._heard) < LENGTH:
            return None
        length = int.from_bytes(self._heard[:LENGTH], "big")
        return length if len(self._heard) >= LENGTH + length else None

    def _hear(self) -> None:
        heard = os.read(self.descriptor, READ_AT_ONCE)
        if not heard:
            raise EOFError
        self._heard += heard
