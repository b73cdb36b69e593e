"""Made-up students, courses and what they do there, with what each job must count about them.

All addresses are under ``example.test``. What there is of today, the jobs of last midnight must not see.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import accumulate

from sqlalchemy import Engine

from apps.files import put_files
from apps.learn import tables as t
from apps.learn.log_files import log_files
from apps.learn.made_up_student import Student, is_gone, is_unverified
from apps.learn.session_keys import CLEANUP, session_keys
from apps.learn.sessions import client
from apps.learn.settings import Settings
from apps.made_up import DAY, HOUR, SECOND, Expected, MadeUp, Progress, Size, fill_with
from apps.redis_data import put_keys

ANALYTICS, HOURLY = "learn/daily-analytics-updates", "learn/hourly-realtime-metrics"
WEEKLY, MONTHLY = "learn/weekly-trend-reports", "learn/monthly-executive-summaries"
LESSONS = 5
CURRENCIES = ("EUR", "USD", "INR")
SECRETS = ("jwt_secret", "session_secret")
"""They have no value yet: the first run makes one."""


@dataclass(frozen=True, slots=True)
class Scale:
    students: int
    courses: int
    events: int
    log_names: int
    keys: int
    """Refresh tokens in Redis."""


SCALES: dict[Size, Scale] = {
    "small": Scale(100, 8, 300, 3, 400),
    "medium": Scale(10_000, 200, 100_000, 40, 20_000),
    "large": Scale(100_000, 1_000, 1_000_000, 40, 200_000),
}


def fill(
    engine: Engine,
    settings: Settings,
    size: Size = "small",
    *,
    seed: int = 42,
    as_of: datetime,
    progress: Progress | None = None,
    with_redis: bool = False,
) -> Expected:
    """Into an empty database, into the directory for logs if there is one, and into Redis ``with_redis`` alone: the
    server that stands in the settings by default may be somebody's."""

    def make(made: MadeUp) -> None:
        _Platform(made, SCALES[size]).make()
        if settings.logs is not None:
            put_files(settings.logs, log_files(made, SCALES[size].log_names))
        for name in SECRETS:
            made.put(t.secret_policies, name=name, kind="generated", interval_days=90)
            made.count("learn/secret-rotation", checked=1, rotated=1)
        if with_redis:
            users = [n for n in range(1, SCALES[size].students + 1) if not is_unverified(n) and not is_gone(n)]
            put_keys(partial(client, settings), session_keys(made, SCALES[size].keys, users))

    return fill_with(engine, t.metadata, make, seed=f"learn:{seed}:{size}", as_of=as_of, progress=progress)


class _Platform:
    def __init__(self, made: MadeUp, scale: Scale) -> None:
        self.made, self.scale, self.chance = made, scale, made.chance
        self.cut = made.as_of.replace(hour=0, minute=0, second=0, microsecond=0)
        self.popularity = list(accumulate(1 / rank**1.1 for rank in range(1, scale.courses + 1)))
        self.educators = range(scale.students + 1, scale.students + 2 + scale.courses // 10)

    def make(self) -> None:
        self._people()
        self._courses()
        for number in range(1, self.scale.students + 1):
            self._student(number)
        self._events()
        self._hours()
        for job in (WEEKLY, MONTHLY):
            self.made.count(job, made=1)

    def _before(self, most_days: float, least_days: float = 0.0) -> datetime:
        """Some moment before the cut."""
        return self.cut - timedelta(seconds=1 + int(86_400 * self.chance.uniform(least_days, most_days)))

    # --- people and courses

    def _people(self) -> None:
        """Some are not verified, and a few have asked for a new password; one in a hundred is gone."""
        for number in range(1, self.educators.stop):
            is_student = number <= self.scale.students
            gone, unverified = is_student and is_gone(number), is_unverified(number)
            asked = self.made.between(4, 0) if self.chance.random() < 0.02 else None
            self.made.put(
                t.users,
                email=f"person.{number}@example.test",
                password_hash="not-a-hash",  # noqa: S106 - it opens nothing
                role="student" if is_student else "educator",
                email_verified=not unverified,
                verification_token=f"verify-{number}" if unverified else None,
                password_reset_token=f"reset-{number}" if asked else None,
                password_reset_expires=asked + HOUR if asked else None,
                created_at=self._before(900, 410),
                deleted_at=self._before(30) if gone else None,
            )
            self.made.count(
                ANALYTICS, **dict.fromkeys(("students_processed", "students_changed"), is_student and not gone)
            )
            goes = is_student and unverified and number % 4 != 0
            is_over = asked is not None and asked + HOUR < self.made.ago(1) and not goes
            self.made.count(CLEANUP, accounts_removed=goes, reset_tokens_cleared=is_over)
            self.made.count(CLEANUP, kept_has_data=is_student and unverified and not goes)

    def _courses(self) -> None:
        for number in range(1, self.scale.courses + 1):
            is_draft, is_gone = number % 17 == 16, number % 29 == 28
            self.made.put(
                t.courses,
                educator_id=self.educators[number % len(self.educators)],
                title=f"Course {number}",
                status="draft" if is_draft else "published",
                average_rating=f"{3 + number % 20 / 10:.2f}",
                published_at=None if is_draft else self._before(800),
                deleted_at=self._before(20) if is_gone else None,
            )
            counts = dict.fromkeys(("courses_processed", "courses_changed"), not is_draft and not is_gone)
            self.made.count(ANALYTICS, **counts)
            for position in range(1, LESSONS + 1):
                kind = ("video", "text")[position % 2]
                self.made.put(t.lessons, course_id=number, title=f"Lesson {position}", position=position, type=kind)

    # --- what a student does

    def _student(self, number: int) -> None:
        """Everybody who has done anything takes about six courses."""
        student = Student(number)
        if not (is_unverified(number) and number % 4):
            found = self.chance.choices(
                range(1, self.scale.courses + 1), cum_weights=self.popularity, k=self.chance.randint(4, 10)
            )
            for course in dict.fromkeys(found):
                self._enrollment(student, course)
            self._streak(student)
        if not is_gone(number):
            self.made.count(ANALYTICS, badges_awarded=student.badges)

    def _note(self, student: Student, moment: datetime) -> datetime:
        """A day counts for a streak if it was over at the cut."""
        if moment < self.cut:
            student.days.add((moment - datetime.min.replace(tzinfo=moment.tzinfo)) // DAY)
        return moment

    def _enrollment(self, student: Student, course: int) -> None:
        """A quarter end it, one in a hundred of them at the very cut, which is tomorrow's; a fifth give up."""
        began, kind = self._before(400, 45), self.chance.random()
        ended = None
        if kind < 0.28:
            ended = (
                self.cut if self.chance.random() < 0.01 else began + (self.cut - began) * self.chance.uniform(0.1, 0.99)
            )
            student.completed += ended < self.cut
        enrollment = self.made.put(
            t.enrollments,
            student_id=student.number,
            course_id=course,
            enrolled_at=began,
            completed_at=ended,
            progress_percentage=100 if ended else self.chance.randint(0, 95),
            status="completed" if ended else "dropped" if kind < 0.5 else "active",
        )
        for lesson in range(self.chance.randint(0, 3)):
            done = began + DAY * (1 + lesson) if ended or self.chance.random() < 0.5 else None
            self.made.put(
                t.lesson_progress,
                enrollment_id=enrollment,
                lesson_id=(course - 1) * LESSONS + lesson + 1,
                status="completed" if done else "started",
                time_spent_seconds=self.chance.randint(60, 5_000),
                completed_at=self._note(student, done) if done else None,
            )
        if self.chance.random() < 0.8:
            self._quiz(student, enrollment, course, self._before(44))
        self._money(student, course, began)

    def _quiz(self, student: Student, enrollment: int, course: int, at: datetime) -> None:
        mark = max(0, min(10_000, round(self.chance.gauss(74, 14) * 100)))
        [how] = self.chance.choices(("auto_graded", "graded", "pending_review"), (60, 30, 10))
        self.made.put(
            t.quiz_submissions,
            student_id=student.number,
            enrollment_id=enrollment,
            lesson_id=(course - 1) * LESSONS + 1,
            started_at=at - timedelta(minutes=20),
            submitted_at=self._note(student, at),
            score_percentage=f"{mark // 100}.{mark % 100:02}",
            grading_status=how,
        )
        if how != "pending_review":
            student.marks.append(mark)

    def _money(self, student: Student, course: int, at: datetime) -> None:
        """Half of the courses cost something; of each hundred payments three are paid back, some in other money."""
        if course % 2:
            return
        currency, price = CURRENCIES[course % 3], f"{self.chance.randint(9, 199)}.99"
        [status] = self.chance.choices(("succeeded", "failed"), (95, 5))
        row = {"currency": currency, "status": status, "created_at": at}
        payment = self.made.put(t.payments, user_id=student.number, course_id=course, amount=price, **row)
        if status == "succeeded" and self.chance.random() < 0.03:
            row |= {"currency": "USD" if payment % 40 == 0 else currency, "created_at": at + 9 * DAY}
            self.made.put(t.refunds, payment_id=payment, amount=price, **row)

    def _streak(self, student: Student) -> None:
        """Days in a row with a post or an assignment, half of them up to yesterday; and some have begun only today."""
        length = 1
        while length < 30 and self.chance.random() < 0.75:
            length += 1
        length = self.chance.randint(31, 45) if self.chance.random() < 0.01 else length
        last = self.cut - DAY * (1 if self.chance.random() < 0.5 else self.chance.randint(2, 300))
        for day in range(length):
            at = self._note(student, last - day * DAY + timedelta(seconds=self.chance.randrange(86_400)))
            if day % 3:
                self.made.put(t.discussion_posts, author_id=student.number, course_id=1, created_at=at)
            else:
                self.made.put(t.assignment_submissions, student_id=student.number, lesson_id=1, submitted_at=at)
        if student.number % 20 == 0:
            self.made.put(t.discussion_posts, author_id=student.number, course_id=1, created_at=self.cut)

    # --- what the hours tell

    def _events(self) -> None:
        for number in range(self.scale.events):
            who = self.chance.randint(1, self.scale.students)
            kind = ("page", "video", "search")[number % 3]
            self.made.put(t.analytics_events, user_id=who, event_type=kind, timestamp=self._before(65))

    def _hours(self) -> None:
        """Figures of hours up to thirty days before the last whole one are kept; exactly thirty days is not too old."""
        newest = self.made.as_of.replace(minute=0, second=0, microsecond=0) - HOUR
        for back in range(24 * 30 - 5, 24 * 30 + 6):
            self.made.put(t.realtime_metrics, hour_start=newest - back * HOUR, payload={"active_users": back % 7})
            self.made.count(HOURLY, hours=0, deleted=back > 24 * 30)
        self.made.put(t.realtime_metrics, hour_start=newest - 30 * DAY - SECOND, payload={"active_users": 0})
        self.made.count(HOURLY, hours=1, deleted=1)
