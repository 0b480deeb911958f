"""Moving house: `todo-backend copy` between SQLite and PostgreSQL, with everything."""
import contextlib
import random
import re
import signal
import sqlite3
import subprocess
import time
import uuid

import pytest

from harness.server import PASSWORD, eventually, program
from harness.store import PostgresStore, SqliteStore

# Each test has both databases.
pytestmark = pytest.mark.only("sqlite")

COPY_SECONDS = 120
KEYS = {"JWT_SECRET": "j" * 40, "AUDIT_KEY": "a" * 40}
# Where each says how far a copy into it is.
PROGRESS = "SELECT coalesce(sum(rows), 0) FROM copy_progress"


@pytest.fixture
def database(cluster):
    database = cluster.new_database()
    yield database
    database.drop()


@pytest.fixture
def place(new_server):
    """A server on SQLite, which is not started."""
    return new_server(**KEYS)


def sqlite_url(server) -> str:
    return f"sqlite:{server.store.path}"


def copy(server, source: str, target: str, check: bool = True) -> subprocess.CompletedProcess:
    return server.run("copy", "--from", source, "--to", target, check=check)


def fill(server):
    """Someone with a bit of everything, and what the API answers of it."""
    user = server.user("ann@example.com", timezone="Europe/Berlin")
    for number in range(30):
        task = user.task(f"Gießen {number} 🌱", due_date="2031-05-05T09:00:00Z", category="home",
                         recurrence_rule="weekly" if number % 2 else "none")
        if number % 3 == 0:
            user.complete(task)
        if number % 5 == 0:
            user.delete(f"/tasks/{task['id']}").expect(204)
    user.post("/tasks", {"title": "once"}, headers={"Idempotency-Key": "first"}).expect(201)
    token = user.post("/auth/tokens", {"name": "script", "scope": "read"}).expect(201).json()["token"]
    eventually(lambda: user.get("/audit/verify").expect(200).json()["verified"])
    eventually(lambda: server.store.execute("SELECT count(*) FROM outbox")[0][0] == 0)
    return user, token


def seen_by(user) -> dict:
    return {
        "me": user.get("/auth/me").expect(200).json(),
        "tasks": user.all_pages("/tasks"),
        "deleted": user.all_pages("/tasks?deleted=true"),
        "audit": user.all_audit(),
        "verified": user.get("/audit/verify").expect(200).json()["verified"],
    }


def rows_of(path) -> dict:
    """Every table of an SQLite file, but what belongs to the file itself."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        names = [name for name, in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'schema_info' "
            "AND name <> 'seen_events'")]
        found = {}
        for name in names:
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({name})")]
            if name in ("audit_entries", "outbox"):
                columns.remove("position")
            found[name] = sorted(connection.execute(f"SELECT {', '.join(columns)} FROM {name}"),
                                 key=repr)
        return found


def add_many(path, rows: int) -> None:
    """Rows enough that a copy takes a while."""
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        user_id, = connection.execute("SELECT id FROM users LIMIT 1").fetchone()
        connection.executemany(
            "INSERT INTO notifications (user_id, created_at, id, type, title, message, data) "
            "VALUES (?, ?, ?, 0, 'title', 'message', '{}')",
            ((user_id, 1_900_000_000_000 + number, uuid.UUID(int=number + 1).bytes)
             for number in range(rows)))


def test_a_database_moves_to_postgres_and_back(place, new_server, database):
    place.start()
    user, token = fill(place)
    before = seen_by(user)
    assert before["verified"] and before["deleted"]
    place.stop()

    there = copy(place, sqlite_url(place), database.url)
    assert "is ready" in there.stdout and "verified: all rows, 1 chain, " in there.stdout
    assert re.search(r"copying: \d+ of \d+ rows \(100 %\)", there.stderr)

    other = new_server(**KEYS)
    back = copy(other, database.url, sqlite_url(other))
    assert "what is written to the source from now on is not copied" in back.stderr
    assert rows_of(other.store.path) == rows_of(place.store.path)

    other.start()
    user.server = other
    assert seen_by(user) == before
    script = user.with_token(token)
    script.get("/tasks").expect(200)
    script.post("/tasks", {"title": "no"}).expect(403)
    again = user.post("/tasks", {"title": "once"}, headers={"Idempotency-Key": "first"}).expect(201)
    assert again.json()["id"] in [task["id"] for task in before["tasks"]]
    other.request("POST", "/auth/login", {"email": user.email, "password": PASSWORD}).expect(200)


def start_copy(server, source: str, target: str) -> subprocess.Popen:
    return subprocess.Popen([program(), "copy", "--from", source, "--to", target],
                            env=server.environment(), stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=server.folder)


def kill_and_go_on(server, source: str, target: str, progress, kills: int, seed: int) -> None:
    """Kills copies after they have moved on, then lets one end; nothing is copied twice."""
    moments = random.Random(seed)
    killed = 0
    rows = 0
    while killed < kills:
        process = start_copy(server, source, target)
        try:
            at_least = rows + moments.choice((0, 1, 50_000))
            # Polling is all there is: what is waited for is another process's commit.
            while process.poll() is None and progress() <= at_least:
                time.sleep(0.002)
            if process.poll() is not None:
                break
            time.sleep(moments.random() / 50)  # anywhere in a batch
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=COPY_SECONDS)
        killed += 1
        assert progress() >= rows, "what was committed is still there"
        rows = progress()
    assert killed > 0 and rows > 0
    ended = copy(server, source, target)
    assert f"{rows} of them by a copy that was broken off" in ended.stdout


def test_a_copy_that_is_killed_goes_on_where_it_was(place, new_server, database):
    place.start()
    fill(place)
    place.stop()
    add_many(place.store.path, 200_000)

    def rows_there() -> int:
        try:
            return database.execute(PROGRESS)[0][0]
        except Exception:  # it has not begun
            return 0

    kill_and_go_on(place, sqlite_url(place), database.url, rows_there, kills=3, seed=1)

    other = new_server(**KEYS)
    working = other.store.path.with_name("todo.db.copying")

    def rows_back() -> int:
        try:
            with contextlib.closing(sqlite3.connect(f"file:{working}?mode=ro", uri=True)) as c:
                return c.execute(PROGRESS).fetchone()[0]
        except sqlite3.OperationalError:
            return 0

    kill_and_go_on(other, database.url, sqlite_url(other), rows_back, kills=3, seed=2)
    assert not working.exists()
    assert rows_of(other.store.path) == rows_of(place.store.path)


def test_a_file_that_is_served_is_not_copied_and_its_backup_is(place, database):
    place.start()
    fill(place)
    refused = copy(place, sqlite_url(place), database.url, check=False)
    assert refused.returncode == 1 and "in use" in refused.stderr and not refused.stdout
    assert database.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]
    backup = place.folder / "backup.db"
    place.run("backup", backup)
    assert "is ready" in copy(place, f"sqlite:{backup}", database.url).stdout


def test_a_changed_entry_ends_the_copy_and_the_target_stays_closed(place, database):
    place.start()
    fill(place)
    place.stop()
    place.store.execute(
        "UPDATE audit_entries SET canonical = replace(canonical, 'home', 'hume') WHERE position = "
        "(SELECT min(position) FROM audit_entries WHERE canonical LIKE '%home%')")
    done = copy(place, sqlite_url(place), database.url, check=False)
    assert done.returncode == 1 and "does not hold" in done.stderr and "ready" not in done.stdout
    (min_app,), = database.execute("SELECT min_app FROM schema_info")
    assert min_app == 2**31 - 1, "no program may start on it"
    again = copy(place, database.url, f"sqlite:{place.folder}/again.db", check=False)
    assert again.returncode == 1 and "a copy that was broken off" in again.stderr


def test_places_that_cannot_be_copied_are_refused_with_a_sentence(place, new_server, cluster, database):
    place.start()
    fill(place)
    place.stop()
    source = sqlite_url(place)

    def refusal(source: str, target: str, code: int = 1) -> str:
        done = copy(place, source, target, check=False)
        assert done.returncode == code and not done.stdout
        text = done.stderr
        assert "s3cret" not in text and "boost" not in text
        return text

    assert "same database" in refusal(source, source)
    assert "must be sqlite:PATH or postgres://" in refusal("mysql://x:s3cret@db/x", database.url)
    assert "no such file" in refusal(f"sqlite:{place.folder}/nothing.db", database.url)
    assert "exists already" in refusal(database_with(cluster, place), source)
    url = f"postgres://postgres:s3cret@127.0.0.1:1/{database.name}"
    assert "127.0.0.1:1" in refusal(source, url)

    # Without the key nothing can be verified.
    (place.data / "audit.key").unlink(missing_ok=True)
    key = place.settings.pop("AUDIT_KEY")
    assert "AUDIT_KEY" in refusal(source, database.url)
    place.settings["AUDIT_KEY"] = key
    copy(place, source, database.url)
    assert "holds data of its own" in refusal(source, database.url)


def database_with(cluster, server) -> str:
    """A database of ours, which goes with the cluster."""
    url = cluster.new_database().url
    copy(server, sqlite_url(server), url)
    return url
