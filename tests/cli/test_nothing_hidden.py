"""What a command takes is what its help tells."""

from __future__ import annotations

from collections.abc import Iterator

import click

from rota.cli.main import main


def commands(command: click.Command, ctx: click.Context) -> Iterator[click.Command]:
    yield command
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            found = command.get_command(ctx, name)
            assert found is not None
            yield from commands(found, ctx)


def test_no_command_has_an_option_that_its_help_does_not_tell() -> None:
    hidden = [
        f"{command.name} {parameter.opts[0]}"
        for command in commands(main, click.Context(main))
        for parameter in command.params
        if getattr(parameter, "hidden", False)
    ]

    assert hidden == []
