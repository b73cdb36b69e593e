"""Policies of a schedule and options of a call, as options of a command: those that the table lets a terminal give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from rota.cli.moments import duration, moment
from rota.model.policy import COUNT, FLAG, KEY, LENGTH, MOMENT, NAME, PRIORITY, TEXT, Also, Kind, Policy

Command = TypeVar("Command", bound=Callable[..., Any])
FORMS: Mapping[Kind, dict[str, Any]] = {
    COUNT: {"type": click.IntRange(1)},
    FLAG: {"is_flag": True, "default": None},
    KEY: {"metavar": "TEXT"},
    MOMENT: {"type": moment, "metavar": "MOMENT"},
    LENGTH: {"type": duration, "metavar": "DURATION"},
    NAME: {"metavar": "NAME"},
    PRIORITY: {"type": int},
    TEXT: {"metavar": "TEXT"},
}


def policy_options(table: Mapping[str, Policy]) -> Callable[[Command], Command]:
    """For ``given_policies``."""

    def decorate(command: Command) -> Command:
        for name, policy in reversed(_at_a_terminal(table).items()):
            option = click.option(f"--{name.replace('_', '-')}", help=policy.help, **_form(policy.kind))
            command = option(command)
        return command

    return decorate


def given_policies(table: Mapping[str, Policy], given: Mapping[str, Any]) -> Any:
    """Those that are given, by name."""
    return {name: given[name] for name in _at_a_terminal(table) if given[name] is not None}


def _at_a_terminal(table: Mapping[str, Policy]) -> dict[str, Policy]:
    return {name: policy for name, policy in table.items() if Also.CLI in policy.also}


def _form(kind: Kind) -> dict[str, Any]:
    return {"type": click.Choice(kind.choices)} if kind.choices else FORMS[kind]
