"""PostgreSQL goes away under a server, is slow, or swallows what it is told: clients learn it soon,
nothing hangs, and all is well when it is back."""
import concurrent.futures
import contextlib
import threading
import time
import uuid

import pytest

from harness.postgres import Cluster
from harness.proxy import Proxy
from harness.server import eventually, migrated
from harness.store import PostgresStore

pytestmark = pytest.mark.only("postgres")

ANSWER_SECONDS_MAX = 2
RECOVERY_SECONDS_MAX = 2
STOP_SECONDS_MAX = 20
# For what is sent into a void: the time limit of an answer, and a wait in a queue as long.
VOID_SECONDS_MAX = 25
OUTAGE_SECONDS = 3
OUTAGE_SECONDS_LONG = 30
CLIENTS = 8
DB_POOL = 4


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A cluster that tests stop, and a database of it to copy."""
    with Cluster() as cluster:
        yield cluster, migrated(cluster, tmp_path_factory.mktemp("own"))


@pytest.fixture
def server(own, new_server):
    _, template = own
    return new_server(store=PostgresStore(template.copy()), DB_POOL=DB_POOL).start()


@pytest.fixture
def proxied(template, new_server):
    """A server on the run's cluster, and the proxy between the two."""
    with Proxy(template.postgres.port) as proxy:
        store = PostgresStore(template.copy())
        yield new_server(store=store.by(proxy.url(store.database.url)), DB_POOL=DB_POOL).start(), proxy


@contextlib.contextmanager
def gone(cluster, how: str):
    getattr(cluster, how)()
    try:
        yield
    finally:
        cluster.start()


class Clients:
    """People who make tasks, one after the other each, and note how it went."""

    def __init__(self, user, count: int = CLIENTS):
        self.user = user
        self.answers = []  # (seconds, response)
        self.over = threading.Event()
        self.pool = concurrent.futures.ThreadPoolExecutor(count)
        self.work = [self.pool.submit(self._make_tasks) for _ in range(count)]

    def __enter__(self) -> "Clients":
        return self

    def __exit__(self, *_) -> None:
        self.over.set()
        self.pool.shutdown()

    def _make_tasks(self) -> None:
        while not self.over.is_set():
            begun = time.monotonic()
            answer = self.user.post("/tasks", {"title": "Made in bad times"})
            self.answers.append((time.monotonic() - begun, answer))

    def made(self) -> int:
        return sum(answer.status == 201 for _, answer in self.answers)

    def end(self) -> list:
        self.over.set()
        for each in self.work:
            each.result()
        return self.answers


def is_unavailable(answer) -> bool:
    """A 503 that says when to come again, and nothing of what is below."""
    if answer.status != 503:
        return False
    assert int(answer.header("Retry-After")) >= 1
    assert not any(word in answer.text.lower() for word in ("libpq", "postgres", "sql", "127.0.0.1"))
    return True


def is_told(server, user) -> None:
    """Everybody is answered in time that the database is away."""
    for method, path, body in (
        ("GET", "/tasks", None),
        ("POST", "/tasks", {"title": "Not now"}),
        ("POST", "/auth/login", {"email": user.email, "password": "wrong"}),
    ):
        took, answer = timed_request(user, method, path, body)
        assert is_unavailable(answer) and took <= ANSWER_SECONDS_MAX, (took, answer.text)
    took, answer = timed_request(server, "GET", "//healthz")
    assert answer.status == 200 and took <= ANSWER_SECONDS_MAX


def timed_request(who, *request) -> tuple:
    begun = time.monotonic()
    answer = who.request(*request)
    return time.monotonic() - begun, answer


def recovers(user, seconds: float = RECOVERY_SECONDS_MAX) -> None:
    """A task is made in time; and as often as there are connections, at once."""
    key = {"Idempotency-Key": str(uuid.uuid4())}
    make = lambda: user.post("/tasks", {"title": "Made after"}, headers=key).status == 201
    eventually(make, seconds)
    with concurrent.futures.ThreadPoolExecutor(4 * DB_POOL) as pool:
        for made in [pool.submit(user.task) for _ in range(4 * DB_POOL)]:
            made.result(RECOVERY_SECONDS_MAX)


def all_made_is_there(user, clients: Clients) -> None:
    """What was answered with 201, and no more than was asked for."""
    made = {answer.json()["id"] for _, answer in clients.answers if answer.status == 201}
    there = {task["id"] for task in user.all_pages("/tasks?limit=500")}
    assert made <= there and len(there) <= len(clients.answers) + 4 * DB_POOL + 1
    assert user.get("/audit/verify").expect(200).json()["verified"]


# --- gone ---


@pytest.mark.parametrize("how", ["stop", "stop_immediate", "kill"])
def test_an_outage_is_told_soon_and_is_over_soon(own, server, how, request):
    cluster, _ = own
    seconds = OUTAGE_SECONDS_LONG if request.config.getoption("long") else OUTAGE_SECONDS
    user = server.user()
    with Clients(user) as clients:
        eventually(lambda: clients.made() >= CLIENTS)
        with gone(cluster, how):
            over = time.monotonic() + seconds
            while time.monotonic() < over:
                is_told(server, user)
            assert server.request("GET", "//readyz").status == 503
            made = clients.made()
        recovers(user)
        eventually(lambda: server.request("GET", "//readyz").status == 200)
        eventually(lambda: clients.made() > made)
        for took, answer in clients.end():
            assert answer.status == 201 or is_unavailable(answer)
            assert took <= ANSWER_SECONDS_MAX
    all_made_is_there(user, clients)
    assert server.stop() == 0


def test_a_server_stops_in_time_while_its_database_is_gone(own, server):
    cluster, _ = own
    user = server.user()
    with Clients(user) as clients:
        eventually(lambda: clients.made() >= CLIENTS)
        with gone(cluster, "stop_immediate"):
            eventually(lambda: is_unavailable(user.get("/tasks")))
            clients.end()
            begun = time.monotonic()
            assert server.stop() == 0 and time.monotonic() - begun < STOP_SECONDS_MAX


def test_an_outage_shorter_than_a_request_is_not_noticed(proxied):
    """What was cut before its COMMIT was sent is done again on another connection."""
    server, proxy = proxied
    user = server.user()
    for number in range(10):
        proxy.cut()
        user.task(f"T{number}")
        proxy.cut()
        assert len(user.tasks()) == number + 1


def test_a_connection_cut_while_it_is_made_is_made_again(proxied):
    """It says nothing about the database: nobody is turned away for it."""
    server, proxy = proxied
    user = server.user()
    proxy.cut_beginnings(2)
    proxy.cut()
    user.task()
    assert server.stop() == 0
    assert not any("cannot be reached" in line for line in server.log)


@pytest.mark.parametrize("what", ["refused", "swallowed"])
def test_a_network_that_is_gone_is_told_and_is_over_soon(proxied, what):
    server, proxy = proxied
    user = server.user()
    user.task()
    if what == "refused":
        proxy.refuse()
        proxy.cut()
    else:
        proxy.hold()
    longest = ANSWER_SECONDS_MAX if what == "refused" else VOID_SECONDS_MAX
    took, answer = timed_request(user, "GET", "/tasks")
    assert is_unavailable(answer) and took <= longest
    took, answer = timed_request(server, "GET", "//healthz")
    assert answer.status == 200 and took <= ANSWER_SECONDS_MAX
    proxy.accept()
    proxy.release()
    recovers(user)
    assert server.stop() == 0


# --- slow ---


def test_a_slow_database_bounds_the_waiting(proxied):
    """400 ms a round trip, and more people than it can serve in the time that somebody may wait."""
    server, proxy = proxied
    user = server.user()
    proxy.delay(0.2)
    with Clients(user, count=50 * DB_POOL) as clients:
        eventually(lambda: any(is_unavailable(answer) for _, answer in clients.answers), 60)
        begun = time.monotonic()
        while time.monotonic() < begun + OUTAGE_SECONDS:
            took, answer = timed_request(server, "GET", "//healthz")
            assert answer.status == 200 and took <= ANSWER_SECONDS_MAX
        answers = clients.end()
    assert clients.made() > 0
    for took, answer in answers:
        assert answer.status == 201 or is_unavailable(answer)
        assert took <= VOID_SECONDS_MAX
    proxy.delay(0)
    recovers(user)
    all_made_is_there(user, clients)


def test_a_slow_database_serves_those_it_can(proxied):
    server, proxy = proxied
    user = server.user()
    proxy.delay(0.2)
    task = user.task("Slowly")
    assert user.read(task)["title"] == "Slowly"
    assert user.edit(task, title="Still")["version"] == 2
    assert user.complete(task)["completed_task"]["completed"]
    eventually(lambda: [entry["action"] for entry in user.audit()] == ["complete", "update", "create"])
    assert server.request("GET", "//readyz").status == 200


# --- in its own way ---


def fail(store, sqlstate: str, times: int) -> None:
    """The next `times` new tasks fail so, wherever they are tried; a sequence counts them, because
    it is not rolled back."""
    store.execute("CREATE SEQUENCE attempts")
    store.execute(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF nextval('attempts') <= {times} THEN "
        f"RAISE EXCEPTION 'of the test' USING ERRCODE = '{sqlstate}'; END IF; RETURN new; END $$"
    )
    store.execute(
        "CREATE TRIGGER fail BEFORE INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION fail()"
    )


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
def test_serialization_failures_and_deadlocks_are_retried_within_bounds(new_server, sqlstate):
    server = new_server().start()
    user = server.user()
    fail(server.store, sqlstate, times=3)
    user.task("The fourth time")
    assert len(user.tasks()) == 1
    server.store.execute("ALTER SEQUENCE attempts MINVALUE -1000 RESTART WITH -1000")
    assert is_unavailable(user.post("/tasks", {"title": "Not in a thousand"}))
    ((tried,),) = server.store.execute("SELECT last_value FROM attempts")
    assert -1000 < tried <= -1000 + 10
    assert server.metric("todo_storage_retries_total") >= 3 + tried - -1000
    server.store.execute("DROP TRIGGER fail ON tasks")
    user.task()
