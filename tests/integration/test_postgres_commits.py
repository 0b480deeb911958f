"""Connections cut in the middle of COMMIT: the client cannot know what came of it, the database does,
and a repetition with the same Idempotency-Key finds out without doing it twice."""
import concurrent.futures
import itertools
import uuid

import pytest

from harness.proxy import Proxy
from harness.server import eventually
from harness.store import PostgresStore

pytestmark = pytest.mark.only("postgres")

# How the statements of a transaction tell what it is.
CREATES = r"INTO\s+tasks"
CHANGES = r"UPDATE\s+tasks\s+SET\s+\("
RECORDS = r"INTO\s+audit_entries"


@pytest.fixture
def cut(template, new_server):
    """A server, and the proxy between it and its database."""
    with Proxy(template.postgres.port) as proxy:
        store = PostgresStore(template.copy())
        yield new_server(store=store.by(proxy.url(store.database.url))).start(), proxy


def new_key() -> dict:
    return {"Idempotency-Key": str(uuid.uuid4())}


def is_unknown(answer) -> bool:
    return answer.status == 503 and int(answer.header("Retry-After")) >= 1


def repeated(user, method: str, path: str, body, headers: dict):
    """Until it is answered, as clients do."""
    ask = lambda: (answer := user.request(method, path, body, headers)).status != 503 and answer
    return eventually(ask)


def recorded(user, count: int) -> None:
    """One entry for each change, in a chain that holds."""
    eventually(lambda: user.get("/audit").expect(200).json()["total"] >= count)
    entries = user.all_audit()
    assert len({(each["entity_id"], each["entity_version"]) for each in entries}) == len(entries)
    assert len(entries) == count
    assert user.get("/audit/verify").expect(200).json()["verified"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_create_cut_at_its_commit_is_made_once(cut, when):
    server, proxy = cut
    user = server.user()
    proxy.cut_at_commit(when, CREATES)
    key = new_key()
    assert is_unknown(user.post("/tasks", {"title": "Once"}, headers=key))
    proxy.wait_for_cuts(1)
    ((there,),) = server.store.execute("SELECT count(*) FROM tasks")
    assert there == (1 if when == "after" else 0), "the database is as it happened"
    answer = repeated(user, "POST", "/tasks", {"title": "Once"}, key).expect(201)
    assert answer.header("Idempotency-Replayed") == ("true" if when == "after" else None)
    assert [task["id"] for task in user.tasks()] == [answer.json()["id"]]
    recorded(user, 1)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_change_cut_at_its_commit_is_done_once(cut, when):
    server, proxy = cut
    user = server.user()
    task = user.task("Rent", due_date="2031-01-31", recurrence_rule="monthly")
    path = f"/tasks/{task['id']}"
    changes = [
        ("PATCH", path, {"title": "The rent"}, 200),
        ("POST", path + "/complete", None, 200),
        ("DELETE", path, None, 204),
    ]
    for number, (method, target, body, status) in enumerate(changes, 1):
        key = new_key()
        proxy.cut_at_commit(when, CHANGES)
        assert is_unknown(user.request(method, target, body, key))
        proxy.wait_for_cuts(number)
        repeated(user, method, target, body, key).expect(status)
    # Created, changed, completed, deleted; and the next occurrence, created.
    eventually(lambda: [each["occurrence"] for each in user.tasks()] == [2])
    recorded(user, 5)


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_event_whose_commit_is_cut_takes_effect_once(cut, when):
    server, proxy = cut
    user = server.user()
    proxy.cut_at_commit(when, RECORDS, count=3)
    for number in range(3):
        user.task(f"T{number}")
        proxy.wait_for_cuts(number + 1)
    recorded(user, 3)


def test_many_cuts_lose_nothing_and_double_nothing(cut):
    """Every fifth or so of many changes at once is cut, before and after in turn."""
    server, proxy = cut
    users = [server.user() for _ in range(4)]
    cuts = itertools.cycle(["before", "after"])

    def work(user) -> list:
        made = []
        for number in range(25):
            key, body = new_key(), {"title": f"T{number}"}
            if number % 5 == 0:
                proxy.cut_at_commit(next(cuts), CREATES)
            made.append(repeated(user, "POST", "/tasks", body, key).expect(201).json()["id"])
        return made

    with concurrent.futures.ThreadPoolExecutor(len(users)) as pool:
        made = list(pool.map(work, users))
    proxy.wait_for_cuts(5)
    for user, ids in zip(users, made):
        assert sorted(each["id"] for each in user.all_pages("/tasks")) == sorted(ids)
        recorded(user, 25)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_registration_cut_at_its_commit_can_be_tried_again(cut, when):
    server, proxy = cut
    proxy.cut_at_commit(when, r"INTO\s+users")
    person = {"email": "ann@example.com", "password": "correct horse battery"}
    assert is_unknown(server.request("POST", "/auth/register", person))
    again = eventually(
        lambda: (got := server.request("POST", "/auth/register", person)).status != 503 and got
    )
    assert again.status == (409 if when == "after" else 201)
    server.request("POST", "/auth/login", person).expect(200)
