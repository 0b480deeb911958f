"""Somebody else's session on PostgreSQL takes the locks of the program in another order: the
deadlock is real, and PostgreSQL ends the program's transaction. It runs again, within bounds, and is
counted.

(Serialization failures cannot be had so: whatever writes is READ COMMITTED.)"""
import concurrent.futures
import contextlib
import uuid

import psycopg2
import pytest

from harness import postgres
from harness.server import Server, eventually, migrated
from harness.store import PostgresStore

ATTEMPTS_MAX = 4  # the first, and three more
RETRIES = "todo_storage_retries_total"
CONFLICT = 'class="40"'
# The program's sessions find a deadlock soon, the other never: so the program is who is ended.
PROGRAM_FINDS_IT = "20ms"
OTHER_FINDS_IT = "1h"


@pytest.fixture(scope="module")
def cluster():
    with postgres.running() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def template(cluster, tmp_path_factory):
    database = migrated(cluster, tmp_path_factory.mktemp("template"))
    yield database
    database.drop()


@pytest.fixture
def server(template, tmp_path):
    database = template.copy()
    database.execute(
        f"ALTER DATABASE {database.name} SET deadlock_timeout = '{PROGRAM_FINDS_IT}'"
    )
    server = Server(tmp_path, store=PostgresStore(database)).start()
    yield server
    assert server.stop() == 0
    assert not [line for line in server.log if '"level":"error"' in line]
    database.drop()


class Other:
    """A session of somebody else's, in one transaction."""

    def __init__(self, database):
        self.database = database
        self.connection = psycopg2.connect(database.url)
        self.cursor = self.connection.cursor()
        self.execute(f"SET deadlock_timeout = '{OTHER_FINDS_IT}'")

    def execute(self, statement: str, *values) -> None:
        self.cursor.execute(statement, values)

    def lock_user(self, user) -> None:
        """As the program does first of all: by the random half of the user's id."""
        key = int.from_bytes(uuid.UUID(user.id).bytes[8:], signed=True)
        self.execute("SELECT pg_advisory_xact_lock(%s)", key)

    def lock_row(self, table: str, user) -> None:
        self.execute(f"SELECT 1 FROM {table} WHERE user_id = %s FOR UPDATE", user.id)
        assert self.cursor.rowcount > 0

    @property
    def pid(self) -> int:
        return self.connection.info.backend_pid

    def is_waited_for(self) -> bool:
        """Whether a session waits for a lock that this one holds."""
        return self.is_any("%s = ANY(pg_blocking_pids(pid))")

    def waits(self) -> bool:
        return self.is_any("pid = %s")

    def is_any(self, condition: str) -> bool:
        """Whether there is such a one among those who wait for a lock."""
        statement = f"SELECT count(*) FROM pg_locks WHERE NOT granted AND {condition}"
        return self.database.execute(statement, (self.pid,)) != [(0,)]

    def end(self) -> None:
        self.connection.close()


@contextlib.contextmanager
def in_background(function, *arguments):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        yield pool.submit(function, *arguments)


def is_recorded_once(user, count: int) -> None:
    eventually(lambda: user.get("/audit").json()["total"] >= count)
    entries = user.all_audit()
    assert len({(each["entity_id"], each["entity_version"]) for each in entries}) == len(entries)
    assert len(entries) == count
    assert user.get("/audit/verify").json()["verified"]


class Deadlock:
    """What the program locks first and what it locks last belong to two others; one of them wants
    the other's as well. The program is let go on when all that is so: it closes the circle, and is
    who finds it. No time matters."""

    def __init__(self, server, hold_first, hold_last, want):
        self.first = Other(server.store.database)
        self.last = Other(server.store.database)
        self.hold_first, self.want = hold_first, want
        hold_first(self.first)
        hold_last(self.last)
        self.last.execute("SAVEPOINT wanted")

    def close(self) -> None:
        self.first.end()
        self.last.end()

    def happen(self) -> None:
        """When the program is on its way; returns when its transaction was ended. It gets nowhere
        from then on."""
        eventually(self.first.is_waited_for)
        with in_background(self.want, self.last) as wanting:
            eventually(self.last.waits)
            self.first.connection.rollback()
            wanting.result()

    def prepare_again(self) -> None:
        self.hold_first(self.first)
        self.last.execute("ROLLBACK TO SAVEPOINT wanted")


def table(name: str, mode: str):
    return lambda session: session.execute(f"LOCK TABLE {name} IN {mode} MODE")


def deadlock_of_requests(server, user) -> Deadlock:
    """A new task: the user's lock, the table of tasks, the user's counters."""
    return Deadlock(
        server,
        table("tasks", "SHARE"),
        lambda session: session.lock_row("user_state", user),
        lambda session: session.lock_user(user),
    )


def test_a_request_in_a_deadlock_is_done_all_the_same(server):
    user, neighbour = server.user(), server.user()
    with contextlib.closing(deadlock_of_requests(server, user)) as deadlock:
        with in_background(user.task) as making:
            deadlock.happen()
            neighbour.task()
            assert not making.done()
            deadlock.last.end()
            task = making.result()
    assert user.tasks() == [task]
    assert server.metric(RETRIES, CONFLICT) == 1
    is_recorded_once(user, 1)


def test_a_request_that_meets_deadlocks_without_end_is_put_off(server):
    user = server.user()
    with contextlib.closing(deadlock_of_requests(server, user)) as deadlock:
        with in_background(user.post, "/tasks", {"title": "Not now"}) as making:
            for attempt in range(ATTEMPTS_MAX):
                if attempt > 0:
                    deadlock.prepare_again()
                deadlock.happen()
            answer = making.result().expect(503)
    assert "nothing was changed" in answer.json()["detail"]
    assert int(answer.header("Retry-After")) >= 1
    assert server.metric(RETRIES, CONFLICT) == ATTEMPTS_MAX - 1
    assert user.tasks() == []
    user.task()
    is_recorded_once(user, 1)


def test_events_in_a_deadlock_are_applied_once(server):
    user = server.user()
    deadlock = Deadlock(
        server,
        table("audit_heads", "EXCLUSIVE"),
        table("audit_entries", "SHARE"),
        lambda session: session.execute("SELECT 1 FROM outbox FOR UPDATE"),
    )
    with contextlib.closing(deadlock):
        tasks = [user.task(f"T{number}") for number in range(10)]
        deadlock.happen()
        eventually(lambda: server.metric(RETRIES, CONFLICT) == 1)
    assert len(user.tasks()) == len(tasks)
    is_recorded_once(user, len(tasks))
    ((left,),) = server.store.execute("SELECT count(*) FROM outbox")
    assert left == 0
