"""Policies of a schedule and options of a call, as options of a command: those that the table lets a terminal give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_args

import click

from rota.cli.moments import duration, moment
from rota.model.policy import COUNT, FLAG, KEY, LENGTH, LIMIT, MOMENT, NAME, PRIORITY, TEXT, Also, Kind, Policy

NONE = object()
"""Said at the terminal of a policy that is to have no value."""
Command = TypeVar("Command", bound=Callable[..., Any])
FORMS: Mapping[Kind, dict[str, Any]] = {
    COUNT: {"type": click.IntRange(1)},
    FLAG: {"is_flag": True, "default": None},
    KEY: {"metavar": "TEXT"},
    MOMENT: {"type": moment, "metavar": "MOMENT"},
    LENGTH: {"type": duration, "metavar": "DURATION"},
    LIMIT: {"type": duration, "metavar": "DURATION"},
    NAME: {"metavar": "NAME"},
    PRIORITY: {"type": int},
    TEXT: {"metavar": "TEXT"},
}


def policy_options(table: Mapping[str, Policy]) -> Callable[[Command], Command]:
    """For ``given_policies``."""

    def decorate(command: Command) -> Command:
        for name, policy in reversed(_at_a_terminal(table).items()):
            option = click.option(f"--{name.replace('_', '-')}", help=policy.help, **_form(policy))
            command = option(command)
        return command

    return decorate


def given_policies(table: Mapping[str, Policy], given: Mapping[str, Any]) -> Any:
    """Those that are given, by name; ``none`` takes one back."""
    found = {name: given[name] for name in _at_a_terminal(table) if given[name] is not None}
    return {name: None if value is NONE else value for name, value in found.items()}


def _at_a_terminal(table: Mapping[str, Policy]) -> dict[str, Policy]:
    return {name: policy for name, policy in table.items() if Also.CLI in policy.also}


def _form(policy: Policy) -> dict[str, Any]:
    kind = policy.kind
    if kind.choices and type(None) in get_args(policy.type):
        return {"type": click.Choice([*kind.choices, "none"]), "callback": _taken_back}
    form = {"type": click.Choice(kind.choices)} if kind.choices else FORMS[kind]
    if kind in {MOMENT, LENGTH, LIMIT}:
        return {**form, "type": _or_none(form["type"]), "metavar": f"{form['metavar']}|none"}
    return form


def _taken_back(_context: click.Context, _option: click.Parameter, value: Any) -> Any:
    return NONE if value == "none" else value


def _or_none(read: Callable[[str], Any]) -> Callable[[str], Any]:
    def look(text: str) -> Any:
        return NONE if text.strip().lower() == "none" else read(text)

    look.__name__ = read.__name__
    return look
