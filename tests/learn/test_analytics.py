"""LP-1: what is kept of courses and students, as of the midnight that the run stands for."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from apps.learn.cut import streaks
from tests.learn.conftest import Learn
from tests.learn.helpers import EDUCATOR, MIDNIGHT, ago, course, enrollment, user


def run(learn: Learn, **options: Any) -> dict[str, Any]:
    return learn.run("daily-analytics-updates", **options)


@pytest.mark.defect("LP-B10")
def test_a_course_is_counted_as_it_was_at_midnight(learn: Learn) -> None:
    learn.put(
        users=[EDUCATOR, *(user(n) for n in range(1, 8))],
        courses=[course(1, average_rating="4.5"), course(2), course(3, status="draft"), course(4, deleted_at=ago(1))],
        enrollments=[
            enrollment(1, 1, 1, 20, 10),
            enrollment(2, 2, 1, 21, 16),
            enrollment(3, 3, 1, 5),
            enrollment(4, 4, 1, 5, status="dropped"),
            enrollment(5, 5, 1, 5, 0),  # completed at midnight: tomorrow's
            enrollment(6, 6, 1, 0),  # enrolled at midnight
            enrollment(7, 7, 4, 5),
        ],
        payments=[
            {
                "id": 1,
                "user_id": 1,
                "course_id": 1,
                "amount": "19.99",
                "currency": "EUR",
                "status": "succeeded",
                "created_at": ago(9),
            },
            {
                "id": 2,
                "user_id": 2,
                "course_id": 1,
                "amount": "5",
                "currency": "EUR",
                "status": "failed",
                "created_at": ago(9),
            },
            {
                "id": 3,
                "user_id": 3,
                "course_id": 1,
                "amount": "10",
                "currency": "USD",
                "status": "succeeded",
                "created_at": ago(9),
            },
            {
                "id": 4,
                "user_id": 3,
                "course_id": 1,
                "amount": "10",
                "currency": "USD",
                "status": "succeeded",
                "created_at": ago(0),
            },
        ],
        refunds=[
            {
                "id": 1,
                "payment_id": 1,
                "amount": "9.99",
                "currency": "EUR",
                "status": "succeeded",
                "created_at": ago(1),
            },
            {"id": 2, "payment_id": 3, "amount": "2", "currency": "GBP", "status": "succeeded", "created_at": ago(1)},
        ],
    )

    result = run(learn)

    kept = learn.rows("course_analytics")
    assert set(kept) == {1, 2}
    row = kept[1]
    assert (row["total_enrollments"], row["active_enrollments"], row["completion_count"]) == (5, 2, 2)
    assert (row["completion_rate"], row["dropout_rate"], row["average_rating"]) == ("40.00", "20.00", "4.50")
    assert row["average_time_to_completion_days"] == "7.50"
    assert row["total_revenue"] == {"EUR": "10.00", "USD": "10.00", "GBP": "-2.00"}
    assert (kept[2]["completion_rate"], kept[2]["average_time_to_completion_days"]) == ("0.00", None)
    assert result["counts"]["courses_processed"] == 2
    assert result["counts"]["courses_changed"] == 2
    assert result["details"]["cut"] == MIDNIGHT.isoformat()


def test_run_again_at_any_time_it_says_the_same(learn: Learn) -> None:
    learn.put(users=[EDUCATOR, user(1)], courses=[course(1)], enrollments=[enrollment(1, 1, 1, 5)])
    run(learn)
    before = learn.rows("course_analytics"), learn.rows("student_analytics")

    again = run(learn, as_of=MIDNIGHT + timedelta(hours=9))

    assert (again["counts"]["courses_changed"], again["counts"]["students_changed"]) == (0, 0)
    assert (learn.rows("course_analytics"), learn.rows("student_analytics")) == before


def lesson_world(scores: dict[int, tuple[int, int, int | None]]) -> dict[str, list[dict[str, Any]]]:
    """Lessons of course 1: how many learn it, how many ended it, and their marks."""
    progress, quizzes, number = [], [], 0
    for lesson, (learners, ended, mark) in scores.items():
        for each in range(learners):
            number += 1
            end = ago(2) if each < ended else None
            progress.append({"id": number, "enrollment_id": each + 1, "lesson_id": lesson, "completed_at": end})
            if mark is not None:
                quizzes.append(
                    {
                        "id": number,
                        "student_id": each + 1,
                        "lesson_id": lesson,
                        "submitted_at": ago(2),
                        "score_percentage": str(mark),
                        "grading_status": ("graded", "auto_graded")[each % 2],
                    }
                )
    people = range(1, 8)
    return {
        "users": [EDUCATOR, *(user(n) for n in people)],
        "courses": [course(1)],
        "lessons": [{"id": n, "course_id": 1, "position": 10 - n, "type": "text"} for n in scores],
        "enrollments": [enrollment(n, n, 1, 9) for n in people],
        "lesson_progress": progress,
        "quiz_submissions": quizzes,
    }


@pytest.mark.parametrize(
    ("scores", "hardest"),
    [
        ({1: (5, 5, 90), 2: (5, 4, 90)}, 2),
        ({1: (5, 5, None), 2: (5, 5, 80)}, 1),
        ({1: (4, 0, 0), 2: (5, 5, 100)}, 2),
        ({1: (4, 0, 0)}, None),
        ({1: (5, 3, 50), 2: (5, 3, 50)}, 2),  # alike: the one that comes first
    ],
)
def test_the_hardest_lesson_is_the_one_that_fewest_end_and_do_well_in(
    learn: Learn, scores: dict[int, tuple[int, int, int | None]], hardest: int | None
) -> None:
    learn.put(**lesson_world(scores))

    run(learn)

    assert learn.rows("course_analytics")[1]["most_difficult_lesson_id"] == hardest


@pytest.mark.defect("LP-B10")
def test_a_student_has_courses_marks_minutes_streaks_and_badges(learn: Learn) -> None:
    learn.put(
        users=[EDUCATOR, user(1), user(2, deleted_at=ago(1)), user(3)],
        courses=[course(n) for n in (1, 2)],
        lessons=[{"id": 1, "course_id": 1, "position": 1, "type": "video"}],
        enrollments=[enrollment(1, 1, 1, 50, 20), enrollment(2, 1, 2, 5), enrollment(3, 2, 1, 5)],
        lesson_progress=[
            {"id": 1, "enrollment_id": 1, "lesson_id": 1, "time_spent_seconds": 7_259, "completed_at": ago(3, hours=1)},
        ],
        quiz_submissions=[
            {
                "id": 1,
                "student_id": 1,
                "submitted_at": ago(1.5),
                "score_percentage": "95.5",
                "grading_status": "graded",
            },
            {
                "id": 2,
                "student_id": 1,
                "submitted_at": ago(0.5),
                "score_percentage": "90",
                "grading_status": "auto_graded",
            },
            {
                "id": 3,
                "student_id": 1,
                "submitted_at": ago(40),
                "score_percentage": "1",
                "grading_status": "pending_review",
            },
        ],
        assignment_submissions=[{"id": 1, "student_id": 1, "submitted_at": ago(2.5)}],
        discussion_posts=[
            {"id": 1, "author_id": 1, "created_at": ago(0)},  # today: no part of any streak yet
            {"id": 2, "author_id": 3, "created_at": ago(-0.4)},
        ],
    )

    result = run(learn)

    kept = learn.rows("student_analytics")
    assert set(kept) == {1, 3}
    row = kept[1]
    assert (row["total_courses_enrolled"], row["courses_completed"], row["courses_in_progress"]) == (2, 1, 1)
    assert (row["average_quiz_score"], row["total_time_invested_minutes"]) == ("92.75", 120)
    assert (row["current_streak_days"], row["longest_streak_days"]) == (4, 4)
    assert row["badges_earned"] == ["first_completion", "high_performer"]
    # 2.016 hours of video, 2 quizzes, 1 assignment, no post, on 4 days
    assert row["engagement_score"] == str(round(0.30 * 20.1638 + 0.25 * 10 + 0.15 * 10 + 0.10 * 4 * 3.33, 2))
    assert (kept[3]["current_streak_days"], kept[3]["average_quiz_score"]) == (0, None)
    assert result["counts"]["badges_awarded"] == 2


def test_a_badge_once_earned_and_the_longest_streak_stay(learn: Learn) -> None:
    stored = {"user_id": 1, "longest_streak_days": 31, "badges_earned": ["high_performer"]}
    learn.put(users=[EDUCATOR, user(1)], student_analytics=[stored])

    run(learn)

    row = learn.rows("student_analytics")[1]
    assert (row["longest_streak_days"], row["current_streak_days"]) == (31, 0)
    assert row["badges_earned"] == ["high_performer", "streak_30", "streak_7"]


def test_days_in_a_row_go_over_a_leap_day_and_end_yesterday() -> None:
    first = datetime(2028, 2, 27, tzinfo=MIDNIGHT.tzinfo)
    days = {first + timedelta(days=n) for n in range(4)}

    assert streaks(days, first + timedelta(days=4)) == (4, 4)
    assert streaks(days, first + timedelta(days=5)) == (0, 4)
    assert streaks(days - {first + timedelta(days=2)}, first + timedelta(days=4)) == (1, 2)
    assert streaks(set(), first) == (0, 0)


def test_of_somebody_who_was_deleted_what_is_kept_stays_as_it_is(learn: Learn) -> None:
    stored = {"user_id": 1, "longest_streak_days": 3, "badges_earned": ["streak_7"]}
    learn.put(users=[EDUCATOR, user(1, deleted_at=ago(1))], student_analytics=[stored])
    before = learn.rows("student_analytics")

    assert run(learn)["counts"]["students_processed"] == 0
    assert learn.rows("student_analytics") == before


def test_one_student_whom_the_database_refuses_leaves_the_others(learn: Learn) -> None:
    learn.put(users=[EDUCATOR, user(1), user(2), user(3)], courses=[course(1)], enrollments=[enrollment(1, 2, 1, 5)])
    with learn.engine.begin() as connection:  # 1 and 3 have as many
        connection.exec_driver_sql("CREATE UNIQUE INDEX odd ON student_analytics (total_courses_enrolled)")

    result = run(learn)

    assert (result["status"], [each["item"] for each in result["errors"]]) == ("partial", ["students: 3"])
    counts = {name: result["counts"][name] for name in ("courses_processed", "students_processed", "failed")}
    assert counts == {"courses_processed": 1, "students_processed": 2, "failed": 1}
    assert set(learn.rows("student_analytics")) == {1, 2}


def test_a_dry_run_leaves_every_row_as_it_was(learn: Learn) -> None:
    learn.put(users=[EDUCATOR, user(1)], courses=[course(1)])
    before = learn.everything()

    assert run(learn, dry_run=True)["status"] == "dry_run"
    assert learn.everything() == before
