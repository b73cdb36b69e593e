"""What a job's function takes, as it is looked at again and again."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from rota.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Parameters:
    """Jobs whose functions take the same share one of these."""

    is_async: bool
    wants_run: bool
    """Whether the function has a parameter ``run``, to be given the ``Run`` of the attempt."""
    accepted: frozenset[str] | None
    """The arguments it takes by name; ``None``: any."""
    required: frozenset[str]
    in_order: tuple[str, ...]
    """The arguments that may be given by position."""


_known: dict[Parameters, Parameters] = {}
_of_shape: dict[tuple[Any, ...], Parameters] = {}
"""Of functions that look alike to ``_plain``: to look at one more takes no longer than to find it here."""


def parameters_of(name: str, function: Callable[..., Any]) -> Parameters:
    """Raises ``ConfigError`` for what could not be given by ``enqueue``, or whose call would not run its body."""
    found = _plain(function) if type(function) is FunctionType else None
    if found is None:
        found = _by_signature(name, function)
    return _known.setdefault(found, found)


_ODD = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


def _plain(function: FunctionType) -> Parameters | None:
    """The short way, for most functions; ``inspect`` takes twenty times as long. ``None``: it is not that plain."""
    code = function.__code__
    odd = code.co_flags & _ODD or code.co_posonlyargcount
    if odd or hasattr(function, "__wrapped__") or hasattr(function, "__signature__"):
        return None
    named = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    is_async = bool(code.co_flags & inspect.CO_COROUTINE)
    defaults, by_name = function.__defaults__ or (), function.__kwdefaults__ or ()
    shape = is_async, code.co_argcount, named, len(defaults), *by_name
    found = _of_shape.get(shape)
    in_order = named[: code.co_argcount]
    if found is None and in_order[:1] not in _OF_METHODS:
        optional = {*in_order[len(in_order) - len(defaults) :], *by_name}
        found = _of_shape[shape] = _of_names(is_async, named, in_order, optional)
    return found


def _of_names(is_async: bool, named: Sequence[str], in_order: Sequence[str], optional: set[str]) -> Parameters:
    return Parameters(
        is_async=is_async,
        wants_run="run" in named,
        accepted=frozenset(named) - {"run"},
        required=frozenset(named) - optional - {"run"},
        in_order=tuple(each for each in in_order if each != "run"),
    )


_OF_METHODS = {("self",), ("cls",)}


def _by_signature(name: str, function: Callable[..., Any]) -> Parameters:
    if inspect.isclass(function):
        raise ConfigError(f"job {name!r} is a class", hint="Write a function that uses it.")
    if tuple(inspect.signature(function).parameters)[:1] in _OF_METHODS:
        raise ConfigError(
            f"job {name!r} is a method, and there would be nothing to call it on",
            hint="Write a function outside of its class, which makes or finds the object.",
        )
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigError(
            f"job {name!r} is a generator: calling it would do nothing",
            hint="Drop the yield, or loop over it in a job.",
        )
    parameters = dict(inspect.signature(function).parameters)
    for parameter in parameters.values():
        if parameter.kind in {parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL}:
            raise ConfigError(
                f"job {name!r}: parameter {parameter.name!r} cannot be given by name",
                hint="Arguments of a run are stored by name: drop the / or the *.",
            )
    open_ended = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    named = {key: each for key, each in parameters.items() if each.kind is not each.VAR_KEYWORD}
    wants_run = named.pop("run", None) is not None
    return Parameters(
        is_async=inspect.iscoroutinefunction(function),
        wants_run=wants_run,
        accepted=None if open_ended else frozenset(named),
        required=frozenset(key for key, each in named.items() if each.default is each.empty),
        in_order=tuple(key for key, each in named.items() if each.kind is each.POSITIONAL_OR_KEYWORD),
    )
