"""Made-up groups, their members, what they paid, and logs, with what each job must count about them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine

from apps.made_up import Expected, MadeUp, Progress, Size, boundary, fill_with
from apps.savings import tables as t
from apps.savings.made_up_groups import Group, planted
from apps.savings.settings import Settings

ARCHIVE, STATUSES = "savings/archive-audit-logs", "savings/update-group-statuses"
SUMMARIES = "savings/send-contribution-summaries"
"""Its counts are those after a run of ``update-group-statuses``: who has just begun hears of it."""
ACTIONS = ("GROUP_CREATED", "GROUP_JOINED", "CONTRIBUTION_CONFIRMED", "PAYOUT_SENT", "LOGIN")
SPREAD = (("PENDING", 25), ("ACTIVE", 55), ("COMPLETED", 20))
ROUND = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Scale:
    groups: int
    users: int
    audit_logs: int


SCALES: dict[Size, Scale] = {
    "small": Scale(40, 60, 500),
    "medium": Scale(3_000, 12_000, 500_000),
    "large": Scale(30_000, 120_000, 5_000_000),
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
    """Into an empty database."""

    def make(made: MadeUp) -> None:
        _Savings(made, SCALES[size], settings).make()

    return fill_with(engine, t.metadata, make, seed=f"savings:{seed}:{size}", as_of=as_of, progress=progress)


def _has_address(user: int) -> bool:
    return user % 50 != 0


def _is_active(user: int) -> bool:
    return user % 40 != 0


def _has_opted_out(user: int) -> bool:
    return user % 15 == 0


class _Savings:
    def __init__(self, made: MadeUp, scale: Scale, settings: Settings) -> None:
        self.made, self.scale, self.chance = made, scale, made.chance
        self.retention = settings.audit_retention_days
        self.paid_last_week = False
        self.monday = (made.as_of - timedelta(days=made.as_of.weekday())).replace(
            hour=0, minute=0, second=0, microsecond=0
        )

    def make(self) -> None:
        for number in range(1, self.scale.users + 1):
            self.made.put(
                t.users,
                name=f"Member {number}",
                email=f"member.{number}@example.test" if _has_address(number) else None,
                is_active=_is_active(number),
                summaries_opted_out=_has_opted_out(number),
            )
        for group in planted():
            self._group(group)
        while self.made.number_of(t.groups) < self.scale.groups:
            self._group(self._some())
        self._audit_logs()

    # --- groups

    def _some(self) -> Group:
        [status] = self.chance.choices([name for name, _ in SPREAD], [weight for _, weight in SPREAD])
        rounds = round(self.chance.triangular(3, 20, 8))
        asset = "XLM" if self.chance.random() < 0.8 else "USDC"
        if status == "PENDING":
            begins = self.chance.random() < 0.1
            contract = "C" if begins or self.chance.random() < 0.5 else None
            return Group(status, rounds, contract=contract, missing=0 if begins else 1, asset=asset, begins=begins)
        if status == "COMPLETED":
            return Group(status, rounds, round=rounds, paid_out=True, asset=asset)
        now = self.chance.randint(1, rounds)
        ends = now == rounds and self.chance.random() < 0.2
        return Group(status, rounds, round=now, paid=ends, paid_out=ends, asset=asset, ends=ends)

    def _group(self, group: Group) -> None:
        total = group.rounds if group.total is None else group.total
        began = self.made.as_of - max(group.round, 1) * ROUND
        completed = self.made.between(6, 1) if group.status == "COMPLETED" else None
        group_id = self.made.put(
            t.groups,
            name=f"Group {self.made.number_of(t.groups) + 1}",
            contract_address=f"C{self.chance.getrandbits(60):015X}" if group.contract == "C" else group.contract,
            admin_wallet=self._wallet(),
            contribution_amount="10.5000000",
            asset_code="USDC" if group.asset == "USDC" else "XLM",
            round_duration=int(ROUND.total_seconds()),
            status=group.status,
            current_round=group.round,
            total_rounds=total,
            min_members=group.rounds,
            max_members=group.rounds,
            start_date=None if group.status == "PENDING" else began,
            activated_at=None if group.status == "PENDING" else began,
            completed_at=completed,
            show_names=self.chance.random() < 0.5,
            created_at=began - timedelta(days=self.chance.randint(1, 60)),
            deleted_at=self.made.ago(1) if group.is_deleted else None,
        )
        people = self._members(group, group_id)
        if group.begins or (group.status == "ACTIVE" and not group.ends) or (completed and self._last_week(completed)):
            self._summary(people[: len(people) - group.suspended] if not group.is_deleted else [])
        if not group.is_deleted:
            self.made.count(
                STATUSES, checked=1, activated=group.begins, completed=group.ends, invalid=group.total is not None
            )

    def _last_week(self, moment: datetime) -> bool:
        return self.monday - ROUND <= moment < self.monday

    def _summary(self, members: list[int]) -> None:
        """Of a group in which something was paid, or not: who hears of it, and why others do not."""
        active = [user for user in members if _is_active(user)]
        told = [user for user in active if _has_address(user) and not _has_opted_out(user)]
        opted_out = sum(map(_has_opted_out, active))
        self.made.count(SUMMARIES, groups=bool(members), groups_empty=bool(members) and not self.paid_last_week)
        self.made.count(SUMMARIES, recipients=len(told), sent=len(told), opted_out=opted_out)
        self.made.count(SUMMARIES, no_address=len(active) - len(told) - opted_out)

    def _members(self, group: Group, group_id: int) -> list[int]:
        """The last in the order is the one who is paid out last; one who is suspended counts for nothing."""
        self.paid_last_week = False
        people = self.chance.sample(range(1, self.scale.users + 1), group.rounds - group.missing + group.suspended)
        for order, user in enumerate(people, start=1):
            is_suspended, is_last = group.suspended and order == len(people), order == len(people) - group.suspended
            wallet = self._wallet()
            self.made.put(
                t.memberships,
                group_id=group_id,
                user_id=user,
                wallet=wallet,
                payout_order=order,
                has_received_payout=(group.paid_out if is_last else order < group.round) and not is_suspended,
                status="SUSPENDED" if is_suspended else "ACTIVE",
                contributions_made=max(0, group.round - 1),
                created_at=self.made.between(400, 200),
            )
            for number in range(1, min(group.round, group.rounds) + 1):
                is_missing = number == group.rounds and (is_suspended or (is_last and not group.paid))
                if not is_missing:
                    self._contribution(group, group_id, user, wallet, number)
        return people

    def _contribution(self, group: Group, group_id: int, user: int, wallet: str, number: int) -> None:
        """Of past rounds some are under way or have failed; those of the newest week begin at Monday's first moment."""
        back = group.round - number
        at = self.made.as_of - back * ROUND - timedelta(seconds=self.chance.randrange(600_000))
        is_newest = number >= min(group.round, group.rounds)
        settled = is_newest or self.chance.random() < 0.88
        at = self.monday if back == 1 and user % 10 == 0 else at
        self.paid_last_week |= settled and self._last_week(at)
        self.made.put(
            t.contributions,
            group_id=group_id,
            user_id=user,
            wallet=wallet,
            round_number=number,
            amount=f"{self.chance.randrange(1, 500)}.{self.chance.randrange(10**7):07}",
            transaction_hash=f"{self.chance.getrandbits(256):064x}",
            timestamp=at,
            asset_code=("XLM", "USDC")[number % 2] if group.asset == "both" else group.asset,
            status="CONFIRMED" if settled else self.chance.choice(("PENDING", "PENDING", "FAILED")),
            created_at=at + timedelta(minutes=5),
        )

    def _wallet(self) -> str:
        return f"G{self.chance.getrandbits(220):055X}"

    # --- logs

    def _audit_logs(self) -> None:
        """One in five is older than they are kept."""
        for _ in range(self.scale.audit_logs):
            is_old = self.chance.random() < 0.2
            self._log(
                self.made.between(self.retention + 30, self.retention)
                if is_old
                else self.made.between(self.retention - 1, 0)
            )
            self.made.count(ARCHIVE, archived=is_old)
        for moment, goes in boundary(self.made.ago(self.retention)).items():
            self._log(moment)
            self.made.count(ARCHIVE, archived=goes)

    def _log(self, created: datetime) -> None:
        kind = self.chance.random()
        self.made.put(
            t.audit_logs,
            action=ACTIONS[int(kind * 5)],
            user_id=int(kind * self.scale.users) + 1,
            group_id=int(kind * self.scale.groups) + 1 if kind < 0.8 else None,
            details={"round": int(kind * 20), "note": "zum März"} if kind < 0.3 else None,
            ip_address="192.0.2.7",
            user_agent="Mozilla/5.0",
            created_at=created,
        )
