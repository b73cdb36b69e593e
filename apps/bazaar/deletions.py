"""MB-6: people who asked to be deleted: what goes, what stays without them, and their files."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, and_, case, exists, func, or_, select, true, update

from apps.bazaar.karma import karma_of
from apps.bazaar.settings import Settings
from apps.bazaar.tables import (
    audit_logs,
    collaborators,
    consent_records,
    data_requests,
    erasures,
    idea_interests,
    idea_upvotes,
    ideas,
    login_attempts,
    magic_link_tokens,
    notifications,
    outbox,
    pending_invitations,
    projects,
    push_tokens,
    refresh_tokens,
    uploads,
    upvotes,
    users,
)
from apps.bazaar.upkeep import CAREFUL, cleanup_orphaned_files
from rota import JobResult, Run
from rota.errors import ConflictError
from rota.recipes import Erasure, Retention, Safety, Scrub, Step, Steps, Subject, insert, record, replay_erasures
from rota.recipes.erasure_plan import Mode
from rota.recipes.references import in_urls, mentioned, normal

NAME, PROOF = "[Deleted User]", "proof of consent"
_log = audit_logs.c


def finalize_deletions(settings: Settings) -> Steps:
    """Their files go when they are gone; a mail that was sent takes the last address with it."""
    return Steps(
        deletions=erasure(settings),
        files=_Files(settings),
        mails=Retention(outbox, where=_sent(), safety=CAREFUL.with_(most_fraction=None)),
        prefix=False,
    )


def replay(settings: Settings) -> Steps:
    """After a backup was put back, and the newest rows of the ledger with it."""
    again = erasure(settings)
    steps = Steps(deletions=lambda run: replay_erasures(run, again), files=_Files(settings), prefix=False)
    steps.destructive = True
    return steps


def erasure(settings: Settings) -> Erasure:
    def before(connection: Connection, subject: Subject) -> None:
        _put_confirmation(connection, subject, _key(settings, "outbox"))
        if subject.mode == "delete":
            _tell_orphaned(connection, subject)
            _mend_karma(connection, subject, settings.featured_bonus)

    return Erasure(
        data_requests,
        subject=data_requests.c.user_id,
        marker=users.c.anonymized_at,
        where=data_requests.c.request_type == "DELETION",
        grace=f"{settings.deletion_grace_days}d",
        mode=_mode,
        plan=PLAN,
        ledger=erasures,
        key=_key(settings, "subject"),
        identity=[users.c.id, users.c.created_at],
        hold=_last_admin,
        before=before,
        safety=Safety(most_rows=1_000, most_fraction=None, pause=0, on_guard="abort"),
    )


def cancel_deletion(connection: Connection, request: Any, now: datetime) -> None:
    """Raises ``ConflictError`` where it is too late: the person is being deleted, or is so already."""
    waits = and_(data_requests.c.id == request, data_requests.c.status == "PENDING")
    if not connection.execute(update(data_requests).where(waits).values(status="CANCELLED", cancelled_at=now)).rowcount:
        raise ConflictError(f"request {request} does not wait any more", hint="It was cancelled, or its job has begun.")


def address_of(settings: Settings, encrypted: str) -> str:
    """The address that a mail of the outbox goes to."""
    from cryptography.fernet import Fernet

    return Fernet(_key(settings, "outbox")).decrypt(encrypted).decode()


def _key(settings: Settings, purpose: str) -> bytes:
    """One for each purpose, made of the one of the settings."""
    return urlsafe_b64encode(hmac.digest(settings.subject_key.encode(), purpose.encode(), "sha256"))


def _mode(request: Mapping[str, Any]) -> Mode:
    """Contributions stay, unless the person has said that they must not."""
    options = request["options"]
    keeps = not isinstance(options, dict) or options.get("anonymizeContributions") is not False
    return "anonymise" if keeps else "delete"


def _last_admin(connection: Connection, subject: Subject) -> str | None:
    if not subject.row["is_admin"]:
        return None
    other = and_(users.c.is_admin, users.c.id != subject.id, users.c.deleted_at.is_(None))
    if connection.scalar(select(users.c.id).where(other, users.c.anonymized_at.is_(None)).limit(1)) is not None:
        return None
    if not subject.run.dry_run:
        subject.run.emit("deletion.refused", request=str(subject.request), why="refused_last_admin")
    return "refused_last_admin"


class _Files:
    """The files whose rows are to go: those of the people who have just gone, or those of a run that died then."""

    destructive = True

    def __init__(self, settings: Settings) -> None:
        self.recipe = cleanup_orphaned_files(settings)

    def __call__(self, run: Run) -> JobResult:
        result = self.recipe.finish(run)
        result.counts = {"files_removed": result.counts["deleted_files"], "failed": result.counts["failed"]}
        return result


# --- before anything goes


def _sent() -> ColumnElement[bool]:
    return and_(outbox.c.kind == "deletion-done", outbox.c.sent_at.is_not(None))


def _put_confirmation(connection: Connection, subject: Subject, key: bytes) -> None:
    """Once for a request; where a backup was put back there is none, and the person was told before. Who was anonymised
    has no address any more."""
    if subject.request is None or subject.row["anonymized_at"] is not None:
        return
    from cryptography.fernet import Fernet

    told = {"date": subject.run.as_of.date().isoformat(), "mode": subject.mode, "kept": {"consent_records": PROOF}}
    row = {
        "dedupe_key": f"deletion-done:{subject.request}",
        "kind": "deletion-done",
        "to_enc": Fernet(key).encrypt(subject.row["email"].encode()).decode(),
        "payload": told,
        "created_at": subject.run.as_of,
    }
    connection.execute(insert(connection, outbox).values(row).on_conflict_do_nothing(index_elements=["dedupe_key"]))


def _tell_orphaned(connection: Connection, subject: Subject) -> None:
    """Projects that lose their only creator, while others go on with them."""
    of = collaborators.alias()
    others = exists().where(of.c.project_id == collaborators.c.project_id, of.c.user_id != subject.id)
    creators = exists().where(
        of.c.project_id == collaborators.c.project_id, of.c.user_id != subject.id, of.c.role == "CREATOR"
    )
    mine = (collaborators.c.user_id == subject.id, collaborators.c.role == "CREATOR", others, ~creators)
    for project in connection.scalars(select(collaborators.c.project_id).where(*mine)).all():
        record(connection, subject.run, "project.orphaned_creator", projects.name, target_id=project)


def _mend_karma(connection: Connection, subject: Subject, bonus: int) -> None:
    """Of everybody on a project that the person has voted for: as it is without that vote."""
    voted = select(upvotes.c.project_id).where(upvotes.c.user_id == subject.id)
    on_it = select(collaborators.c.user_id).where(collaborators.c.project_id.in_(voted)).distinct()
    people = connection.scalars(on_it.where(collaborators.c.user_id != subject.id)).all()
    for user, karma in karma_of(connection, people, bonus=bonus, without=subject.id).items():
        living = (users.c.id == user, users.c.deleted_at.is_(None), users.c.anonymized_at.is_(None))
        connection.execute(update(users).where(*living).values(karma=karma))


# --- which rows are meant


def _address(column: Column[Any], subject: Subject) -> ColumnElement[bool]:
    return func.lower(column) == func.lower(subject.row["email"])


def _own_or_address(owner: Column[Any], column: Column[Any]) -> Any:
    return lambda _, subject: or_(owner == subject.id, _address(column, subject))


def _alone(subject: Subject) -> Any:
    """The projects that the person has created and nobody else is on."""
    of = collaborators.alias()
    mine = exists().where(of.c.project_id == projects.c.id, of.c.user_id == subject.id, of.c.role == "CREATOR")
    others = exists().where(of.c.project_id == projects.c.id, of.c.user_id != subject.id)
    return select(projects.c.id).where(mine, ~others)


def _own_or_alone(owner: Column[Any], project: Column[Any]) -> Any:
    return lambda _, subject: or_(owner == subject.id, project.in_(_alone(subject)))


def _own_or_of_idea(owner: Column[Any], idea: Column[Any]) -> Any:
    return lambda _, subject: or_(
        owner == subject.id, idea.in_(select(ideas.c.id).where(ideas.c.user_id == subject.id))
    )


def _about(_: Connection, subject: Subject) -> ColumnElement[bool]:
    """What others did to the person."""
    others = or_(_log.user_id.is_(None), _log.user_id != subject.id)
    return and_(_log.resource_type == "USER", _log.resource_id == str(subject.id), others)


def _wishes(connection: Connection, subject: Subject) -> ColumnElement[bool]:
    """All of the person, but for one that waits and goes further than this one: it has to name whom it is about."""
    of = data_requests.c
    if subject.mode == "delete":
        return of.user_id == subject.id
    waiting = and_(of.user_id == subject.id, of.request_type == "DELETION", of.status.in_(["PENDING", "PROCESSING"]))
    found = connection.execute(select(of.id, of.options).where(waiting)).mappings()
    return and_(of.user_id == subject.id, of.id.not_in([row["id"] for row in found if _mode(row) == "delete"]))


def _uploads(connection: Connection, subject: Subject) -> ColumnElement[bool]:
    """The picture of the person; where nothing stays, all uploads. None of them that somebody else shows, or a page
    that stays."""
    named = in_urls(subject.row["avatar_url"] or "")
    of_projects = of_ideas = true()
    own = uploads.c.uploaded_by == subject.id
    if subject.mode == "anonymise":
        own = and_(own, _named(named))
    else:
        going = projects.c.id.in_(_alone(subject))
        of_projects, of_ideas = ~going, ideas.c.user_id != subject.id
        named |= _shown(connection, in_urls, going, ideas.c.user_id == subject.id)
    own = or_(own, and_(uploads.c.uploaded_by.is_(None), _named(named)))
    found = connection.execute(select(uploads.c.id, uploads.c.filename, uploads.c.path).where(own)).all()
    names = {row.id: {normal(each) for each in (str(row.id), row.filename, row.path) if each} for row in found}
    shown = (
        _shown(connection, _meant(names.values()), of_projects, of_ideas, users.c.id != subject.id) if found else set()
    )
    kept = [id_ for id_, own_names in names.items() if shown & own_names]
    return and_(own, uploads.c.id.not_in(kept))


def _meant(names: Iterable[set[str]]) -> Callable[[str], set[str]]:
    """What a text names as an upload, and which of these names it may mean: all of them normal."""
    wanted = set().union(*names)
    lengths = sorted({len(each) for each in wanted})
    return lambda text: {*map(normal, in_urls(text)), *mentioned(text, wanted, lengths)}


def _shown(
    connection: Connection, names_in: Callable[[str], set[str]], of_projects: Any, of_ideas: Any, of_users: Any = None
) -> set[str]:
    """What pages and profiles of these name as uploads."""
    columns = [
        (projects.c.image_url, of_projects),
        (projects.c.description, of_projects),
        (ideas.c.description, of_ideas),
    ]
    if of_users is not None:
        columns.append((users.c.avatar_url, of_users))
    found: set[str] = set()
    for column, where in columns:
        escapes = (column.contains(each, autoescape=True) for each in "%&\\")  # its letters may be encoded
        may_name = or_(column.icontains("uploads"), *escapes)
        texts = select(column).where(may_name, where).execution_options(yield_per=1_000)
        for text in connection.scalars(texts):
            found |= names_in(text)
    return found


def _named(names: set[str]) -> ColumnElement[bool]:
    """By its key or by the name of its file. What a page says does not tell whether a key is a number or text."""
    keys = [*names, *(int(name) for name in names if name.isascii() and name.isdecimal() and len(name) <= 18)]
    return or_(uploads.c.id.in_(keys), uploads.c.filename.in_(names), uploads.c.path.in_(names))


_nameless = case((_log.resource_type == "USER", None), else_=_log.resource_id)
PLAN = [
    Step(uploads, _uploads, "set", values={"state": "deleting"}),
    Step(refresh_tokens, refresh_tokens.c.user_id),
    Step(magic_link_tokens, _own_or_address(magic_link_tokens.c.user_id, magic_link_tokens.c.email)),
    Step(push_tokens, push_tokens.c.user_id),
    Step(notifications, notifications.c.user_id),
    Step(pending_invitations, _own_or_address(pending_invitations.c.invited_by, pending_invitations.c.email)),
    Step(
        login_attempts,
        _own_or_address(login_attempts.c.user_id, login_attempts.c.email),
        "null",
        columns=[login_attempts.c.email, login_attempts.c.ip],
    ),
    Step(audit_logs, _about, "set", values={"resource_id": None}, scrub={"metadata": Scrub}),
    Step(
        audit_logs,
        _log.user_id,
        "set",
        values={
            "user_id": None,
            "ip_address": None,
            "user_agent": None,
            "resource_id": _nameless,
            "anonymized_at": lambda subject: subject.run.as_of,
        },
        scrub={"metadata": Scrub},
    ),
    Step(
        consent_records,
        consent_records.c.user_id,
        "pseudonymise",
        into=consent_records.c.subject_hash,
        ground=PROOF,
    ),
    Step(
        data_requests,
        _wishes,
        "pseudonymise",
        columns=[data_requests.c.user_id],
        into=data_requests.c.subject_hash,
    ),
    # who wants nothing to stay
    Step(upvotes, _own_or_alone(upvotes.c.user_id, upvotes.c.project_id), mode="delete"),
    Step(
        pending_invitations,
        lambda _, subject: pending_invitations.c.project_id.in_(_alone(subject)),
        mode="delete",
    ),
    Step(projects, lambda _, subject: projects.c.id.in_(_alone(subject)), mode="delete"),
    Step(collaborators, collaborators.c.user_id, mode="delete"),
    Step(idea_upvotes, _own_or_of_idea(idea_upvotes.c.user_id, idea_upvotes.c.idea_id), mode="delete"),
    Step(idea_interests, _own_or_of_idea(idea_interests.c.user_id, idea_interests.c.idea_id), mode="delete"),
    Step(ideas, ideas.c.user_id, mode="delete"),
    Step(users, users.c.invited_by_id, "null", "delete", columns=[users.c.invited_by_id]),
    Step(users, users.c.id, mode="delete"),
    # whose contributions stay
    Step(
        users,
        users.c.id,
        "set",
        "anonymise",
        values={
            "email": lambda subject: f"deleted-{subject.id}@deleted.local",
            "name": NAME,
            "password_hash": None,
            "avatar_url": None,
            "bio": None,
            "show_email_on_profile": False,
            "include_in_search": False,
            "show_activity_publicly": False,
            "anonymized_at": lambda subject: subject.run.as_of,
            "deleted_at": lambda subject: subject.run.as_of,
        },
    ),
]
