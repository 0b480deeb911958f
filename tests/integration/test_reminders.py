"""Reminders: told once, in time, never of what is over; and why one was or was not told."""
import datetime
import uuid

import pytest

from harness.server import PASSWORD, eventually


def after(server, **delta) -> str:
    moment = datetime.datetime.fromtimestamp(
        server.now(), datetime.timezone.utc
    ) + datetime.timedelta(**delta)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def move(server, user, **delta) -> None:
    """Lets time pass, and the check run."""
    server.set_clock_offset(server.offset + datetime.timedelta(**delta).total_seconds())
    user.login()
    server.run("reminders", "run")


def state(user, task) -> list:
    return [(row["state"], row["reason"]) for row in user.reminders(task)]


def test_a_reminder_comes_an_hour_before_and_once(timed):
    user = timed.user()
    task = user.task("Dentist", due_date=after(timed, hours=3))
    assert state(user, task) == [("scheduled", None)] and user.notifications() == []
    row = user.reminders(task)[0]
    assert (
        row["id"] is row["notification_id"] is row["delivered_at"] is None
        and row["remind_at"] < row["due_date"]
    )
    move(timed, user, hours=2, minutes=1)
    told = eventually(user.notifications)
    assert len(told) == 1
    reminder = told[0]
    assert (
        reminder["type"] == "reminder"
        and reminder["task_id"] == task["id"]
        and "Dentist" in reminder["title"]
    )
    assert (
        reminder["data"]["task_title"] == "Dentist"
        and reminder["data"]["due_date"] == task["due_date"]
        and reminder["data"]["kind"] == "due"
    )
    row = user.reminders(task)[0]
    assert (
        row["state"] == "sent" and row["notification_id"] == reminder["id"] and row["delivered_at"]
    )
    for _ in range(3):
        move(timed, user, minutes=10)
    assert len(user.notifications()) == 1


def test_the_timer_keeps_the_second(server, user):
    user.patch("/auth/me/preferences", {"reminder_minutes_before": 5}).expect(200)
    soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=5, seconds=2)
    task = user.task(due_date=soon.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
    told = eventually(user.notifications)[0]
    row = user.reminders(task)[0]
    moment = lambda text: datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    assert (
        datetime.timedelta(0)
        <= moment(told["created_at"]) - moment(row["remind_at"])
        < datetime.timedelta(seconds=2)
    )


def test_an_all_day_task_is_told_of_at_nine_on_its_day(timed):
    user = timed.user(timezone="Asia/Tokyo")
    day = (
        datetime.datetime.fromtimestamp(timed.now(), datetime.timezone.utc)
        + datetime.timedelta(days=3)
    ).date()
    task = user.task(due_date=day.isoformat())
    expected = datetime.datetime.combine(day, datetime.time(0, 0)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert user.reminders(task)[0]["remind_at"] == expected


@pytest.mark.smoke
def test_a_task_made_within_its_window_is_told_of_at_once(user, server):
    task = user.task(due_date=after(server, minutes=30))
    assert state(user, task) == [("sent", None)] and len(user.notifications()) == 1


def test_a_due_date_that_is_past_when_set_raises_nothing(user, server):
    task = user.task(due_date=after(server, minutes=-1))
    assert user.reminders(task) == [] and user.notifications() == []


def test_after_downtime_it_is_told_for_a_day_and_worded_as_overdue(timed):
    user = timed.user()
    late, too_late = user.task("Late", due_date=after(timed, hours=30)), user.task(
        "Too late", due_date=after(timed, hours=5)
    )
    timed.stop()
    timed.set_clock_offset(30.5 * 3600)
    timed.start()
    user.login()
    eventually(lambda: state(user, late) == [("sent", None)])
    assert state(user, too_late) == [("skipped", "too_late")]
    told = user.notifications()
    assert [each["data"]["kind"] for each in told] == ["overdue"] and told[0]["title"].startswith(
        "Overdue"
    )


def test_a_completed_task_is_not_told_of(timed):
    user = timed.user()
    task = user.task(due_date=after(timed, hours=3))
    user.complete(task)
    assert user.reminders(task) == []
    move(timed, user, hours=3)
    assert user.notifications() == []


def test_a_moved_task_is_told_of_at_its_new_time_only(timed):
    user = timed.user()
    task = user.task(due_date=after(timed, hours=3))
    user.edit(task, due_date=after(timed, hours=8))
    move(timed, user, hours=4)
    assert user.notifications() == [] and state(user, task) == [("scheduled", None)]
    move(timed, user, hours=3, minutes=5)
    assert len(eventually(user.notifications)) == 1
    # Back to a date that was told already: the ledger knows.
    user.edit(task, due_date=task["due_date"])
    assert len(user.notifications()) == 1


def test_with_reminders_off_the_ledger_says_why_nobody_was_told(timed):
    user = timed.user()
    task = user.task(due_date=after(timed, hours=3))
    user.patch("/auth/me/preferences", {"reminders_enabled": False}).expect(200)
    move(timed, user, hours=2, minutes=10)
    assert state(user, task) == [("skipped", "reminders_off")] and user.notifications() == []
    # Switched on again before it is due: it is told after all.
    user.patch("/auth/me/preferences", {"reminders_enabled": True}).expect(200)
    eventually(lambda: state(user, task) == [("sent", None)])
    assert len(user.notifications()) == 1


def test_other_minutes_move_what_is_planned(timed):
    user = timed.user()
    task = user.task(due_date=after(timed, hours=30))
    user.patch("/auth/me/preferences", {"reminder_minutes_before": 1440}).expect(200)
    moment = lambda text: datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    row = user.reminders(task)[0]
    assert moment(row["due_date"]) - moment(row["remind_at"]) == datetime.timedelta(days=1)
    # Into the past: claimed at once.
    soon = user.task("Soon", due_date=after(timed, hours=26))
    user.patch("/auth/me/preferences", {"reminder_minutes_before": 60}).expect(200)
    move(timed, user, hours=3)
    user.patch("/auth/me/preferences", {"reminder_minutes_before": 1440}).expect(200)
    eventually(lambda: state(user, soon) == [("sent", None)])


def test_a_reopened_or_restored_task_is_told_of_again_if_it_was_not(timed):
    user = timed.user()
    reopened, restored = user.task(due_date=after(timed, hours=3)), user.task(
        due_date=after(timed, hours=3)
    )
    user.complete(reopened)
    user.delete(f"/tasks/{restored['id']}").expect(204)
    move(timed, user, hours=2, minutes=5)
    assert user.notifications() == []
    user.reopen(reopened)
    user.post(f"/tasks/{restored['id']}/restore").expect(200)
    eventually(lambda: len(user.notifications()) == 2)
    for task in (reopened, restored):
        user.complete(task)
        user.reopen(task)
    assert len(user.notifications()) == 2


def test_the_next_occurrence_has_a_reminder_of_its_own(timed):
    user = timed.user()
    task = user.task(due_date=after(timed, hours=3), recurrence_rule="daily")
    move(timed, user, hours=2, minutes=5)
    following = user.complete(task)["next_occurrence"]
    assert state(user, following) == [("scheduled", None)]
    move(timed, user, hours=24)
    assert len(eventually(lambda: len(user.notifications()) == 2 and user.notifications())) == 2


def test_the_clock_set_back_tells_nobody_twice(timed):
    user = timed.user()
    task = user.task(due_date=after(timed, hours=3))
    move(timed, user, hours=2, minutes=5)
    eventually(user.notifications)
    move(timed, user, hours=-1)
    move(timed, user, hours=1)
    assert len(user.notifications()) == 1 and state(user, task) == [("sent", None)]


def test_a_cleared_reminder_does_not_come_back(timed):
    user = timed.user()
    user.task(due_date=after(timed, hours=3))
    move(timed, user, hours=2, minutes=5)
    eventually(user.notifications)
    assert user.delete("/notifications/clear").expect(200).json() == {"deleted_count": 1}
    move(timed, user, minutes=20)
    timed.restart()
    timed.run("reminders", "run")
    assert user.notifications() == []


def test_an_all_day_reminder_is_told_once_though_the_zone_moves(server):
    # It is noon where they are: 09:00 is past, in the next zone too.
    now = datetime.datetime.now(datetime.timezone.utc)
    offset = 12 - now.hour
    here, west = (f"Etc/GMT{-hours:+d}" if hours else "Etc/GMT" for hours in (offset, offset - 1))
    user = server.user(timezone=here)
    task = user.task(due_date=(now + datetime.timedelta(hours=offset)).date().isoformat())
    assert state(user, task) == [("sent", None)]
    told = user.reminders(task)[0]
    user.patch("/auth/me", {"timezone": west}).expect(200)
    assert state(user, task) == [("sent", None)]
    row = user.reminders(task)[0]
    assert row["due_date"] > told["due_date"], "the day ends an hour later there"
    assert row["notification_id"] == told["notification_id"]
    # Nor when it comes back from the deleted.
    user.delete(f"/tasks/{task['id']}").expect(204)
    user.patch("/auth/me", {"timezone": here}).expect(200)
    user.post(f"/tasks/{task['id']}/restore").expect(200)
    assert state(user, task) == [("sent", None)] and len(user.notifications()) == 1


def test_what_fell_due_in_a_downtime_is_told_though_preferences_were_being_worked_in(start):
    server = start()
    user = server.user()
    tasks = [user.task(f"T{number}", due_date=after(server, hours=2)) for number in range(3)]
    late = user.task("Too late", due_date=after(server, hours=2))
    server.stop()
    # As a process left it that was killed before it came to these tasks: new preferences, due
    # dates to come. Half an hour after those it is started again.
    now = datetime.datetime.fromtimestamp(server.now(), datetime.timezone.utc)
    ago = lambda **delta: now - datetime.timedelta(**delta)
    server.store.execute("UPDATE users SET recompute = ?", True)
    server.store.execute(
        "UPDATE tasks SET due_at = ?, remind_at = ?", ago(minutes=30), ago(minutes=90)
    )
    server.store.execute(
        "UPDATE tasks SET due_at = ? WHERE id = ?", ago(hours=25), uuid.UUID(late["id"])
    )
    server.start()
    user.login()
    told = eventually(lambda: len(user.notifications()) == 3 and user.notifications())
    assert {each["data"]["kind"] for each in told} == {"overdue"}
    assert [state(user, task) for task in tasks] == [[("sent", None)]] * 3
    eventually(lambda: state(user, late) == [("skipped", "too_late")])
