"""Maintenance jobs that are safe by themselves, for tables, files and keys of your own."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rota.recipes.age import Age
    from rota.recipes.aggregate import Aggregate
    from rota.recipes.anonymise import Anonymise
    from rota.recipes.answers import Answer, Missing, Source
    from rota.recipes.archive import ArchiveTo
    from rota.recipes.database import bind, engine_of, insert, reading, writing
    from rota.recipes.derive import Derive
    from rota.recipes.erasure import Erasure, erase_subject, replay_erasures
    from rota.recipes.erasure_book import erasure_ledger
    from rota.recipes.erasure_plan import Step, Subject
    from rota.recipes.fence import fenced
    from rota.recipes.health import Check, Health
    from rota.recipes.key_ring import KeyRing
    from rota.recipes.key_rule import KeyIndex, KeyRule
    from rota.recipes.orphan_files import OrphanFiles
    from rota.recipes.personal import Scrub
    from rota.recipes.promotion import Promotion
    from rota.recipes.prune_logs import PruneLogs
    from rota.recipes.recipe import Recipe
    from rota.recipes.redis_keys import RedisKeys
    from rota.recipes.references import Reference
    from rota.recipes.report import Period, Periods, Report
    from rota.recipes.retention import Archive, Child, Retention
    from rota.recipes.rotate_secrets import RotateSecrets
    from rota.recipes.safety import Safety
    from rota.recipes.secret_policy import SecretAdapter
    from rota.recipes.secret_stores import AwsStore, ColumnStore, FileStore, SecretStore
    from rota.recipes.secret_versions import secret_tables
    from rota.recipes.steps import Steps
    from rota.recipes.sync import Sync
    from rota.recipes.tables import audit, metadata, ready, record
    from rota.recipes.transitions import Transition, Transitions
    from rota.recipes.update import Inactive, Tokens, Update

_HOMES = {
    "Age": "age",
    "Aggregate": "aggregate",
    "Anonymise": "anonymise",
    "Answer": "answers",
    "Archive": "retention",
    "ArchiveTo": "archive",
    "AwsStore": "secret_stores",
    "Check": "health",
    "Child": "retention",
    "ColumnStore": "secret_stores",
    "Derive": "derive",
    "Erasure": "erasure",
    "FileStore": "secret_stores",
    "Health": "health",
    "Inactive": "update",
    "KeyIndex": "key_rule",
    "KeyRing": "key_ring",
    "KeyRule": "key_rule",
    "Missing": "answers",
    "OrphanFiles": "orphan_files",
    "Period": "report",
    "Periods": "report",
    "Promotion": "promotion",
    "PruneLogs": "prune_logs",
    "Recipe": "recipe",
    "RedisKeys": "redis_keys",
    "Reference": "references",
    "Report": "report",
    "Retention": "retention",
    "RotateSecrets": "rotate_secrets",
    "Safety": "safety",
    "Scrub": "personal",
    "SecretAdapter": "secret_policy",
    "SecretStore": "secret_stores",
    "Source": "answers",
    "Step": "erasure_plan",
    "Steps": "steps",
    "Subject": "erasure_plan",
    "Sync": "sync",
    "Tokens": "update",
    "Transition": "transitions",
    "Transitions": "transitions",
    "Update": "update",
    "audit": "tables",
    "bind": "database",
    "engine_of": "database",
    "erase_subject": "erasure",
    "erasure_ledger": "erasure_book",
    "fenced": "fence",
    "insert": "database",
    "metadata": "tables",
    "reading": "database",
    "ready": "tables",
    "record": "tables",
    "replay_erasures": "erasure",
    "secret_tables": "secret_versions",
    "writing": "database",
}

__all__ = [
    "Age",
    "Aggregate",
    "Anonymise",
    "Answer",
    "Archive",
    "ArchiveTo",
    "AwsStore",
    "Check",
    "Child",
    "ColumnStore",
    "Derive",
    "Erasure",
    "FileStore",
    "Health",
    "Inactive",
    "KeyIndex",
    "KeyRing",
    "KeyRule",
    "Missing",
    "OrphanFiles",
    "Period",
    "Periods",
    "Promotion",
    "PruneLogs",
    "Recipe",
    "RedisKeys",
    "Reference",
    "Report",
    "Retention",
    "RotateSecrets",
    "Safety",
    "Scrub",
    "SecretAdapter",
    "SecretStore",
    "Source",
    "Step",
    "Steps",
    "Subject",
    "Sync",
    "Tokens",
    "Transition",
    "Transitions",
    "Update",
    "audit",
    "bind",
    "engine_of",
    "erase_subject",
    "erasure_ledger",
    "fenced",
    "insert",
    "metadata",
    "reading",
    "ready",
    "record",
    "replay_erasures",
    "secret_tables",
    "writing",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'rota.recipes' has no attribute {name!r}")
    value = getattr(import_module(f"rota.recipes.{home}"), name)
    globals()[name] = value
    return value
