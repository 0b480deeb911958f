"""Recurring tasks: next occurrences, promises, undo, time zones, month ends."""
import concurrent.futures

import pytest


def due_dates(user, task, count=5):
    return user.occurrences(task, count)


def walk(user, task, steps):
    """Completes one occurrence after the other; their due dates."""
    dates = []
    for _ in range(steps):
        task = user.complete(task)["next_occurrence"]
        dates.append(task["due_date"] if task else None)
        if not task:
            break
    return dates


@pytest.mark.smoke
def test_completing_makes_the_next_occurrence_with_everything_copied(user):
    task = user.task(
        "Rent",
        description="to Ann",
        due_date="2031-01-31T09:00:00Z",
        priority="high",
        category="finance",
        recurrence_rule="monthly",
    )
    done = user.complete(task)
    following = done["next_occurrence"]
    assert following["id"] != task["id"] and following["due_date"] == "2031-02-28T09:00:00Z"
    assert (
        following["parent_task_id"] == task["id"]
        and following["series_id"] == task["series_id"]
        and following["occurrence"] == 2
    )
    for name in (
        "title",
        "description",
        "priority",
        "category",
        "recurrence_rule",
        "recurrence_interval",
        "recurrence_from",
    ):
        assert following[name] == task[name]
    assert following["completed"] is False and following["version"] == 1
    assert user.read(following) == following
    assert [each["id"] for each in user.tasks()] == [following["id"], task["id"]]


def test_month_ends_come_back_after_february(user):
    task = user.task(due_date="2031-01-31T09:00:00Z", recurrence_rule="monthly")
    assert walk(user, task, 4) == [
        "2031-02-28T09:00:00Z",
        "2031-03-31T09:00:00Z",
        "2031-04-30T09:00:00Z",
        "2031-05-31T09:00:00Z",
    ]


def test_the_leap_day_comes_back_every_four_years(user):
    task = user.task(due_date="2032-02-29", recurrence_rule="yearly")
    assert [date[:10] for date in walk(user, task, 5)] == [
        "2033-02-28",
        "2034-02-28",
        "2035-02-28",
        "2036-02-29",
        "2037-02-28",
    ]


@pytest.mark.parametrize(
    "rule, interval, expected",
    [
        ("daily", 1, ["2031-01-02", "2031-01-03"]),
        ("daily", 400, ["2032-02-05", "2033-03-11"]),
        ("weekly", 2, ["2031-01-15", "2031-01-29"]),
        ("monthly", 3, ["2031-04-01", "2031-07-01"]),
        ("yearly", 10, ["2041-01-01", "2051-01-01"]),
    ],
)
def test_intervals_count_in_units_of_the_rule(user, rule, interval, expected):
    task = user.task(
        due_date="2031-01-01T12:00:00Z", recurrence_rule=rule, recurrence_interval=interval
    )
    assert [date[:10] for date in user.occurrences(task, 2)] == expected


def test_weekdays_are_the_days_of_every_nth_week(user):
    # 2031-01-01 is a Wednesday.
    task = user.task(
        due_date="2031-01-01T08:00:00Z",
        recurrence_rule="weekly",
        recurrence_interval=2,
        recurrence_weekdays=["mo", "we", "fr"],
    )
    assert [date[:10] for date in user.occurrences(task, 6)] == [
        "2031-01-03",
        "2031-01-13",
        "2031-01-15",
        "2031-01-17",
        "2031-01-27",
        "2031-01-29",
    ]
    assert [date[:10] for date in walk(user, task, 3)] == ["2031-01-03", "2031-01-13", "2031-01-15"]


def test_a_due_date_outside_its_weekdays_is_followed_by_the_first_day_of_the_set(user):
    task = user.task(
        due_date="2031-01-01T08:00:00Z", recurrence_rule="weekly", recurrence_weekdays=["tu"]
    )
    assert [date[:10] for date in user.occurrences(task, 2)] == ["2031-01-07", "2031-01-14"]


def test_the_wall_clock_stays_over_a_change_to_summer_time(server):
    user = server.user(timezone="Europe/Berlin")
    task = user.task(due_date="2031-03-29T09:00", recurrence_rule="daily")
    assert walk(user, task, 2) == ["2031-03-30T07:00:00Z", "2031-03-31T07:00:00Z"]
    gap = user.task(due_date="2031-03-29T02:30", recurrence_rule="daily")
    assert walk(user, gap, 2) == ["2031-03-30T01:30:00Z", "2031-03-31T00:30:00Z"]
    overlap = user.task(due_date="2031-10-25T02:30", recurrence_rule="daily")
    assert walk(user, overlap, 2) == ["2031-10-26T00:30:00Z", "2031-10-27T01:30:00Z"]


def test_an_all_day_series_stays_all_day(server):
    user = server.user(timezone="America/New_York")
    task = user.task(due_date="2031-03-08", recurrence_rule="daily")
    following = user.complete(task)["next_occurrence"]
    assert following["due_on"] == "2031-03-09" and following["due_date"] == "2031-03-10T03:59:59Z"


def test_from_completion_counts_from_the_day_it_was_done(timed):
    user = timed.user(timezone="Europe/Berlin")
    import datetime

    zone_now = datetime.datetime.now(datetime.timezone.utc)
    long_ago = (zone_now - datetime.timedelta(days=40)).strftime("%Y-%m-%dT18:00:00Z")
    task = user.task(
        due_date=long_ago,
        recurrence_rule="daily",
        recurrence_interval=3,
        recurrence_from="completion",
    )
    import zoneinfo

    done = user.complete(task)
    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    day = (
        datetime.datetime.fromisoformat(
            done["completed_task"]["completed_at"].replace("Z", "+00:00")
        )
        .astimezone(berlin)
        .date()
    )
    due = datetime.datetime.fromisoformat(
        done["next_occurrence"]["due_date"].replace("Z", "+00:00")
    ).astimezone(berlin)
    first = datetime.datetime.fromisoformat(long_ago.replace("Z", "+00:00")).astimezone(berlin)
    assert due.date() == day + datetime.timedelta(days=3) and (due.hour, due.minute) == (
        first.hour,
        first.minute,
    )


def test_an_overdue_series_goes_on_with_the_plain_next_step(user):
    task = user.task(due_date="2020-01-31T09:00:00Z", recurrence_rule="monthly")
    assert walk(user, task, 2) == ["2020-02-29T09:00:00Z", "2020-03-31T09:00:00Z"]


def test_missed_occurrences_can_be_skipped(user):
    user.patch("/auth/me/preferences", {"missed_occurrences": "skip"}).expect(200)
    task = user.task(due_date="1975-01-31T09:00:00Z", recurrence_rule="monthly")
    import datetime

    now = datetime.datetime.now(datetime.timezone.utc)
    following = user.complete(task)["next_occurrence"]
    due = datetime.datetime.fromisoformat(following["due_date"].replace("Z", "+00:00"))
    assert now < due < now + datetime.timedelta(days=32) and following["occurrence"] == 2
    assert user.complete(following)["next_occurrence"]["occurrence"] == 3


def test_a_series_ends_where_time_does(user):
    task = user.task(due_date="9999-11-30T00:00:00Z", recurrence_rule="monthly")
    assert walk(user, task, 3) == ["9999-12-30T00:00:00Z", None]


def test_completing_twice_makes_one_next_occurrence(user):
    task = user.task(due_date="2031-01-01", recurrence_rule="weekly")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: user.complete(task), range(16)))
    assert len({answer["next_occurrence"]["id"] for answer in answers}) == 1
    assert len(user.tasks()) == 2


def test_reopening_removes_an_untouched_successor(user):
    task = user.task(due_date="2031-01-01", recurrence_rule="weekly")
    following = user.complete(task)["next_occurrence"]
    reopened = user.reopen(task)
    assert (
        reopened["removed_occurrence_id"] == following["id"]
        and reopened["task"]["completed"] is False
    )
    user.get(f"/tasks/{following['id']}").expect(404)
    again = user.complete(task)["next_occurrence"]
    assert again["id"] != following["id"] and again["occurrence"] == 2


def test_reopening_keeps_a_successor_that_was_touched(user):
    task = user.task(due_date="2031-01-01", recurrence_rule="weekly")
    following = user.complete(task)["next_occurrence"]
    touched = user.edit(following, title="Mine now")
    assert user.reopen(task)["removed_occurrence_id"] is None
    assert user.complete(task)["next_occurrence"] == touched
    assert len(user.tasks()) == 2


def test_edits_of_a_completed_task_do_not_touch_its_successor(user):
    task = user.task(due_date="2031-01-01", recurrence_rule="weekly")
    following = user.complete(task)["next_occurrence"]
    user.edit(task, title="Other", recurrence_rule="none")
    user.delete(f"/tasks/{task['id']}").expect(204)
    assert user.read(following) == following


def test_a_changed_due_date_or_rule_counts_anew_from_there(user):
    task = user.task(due_date="2031-01-31T09:00:00Z", recurrence_rule="monthly")
    february = user.complete(task)["next_occurrence"]
    moved = user.edit(february, due_date="2031-02-15T10:00:00Z")
    assert user.occurrences(moved, 2) == ["2031-03-15T10:00:00Z", "2031-04-15T10:00:00Z"]
    weekly = user.edit(moved, recurrence_rule="weekly")
    assert user.occurrences(weekly, 1) == ["2031-02-22T10:00:00Z"]


def test_moving_this_occurrence_alone_leaves_the_series(user):
    task = user.task(due_date="2031-01-31T09:00:00Z", recurrence_rule="monthly")
    february = user.complete(task)["next_occurrence"]
    moved = (
        user.patch(f"/tasks/{february['id']}?scope=this", {"due_date": "2031-03-02T12:00:00Z"})
        .expect(200)
        .json()
    )
    assert moved["due_date"] == "2031-03-02T12:00:00Z"
    assert user.occurrences(moved, 2) == ["2031-03-31T09:00:00Z", "2031-04-30T09:00:00Z"]
    assert user.complete(moved)["next_occurrence"]["due_date"] == "2031-03-31T09:00:00Z"
    user.patch(f"/tasks/{task['id']}?scope=all", {"title": "x"}).expect(422)


def test_none_ends_the_series_and_a_new_rule_starts_another(user):
    task = user.task(due_date="2031-01-01", recurrence_rule="weekly")
    ended = user.edit(task, recurrence_rule="none")
    assert ended["recurrence_rule"] == "none" and ended["series_id"] == task["series_id"]
    assert user.complete(ended)["next_occurrence"] is None
    user.reopen(ended)
    again = user.edit(ended, recurrence_rule="daily")
    assert again["series_id"] != task["series_id"] and again["occurrence"] == 1


def test_deleting_the_pending_occurrence_ends_the_series(user):
    task = user.task(due_date="2031-01-01", recurrence_rule="weekly")
    following = user.complete(task)["next_occurrence"]
    user.delete(f"/tasks/{following['id']}").expect(204)
    assert user.tasks("?completed=false") == []
    # Completed again after a reopening, the series goes on: then the deleted one cannot come back.
    user.reopen(task)
    user.complete(task)
    user.post(f"/tasks/{following['id']}/restore").expect(409)


def test_a_rule_cannot_lose_its_due_date(user):
    task = user.task(due_date="2031-01-01", recurrence_rule="weekly")
    assert user.patch(f"/tasks/{task['id']}", {"due_date": None}).expect(422).fields() == [
        "due_date"
    ]
    assert user.edit(task, due_date=None, recurrence_rule="none")["due_date"] is None


def test_toggle_and_patch_complete_a_recurring_task_too(user):
    task = user.task(due_date="2031-01-01", recurrence_rule="daily")
    user.patch(f"/tasks/{task['id']}/toggle").expect(200)
    assert len(user.tasks()) == 2
    user.patch(f"/tasks/{task['id']}", {"completed": False}).expect(200)
    assert len(user.tasks()) == 1
    user.patch(f"/tasks/{task['id']}", {"completed": True}).expect(200)
    assert len(user.tasks()) == 2


def test_a_change_of_zone_keeps_every_instant(server):
    user = server.user(timezone="Europe/Berlin")
    timed = user.task(due_date="2031-01-31T09:00", recurrence_rule="monthly")
    all_day = user.task(due_date="2031-02-10")
    user.patch("/auth/me", {"timezone": "America/New_York"}).expect(200)
    assert (
        user.read(timed)["due_date"] == "2031-01-31T08:00:00Z" and user.read(timed)["version"] == 1
    )
    changed = user.read(all_day)
    assert (
        changed["due_on"] == "2031-02-10"
        and changed["due_date"] == "2031-02-11T04:59:59Z"
        and changed["version"] == 1
    )
    # From now on the series keeps 03:00 in New York.
    assert user.complete(timed)["next_occurrence"]["due_date"] == "2031-02-28T08:00:00Z"
    assert user.occurrences(timed, 3)[1:] == ["2031-03-31T07:00:00Z", "2031-04-30T07:00:00Z"]


def test_wall_times_can_move_with_the_user(server):
    user = server.user(timezone="Europe/Berlin")
    timed = user.task(due_date="2031-01-31T09:00", recurrence_rule="monthly")
    done = user.complete(user.task("Done", due_date="2031-01-31T09:00"))["completed_task"]
    user.patch("/auth/me", {"timezone": "America/New_York", "shift_due_dates": True}).expect(200)
    shifted = user.read(timed)
    assert shifted["due_date"] == "2031-01-31T14:00:00Z" and shifted["version"] == 2
    assert user.occurrences(shifted, 1) == ["2031-02-28T14:00:00Z"]
    assert user.read(done)["due_date"] == done["due_date"]
    entry = user.audit(f"?entity_id={timed['id']}")[0]
    assert entry["action"] == "update" and entry["metadata"]["op"] == "shift_due_dates"


def test_the_preview_is_what_completing_makes(user):
    task = user.task(
        due_date="2031-01-31T09:00:00Z", recurrence_rule="monthly", recurrence_interval=2
    )
    preview = user.occurrences(task, 6)
    assert walk(user, task, 6) == preview
    assert len(user.occurrences(task, 1)) == 1
    assert len(user.get(f"/tasks/{task['id']}/occurrences").json()["occurrences"]) == 5
    assert user.occurrences(user.task("Once", due_date="2031-01-01")) == []
    user.get(f"/tasks/{task['id']}/occurrences?count=0").expect(422)


def test_a_rule_changed_while_the_task_was_done_counts_from_its_due_date(user):
    task = user.task(due_date="2031-01-01T09:00:00Z", recurrence_rule="daily")
    for _ in range(3):
        task = user.complete(task)["next_occurrence"]
    user.complete(task)
    user.edit(task, recurrence_rule="weekly")
    user.reopen(task)
    assert user.occurrences(task, 2) == ["2031-01-11T09:00:00Z", "2031-01-18T09:00:00Z"]
    assert user.complete(task)["next_occurrence"]["due_date"] == "2031-01-11T09:00:00Z"


def test_a_completed_task_answers_its_successor_whatever_became_of_its_rule(user):
    task = user.task(due_date="2031-01-01T09:00:00Z", recurrence_rule="daily")
    following = user.complete(task)["next_occurrence"]
    user.edit(task, recurrence_rule="none")
    assert user.complete(task)["next_occurrence"] == following
    # A rule again, while it is done: still the series that its successor is in.
    again = user.edit(task, recurrence_rule="daily")
    assert (again["series_id"], again["occurrence"]) == (task["series_id"], 1)
    assert user.complete(task)["next_occurrence"] == following
    assert user.reopen(task)["removed_occurrence_id"] == following["id"]
    user.complete(task)
    assert [each["occurrence"] for each in user.tasks("?completed=false")] == [2]


def test_wall_times_move_also_on_the_way_back_to_a_zone(server):
    user = server.user(timezone="UTC")
    task = user.task(due_date="2031-01-01T09:00:00Z", recurrence_rule="daily")
    user.patch("/auth/me", {"timezone": "Asia/Tokyo"}).expect(200)
    assert user.read(task)["due_date"] == "2031-01-01T09:00:00Z"
    user.patch("/auth/me", {"timezone": "UTC", "shift_due_dates": True}).expect(200)
    shifted = user.read(task)
    assert shifted["due_date"] == "2031-01-01T18:00:00Z" and shifted["version"] == 2
    assert user.occurrences(task, 1) == ["2031-01-02T18:00:00Z"]
    # Once more to and fro: what was shifted is shifted from where it is.
    user.patch("/auth/me", {"timezone": "Asia/Tokyo", "shift_due_dates": True}).expect(200)
    user.patch("/auth/me", {"timezone": "UTC"}).expect(200)
    assert user.read(task)["due_date"] == "2031-01-01T09:00:00Z"


def test_a_restored_all_day_task_ends_its_day_where_its_user_is(server):
    user = server.user(timezone="UTC")
    task = user.task(due_date="2031-01-01", recurrence_rule="daily")
    user.delete(f"/tasks/{task['id']}").expect(204)
    user.patch("/auth/me", {"timezone": "Asia/Tokyo"}).expect(200)
    restored = user.post(f"/tasks/{task['id']}/restore").expect(200).json()
    assert restored["due_on"] == "2031-01-01"
    assert restored["due_date"] == "2031-01-01T14:59:59Z"
    assert user.read(task) == restored
    assert user.occurrences(task, 1) == ["2031-01-02T14:59:59Z"]


def test_a_time_that_a_gap_swallows_is_the_series_time_on_all_other_days(server):
    user = server.user(timezone="Europe/Berlin")
    task = user.task(due_date="2031-03-30T02:30:00", recurrence_rule="daily")
    assert task["due_date"] == "2031-03-30T01:30:00Z", "03:30: the offset before the gap"
    expected = ["2031-03-31T00:30:00Z", "2031-04-01T00:30:00Z"]
    assert user.occurrences(task, 2) == expected
    assert walk(user, task, 2) == expected


@pytest.mark.parametrize(
    "due_date, zone, shift, answered",
    [
        # The last day ends everywhere with the last instant there is.
        ("9999-12-31", "America/New_York", False, "9999-12-31T23:59:59.999Z"),
        ("9999-12-31", "Asia/Tokyo", False, "9999-12-31T14:59:59Z"),
        # What would leave the range keeps its instant.
        ("9999-12-31T23:30:00Z", "America/New_York", True, "9999-12-31T23:30:00Z"),
        ("1970-01-01T00:30:00Z", "Asia/Tokyo", True, "1970-01-01T00:30:00Z"),
        ("1970-01-01T00:30:00Z", "America/New_York", True, "1970-01-01T05:30:00Z"),
    ],
)
def test_a_change_of_zone_stays_within_the_ends_of_time(server, due_date, zone, shift, answered):
    user = server.user(timezone="UTC")
    task = user.task(due_date=due_date)
    user.patch("/auth/me", {"timezone": zone, "shift_due_dates": shift}).expect(200)
    changed = user.read(task)
    assert changed["due_date"] == answered
    # What it answers can be given back.
    body = {**changed, "title": "Still valid"}
    user.put(f"/tasks/{task['id']}", body).expect(200)
    assert user.tasks()[0]["due_date"] == answered
    assert user.get("/audit/verify").json()["verified"]
