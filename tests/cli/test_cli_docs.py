"""What docs/cli.md and the help say of the commands is what the commands do."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from rota.cli.errors import Exit
from rota.cli.main import main

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()


def commands(group: click.Group = main, path: str = "rota") -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, with the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


COMMANDS = dict(commands())
BLOCKS = "\n".join(re.findall(r"```(?:sh|console)\n(.*?)```", PAGE, re.DOTALL))
HELPS = "\n".join(command.help or "" for command in COMMANDS.values())
EXAMPLES = re.findall(r"^ *(?:\$ )?(rota .+)$", f"{BLOCKS}\n{HELPS}", re.MULTILINE)


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_stands_in_the_page(path: str) -> None:
    assert re.search(rf"`{path}[ `]", PAGE)


@pytest.mark.parametrize("path", COMMANDS)
def test_every_help_has_an_example_of_its_own(path: str) -> None:
    assert re.search(rf"^\s*{path}( |$)", COMMANDS[path].help or "", re.MULTILINE)


@pytest.mark.parametrize("example", sorted(set(EXAMPLES)))
def test_every_example_is_one_that_the_command_takes(example: str) -> None:
    words = shlex.split(re.split(r" [|&]+ ", example.partition("  ")[0])[0])[1:]
    context = main.make_context("rota", words)
    group: click.Command = main
    rest = [*context._protected_args, *context.args]
    while isinstance(group, click.Group):
        _, found, rest = group.resolve_command(context, rest)
        assert found is not None
        group = found

    group.make_context(group.name, rest, parent=context)


def test_the_table_of_exit_codes_is_the_one_in_force() -> None:
    section = PAGE.partition("### Exit codes")[2].partition("\n## ")[0]

    assert [int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)] == [code.value for code in Exit]


def test_the_page_names_no_command_that_is_not_there() -> None:
    named = {words.strip() for words in re.findall(r"^\| `(rota [a-z ]+)", PAGE, re.MULTILINE)}

    assert named <= COMMANDS.keys()


def test_the_table_of_options_of_rota_up_has_every_one_and_no_other() -> None:
    told = re.findall(
        r"^\| `(--[a-z-]+)", PAGE.partition("| option of `rota up` |")[2].partition("\n\n")[0], re.MULTILINE
    )
    options = [each for each in COMMANDS["rota up"].params if isinstance(each, click.Option) and not each.hidden]

    assert set(told) == {each.opts[0] for each in options} - {"--app"}
