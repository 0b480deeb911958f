"""The program's due dates against an arithmetic of their own: Python's zoneinfo and dateutil.

Random cases, many of them at the changes of the clocks. The seed is printed; RECURRENCE_SEED runs
one again, RECURRENCE_CASES sets how many.
"""
import bisect
import datetime
import functools
import json
import os
import pathlib
import random
import subprocess
import zoneinfo

from dateutil import relativedelta, rrule

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
UTC = datetime.timezone.utc
DAY = datetime.timedelta(days=1)
END_OF_DAY = datetime.time(23, 59, 59)
LAST = datetime.datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)
CASES = int(os.environ.get("RECURRENCE_CASES") or 120_000)
# Half-hour and two-hour changes, changes at midnight, days that were left out, winter as the
# exception, changes that the moon decides.
ODD_ZONES = [
    "America/New_York", "Europe/Berlin", "Europe/London", "Europe/Dublin", "Australia/Lord_Howe",
    "Antarctica/Troll", "Pacific/Apia", "Pacific/Kwajalein", "Pacific/Chatham", "America/St_Johns",
    "America/Havana", "America/Sao_Paulo", "America/Santiago", "Asia/Beirut", "Asia/Gaza",
    "Africa/Casablanca", "Africa/Cairo", "Asia/Kathmandu", "America/Caracas", "Asia/Tehran", "UTC"]


def zone_names() -> list[str]:
    """What tzdata lists: zones and links."""
    names = set()
    listing = pathlib.Path("/usr/share/zoneinfo/tzdata.zi").read_text(encoding="utf-8")
    for line in listing.splitlines():
        words = line.split()
        if words[:1] == ["Z"]:
            names.add(words[1])
        elif words[:1] == ["L"]:
            names.add(words[2])
    return sorted(names)


@functools.cache
def info(zone: str) -> zoneinfo.ZoneInfo:
    return zoneinfo.ZoneInfo(zone)


# --- the oracle: Recurrence as it is described, in words of its own ------------------------------


def instant(day: datetime.date, time: datetime.time, zone: str) -> datetime.datetime | None:
    """fold=0 is the rule: in a gap the offset before it, in an overlap the first (PEP 495)."""
    try:
        return datetime.datetime.combine(day, time, info(zone)).astimezone(UTC)
    except OverflowError:
        return None


def day_of_step(rule: str, interval: int, weekdays: set[int] | None, start: datetime.date,
                step: int) -> datetime.date | None:
    if step == 0:
        return start
    try:
        if rule == "daily":
            return start + step * interval * DAY
        if rule == "monthly":
            return start + relativedelta.relativedelta(months=step * interval)
        if rule == "yearly":
            return start + relativedelta.relativedelta(years=step * interval)
        if weekdays is None:
            return start + step * interval * 7 * DAY
        return weekday_step(interval, weekdays, start, step)
    except (OverflowError, ValueError):
        return None


def weekday_step(interval: int, weekdays: set[int], start: datetime.date,
                 step: int) -> datetime.date | None:
    inside = start.weekday() in weekdays
    if step <= 12:  # dateutil's own idea of it, which costs a walk
        count = step + 1 if inside else step
        dates = list(rrule.rrule(
            rrule.WEEKLY, interval=interval, wkst=rrule.MO, byweekday=sorted(weekdays), count=count,
            dtstart=datetime.datetime.combine(start, datetime.time())))
        return dates[-1].date() if len(dates) == count else None
    # The days left in the first week, then whole weeks.
    week = sorted(weekdays)
    first = [day for day in week if day > start.weekday()]
    if step <= len(first):
        return start + (first[step - 1] - start.weekday()) * DAY
    weeks, index = divmod(step - len(first) - 1, len(week))
    monday = start - start.weekday() * DAY
    return monday + ((weeks + 1) * interval * 7 + week[index]) * DAY


Due = tuple[datetime.datetime, datetime.date]


class Case:
    """A series: its rule, its anchor on the wall clock, its zone."""

    def __init__(self, rule: str, interval: int, weekdays: set[int] | None, zone: str,
                 day: datetime.date, time: datetime.time | None):
        self.rule, self.interval, self.weekdays, self.zone = rule, interval, weekdays, zone
        self.day, self.time = day, time  # without a time: all day

    def answer(self, day: datetime.date | None) -> Due | None:
        if day is None:
            return None
        at = instant(day, self.time or END_OF_DAY, self.zone)
        if at is None and self.time is None:
            at = LAST  # the last day ends everywhere with the last instant there is
        return (at, day) if at else None

    def due(self, step: int) -> Due | None:
        return self.answer(day_of_step(self.rule, self.interval, self.weekdays, self.day, step))

    def after_completion(self, now: datetime.datetime) -> Due | None:
        done = now.astimezone(info(self.zone)).date()
        if self.rule == "weekly" and self.weekdays is not None:
            days = (done + offset * DAY for offset in range(1, 8))
            return self.answer(next(day for day in days if day.weekday() in self.weekdays))
        return self.answer(day_of_step(self.rule, self.interval, None, done, 1))

    def first_after(self, step: int, now: datetime.datetime) -> Due | None:
        """One step after the other."""
        while (due := self.due(step)) is not None and due[0] <= now:
            step += 1
        return due

    def words(self) -> str:
        bits = "-" if self.weekdays is None else str(sum(1 << day for day in self.weekdays))
        due = self.day.isoformat()
        if self.time is not None:
            due += "T" + self.time.isoformat("milliseconds" if self.time.microsecond else "seconds")
        return f"{self.rule} {self.interval} {bits} {self.zone} {due}"

    def shown(self, due: Due | None) -> str:
        if due is None:
            return "-"
        at = due[0].replace(tzinfo=None)
        text = at.isoformat(timespec="milliseconds" if at.microsecond else "seconds") + "Z"
        return text if self.time is not None else f"{text}/{due[1].isoformat()}"


# --- cases ---------------------------------------------------------------------------------------


@functools.cache
def transitions(zone: str) -> list[datetime.datetime]:
    """The instants, to the minute, at which the zone's offset changes, 1970 to 2060."""
    def offset(at: datetime.datetime) -> datetime.timedelta:
        return at.astimezone(info(zone)).utcoffset()

    found, low = [], datetime.datetime(1970, 1, 1, tzinfo=UTC)
    while low.year < 2060:
        high = low + 7 * DAY
        if offset(low) != offset(high):
            start, end = low, high
            while end - start > datetime.timedelta(minutes=1):
                middle = start + (end - start) / 2
                start, end = (middle, end) if offset(middle) == offset(start) else (start, middle)
            found.append(end)
        low = high
    return found


class Generator:
    def __init__(self, seed: int):
        self.random = random.Random(seed)
        self.zones = zone_names()
        self.changing = [zone for zone in ODD_ZONES if transitions(zone)]

    def rule(self) -> tuple[str, int, set[int] | None]:
        pick = self.random
        rule = pick.choice(["daily", "weekly", "weekly", "monthly", "yearly"])
        interval = pick.choice([1, 1, 1, 2, 3, pick.randint(1, 400)])
        weekdays = None
        if rule == "weekly" and pick.random() < 0.7:
            weekdays = set(pick.sample(range(7), pick.randint(1, 7)))
        return rule, interval, weekdays

    def time(self) -> datetime.time:
        pick = self.random
        milliseconds = pick.choice([0, 0, 0, pick.randint(0, 999)])
        return datetime.time(pick.randint(0, 23), pick.randint(0, 59), pick.choice([0, 0, 59]),
                             milliseconds * 1000)

    def anywhere(self) -> tuple[Case, int]:
        pick = self.random
        last = pick.choice([2040, 2040, 2200, 9999])
        day = datetime.date(1970, 1, 2) + pick.randrange((last - 1970) * 365) * DAY
        if pick.random() < 0.3:  # a month's last days
            day = day + relativedelta.relativedelta(day=pick.randint(28, 31))
        zone = pick.choice([pick.choice(ODD_ZONES), pick.choice(self.zones)])
        case = Case(*self.rule(), zone, day, None if pick.random() < 0.2 else self.time())
        return case, pick.choice([0, 1, 2, pick.randint(0, 12), pick.randint(0, 400),
                                  pick.randint(0, 100_000)])

    def at_a_change(self) -> tuple[Case, int]:
        """A series that meets its zone's change of the clocks on the step."""
        pick = self.random
        zone = pick.choice(self.changing)
        change = pick.choice(transitions(zone)).astimezone(info(zone))
        wall = change.replace(tzinfo=None) + datetime.timedelta(minutes=pick.randint(-150, 150))
        rule, interval, _ = self.rule()
        step = pick.randint(0, 60)
        day = day_of_step(rule, interval, None, wall.date(), -step)
        if day is None or day.year < 1970:
            day, step = wall.date(), 0
        time = wall.time().replace(second=0, microsecond=0)
        return Case(rule, interval, None, zone, day, time), step

    def case(self) -> tuple[Case, int]:
        return self.at_a_change() if self.random.random() < 0.4 else self.anywhere()

    def now_near(self, case: Case, step: int) -> datetime.datetime:
        """Mostly within some steps of the due date, on either side."""
        due = case.due(step)
        days = {"daily": 1, "weekly": 7, "monthly": 30, "yearly": 365}[case.rule] * case.interval
        seconds = self.random.randint(-2 * 86_400, days * 86_400 * self.random.choice([1, 1, 12]))
        try:
            now = due[0] + datetime.timedelta(seconds=seconds)
        except OverflowError:
            now = due[0]
        return now.replace(microsecond=0)


def answers(lines: list[str]) -> list[str]:
    program = pathlib.Path(os.environ["TODO_BACKEND"]).parent / "bin" / "recurrence_cases"
    done = subprocess.run([program], input="\n".join(lines) + "\n", capture_output=True, text=True,
                          timeout=300, check=True)
    return done.stdout.splitlines()


def compare(lines: list[str], expected: list[str], seed: int) -> None:
    got = answers(lines)
    assert len(got) == len(lines)
    wrong = [f"{line}\n    expected {want}, got {have}"
             for line, want, have in zip(lines, expected, got) if want != have]
    assert not wrong, f"seed {seed}: {len(wrong)} of {len(lines)} differ:\n" + "\n".join(wrong[:20])


def new_seed() -> int:
    seed = int(os.environ.get("RECURRENCE_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"RECURRENCE_SEED={seed}")
    return seed


# --- tests ---------------------------------------------------------------------------------------


def test_each_step_falls_on_the_day_and_hour_that_the_calendar_says():
    seed = new_seed()
    generator = Generator(seed)
    lines, expected = [], []
    while len(lines) < CASES:
        case, step = generator.case()
        lines.append(f"step {case.words()} {step}")
        expected.append(case.shown(case.due(step)))
    compare(lines, expected, seed)
    # The cases must meet what they are for.
    assert sum(answer == "-" for answer in expected) > CASES // 1000
    assert sum(answer != "-" for answer in expected) > CASES // 2


def test_completing_leads_to_the_date_that_stepping_one_by_one_finds():
    seed = new_seed()
    generator = Generator(seed)
    lines, expected = [], []
    while len(lines) < CASES // 4:
        case, step = generator.case()
        if case.due(step) is None:
            continue
        now = generator.now_near(case, step)
        missed = generator.random.choice(["keep", "skip"])
        origin = generator.random.choice(["due", "due", "completion"])
        lines.append(f"next {case.words()} {step} {origin} {missed} {now:%Y-%m-%dT%H:%M:%SZ}")
        if origin == "completion":
            expected.append(case.shown(case.after_completion(now)))
        elif missed == "keep":
            expected.append(case.shown(case.due(step + 1)))
        else:
            expected.append(case.shown(case.first_after(step + 1, now)))
    compare(lines, expected, seed)


def test_a_series_missed_for_centuries_goes_on_at_its_first_date_after_now():
    seed = new_seed()
    generator = Generator(seed)
    lines, expected = [], []
    while len(lines) < 2_000:
        case, _ = generator.case()
        if case.day.year > 2100:
            continue
        now = datetime.datetime(generator.random.randint(2200, 9000), 7, 1, tzinfo=UTC)
        never = (datetime.datetime.max.replace(tzinfo=UTC), None)
        far = bisect.bisect_right(range(3_000_000), now,
                                  key=lambda step: (case.due(step) or never)[0])
        lines.append(f"next {case.words()} 0 due skip {now:%Y-%m-%dT%H:%M:%SZ}")
        expected.append(case.shown(case.due(far)))
    compare(lines, expected, seed)


def test_the_vectors_agree_with_the_calendar():
    vectors = json.loads((ROOT / "tests/vectors/recurrence.json").read_text(encoding="utf-8"))
    names = ["mo", "tu", "we", "th", "fr", "sa", "su"]
    for vector in vectors["series"]:
        if vector["from"] != "due" or vector["rule"] == "none":
            continue
        day, _, time = vector["due"].partition("T")
        case = Case(vector["rule"], vector["interval"],
                    vector["weekdays"] and {names.index(name) for name in vector["weekdays"]},
                    vector["zone"], datetime.date.fromisoformat(day),
                    datetime.time.fromisoformat(time) if time else None)
        for step, want in enumerate(vector["then"], 1):
            shown = case.shown(case.due(step))
            assert (shown if time else shown.partition("/")[2]) == want, vector["name"]
        if vector["ends"]:
            assert case.due(len(vector["then"]) + 1) is None, vector["name"]
