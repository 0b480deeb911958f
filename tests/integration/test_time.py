"""What clocks do to reminders: jumps, suspended machines, and days of 23 and 25 hours."""
import concurrent.futures
import datetime
import zoneinfo

import pytest

from harness.server import Server, eventually

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
HOUR = 3600
# The server looks at its clock every 30 seconds at least.
LOOKS_WITHIN_SECONDS = 45


@pytest.fixture
def start_at(new_server):
    """Starts a server whose clock shows the given moment."""
    server = new_server(faketime=True)

    def start_it(moment) -> Server:
        set_clock(server, moment)
        return server.start()

    return start_it


def set_clock(server, moment) -> None:
    server.set_clock_offset(server.offset + moment.timestamp() - server.now())


def go_to(server, user, moment) -> None:
    """Lets time pass, and the check run."""
    set_clock(server, moment)
    user.login()
    server.run("reminders", "run")


def after(server, **delta) -> str:
    now = datetime.datetime.fromtimestamp(server.now(), datetime.timezone.utc)
    return utc(now + datetime.timedelta(**delta))


def utc(moment) -> str:
    return moment.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def told(user) -> list:
    """What was told, in the order of the due dates."""
    return sorted(
        (each["data"]["due_date"], each["data"]["kind"], each["data"]["task_title"])
        for each in user.notifications("?limit=100")
    )


def titles(user) -> list:
    return sorted(each["data"]["task_title"] for each in user.notifications("?limit=100"))


def states(user, *tasks) -> list:
    rows = [user.reminders(task) for task in tasks]
    return [(row["state"], row["reason"]) for each in rows for row in each]


# --- a clock that jumps ---


def test_a_clock_jumping_back_and_forth_tells_everybody_once(timed):
    user = timed.user()
    for title, minutes in (("A", 90), ("B", 150), ("C", 210), ("D", 600)):
        user.task(title, due_date=after(timed, minutes=minutes))
    # Where the clock jumps to, in minutes from here, and who has been told by then.
    for minutes, expected in (
        (45, ["A"]),
        (-15, ["A"]),
        (45, ["A"]),
        (105, ["A", "B"]),
        (45, ["A", "B"]),
        (165, ["A", "B", "C"]),
        (105, ["A", "B", "C"]),
        (165, ["A", "B", "C"]),
    ):
        timed.set_clock_offset(minutes * 60)
        timed.run("reminders", "run")
        eventually(lambda: titles(user) == expected)
        timed.restart()  # what the process knows of the time is lost with it
        timed.run("reminders", "run")
        assert titles(user) == expected
    # A task made while the clock is behind is told of at its time as well.
    timed.set_clock_offset(105 * 60)
    user.task("E", due_date=after(timed, minutes=90))
    timed.set_clock_offset(165 * 60)
    timed.run("reminders", "run")
    eventually(lambda: titles(user) == ["A", "B", "C", "E"])


def test_a_clock_jumping_while_reminders_are_on_their_way_loses_none(timed):
    user = timed.user()
    count = 150
    due_date = after(timed, hours=3)
    tasks = [user.task(f"T{number}", due_date=due_date) for number in range(count)]
    timed.set_clock_offset(2.5 * HOUR)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        check = pool.submit(timed.run, "reminders", "run")
        while not check.done():
            timed.set_clock_offset(1.5 * HOUR)
            timed.set_clock_offset(2.5 * HOUR)
        check.result()
    timed.run("reminders", "run")
    total = lambda: user.get("/notifications?limit=1").expect(200).json()["total"]
    eventually(lambda: total() >= count)
    timed.run("reminders", "run")
    assert total() == count and states(user, *tasks) == [("sent", None)] * count


def test_the_timer_keeps_the_second_after_the_clock_was_set_back(timed):
    user = timed.user()
    user.patch("/auth/me/preferences", {"reminder_minutes_before": 5}).expect(200)
    timed.stop()
    timed.set_clock_offset(HOUR)
    timed.start()  # the timer has looked at the later clock
    user.task("Before", due_date=after(timed, minutes=4))
    eventually(lambda: titles(user) == ["Before"])
    timed.set_clock_offset(0)
    user.task("After", due_date=after(timed, minutes=5, seconds=2))
    eventually(lambda: titles(user) == ["After", "Before"])


def test_the_timer_keeps_the_second_after_the_clock_was_set_forward(timed):
    user = timed.user()
    user.patch("/auth/me/preferences", {"reminder_minutes_before": 5}).expect(200)
    timed.set_clock_offset(HOUR)
    user.task("Soon", due_date=after(timed, minutes=5, seconds=2))
    eventually(lambda: titles(user) == ["Soon"])


def test_a_machine_that_was_suspended_tells_what_fell_due_unasked(timed):
    user = timed.user()
    late = user.task("Late", due_date=after(timed, hours=3))
    soon = user.task("Soon", due_date=after(timed, hours=5, minutes=30))
    later = user.task("Later", due_date=after(timed, hours=9))
    # The process's steady clock knows nothing of these hours, and no request wakes anybody.
    timed.set_clock_offset(5 * HOUR)
    claimed = lambda: any("reminders were claimed" in line for line in list(timed.log))
    eventually(claimed, LOOKS_WITHIN_SECONDS)
    eventually(lambda: titles(user) == ["Late", "Soon"])
    assert [kind for _, kind, _ in told(user)] == ["overdue", "due"]
    assert states(user, late, soon, later) == [("sent", None)] * 2 + [("scheduled", None)]


# --- days of 23 and of 25 hours ---


class Days:
    """The days around a change of the clocks in Berlin, which is on the middle one."""

    def __init__(self, change: str):
        self.change = datetime.date.fromisoformat(change)

    def date(self, day: int) -> str:
        return (self.change + datetime.timedelta(days=day)).isoformat()

    def at(self, day: int, time: str) -> datetime.datetime:
        """A wall time; day 0 is that of the change."""
        return datetime.datetime.fromisoformat(f"{self.date(day)}T{time}").replace(tzinfo=BERLIN)


@pytest.fixture(params=["2025-03-30", "2025-10-26"], ids=["spring", "autumn"])
def days(request):
    found = Days(request.param)
    assert found.at(-1, "09:00").utcoffset() != found.at(0, "09:00").utcoffset()
    return found


def test_a_downtime_over_a_clock_change_tells_each_once(start_at, days):
    server = start_at(days.at(-1, "07:00"))
    user = server.user(timezone="Europe/Berlin")
    daily = user.task("Daily", due_date=f"{days.date(-1)}T09:00:00", recurrence_rule="daily")
    nine = [utc(days.at(day, "09:00")) for day in range(-1, 4)]
    assert daily["due_date"] == nine[0]
    assert user.occurrences(daily, 4) == nine[1:]

    # Before: told an hour ahead, done after.
    go_to(server, user, days.at(-1, "08:00"))
    eventually(lambda: told(user) == [(nine[0], "due", "Daily")])
    second = user.complete(daily)["next_occurrence"]
    assert second["due_date"] == nine[1]
    assert user.reminders(second)[0]["remind_at"] == utc(days.at(0, "08:00"))

    # During: from 10:00 to 11:00 of the next day nobody is there.
    go_to(server, user, days.at(-1, "10:00"))
    server.stop()
    set_clock(server, days.at(0, "11:00"))
    server.start()
    user.login()
    expected = [(nine[0], "due", "Daily"), (nine[1], "overdue", "Daily")]
    eventually(lambda: told(user) == expected)
    assert states(user, second) == [("sent", None)]

    # After: 09:00 stays 09:00, and nothing is told again.
    assert user.occurrences(second, 3) == nine[2:]
    third = user.complete(second)["next_occurrence"]
    assert third["due_date"] == nine[2]
    go_to(server, user, days.at(1, "07:55"))
    assert told(user) == expected
    go_to(server, user, days.at(1, "08:00"))
    eventually(lambda: told(user) == [*expected, (nine[2], "due", "Daily")])


def test_all_day_tasks_are_told_of_at_nine_around_a_clock_change(start_at, days):
    server = start_at(days.at(-1, "07:00"))
    user = server.user(timezone="Europe/Berlin")
    tasks = [user.task(f"Day {day}", due_date=days.date(day)) for day in (-1, 0, 1, 2)]
    for day, task in zip((-1, 0, 1, 2), tasks):
        assert task["due_date"] == utc(days.at(day, "23:59:59")), "the day's end, there"
        assert user.reminders(task)[0]["remind_at"] == utc(days.at(day, "09:00"))
    go_to(server, user, days.at(-1, "08:55"))
    assert titles(user) == []
    go_to(server, user, days.at(-1, "09:00"))
    eventually(lambda: titles(user) == ["Day -1"])

    # Nobody is there from 10:00 to the same time of the next day. Its day is not over then.
    server.stop()
    set_clock(server, days.at(0, "10:00"))
    server.start()
    user.login()
    eventually(lambda: titles(user) == ["Day -1", "Day 0"])
    assert {kind for _, kind, _ in told(user)} == {"due"}
    go_to(server, user, days.at(1, "08:55"))
    assert titles(user) == ["Day -1", "Day 0"]

    # Nor over the next night, until the day after: that day has ended, and is told of still.
    server.stop()
    set_clock(server, days.at(2, "08:00"))
    server.start()
    user.login()
    eventually(lambda: titles(user) == ["Day -1", "Day 0", "Day 1"])
    assert [kind for _, kind, _ in told(user)] == ["due", "due", "overdue"]
    assert states(user, *tasks) == [("sent", None)] * 3 + [("scheduled", None)]


def test_what_fell_due_within_24_hours_is_told_however_long_the_day_was(start_at, days):
    server = start_at(days.at(-1, "09:00"))
    user = server.user(timezone="Europe/Berlin")
    spring = days.change.month == 3
    # From noon to noon there are 23 hours in spring and 25 in autumn.
    noon = user.task("Noon", due_date=f"{days.date(-1)}T12:00:00")
    # In spring there is no such time, and 03:30 is meant; in autumn it comes twice, and the first
    # is meant.
    night = user.task("Night", due_date=f"{days.date(0)}T02:30:00")
    assert night["due_date"] == f"{days.date(0)}T{'01' if spring else '00'}:30:00Z"
    server.stop()
    set_clock(server, days.at(0, "12:00"))
    server.start()
    user.login()
    expected = ["Night", "Noon"] if spring else ["Night"]
    eventually(lambda: titles(user) == expected)
    assert {kind for _, kind, _ in told(user)} == {"overdue"}
    reason = ("sent", None) if spring else ("skipped", "too_late")
    assert states(user, noon, night) == [reason, ("sent", None)]
    server.restart()
    server.run("reminders", "run")
    assert titles(user) == expected


@pytest.mark.parametrize("preference", ["keep", "skip"])
def test_a_series_missed_over_a_clock_change_goes_on_at_nine(start_at, days, preference):
    server = start_at(days.at(-2, "07:00"))
    user = server.user(timezone="Europe/Berlin")
    user.patch("/auth/me/preferences", {"missed_occurrences": preference}).expect(200)
    daily = user.task("Daily", due_date=f"{days.date(-1)}T09:00:00", recurrence_rule="daily")
    go_to(server, user, days.at(1, "10:00"))
    eventually(lambda: states(user, daily) == [("skipped", "too_late")])
    following = user.complete(daily)["next_occurrence"]
    if preference == "skip":
        assert following["due_date"] == utc(days.at(2, "09:00"))
        assert user.reminders(following)[0]["remind_at"] == utc(days.at(2, "08:00"))
    else:
        assert following["due_date"] == utc(days.at(0, "09:00"))
        assert user.reminders(following) == [], "it was past when it was made"
    assert user.notifications() == []


def test_a_day_before_is_24_hours_before_over_a_clock_change(start_at, days):
    server = start_at(days.at(-1, "07:00"))
    user = server.user(timezone="Europe/Berlin")
    user.patch("/auth/me/preferences", {"reminder_minutes_before": 1440}).expect(200)
    task = user.task("Noon", due_date=f"{days.date(0)}T12:00:00")
    there = "11:00" if days.change.month == 3 else "13:00"
    assert user.reminders(task)[0]["remind_at"] == utc(days.at(-1, there))
    go_to(server, user, days.at(-1, there))
    eventually(lambda: told(user) == [(utc(days.at(0, "12:00")), "due", "Noon")])
