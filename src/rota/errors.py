"""Every exception that Rota raises.

RotaError
├── ConfigError              the application or its settings are wrong
│   ├── CronError            an expression, with the place of the mistake
│   ├── UnknownZoneError     a time zone that this machine does not know
│   ├── MomentError          a value that names no moment
│   ├── DuplicateJobError    two jobs of one name
│   ├── MissingExtraError    an optional package is not installed
│   └── SettingsError        all mistakes of one start, listed together
├── NotFoundError            a job, schedule, run or queue that does not exist
├── ConflictError            the thing is not in a state that allows it
├── PayloadError             a value that cannot be stored as JSON
├── StoreError               the database refused
│   ├── StoreUnreachableError  it is away
│   │   └── CommitUnknownError   it went away before its answer to a commit
│   ├── StoreReplacedError     its file was deleted, or another one put in its place
│   └── SchemaError          its tables are older or newer than this code, or not its own
├── LockUnavailableError     somebody else holds the lock
├── WaitTimeoutError         the run did not end in the time given
└── Interrupted              raised inside a job's body: stop now
    ├── RunCancelledError    somebody asked for it
    ├── RunTimedOutError     its time is up
    └── RunLostError         its lease is lost, or the node is stopping

BaseException
└── Parked                   ends an attempt whose body waits for a signal: no error, and nobody's to catch

A message is one line of what is wrong; ``hint``, where there is one, is a line of what to do.
"""

from __future__ import annotations


class RotaError(Exception):
    """Base of all; ``exit_code`` is what the command line ends with."""

    exit_code = 1

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").split("\n")[0])
        self.hint = hint
        if hint:
            self.add_note(f"Hint: {hint}")  # so that a traceback shows it too

    @property
    def line(self) -> str:
        """What is wrong and what to do, in one line: for lists of mistakes."""
        return f"{self._wrong} ({self.hint})" if self.hint else self._wrong

    @property
    def _wrong(self) -> str:
        return str(self)


class ConfigError(RotaError):
    """The application or its settings are wrong."""

    exit_code = 2


class CronError(ConfigError, ValueError):
    """A cron expression that cannot be read or can never fire.

    ``expression`` is the text as given, ``span`` the half-open range of the bad part in it, ``field`` the name of
    the field. ``str()`` of the error shows the expression with a caret under the bad part, what its field allows and
    the hint.
    """

    def __init__(
        self,
        message: str,
        *,
        expression: str = "",
        span: tuple[int, int] = (0, 0),
        field: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(message)  # its text has the hint in it
        self.hint = hint
        self.expression = expression
        self.span = span
        self.field = field

    def __str__(self) -> str:
        lines = [super().__str__()]
        if self.expression.strip():
            start, end = self.span
            lines.append("  " + "".join(char if char.isprintable() else " " for char in self.expression).rstrip())
            lines.append("  " + " " * start + "^" * max(end - start, 1))
        return "\n".join([*lines, self.hint] if self.hint else lines)

    @property
    def _wrong(self) -> str:
        message = super().__str__()
        return f"{message}, in {self.expression!r}" if self.expression.strip() else message


class UnknownZoneError(ConfigError, ValueError):
    """A time zone that this machine does not know."""


class MomentError(ConfigError, ValueError):
    """A value that names no moment: no datetime, or one without a zone."""


class DuplicateJobError(ConfigError):
    """Two jobs have one name."""


class MissingExtraError(ConfigError, ImportError):
    """An optional package is not installed."""


class SettingsError(ConfigError):
    """Settings that cannot be used; ``problems`` lists all of them, a line each."""

    def __init__(self, problems: list[str], *, hint: str = "") -> None:
        super().__init__("\n".join(problems), hint=hint)
        self.problems = problems


class NotFoundError(RotaError, LookupError):
    """There is no such thing."""

    exit_code = 3


class ConflictError(RotaError):
    """The thing is not in a state that allows it."""

    exit_code = 5


class PayloadError(RotaError, TypeError):
    """A value that cannot be stored as JSON; ``path`` leads to it, as in ``args.user.born``."""

    exit_code = 2

    def __init__(self, message: str, *, path: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.path = path


class StoreError(RotaError):
    """The database refused."""

    exit_code = 6


class StoreUnreachableError(StoreError):
    """The database cannot be reached."""


class CommitUnknownError(StoreUnreachableError):
    """The database went away before its answer to a commit: it was done, or it was not."""


class StoreReplacedError(StoreError):
    """The file that was opened is gone, or another one is in its place."""


class SchemaError(StoreError):
    """The tables are older or newer than this code, or not its own."""


class LockUnavailableError(RotaError):
    """Somebody else holds the lock."""

    exit_code = 5


class WaitTimeoutError(RotaError, TimeoutError):
    """The run did not end in the time given."""

    exit_code = 124


class Interrupted(RotaError):  # noqa: N818 - a signal to the body, not a mistake of anybody's
    """The body of the job is asked to stop."""


class RunCancelledError(Interrupted):
    """Somebody cancelled the run."""


class RunTimedOutError(Interrupted):
    """The run's time is up."""


class RunLostError(Interrupted):
    """The run's lease is lost, or its node is stopping: whatever it would still write is refused."""


class Parked(BaseException):
    """Raised by ``run.wait_for``: the attempt ends here, and the body begins again when the signal has come.

    ``except Exception`` lets it pass; ``finally`` is done.
    """

    def __init__(self, name: str, timeout: float | None = None, about: str | None = None) -> None:
        super().__init__(f"it waits for the signal {name}")
        self.name = name
        self.timeout = timeout
        self.about = about
