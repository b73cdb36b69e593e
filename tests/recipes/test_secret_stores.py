"""Each store keeps, gives back, promotes and destroys; and lets nobody else read."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, Table, Text

from apps.database import connect
from rota.errors import ConfigError, NotFoundError
from rota.recipes import AwsStore, ColumnStore, FileStore, RotateSecrets, SecretStore, bind, secret_tables
from rota.recipes.secret_value import Value
from rota.testing import make_run
from tests.recipes.conftest import NOW

metadata = MetaData()
vault = Table("vault", metadata, Column("ref", Text, primary_key=True), Column("value", Text, nullable=False))
ODD = [
    "plain text",
    'with "quotes" and \\',
    "two\nlines",
    "$HOME `id` 'x' #",
    "ünï=côdé",
    " spaces ",
    "",
    '{"id": "1"}',
]


def fresh_key() -> bytes:
    from cryptography.fernet import Fernet

    return Fernet.generate_key()


@pytest.fixture
def aws() -> Iterator[AwsStore]:
    boto3 = pytest.importorskip("boto3", reason="comes with the extra test")
    moto = pytest.importorskip("moto", reason="comes with the extra test")
    given = {"region_name": "eu-west-3", "aws_access_key_id": "test", "aws_secret_access_key": "test"}
    with moto.mock_aws():
        yield AwsStore(lambda: boto3.client("secretsmanager", **given), prefix="shop/")


@pytest.fixture
def column(engine: Engine) -> ColumnStore:
    return column_in(engine)


def column_in(engine: Engine) -> ColumnStore:
    metadata.create_all(engine)
    bind(metadata, engine)
    return ColumnStore(vault.c.value, [fresh_key()])


@pytest.fixture
def file(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "secrets.env")


@pytest.fixture(params=["file", "aws", "sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> Iterator[SecretStore]:
    if request.param in ("file", "aws"):
        yield request.getfixturevalue(request.param)
        return
    engine = connect(request.getfixturevalue(f"{request.param}_url"))
    yield column_in(engine)
    engine.dispose()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("text", [each for each in ODD if each])
def test_what_is_put_is_given_back_until_it_is_destroyed(store: SecretStore, text: str) -> None:
    ref = store.put("jwt", 1, Value(text))
    other = store.put("jwt", 2, Value("another"))

    assert store.get(ref).reveal() == text
    store.promote("jwt", other)
    store.promote("jwt", other)
    store.delete(ref)
    store.delete(ref)
    assert store.get(other).reveal() == "another"
    assert text not in ref
    if not isinstance(store, AwsStore):  # there it goes when AWS will
        with pytest.raises(NotFoundError):
            store.get(ref)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_version_that_is_put_again_is_the_last_one(store: SecretStore) -> None:
    store.put("jwt", 1, Value("of an attempt that crashed"))

    assert store.get(store.put("jwt", 1, Value("again"))).reveal() == "again"


# --- a file


def test_a_file_is_read_by_its_owner_alone_and_keeps_what_others_wrote(file: FileStore) -> None:
    path = Path(file.path)
    path.write_text("# ours\nOTHER=1\n\nDEBUG = yes\n")
    path.chmod(0o644)

    first = file.put("jwt_secret", 1, Value("one"))
    file.promote("jwt_secret", first)
    file.promote("jwt_secret", file.put("jwt_secret", 2, Value('t"w o')))
    file.delete(first)

    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == ('# ours\nOTHER=1\n\nDEBUG = yes\nJWT_SECRET_V2="t\\"w o"\nJWT_SECRET="t\\"w o"\n')
    assert sorted(each.name for each in path.parent.iterdir()) == [".secrets.env.lock", "secrets.env"]


def test_a_file_that_cannot_be_written_whole_stays_as_it_was(file: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    file.put("a", 1, Value("one"))
    before = Path(file.path).read_text()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        file.put("a", 2, Value("two"))

    assert Path(file.path).read_text() == before
    assert sorted(each.name for each in Path(file.path).parent.iterdir()) == [".secrets.env.lock", "secrets.env"]


def test_a_file_that_many_write_to_at_once_loses_nothing(file: FileStore) -> None:
    threads = [threading.Thread(target=file.put, args=(f"s{number}", 1, Value(str(number)))) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [file.get(f"S{number}_V1").reveal() for number in range(20)] == [str(number) for number in range(20)]


def test_what_others_read_is_always_whole(file: FileStore) -> None:
    """A reader that opens it at any moment finds the old one or the new one."""
    file.promote("a", file.put("a", 1, Value("x" * 50_000)))
    stop, seen = threading.Event(), set[int]()

    def read() -> None:
        while not stop.is_set():
            seen.add(len(Path(file.path).read_text().splitlines()[-1]))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(2, 40):
        file.promote("a", file.put("a", number, Value("x" * 50_000)))
        file.delete(f"A_V{number - 1}")
    stop.set()
    reader.join()

    assert seen <= {len(f"A={'x' * 50_000}"), *(len(f"A_V{n}={'x' * 50_000}") for n in (1, 10))}


@pytest.mark.parametrize("name", ["", "1a", "a b", "a=b", "a\nB=2", "ü"])
def test_a_name_that_is_no_variable_is_refused(file: FileStore, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be the name"):
        file.put(name, 1, Value("x"))


# --- a column


def test_a_column_holds_nothing_that_can_be_read(column: ColumnStore, rows_of: Callable[..., list[Any]]) -> None:
    column.put("jwt", 1, Value("hunter2"))

    [row] = rows_of(vault)
    assert (row.ref, "hunter2" in row.value) == ("jwt:1", False)
    assert str(column.keys[0]) not in repr(column)


def test_a_new_key_reads_what_an_older_one_has_encrypted(column: ColumnStore) -> None:
    ref = column.put("jwt", 1, Value("hunter2"))

    newer = ColumnStore(vault.c.value, [fresh_key(), *column.keys])

    assert newer.get(ref).reveal() == "hunter2"


def test_a_key_that_is_none_is_refused_without_a_word_of_it() -> None:
    with pytest.raises(ConfigError, match="none of Fernet") as caught:
        ColumnStore(vault.c.value, ["not-a-key"])
    assert "not-a-key" not in str(caught.value)
    double = Table("double", MetaData(), *(Column(name, Integer, primary_key=True) for name in "ab"), Column("v", Text))
    with pytest.raises(ConfigError, match="no key of one column"):
        ColumnStore(double.c.v, [fresh_key()])


# --- AWS


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_aws_has_the_stages_that_its_readers_look_for(aws: AwsStore) -> None:
    client = aws.connect()
    one = aws.put("jwt", 1, Value("one"))
    aws.promote("jwt", one)
    two = aws.put("jwt", 2, Value("two"))
    current = {"SecretId": "shop/jwt", "VersionStage": "AWSCURRENT"}
    assert client.get_secret_value(**current)["SecretString"] == "one"

    aws.promote("jwt", two)

    assert client.get_secret_value(**current)["SecretString"] == "two"
    assert aws.get(one).reveal() == "one"
    aws.delete(one)
    stages = client.describe_secret(SecretId="shop/jwt")["VersionIdsToStages"]
    assert stages.get(one.partition("#")[2], []) == []
    aws.delete(f"shop/nothing#{one.partition(chr(35))[2]}")
    with pytest.raises(NotFoundError):
        aws.get(f"shop/nothing#{one.partition(chr(35))[2]}")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_secret_is_rotated_in_aws(aws: AwsStore, engine: Engine) -> None:
    tables = MetaData()
    policies, versions = secret_tables(tables)
    tables.create_all(engine)
    bind(tables, engine)
    with engine.begin() as connection:
        connection.execute(policies.insert().values(name="jwt", kind="generated", interval_days=2))
    recipe, client = RotateSecrets(policies, versions, aws), aws.connect()

    def on(day: int) -> str:
        result = recipe(make_run(as_of=NOW + timedelta(days=day), id=day))
        assert result.status == "success", result
        live: str = client.get_secret_value(SecretId="shop/jwt", VersionStage="AWSCURRENT")["SecretString"]
        assert live == recipe.ring("jwt", NOW + timedelta(days=day)).current[1].reveal()
        return live

    first, second = on(0), on(2)

    assert first != second
    assert on(3) == second
    stages = client.describe_secret(SecretId="shop/jwt")["VersionIdsToStages"]
    [marks] = [each for each in stages.values() if each]
    assert sorted(marks) == ["AWSCURRENT", "ROTA-PENDING"]


@pytest.mark.parametrize("name", ["db-password", "Db.Password", "DB_PASSWORD", "1st", ""])
def test_a_name_that_another_one_could_be_taken_for_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be the name of a secret"):
        FileStore(tmp_path / "secrets.env").put(name, 1, Value("x"))
