"""The policies: each stands once, here, as a key of the dictionary that says where it may be given.

Type checkers read the keys and their types (``Unpack[JobPolicies]``). The program reads the ``Policy`` beside each
type: for the checks at the edge, the options of commands, the fields of the settings, what `rota job show` prints, and
the table in docs/policies.md.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Flag, auto
from typing import Annotated, Any, Literal, TypedDict, get_args, get_type_hints

from rota.calendar import Trigger
from rota.clock import to_us
from rota.errors import ConfigError
from rota.model import payload
from rota.model.duration import Duration, seconds
from rota.model.rate import Rate
from rota.model.retry import Retry
from rota.model.size import size_in_bytes
from rota.model.suggestion import suggestion
from rota.shown import shown

DEFAULT_QUEUE = "default"
DEFAULT_TIMEOUT = 600.0
DEFAULT_RETRY = Retry()
NAME_CHARACTERS = 200
MOST = 1_000_000_000
SMALLEST_PROCESS = 32_000_000
PRIORITIES = range(-1_000_000, 1_000_001)
WHOLE_NUMBERS = range(-(2**63), 2**63)
"""That both databases can hold."""
COUNTS = range(1, 1_000_000_001)
CatchUp = Literal["latest", "none", "all"]
Executor = Literal["thread", "process"]
Each = Literal["host"]
Overlap = Literal["skip", "queue_one", "queue_all", "cancel_running", "allow"]


class Also(Flag):
    """Where a policy may be given beside the code."""

    NOWHERE = 0
    SETTINGS = auto()
    """``[schedules.NAME]``"""
    CLI = auto()
    """Of a schedule: `rota schedule add|edit`. Of a call: `rota job run`."""


SETTINGS, CLI = Also.SETTINGS, Also.CLI


@dataclass(frozen=True, slots=True)
class Kind:
    """A sort of value. ``read`` returns it as the engine has it, and raises ``ValueError`` or ``ConfigError``."""

    read: Callable[[Any], Any]
    wanted: str
    """What a person is told to give."""
    choices: tuple[str, ...] = ()
    plain: Callable[[Any], Any] = lambda value: value
    """A value that was read, as plain data."""

    def check(self, where: str, name: str, value: Any) -> Any:
        """As ``read``; raises ``ConfigError`` that names what was given, and says what to give."""
        try:
            return self.read(value)
        except ConfigError as error:
            told, hint = f": {error}", error.hint
        except ValueError:
            told, hint = "", ""
        raise ConfigError(
            f"{where}: {name}={shown(value)} cannot be used{told}", hint=hint or f"Give {self.wanted}."
        ) from None


@dataclass(frozen=True, slots=True)
class Policy:
    """What is said of a policy in one line; ``type`` is the one that stands beside it."""

    kind: Kind
    default: Any
    help: str
    also: Also = Also.NOWHERE
    type: Any = None

    def read(self, where: str, name: str, value: Any) -> Any:
        """Raises ``ConfigError`` for what cannot be meant; ``None`` leaves it to the default, if it is no value."""
        if value is None:
            return None if type(None) in get_args(self.type) else self.default
        return self.kind.check(where, name, value)

    def plain(self, value: Any) -> Any:
        """A value that was read, as JSON can hold it."""
        return None if value is None else self.kind.plain(value)


def _one_of(*kinds: type) -> Callable[[Any], Any]:
    """A truth value is no number, though Python has it for one."""

    def read(value: Any) -> Any:
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise ValueError
        return value

    return read


def _where(holds: Callable[[Any], bool], read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """What ``read`` returns, if that holds of it."""

    def read_and_look(value: Any) -> Any:
        found = read(value)
        if not holds(found):
            raise ValueError
        return found

    return read_and_look


def choice(names: Iterable[str]) -> Kind:
    choices = tuple(names)
    return Kind(_where(lambda value: value in choices, _one_of(str)), f"one of {', '.join(choices)}", choices)


def _seconds(value: Any) -> float:
    return seconds(_one_of(timedelta, int, float, str)(value))


def _text(value: Any) -> str:
    """Text as both databases can hold it: nothing is changed silently, as two keys might become one."""
    text: str = _one_of(str)(value)
    if text.isascii() and "\0" not in text:  # most text
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigError("half of a surrogate pair is no text", hint=_ODD_TEXT) from None
    if "\0" in text:
        raise ConfigError("no database keeps a NUL in text", hint=_ODD_TEXT)
    return text


_SHORT = "Give a short name."
_ODD_TEXT = "Leave it out, or give a digest: hashlib.blake2b(data).hexdigest()."


def _name(value: Any) -> str:
    """A name stands in indexes of both databases, beside others."""
    text = _text(value)
    if not text:
        raise ValueError
    if len(text) > NAME_CHARACTERS:
        raise ConfigError(f"it is {len(text):,} characters long, more than the {NAME_CHARACTERS} allowed", hint=_SHORT)
    return text


def _count(value: Any) -> int:
    count: int = _one_of(int)(value)
    if count > MOST:
        raise ConfigError(f"it is more than {MOST:,}", hint="Leave it out for no limit.")
    if count < 1:
        raise ValueError
    return count


def _trigger_hint(text: str) -> str:
    """``every 10s`` is how people speak of an interval; all else may be meant as cron."""
    first, _, rest = text.strip().partition(" ")
    return (
        f"Write every({rest!r})." if first.lower() == "every" else f"Write cron({text!r}), or every(…) for an interval."
    )


def _trigger(value: Any) -> Trigger:
    """A trigger is made by a word of ours: text alone does not say of which kind it is."""
    if isinstance(value, str):
        raise ConfigError("it is no trigger", hint=_trigger_hint(value))
    if Trigger not in type(value).__mro__:  # to look at a protocol's methods takes long, and ours say so themselves
        _one_of(Trigger)(value)
    trigger: Trigger = value
    return trigger


def _moment(value: Any) -> datetime:
    moment: datetime = _one_of(datetime)(value)
    to_us(moment)  # which refuses one without a zone
    return moment


def _arguments(value: Any) -> dict[str, Any]:
    """Refused here, where they are written, if they cannot be stored: nobody is there when the schedule fires."""
    arguments = dict(_one_of(Mapping)(value))
    payload.dump(arguments, "arguments")
    return arguments


def _waits(retry: Retry) -> dict[str, object]:
    """The first waits before another attempt, in seconds, and by what share each of them is spread."""
    exact = replace(retry, jitter=0.0)
    waits = [round(exact.delay(failures), 3) for failures in range(1, min(retry.attempts, WAITS_SHOWN + 1))]
    return {"waits": waits, "jitter": 0.0 if retry.delays else retry.jitter}


WAITS_SHOWN = 10
ARGUMENTS = Kind(_arguments, "a dict of the job's arguments")
CATCH_UP = choice(get_args(CatchUp))
COUNT = Kind(_where(COUNTS.__contains__, _one_of(int)), f"a whole number from 1 to {COUNTS[-1]:,}")
EACH = replace(choice(get_args(Each)), wanted='"host"; None is one run')
CONNECTION = Kind(lambda value: value, "a connection to the database that Rota uses")
FLAG = Kind(_one_of(bool), "True or False")
FUNCTION = Kind(
    _where(callable, lambda value: value),
    "a function of the job's arguments that returns text",
    plain=lambda function: f"{getattr(function, '__name__', 'key')}{inspect.signature(function)}",
)
ITEMS = Kind(_one_of(Iterable), "a list, or anything to loop over")
KEY = Kind(
    lambda value: value if callable(value) else _text(value), "text, or a function of the arguments that returns it"
)
LENGTH = Kind(_seconds, 'seconds, or "6h"')
LIMIT = Kind(_where(lambda length: length > 0, _seconds), 'seconds, or "10m"; None is no limit')
MOMENT = Kind(_moment, "a datetime with a zone: datetime(2026, 3, 5, 18, tzinfo=ZoneInfo('Europe/Paris'))")
NAME = Kind(_name, "the name of a queue")
NAMES = Kind(
    lambda value: frozenset(map(_name, _one_of(list, tuple, set, frozenset)(value))),
    'a list of names, as in ["production"]',
    plain=sorted,
)
EXECUTOR = choice(get_args(Executor))
OVERLAP = choice(get_args(Overlap))
PRIORITY = Kind(
    _where(PRIORITIES.__contains__, _one_of(int)),
    f"a whole number from {PRIORITIES[0]:,} to {PRIORITIES[-1]:,}; lower is sooner",
)
RATE = Kind(
    lambda value: Rate.parse(value) if isinstance(value, str) else _one_of(Rate)(value),
    'text such as "100/m"',
    plain=str,
)
RETRY = Kind(
    lambda value: value if isinstance(value, Retry) else Retry(attempts=_one_of(int)(value)),
    "Retry(attempts=…), or a number of attempts",
    plain=_waits,
)
SIZE = Kind(
    _where(lambda size: size >= SMALLEST_PROCESS, lambda value: size_in_bytes(_one_of(int, str)(value))),
    'bytes, or "300MB", "1.5GB"; at least 32 MB, as Python and Rota take that much',
)
TEXT = Kind(_text, "text")
WORD = Kind(_name, "a name")
WHOLE = Kind(_where(WHOLE_NUMBERS.__contains__, _one_of(int)), "a whole number of at most 64 bits")
TRIGGER = Kind(_trigger, "a trigger: cron(…), every(…), at(…) or any_of(…)")
WAIT = Kind(
    lambda value: value if isinstance(value, bool) else _seconds(value), 'True, or at most so long: seconds, or "5m"'
)


def of_type(cls: type) -> Kind:
    return Kind(_one_of(cls), f"a {cls.__name__}")


MOMENT_OF_ANY_CLOCK = Kind(_one_of(datetime), "a datetime")


class _Queueing(TypedDict, total=False):
    queue: Annotated[str | None, Policy(NAME, DEFAULT_QUEUE, "Where its runs wait; else as the job says.", CLI)]
    priority: Annotated[int | None, Policy(PRIORITY, 0, "Lower is sooner; else as the job says.", CLI)]
    start_within: Annotated[
        Duration | None, Policy(LIMIT, None, "Not begun so long after it was due, a run expires.", CLI)
    ]


class SchedulePolicies(_Queueing, total=False):
    """What a schedule may be given: by its job, by ``rota.schedules``, in part by the settings and at the terminal."""

    arguments: Annotated[Mapping[str, Any], Policy(ARGUMENTS, {}, "What the job is given.")]
    catch_up: Annotated[CatchUp, Policy(CATCH_UP, "latest", "Which of the moments that were missed.", SETTINGS | CLI)]
    catch_up_window: Annotated[
        Duration | None,
        Policy(LENGTH, None, "How late that is done; a day, or one period if longer.", SETTINGS | CLI),
    ]
    catch_up_cap: Annotated[int, Policy(COUNT, 100, 'At most so many, with "all".', SETTINGS | CLI)]
    overlap: Annotated[
        Overlap, Policy(OVERLAP, "skip", "When it is due and an earlier run is not over.", SETTINGS | CLI)
    ]
    each: Annotated[Each | None, Policy(EACH, None, 'With "host", a run on every living host.', SETTINGS | CLI)]
    jitter: Annotated[Duration, Policy(LENGTH, 0.0, "Spread the starts over so long.", SETTINGS | CLI)]
    starts: Annotated[datetime | None, Policy(MOMENT, None, "No moment before this one is due.", SETTINGS | CLI)]
    ends: Annotated[datetime | None, Policy(MOMENT, None, "No moment after this one is due.", SETTINGS | CLI)]


class JobPolicies(SchedulePolicies, total=False):
    """What ``@rota.job`` may be given."""

    schedule: Annotated[Trigger | None, Policy(TRIGGER, None, "When it is due by itself.")]
    retry: Annotated[Retry | int, Policy(RETRY, DEFAULT_RETRY, "How often and when it is tried again.")]
    timeout: Annotated[Duration | None, Policy(LIMIT, DEFAULT_TIMEOUT, "When the body is told to stop.")]
    executor: Annotated[Executor, Policy(EXECUTOR, "thread", "Where its body is done: here, or in a process apart.")]
    hard_timeout: Annotated[Duration | None, Policy(LIMIT, None, "When its process is killed, whatever it does.")]
    memory: Annotated[int | str | None, Policy(SIZE, None, "What its process may hold, with all that it starts.")]
    concurrency: Annotated[int | None, Policy(COUNT, None, "Runs at one time, over all nodes.")]
    concurrency_key: Annotated[Callable[..., str] | None, Policy(FUNCTION, None, "Counts those of a key apart.")]
    rate: Annotated[str | Rate | None, Policy(RATE, None, "Starts in a time, over all nodes.")]
    environments: Annotated[Iterable[str] | None, Policy(NAMES, None, "Where it runs by itself.")]
    destructive: Annotated[bool, Policy(FLAG, False, "In staging, and where it is off, its runs are dry.")]
    sends: Annotated[bool, Policy(FLAG, False, "In staging, and where it is off, its runs are muted.")]


class CallOptions(_Queueing, total=False):
    """What ``options(…)`` may be given, for one call."""

    at: Annotated[datetime | None, Policy(MOMENT, None, "Not before this moment.")]
    delay: Annotated[Duration | None, Policy(LENGTH, None, "Not before so long from now.", CLI)]
    key: Annotated[
        str | Callable[..., str] | None, Policy(KEY, None, "No other run while one with this key waits or runs.", CLI)
    ]
    debounce: Annotated[Duration | None, Policy(LENGTH, None, "So long after the last call with its key.")]
    due: Annotated[datetime | None, Policy(MOMENT, None, "The due moment that it stands for.", CLI)]
    as_of: Annotated[
        datetime | None,
        Policy(
            MOMENT, None, "The moment that its rules go by; it stands for that one too, unless `due` is given.", CLI
        ),
    ]
    dry_run: Annotated[bool, Policy(FLAG, False, "Its body must look and count, and change nothing.", CLI)]
    by: Annotated[str | None, Policy(TEXT, None, "Who asks, for the record.")]
    connection: Annotated[Any, Policy(CONNECTION, None, "Part of the transaction of this connection.")]
    wait: Annotated[bool | Duration, Policy(WAIT, False, "Return when the run is over; at most so long.")]
    force_disabled: Annotated[bool, Policy(FLAG, False, "By hand, also where the job is off.")]


def read_name(noun: str, value: Any) -> str:
    """The name of a job or schedule, as both databases can hold it; raises ``ConfigError``."""
    shown = value if not isinstance(value, str) or len(value) <= NAME_CHARACTERS else f"{value[:40]}…"
    try:
        return _name(value)
    except ConfigError as error:
        raise ConfigError(f"{noun} {shown!r} cannot be called so: {error}", hint=error.hint) from None
    except ValueError:
        raise ConfigError(f"{shown!r} is no name for a {noun}", hint="Give some text.") from None


def _table(words: Any) -> dict[str, Policy]:
    hints = get_type_hints(words, include_extras=True)
    return {name: replace(hint.__metadata__[0], type=hint.__origin__) for name, hint in hints.items()}


OF_A_SCHEDULE, OF_A_JOB, OF_A_CALL = map(_table, (SchedulePolicies, JobPolicies, CallOptions))


def read_policies(where: str, table: Mapping[str, Policy], given: Mapping[str, Any]) -> dict[str, Any]:
    """What is given, as the engine has it; raises ``ConfigError`` for what is not known or cannot be meant."""
    for name in given:
        if name not in table:
            raise ConfigError(f"{where}: there is no {name!r} to give", hint=suggestion(name, table))
    return {name: table[name].read(where, name, value) for name, value in given.items()}
