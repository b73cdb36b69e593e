"""Made-up people, projects, files and logs of the bazaar, with what each job must count about them.

All addresses are under ``example.test``, those of machines in a range kept for documentation.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from apps.bazaar import aging
from apps.bazaar import tables as t
from apps.bazaar.settings import Settings
from apps.files import put_files
from apps.made_up import Expected, MadeUp, Progress, Size, fill_with

KARMA = "bazaar/recalculate-karma"
ORPHANS = "bazaar/cleanup-orphaned-files"
DELETIONS, REPLAY = "bazaar/finalize-deletions", "bazaar/replay-erasures"
FIRST_LEAVING = 10
SHARES = {"CREATOR": 4, "CONTRIBUTOR": 2, "ADVISOR": 1}
"""In quarters of a project's upvotes."""
MOST_UPVOTES = 2_000
ADDRESS = "https://bazaar.example.test"


@dataclass(frozen=True, slots=True)
class Scale:
    users: int
    projects: int
    uploads: int
    audit_logs: int
    invitations: int
    requests: int


SCALES: dict[Size, Scale] = {
    "small": Scale(60, 30, 40, 400, 60, 12),
    "medium": Scale(20_000, 5_000, 8_000, 300_000, 4_000, 40),
    "large": Scale(200_000, 50_000, 80_000, 5_000_000, 40_000, 400),
}


def fill(
    engine: Engine,
    settings: Settings,
    size: Size = "small",
    *,
    seed: int = 42,
    as_of: datetime,
    progress: Progress | None = None,
) -> Expected:
    """Into an empty database, and below the directory for uploads if there is one."""

    def make(made: MadeUp) -> None:
        _Bazaar(made, SCALES[size], settings).make()

    return fill_with(engine, t.metadata, make, seed=f"bazaar:{seed}:{size}", as_of=as_of, progress=progress)


@dataclass(slots=True)
class _Project:
    upvotes: int
    is_featured: bool
    people: dict[int, str]


class _Bazaar:
    def __init__(self, made: MadeUp, scale: Scale, settings: Settings) -> None:
        self.made, self.scale, self.settings = made, scale, settings
        self.chance, self.as_of = made.chance, made.as_of
        self.gone: set[int] = set()
        self.leaving = {FIRST_LEAVING + number: _keeps(number) for number in range(scale.requests) if _goes(number)}
        """With what becomes of what they contributed; those who take it along have made nothing with others."""
        self.making = [number for number in range(1, scale.users + 1) if self.leaving.get(number, True)]
        self.avatars, self.images = int(scale.uploads * 0.6), int(scale.uploads * 0.25)

    def make(self) -> None:
        projects = [self._plan() for _ in range(self.scale.projects)]
        self._users(self._karma(projects))
        self._projects(projects)
        self._uploads(self.settings.uploads)
        aging.invitations(self.made, self.scale.invitations, self.scale.users)
        aging.push_tokens(self.made, self.scale.users)
        aging.audit_logs(self.made, self.scale.audit_logs, self.scale.users)
        self._requests()

    # --- people and projects

    def _plan(self) -> _Project:
        chance = self.chance
        upvotes = min(int(chance.paretovariate(1.1)) - 1, MOST_UPVOTES, len(self.making))
        team = chance.sample(self.making, chance.choice((1, 1, 2, 3)))
        roles = ["CREATOR", *chance.choices(["CREATOR", "CONTRIBUTOR", "ADVISOR"], [6, 3, 1], k=len(team) - 1)]
        return _Project(upvotes, chance.random() < 0.02, dict(zip(team, roles, strict=True)))

    def _karma(self, projects: list[_Project]) -> list[int]:
        """Of each user, by number; the rule in whole quarters, each project by itself."""
        karma = [0] * (self.scale.users + 1)
        for project in projects:
            for user, role in project.people.items():
                bonus = self.settings.featured_bonus if project.is_featured and role == "CREATOR" else 0
                karma[user] += project.upvotes * SHARES[role] // 4 + bonus
        return karma

    def _users(self, karma: list[int]) -> None:
        """Four in a hundred have a karma that is wrong; of those that are gone it stays so."""
        for number in range(1, self.scale.users + 1):
            is_gone = self.chance.random() < 0.01
            wrong = self.chance.choice((-3, 2, 90)) if self.chance.random() < 0.04 or number == 1 else 0
            self.made.put(
                t.users,
                email=f"deleted-{number}@deleted.example.test" if is_gone else f"user.{number}@example.test",
                password_hash=None if is_gone else "not-a-hash",
                name="[Deleted User]" if is_gone else f"User {number}",
                avatar_url=None if is_gone else self._avatar(number),
                is_admin=number <= 2,
                karma=karma[number] + wrong,
                created_at=self.made.between(1_400, 40),
                deleted_at=self.made.ago(20) if is_gone else None,
                anonymized_at=self.made.ago(20) if is_gone else None,
            )
            if is_gone:
                self.gone.add(number)
            if is_gone or number in self.leaving:
                continue
            self.made.count(KARMA, total_users=1, changed=wrong != 0, total_karma_change=-wrong)
            self.made.count(KARMA, total_abs_change=abs(wrong), max_change=abs(wrong))

    def _avatar(self, number: int) -> str | None:
        if number > self.avatars:
            return None
        return f"{ADDRESS}/api/uploads/{number}?v=2" if number % 3 else f"{ADDRESS}/uploads/{_file(number)}"

    def _projects(self, projects: list[_Project]) -> None:
        for number, project in enumerate(projects, start=1):
            image = f"{ADDRESS}/api/uploads/{self.avatars + number}" if number <= self.images else None
            made = self.made.put(
                t.projects,
                title=f"Project {number}",
                description=f"What project {number} is for",
                image_url=image,
                status=self.chance.choice(("BUILDING", "LAUNCHED")),
                is_featured=project.is_featured,
                created_at=self.made.between(1_300, 30),
            )
            for user, role in project.people.items():
                self.made.put(
                    t.collaborators, user_id=user, project_id=made, role=role, created_at=self.made.between(900, 1)
                )
            for user in self.chance.sample(self.making, project.upvotes):
                self.made.put(t.upvotes, user_id=user, project_id=made, created_at=self.made.between(900, 0))

    # --- files

    def _uploads(self, root: Path | None) -> None:
        """Avatars, images, and some that nothing refers to; one in a hundred has no file, and some files no row."""
        files: list[dict[str, Any]] = []
        for number in range(1, self.scale.uploads + 1):
            created, size = self.made.between(900, 1), 1_000 + self.chance.randrange(400_000)
            self.made.put(
                t.uploads,
                filename=_file(number),
                original_name=f"picture-{number}.png",
                mime="image/png",
                size=size,
                path=_file(number),
                uploaded_by=(number - 1) % self.scale.users + 1,
                created_at=created,
            )
            is_old = created < self.made.ago(30)
            self.made.count(ORPHANS, checked_count=is_old, orphaned_count=is_old and not self._is_referred_to(number))
            if self.chance.random() >= 0.01:
                mode = {"mode": "444"} if self.chance.random() < 0.005 else {}
                files.append({"name": _file(number), "size": size, "mtime": created.isoformat(), **mode})
        old = self.made.ago(50).isoformat()
        files += [
            {"name": f"untracked-{number}.png", "size": 2_000, "mtime": old}
            for number in range(max(1, self.scale.uploads // 100))
        ]
        if root is not None:
            put_files(root, files)
            self.made.count(ORPHANS, untracked_files=max(1, self.scale.uploads // 100))

    def _is_referred_to(self, number: int) -> bool:
        """By the avatar of somebody who is still there, or by the image of a project."""
        if number <= min(self.avatars, self.scale.users):
            return number not in self.gone
        return self.avatars < number <= self.avatars + min(self.images, self.scale.projects)

    # --- people who leave

    def _requests(self) -> None:
        """Some to be done, some cancelled, some on the last day of grace, and one person who asks twice."""
        self.made.count(REPLAY, anonymized=0, deleted=0)
        for number in range(self.scale.requests):
            user, asked = FIRST_LEAVING + number, self.made.between(60, 31)
            if number % 8 == 1:
                asked = self.made.ago(29, hours=self.chance.randrange(24))
            cancelled = asked + timedelta(days=2) if number % 8 == 2 else None
            self._request(user, asked, cancelled, _keeps(number))
            if number % 20 == 5:
                self._request(user, asked + timedelta(hours=1), None, True)
                self.made.count(DELETIONS, processed=_goes(number))
            self._count_deletion(number, is_there=user not in self.gone)
            self.made.put(
                t.consent_records, user_id=user, consent_type="TERMS", granted=True, created_at=self.made.ago(500)
            )
            self.made.put(
                t.login_attempts, user_id=None, email=f"user.{user}@example.test", ip="192.0.2.9", success=False
            )

    def _count_deletion(self, number: int, *, is_there: bool) -> None:
        goes, keeps = _goes(number), _keeps(number)
        done = {"anonymized": goes and is_there and keeps, "deleted": goes and is_there and not keeps}
        self.made.count(DELETIONS, processed=goes, **done)

    def _request(self, user: int, asked: datetime, cancelled: datetime | None, keep: bool) -> None:
        self.made.put(
            t.data_requests,
            user_id=user,
            request_type="DELETION",
            status="PENDING" if cancelled is None else "CANCELLED",
            options={"anonymizeContributions": keep},
            requested_at=asked,
            cancelled_at=cancelled,
        )


def _goes(request: int) -> bool:
    """Of eight, one is on its last day of grace, and one was cancelled."""
    return request % 8 not in {1, 2}


def _keeps(request: int) -> bool:
    return request % 2 == 0


def _file(number: int) -> str:
    return f"{number:08x}.png"
