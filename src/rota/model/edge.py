"""What callers give to public methods, looked at before anything is done with it.

A method says by the types of its parameters what it takes; ``Annotated[str, NAME]`` says it more closely.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from datetime import datetime
from types import SimpleNamespace
from typing import Annotated, Any, ParamSpec, TypeVar, get_args, get_origin, get_type_hints

from rota.model.duration import Duration
from rota.model.policy import COUNT, FLAG, LENGTH, LIMIT, MOMENT_OF_ANY_CLOCK, TEXT, WHOLE, WORD, Kind, of_type

P = ParamSpec("P")
R = TypeVar("R")
Class = TypeVar("Class", bound=type)

Name = Annotated[str, WORD]
"""Not empty, and short enough for an index."""
Count = Annotated[int, COUNT]
Length = Annotated[Duration, LIMIT]
"""More than nothing."""
_KINDS: Mapping[Any, Kind] = {str: TEXT, int: WHOLE, bool: FLAG, datetime: MOMENT_OF_ANY_CLOCK}
_LENGTH = frozenset(get_args(Duration))


def checked(cls: Class) -> Class:
    """All public methods of a class check what they are given."""
    for name, method in list(vars(cls).items()):
        if not name.startswith("_") and inspect.isfunction(method):
            setattr(cls, name, checks(method))
    return cls


def checks(method: Callable[P, R]) -> Callable[P, R]:
    """Raises ``ConfigError`` for a value that is not what its parameter takes; a wrong call is a ``TypeError``."""
    signature = inspect.signature(method)
    where = "rota." + method.__qualname__.lower().removeprefix("rota.")

    @functools.wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        given = signature.bind(*args, **kwargs).arguments
        for name, kind, optional in _wanted(method):
            if name in given and not (optional and given[name] is None):
                kind.check(where, name, given[name])
        return method(*args, **kwargs)

    return call


@functools.cache
def _wanted(method: Callable[..., Any]) -> list[tuple[str, Kind, bool]]:
    """Name and kind of each parameter that has one, and whether it may be ``None``; read at the first call."""
    named = inspect.signature(method).parameters.items()
    told = {name: each.annotation for name, each in named if each.kind is not each.VAR_KEYWORD and name != "self"}
    space = getattr(inspect.unwrap(method), "__globals__", {})
    hints = get_type_hints(SimpleNamespace(__annotations__=told), space, include_extras=True)
    found = [(name, *_kind(hint)) for name, hint in hints.items()]
    return [(name, kind, optional) for name, kind, optional in found if kind is not None]


def _kind(hint: Any) -> tuple[Kind | None, bool]:
    if get_origin(hint) is Annotated:
        return get_args(hint)[1], False
    members = set(get_args(hint)) if _is_union(hint) else {hint}
    optional = type(None) in members
    members.discard(type(None))
    if members == _LENGTH:
        return LENGTH, optional
    if len(members) != 1:
        return None, optional
    [member] = members
    if get_origin(member) is Annotated:
        return get_args(member)[1], optional
    cls = get_origin(member) or member
    if cls is Any:
        return None, True
    return _KINDS.get(cls) or (of_type(cls) if _is_class(cls) else None), optional


def _is_class(cls: object) -> bool:
    """One that ``isinstance`` takes: a protocol need not be."""
    return isinstance(cls, type) and getattr(cls, "_is_runtime_protocol", True)


def _is_union(hint: Any) -> bool:
    return type(None) in get_args(hint) or hint == Duration
