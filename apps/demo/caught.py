"""``python -m apps.demo.caught [--json]``: every message that the local servers caught."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import click

from apps.demo.data import HOME
from apps.demo.surroundings import HOOKS, MAILS

Row = dict[str, Any]
RECIPIENT, TEXT = ("to", "token", "recipient_id", "chat_id", "recipient"), ("text", "body", "content", "message")
"""Whatever a provider calls it."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="A JSON document, a message a line.")
@click.option("--data", type=click.Path(path_type=Path), default=HOME, help="Where the data is kept.")
def main(as_json: bool, data: Path) -> None:
    """What the demonstration has caught: mails, then messages by webhook, each in the order in which they came."""
    if as_json:
        lines = (json.dumps(row, ensure_ascii=False) for row in caught(data))
        first = next(lines, None)
        click.echo("[" if first is None else f"[\n{first}", nl=False)
        for line in lines:
            click.echo(f",\n{line}", nl=False)
        click.echo("]" if first is None else "\n]")
        return
    for row in caught(data):
        click.echo(f"{row['channel']:<9} {row['recipient']:<34} {row['subject'] or _one_line(row['text'])}")


def caught(directory: Path) -> Iterator[Row]:
    """One row a message and recipient: channel, recipient, subject, text, headers, idempotency_key."""
    for entry in _lines(directory / MAILS / "index.jsonl"):
        yield of_mail(entry["to"], (directory / MAILS / entry["file"]).read_bytes())
    for hook in _lines(directory / HOOKS):
        yield of_hook(hook)


def of_mail(recipient: str, content: bytes) -> Row:
    """SMTP knows no keys: the Message-ID is what a repeat has in common with its original, unless a header says it."""
    mail = message_from_bytes(content, policy=default)
    assert isinstance(mail, EmailMessage)  # noqa: S101 - what the policy makes
    body = mail.get_body(("plain", "html"))
    headers = {name: str(value) for name, value in mail.items()}
    return {
        "channel": "email",
        "recipient": recipient,
        "subject": headers.get("Subject"),
        "text": "" if body is None else body.get_content().replace("\r\n", "\n"),
        "headers": headers,
        "idempotency_key": headers.get("Idempotency-Key") or headers.get("Message-ID"),
    }


def of_hook(hook: Mapping[str, Any]) -> Row:
    body = hook["body"]
    return {
        "channel": hook["channel"],
        "recipient": _first(body, RECIPIENT),
        "subject": _first(body, ("title", "subject")),
        "text": _first(body, TEXT),
        "headers": hook.get("headers", {}),
        "idempotency_key": hook["key"] or None,
    }


def _first(body: Any, names: tuple[str, ...]) -> Any:
    return next((body[name] for name in names if name in body), None) if isinstance(body, dict) else None


def _lines(path: Path) -> Iterator[Row]:
    if path.exists():
        with path.open() as file:
            for line in file:
                yield json.loads(line)


def _one_line(text: object) -> str:
    return " ".join(str(text or "").split())


if __name__ == "__main__":
    main()
