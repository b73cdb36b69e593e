"""Where the values of secrets are kept: a file of variables, an encrypted column, AWS Secrets Manager."""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from sqlalchemy import Column, delete, select

from rota.errors import ConfigError, NotFoundError
from rota.recipes.database import engine_of, reading, table_of, writing
from rota.recipes.secret_value import Value
from rota.recipes.tables import insert_or_update

_PLAIN = re.compile(r"[\w.+/=:@~-]*", re.ASCII)
_NAME = re.compile(r"[a-z_][a-z0-9_]*")


class SecretStore(Protocol):
    """A reference is text that names one version of one secret; it says nothing of the value."""

    def put(self, name: str, version: int, value: Value) -> str:
        """Keep it, in the place of what an earlier attempt may have kept; returns the reference."""

    def get(self, ref: str) -> Value:
        """Raises ``NotFoundError``."""

    def promote(self, name: str, ref: str) -> None:
        """Make it the one that others read who know the name alone; it may be so already."""

    def delete(self, ref: str) -> None:
        """Destroy the value; it may be gone already."""


@dataclass(frozen=True, slots=True)
class FileStore:
    """A file of variables that its owner alone may read: ``JWT_SECRET_V3="…"`` for each version, ``JWT_SECRET="…"`` for
    the current one. Other lines stay as they are. It is replaced as a whole, so that nobody ever reads half of it."""

    path: str | os.PathLike[str]

    def put(self, name: str, version: int, value: Value) -> str:
        if not _NAME.fullmatch(name):  # two that differ by case or by a dash would be one variable
            hint = "Lower-case letters, digits and _, as in db_password."
            raise ConfigError(f"{name!r} cannot be the name of a secret in a file of variables", hint=hint)
        ref = f"{_variable(name)}_V{version}"
        self.keep(ref, value)
        return ref

    def keep(self, ref: str, value: Value) -> None:
        """Under a reference that is given, as when it comes from another store."""
        if not ref or set(ref) & set("=\n\r#"):
            raise ConfigError(f"{ref!r} cannot be a reference in a file of variables")
        self._write({ref: value.reveal()})

    def get(self, ref: str) -> Value:
        return Value(_found(dict(self._variables()).get(ref), ref))

    def promote(self, name: str, ref: str) -> None:
        self._write({_variable(name): self.get(ref).reveal()})

    def delete(self, ref: str) -> None:
        self._write({ref: None})

    def _variables(self) -> Iterator[tuple[str, str]]:
        for line in self._lines():
            name, sign, text = line.partition("=")
            if sign:
                yield name, json.loads(text) if text.startswith('"') else text

    def _lines(self) -> list[str]:
        path = Path(self.path)
        return path.read_text().splitlines() if path.exists() else []

    def _write(self, changes: Mapping[str, str | None]) -> None:
        with self._locked():
            before = self._lines()
            lines = [line for line in before if line.partition("=")[0] not in changes]
            lines += [f"{name}={_quoted(text)}" for name, text in changes.items() if text is not None]
            if sorted(lines) != sorted(before):
                self._replace("".join(f"{line}\n" for line in lines))

    def _replace(self, text: str) -> None:
        path = Path(self.path).resolve()
        fresh = path.with_name(f".{path.name}.{uuid4().hex}")
        try:
            with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123 - with its mode
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        path = Path(self.path).resolve()
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(path.with_name(f".{path.name}.lock"), os.O_WRONLY | os.O_CREAT, 0o600), "w") as lock:  # noqa: PTH123
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


@dataclass(frozen=True, slots=True)
class ColumnStore:
    """Encrypted, in a column of a table whose key is text. ``keys`` are of Fernet, kept outside the database: the first
    encrypts, and what an earlier one has encrypted is read still."""

    column: Column[Any]
    keys: Sequence[str | bytes] = field(repr=False)

    def __post_init__(self) -> None:
        if len(table_of(self.column.table).primary_key.columns) != 1:
            raise ConfigError(f"{self.column.table} has no key of one column, which a reference could be")
        self._fernet()

    def put(self, name: str, version: int, value: Value) -> str:
        ref = f"{name}:{version}"
        self.keep(ref, value)
        return ref

    def keep(self, ref: str, value: Value) -> None:
        """Under a reference that is given, as when it comes from another store."""
        row = {self._key.key: ref, self.column.key: self._fernet().encrypt(value.reveal().encode()).decode()}
        table = table_of(self.column.table)
        with writing(engine_of(table)) as connection:
            connection.execute(insert_or_update(connection, table, row, [self._key.name]))

    def get(self, ref: str) -> Value:
        with reading(engine_of(table_of(self.column.table))) as connection:
            kept = connection.scalar(select(self.column).where(self._key == ref))
        return Value(self._fernet().decrypt(_found(kept, ref).encode()).decode())

    def promote(self, name: str, ref: str) -> None:
        """Who reads it knows the reference."""

    def delete(self, ref: str) -> None:
        table = table_of(self.column.table)
        with writing(engine_of(table)) as connection:
            connection.execute(delete(table).where(self._key == ref))

    @property
    def _key(self) -> Column[Any]:
        return next(iter(table_of(self.column.table).primary_key.columns))

    def _fernet(self) -> Any:
        try:
            from cryptography.fernet import Fernet, MultiFernet
        except ImportError:
            raise ConfigError("cryptography is missing", hint="pip install 'rota[secrets]'") from None
        try:
            return MultiFernet([Fernet(key) for key in self.keys])
        except (ValueError, TypeError):
            raise ConfigError("a key is none of Fernet", hint="cryptography.fernet.Fernet.generate_key()") from None


@dataclass(frozen=True, slots=True)
class AwsStore:
    """AWS Secrets Manager: ``connect`` returns a client of boto3. A secret is one there, under ``prefix`` and its name;
    its versions have the stage ``ROTA-PENDING`` and, when they are promoted, ``AWSCURRENT``; the very first has that at
    once, as AWS will have it. A version without a stage is deleted by AWS in its own time."""

    connect: Callable[[], Any]
    prefix: str = ""

    def put(self, name: str, version: int, value: Value) -> str:  # noqa: ARG002 - it has ids of its own
        client, secret, token = self.connect(), f"{self.prefix}{name}", str(uuid4())
        try:
            client.describe_secret(SecretId=secret)
        except client.exceptions.ResourceNotFoundException:
            client.create_secret(Name=secret)
        client.put_secret_value(
            SecretId=secret, ClientRequestToken=token, SecretString=value.reveal(), VersionStages=["ROTA-PENDING"]
        )
        return f"{secret}#{token}"

    def get(self, ref: str) -> Value:
        client, (secret, version) = self.connect(), _parts(ref)
        try:
            return Value(client.get_secret_value(SecretId=secret, VersionId=version)["SecretString"])
        except client.exceptions.ResourceNotFoundException:
            raise NotFoundError(f"there is no value {ref}") from None

    def promote(self, name: str, ref: str) -> None:  # noqa: ARG002 - the reference has it
        client, (secret, version) = self.connect(), _parts(ref)
        stages = client.describe_secret(SecretId=secret).get("VersionIdsToStages", {})
        live = next((each for each, marks in stages.items() if "AWSCURRENT" in marks), None)
        if live != version:
            moved = {"SecretId": secret, "VersionStage": "AWSCURRENT", "MoveToVersionId": version}
            client.update_secret_version_stage(**moved, **({"RemoveFromVersionId": live} if live else {}))

    def delete(self, ref: str) -> None:
        client, (secret, version) = self.connect(), _parts(ref)
        try:
            stages = client.describe_secret(SecretId=secret)["VersionIdsToStages"].get(version, [])
        except client.exceptions.ResourceNotFoundException:
            return
        for stage in stages:
            if stage != "AWSCURRENT":
                client.update_secret_version_stage(SecretId=secret, VersionStage=stage, RemoveFromVersionId=version)


def _parts(ref: str) -> tuple[str, str]:
    secret, _, version = ref.rpartition("#")
    return secret, version


def _variable(name: str) -> str:
    return re.sub(r"\W", "_", name).upper()


def _quoted(text: str) -> str:
    """As a file of variables has it: on one line."""
    return text if _PLAIN.fullmatch(text) else json.dumps(text)


def _found(value: Any, ref: str) -> str:
    if value is None:
        raise NotFoundError(f"there is no value {ref}", hint="It was destroyed, or kept in another store.")
    return str(value)
