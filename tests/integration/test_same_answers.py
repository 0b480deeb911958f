"""The same calls to a server on SQLite and to one on PostgreSQL get the same answers: random
sequences of calls, made as small as they can be when two answers differ."""
import datetime
import json
import re
import urllib.parse

import hypothesis
import pytest
from hypothesis import strategies as st

from harness.server import PASSWORD, Server, User
from harness.store import PostgresStore, SqliteStore

# About both databases at once: run beside PostgreSQL, of which the other runs have none.
pytestmark = pytest.mark.only("postgres")

START = 1_900_000_000  # 2030-03-17T17:46:40Z
DAY = 86_400
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
HASH = re.compile(r"\b[0-9a-f]{64}\b")
# Of a task or a notification: opaque, and made of ids.
CURSOR = re.compile(r'(cursor=|"next_cursor":")[^"&>]+')
# A call a second: what the clock brings about happens during one or the next.
SECOND = re.compile(r"(T17:4)[67](:\d\d)?(\.\d+)?Z")
TOLD = re.compile("/audit|/notifications|/reminders")
HEADERS = ("Location", "Link", "X-Total-Count", "X-Total-Count-Capped", "Allow", "Retry-After",
           "Idempotency-Replayed", "Content-Type")


class FrozenServer(Server):
    """Its clock stands still but for the steps it is told, so that two of them agree to the
    millisecond."""

    def set_clock_offset(self, seconds: float) -> None:
        self.offset = seconds
        new = self.clock_file.with_suffix(".new")
        new.write_text(utc(START + seconds, " ") + "\n")
        new.rename(self.clock_file)

    def environment(self) -> dict:
        return {**super().environment(), "TZ": "UTC"}


def utc(seconds: float, separator: str = "T") -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.strftime(f"%Y-%m-%d{separator}%H:%M:%S")


class Side:
    """A server, and how it names what the calls made: ids are random, their order of appearance is
    not."""

    def __init__(self, server: Server):
        self.server = server

    def begin(self, email: str) -> None:
        self.user = User(self.server, email, "")
        body = {"email": email, "password": PASSWORD, "timezone": "Europe/Berlin"}
        self.server.request("POST", "/auth/register", body).expect(201)
        self.user.login()
        self.names = {}
        self.tasks, self.notifications = [], []

    def call(self, method: str, path: str, body=None, headers=None) -> tuple:
        if TOLD.search(path):
            self.server.run("reminders", "run")  # what the clock brings about, else a moment later
        self.server.store.settle()
        answer = self.user.request(method, path, body, headers=headers)
        self.learn(answer)
        told = {name: self.plain(answer.header(name) or "") for name in HEADERS}
        body = answer.body.decode()
        return answer.status, told, self.plain(in_order(body) if TOLD.search(path) else body)

    def learn(self, answer) -> None:
        if answer.header("Content-Type") != "application/json":
            return
        found = answer.json()
        for each in found if isinstance(found, list) else found.values() if isinstance(found, dict) else []:
            self.keep(each)
        self.keep(found)
        for each in (found.get("notifications", []) if isinstance(found, dict) else []):
            self.keep(each)

    def keep(self, thing) -> None:
        if not isinstance(thing, dict) or "id" not in thing:
            return
        known = self.tasks if "series_id" in thing else self.notifications if "task_id" in thing else None
        if known is not None and thing["id"] not in known:
            known.append(thing["id"])

    def plain(self, text: str) -> str:
        text = CURSOR.sub(r"\1…", text)
        text = SECOND.sub(r"\1", HASH.sub("<hash>", text))
        return UUID.sub(lambda match: self.name(match.group()), text)

    def name(self, id_text: str) -> str:
        return self.names.setdefault(id_text, f"<id {len(self.names)}>")

    def task(self, index: int) -> str:
        return nth(self.tasks, index)

    def notification(self, index: int) -> str:
        return nth(self.notifications, index)


def in_order(body: str) -> str:
    """The entries of the audit trail, or the notifications, in an order of their own: what is made
    for a user at the same time, by the bus and by the clock, comes in either order."""
    page = json.loads(body) if body else None
    for name in ("entries", "notifications"):
        if isinstance(page, dict) and isinstance(page.get(name), list):
            for each in page[name]:
                each.pop("seq", None)
            without_ids = {id(each): HASH.sub("", UUID.sub("", json.dumps(each)))
                           for each in page[name]}
            page[name].sort(key=lambda each: (SECOND.sub("", without_ids[id(each)]),
                                              without_ids[id(each)]))
    return json.dumps(page, ensure_ascii=False)


def nth(ids: list, index: int) -> str:
    """One of those that the calls so far have seen, or one that nobody has."""
    return ids[index % len(ids)] if ids else "00000000-0000-7000-8000-000000000000"


# --- what is called -------------------------------------------------------------------------------

titles = st.sampled_from(["Rent", "buy milk", "Äpfel", "ÄPFEL", "ﬁx % it_", "日本", "a\\b", "x" * 200])
days = st.integers(-3, 40)
dates = days.map(lambda n: utc(START + n * DAY)[:10])
instants = st.tuples(days, st.sampled_from([0, 3_599, 7_200, 40_000])).map(
    lambda each: utc(START + each[0] * DAY + each[1]) + "Z")
rules = st.sampled_from(["none", "daily", "weekly", "monthly", "yearly"])
categories = st.sampled_from(["home", "work", "Ölfarbe", "zoo"])
priorities = st.sampled_from(["low", "medium", "high", "urgent", None])
members = {
    "title": titles,
    "description": st.sampled_from(["", "100 % of it", "ähnlich", None]),
    "due_date": st.one_of(instants, st.none()),
    "due_on": st.one_of(dates, st.none()),
    "priority": priorities,
    "category": st.one_of(categories, st.none()),
    "recurrence_rule": rules,
    "recurrence_interval": st.sampled_from([1, 1, 2, 3, 0]),
    "recurrence_weekdays": st.one_of(st.none(), st.lists(st.integers(0, 6), max_size=3)),
    "recurrence_from": st.sampled_from(["due", "completion"]),
}
changes = st.fixed_dictionaries({}, optional=members)
recurring = st.fixed_dictionaries({
    "title": titles, "due_date": instants, "priority": priorities, "category": categories,
    "recurrence_rule": rules})
new_tasks = st.one_of(
    recurring,
    st.fixed_dictionaries({"title": titles, "due_on": dates}),
    st.fixed_dictionaries({"title": titles}, optional={
        name: strategy for name, strategy in members.items() if name != "title"}),
)
index = st.integers(0, 7)
filters = st.fixed_dictionaries({}, optional={
    "category": categories,
    "priority": st.sampled_from(["low", "medium", "high", "urgent"]),
    "completed": st.sampled_from(["true", "false"]),
    "overdue": st.sampled_from(["true", "false"]),
    "deleted": st.just("true"),
    "due_before": dates,
    "due_after": dates,
    "q": st.sampled_from(["milk", "äp", "%", "_", "\\", "FI", "x x"]),
    "sort": st.sampled_from(["created_at", "updated_at", "due_date", "priority", "title"]),
    "order": st.sampled_from(["asc", "desc"]),
    "limit": st.integers(1, 4),
})
sentences = st.sampled_from([
    "buy milk tomorrow 5pm !high #shopping every week", "pay rent every 31st", "call Ann in 3 days",
    "tomorrow", "water plants every other day #home", "The 9/11 Report", "x 12/4"])


def of_task(method: str, tail: str, body=st.none()):
    return st.tuples(st.just(method), st.just("task"), index, st.just(tail), body)


def plain_call(method: str, path: str, body=st.none()):
    return st.tuples(st.just(method), st.just(path), st.just(0), st.just(""), body)


calls = st.one_of(
    # What a call that a failure can do without becomes.
    st.tuples(st.just("nothing"), st.just(""), st.just(0), st.just(""), st.none()),
    plain_call("POST", "/tasks", new_tasks),
    plain_call("POST", "/tasks", new_tasks),
    plain_call("POST", "/tasks/quick-add", st.fixed_dictionaries({"text": sentences})),
    of_task("PATCH", "", changes),
    of_task("PATCH", "?scope=this", changes),
    of_task("PUT", "", changes),
    of_task("POST", "/complete"),
    of_task("POST", "/complete"),
    of_task("POST", "/reopen"),
    of_task("PATCH", "/toggle"),
    of_task("DELETE", ""),
    of_task("POST", "/restore"),
    of_task("GET", ""),
    of_task("GET", "/reminders"),
    of_task("GET", "/occurrences?count=3"),
    st.tuples(st.just("audit of"), st.just("task"), index, st.just(""), st.none()),
    st.tuples(st.just("pages"), st.just("/tasks"), st.just(0), st.just(""), filters),
    st.tuples(st.just("pages"), st.just("/tasks"), st.just(0), st.just(""), filters),
    plain_call("GET", "/tasks/categories"),
    plain_call("GET", "/auth/me/stats"),
    plain_call("PATCH", "/auth/me", st.fixed_dictionaries({
        "timezone": st.sampled_from(["UTC", "Asia/Kolkata", "America/New_York"])}, optional={
        "shift_due_dates": st.booleans()})),
    plain_call("PATCH", "/auth/me/preferences", st.fixed_dictionaries({}, optional={
        "reminders_enabled": st.booleans(), "reminder_minutes_before": st.sampled_from([0, 60, 1440]),
        "missed_occurrences": st.sampled_from(["skip", "keep", "each"])})),
    plain_call("GET", "/notifications?limit=100"),
    plain_call("GET", "/notifications/unread-count"),
    plain_call("POST", "/notifications/mark-all-read"),
    plain_call("DELETE", "/notifications/clear"),
    st.tuples(st.just("POST"), st.just("notification"), index, st.just("/read"), st.none()),
    st.tuples(st.just("DELETE"), st.just("notification"), index, st.just(""), st.none()),
    plain_call("GET", "/audit?limit=100"),
    plain_call("GET", "/audit?limit=100&action=update&entity_type=task"),
    st.tuples(st.just("days pass"), st.just(""), st.integers(1, 20), st.just(""), st.none()),
    st.tuples(st.just("days pass"), st.just(""), st.integers(1, 20), st.just(""), st.none()),
)


def run_call(side: Side, call: tuple) -> list:
    """What a call is answered; a list in pages is followed to its end."""
    method, path, number, tail, body = call
    if method == "nothing":
        return []
    if method == "days pass":
        side.server.set_clock_offset(side.server.offset + number * DAY)
        side.user.login()
        side.server.run("reminders", "run")
        return []
    if method == "pages":
        return pages(side, body)
    if method == "audit of":
        return [side.call("GET", f"/audit/task/{side.task(number)}")]
    if path == "task":
        path = f"/tasks/{side.task(number)}"
    elif path == "notification":
        path = f"/notifications/{side.notification(number)}"
    return [side.call(method, path + tail, body)]


def pages(side: Side, parameters: dict) -> list:
    target, answers = "/tasks?" + urllib.parse.urlencode(parameters), []
    while target and len(answers) < 30:
        side.server.store.settle()
        answer = side.user.request("GET", target)
        side.learn(answer)
        answers.append((answer.status, side.plain(answer.header("X-Total-Count") or ""),
                        side.plain(answer.body.decode())))
        link = answer.header("Link")
        target = link[1:link.index(">")].removeprefix("/api/v1") if link else None
    return answers


def compare(answers: list, sequence: list) -> None:
    """The message shows where the answers part, and what was called."""
    ours, theirs = (repr(answer) for answer in answers)
    same = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b), len(ours))
    assert ours == theirs, (
        f"SQLite …{ours[max(0, same - 150):same + 100]}… PostgreSQL …{theirs[same:same + 100]}… "
        f"after {json.dumps([call for call in sequence if call[0] != 'nothing'])}")


# --- the test -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sides(template, tmp_path_factory):
    made = []
    for name, store in (("sqlite", None), ("postgres", PostgresStore(template.copy()))):
        folder = tmp_path_factory.mktemp(name)
        store = store or SqliteStore(folder / "data" / "todo.db")
        made.append(FrozenServer(folder, faketime=True, store=store).start())
    yield [Side(server) for server in made]
    for server in made:
        server.stop()
        server.store.drop()


def test_both_databases_give_the_same_answers(sides, request):
    counter = iter(range(10**9))
    examples = 1_500 if request.config.getoption("long") else 20

    @hypothesis.settings(max_examples=examples, deadline=None, database=None, derandomize=True,
                         suppress_health_check=list(hypothesis.HealthCheck))
    @hypothesis.given(st.lists(recurring, min_size=1, max_size=4),
                      st.lists(calls, min_size=20, max_size=40))
    def check(first_tasks, later):
        sequence = [("POST", "/tasks", 0, "", each) for each in first_tasks] + later
        number = next(counter)
        for side in sides:
            side.server.set_clock_offset(0)
            side.begin(f"user{number}@example.com")
        for step, call in enumerate(sequence):
            answers = []
            for side in sides:
                side.server.set_clock_offset(side.server.offset + 1)
                answers.append(run_call(side, call))
            compare(answers, sequence[:step + 1])
        for side in sides:
            side.server.store.settle()
        compare([side.call("GET", "/audit?limit=100") for side in sides], sequence)
        compare([side.call("GET", "/audit/verify") for side in sides], sequence)

    check()
