"""The rows of `./dev bench --postgres`: the program on PostgreSQL, beside pgbench that runs the same
SQL on the same server. The server is a private cluster on the disk, as safe as it comes."""
import base64
import concurrent.futures
import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import run
from run import CLIENTS, DATA, PASSWORD, Server, load, mean, measured, raw, row, say

sys.path.insert(0, str(run.ROOT / "tests"))
from harness import postgres  # noqa: E402

USERS = 100
TASKS_EACH = 1_000
OCCURRENCES = 200
PAGES = 200
SECONDS = 4
TURNS = 3
PROCESS_TURNS = 8  # the rates of turns differ by a third
BATCH = 256  # events of a transaction of the bus
IDLE_SECONDS = 65
REST_SECONDS = 75  # after the last work a process looks for more a few times, for a minute
# What an entry takes with its indexes, and what a load writes ahead: generously.
BYTES_AN_ENTRY = 3_000
CLUSTER = {"shared_buffers": "512MB", "max_wal_size": "2GB", "work_mem": "16MB"}


class PostgresServer(Server):
    """The program on a database; its log goes to a file."""

    def __init__(self, database: postgres.Database, name: str = "server", **settings):
        super().__init__(DATA / name)
        self.database = database
        self.settings = settings

    def env(self) -> dict:
        return {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": self.database.url,
            "JWT_SECRET": "bench" * 8,
            "AUDIT_KEY": "bench" * 8,
            "PORT": "0",
            "METRICS_PORT": "0",
            "RATE_LIMITS": "off",
            **self.settings,
        }

    def drained(self) -> float:
        """Waits until the outbox is empty; when that was."""
        deadline = time.monotonic() + 60
        while self.database.execute("SELECT EXISTS (SELECT FROM outbox)")[0][0]:
            if time.monotonic() > deadline:
                raise RuntimeError("the outbox does not drain")
            time.sleep(0.01)
        return time.monotonic()


class Person:
    def __init__(self, user_id: str, token: str):
        self.id, self.token = user_id, token


def register(server: Server, index: int) -> Person:
    with contextlib.closing(server.connect()) as connection:
        account = {"email": f"user{index}@example.com", "password": PASSWORD}
        user = server.request(connection, "POST", "/auth/register", "", account)
        login = server.request(connection, "POST", "/auth/login", "", account)
        return Person(user["id"], login["access_token"])


def people_on(server: Server, count: int) -> list:
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda index: register(server, index), range(count)))


@contextlib.contextmanager
def cluster(**settings):
    with postgres.Cluster(durable=True, settings=CLUSTER | settings) as started:
        yield started


@contextlib.contextmanager
def serving(database: postgres.Database, name: str = "server", **settings):
    server = PostgresServer(database, name, **settings).start()
    try:
        yield server
    finally:
        server.stop()


def postgres_cpu(cluster_: postgres.Cluster) -> float:
    fields = pathlib.Path(f"/proc/{cluster_.process.pid}/stat").read_text().rpartition(")")[2].split()
    ended = int(fields[13]) + int(fields[14])  # of its processes that ended
    children = pathlib.Path(f"/proc/{cluster_.process.pid}/task/{cluster_.process.pid}/children")
    pids = [cluster_.process.pid, *map(int, children.read_text().split())]
    total = ended / run.CLOCK_TICKS
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            total += run.cpu_seconds(pid)
    return total


# --- pgbench --------------------------------------------------------------------------------------

# Ids as the program makes them: those of later tasks are greater.
NEW_ID = "(lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0') || " \
         "substr(md5(random()::text), 1, 20))::uuid"
EVENT = "x" * 1_400  # as long as the event of a new task
CANONICAL = "x" * 900  # and its audit entry

CREATE_SQL = f"""\
\\set user random(1, {CLIENTS})
BEGIN;
SELECT pg_advisory_xact_lock(:user);
WITH written AS (INSERT INTO tasks (user_id, id, created_at, updated_at, occurrence, version,
    series_id, priority_rank, recurrence_rule, recurrence_interval, recurrence_from, title,
    title_folded)
  SELECT u.id, n.id, now(), now(), 1, 1, n.id, 4, 0, 1, 0, 'Buy milk', 'buy milk'
  FROM bench_users u, (SELECT {NEW_ID} AS id) n WHERE u.number = :user)
UPDATE user_state SET changes = changes + 1, living_tasks = living_tasks + 1
WHERE user_id = (SELECT id FROM bench_users WHERE number = :user);
INSERT INTO outbox (id, topic, user_id, event, attempts)
SELECT {NEW_ID}, 0, id, '{EVENT}', 0 FROM bench_users WHERE number = :user;
COMMIT;
"""

# What the bus does with a batch, hashes left out.
CONSUME_SQL = f"""\
BEGIN;
WITH batch AS MATERIALIZED (SELECT id, user_id FROM outbox ORDER BY id LIMIT {BATCH}
    FOR UPDATE SKIP LOCKED),
  heads AS MATERIALIZED (SELECT h.user_id, h.seq FROM audit_heads h
    WHERE h.user_id IN (SELECT user_id FROM batch) ORDER BY h.user_id FOR UPDATE),
  entries AS (INSERT INTO audit_entries (user_id, seq, id, entity_id, entity_version, timestamp,
      key_id, action, entity_type, prev_hash, hash, canonical)
    SELECT b.user_id, h.seq + row_number() OVER (PARTITION BY b.user_id ORDER BY b.id), b.id, b.id,
      1, now(), 1, 0, 'task', '\\x00'::bytea, '\\x00'::bytea, '{CANONICAL}'
    FROM batch b JOIN heads h USING (user_id)
    ON CONFLICT (user_id, entity_id, entity_version) DO NOTHING),
  moved AS (UPDATE audit_heads a SET seq = a.seq + c.made
    FROM (SELECT user_id, count(*) AS made FROM batch GROUP BY user_id) c
    WHERE a.user_id = c.user_id)
DELETE FROM outbox WHERE id IN (SELECT id FROM batch);
COMMIT;
"""

LIST_SQL = f"""\
\\set user random(1, {USERS})
SELECT t.user_id, t.created_at, t.priority_rank, t.id, t.title, t.description, t.due_at, t.due_on,
  t.completed_at, t.category, t.recurrence_rule, t.recurrence_interval, t.recurrence_weekdays,
  t.recurrence_from, t.parent_task_id, t.series_id, t.occurrence, t.version, t.updated_at
FROM tasks t WHERE t.user_id = (SELECT id FROM bench_users WHERE number = :user)
  AND NOT t.deleted ORDER BY t.created_at DESC, t.priority_rank, t.id DESC LIMIT 51;
"""


def number_users(database: postgres.Database) -> None:
    database.execute("CREATE TABLE bench_users (number integer PRIMARY KEY, id uuid NOT NULL)")
    database.execute("INSERT INTO bench_users "
                     "SELECT row_number() OVER (ORDER BY id), id FROM users")
    database.execute("ANALYZE")


def pgbench(database: postgres.Database, *scripts: str, clients: int = CLIENTS,
            seconds: int = SECONDS) -> float:
    """Transactions a second of the first script."""
    arguments = []
    for number, script in enumerate(scripts):
        text, _, weight = script.partition("@@")
        file = DATA / f"pgbench{number}.sql"
        file.write_text(text)
        arguments += ["-f", f"{file}@{weight or 1}"]
    told = subprocess.run(
        [postgres.binaries() / "pgbench", "-n", "-M", "prepared", "-c", str(clients), "-j", "2",
         "-T", str(seconds), *arguments, database.url],
        check=True, capture_output=True, text=True).stdout
    rates = re.findall(r"tps = ([\d.]+)", told)
    # With several scripts the whole comes first, then each of them.
    return float(rates[1] if len(scripts) > 1 else rates[0])


# --- what is measured -----------------------------------------------------------------------------


def creates() -> None:
    """Durable creates, their audit entries written, beside pgbench; by one process and by two."""
    connections = lambda people: [
        [raw("POST", "/api/v1/tasks", person.token, {"title": "Buy milk"})] for person in people
    ]
    bare, one, two, cpu = [], [], [], []
    with cluster() as started:
        database = started.new_database()
        with serving(database) as first, serving(database, "second") as second:
            people = people_on(first, CLIENTS)
            number_users(database)
            load(first.port, 1, connections(people))

            def by_one() -> None:
                spent = postgres_cpu(started)
                result = measured(first.pid, first.port, SECONDS, connections(people), first.drained)
                cpu.append((postgres_cpu(started) - spent) / result["answers"] * 1000)
                one.append(result)

            def by_two() -> None:
                two.append(by_both(first, second, connections(people)))

            # In turns first and second: what one leaves to be tidied up is not always the other's.
            for turn in range(PROCESS_TURNS):
                bare.append(pgbench(database, CREATE_SQL + f"@@{BATCH // 2}", CONSUME_SQL + "@@1"))
                for measure in (by_one, by_two) if turn % 2 == 0 else (by_two, by_one):
                    swept(database)
                    measure()
    bare_rate, rate, both = mean(bare), mean([o["rate"] for o in one]), mean(two)
    row("creates / pgbench", rate / bare_rate, "", 0.5, 0.65,
        f"{rate:.0f}/s of {bare_rate:.0f}/s, p99 {max(o['p99_ms'] for o in one):.0f} ms, CPU "
        f"{mean([o['cpu_ms'] for o in one]):.3f} ms and PostgreSQL's {mean(cpu):.3f} ms each",
        higher=True)
    row("two processes / one, creates", both / rate, "", 0.9, 1.0, f"{both:.0f}/s", higher=True)


def swept(database: postgres.Database) -> None:
    """Every turn finds the tables that are emptied or rewritten all the time without dead rows."""
    database.execute("DELETE FROM outbox")
    database.execute("VACUUM outbox, user_state, audit_heads")


def by_both(first: Server, second: Server, connections: list) -> float:
    """Answers a second of two processes that share the clients."""
    began = time.monotonic()
    half = len(connections) // 2
    loads = [run.start_load(first.port, SECONDS, connections[:half]),
             run.start_load(second.port, SECONDS, connections[half:])]
    answers = sum(run.end_load(process)["answers"] for process in loads)
    return answers / (first.drained() - began)


def fill_tasks(database: postgres.Database) -> None:
    database.execute(f"""
INSERT INTO tasks (user_id, id, created_at, updated_at, due_at, anchor_local, anchor_zone,
  anchor_step, occurrence, version, series_id, priority_rank, recurrence_rule, recurrence_interval,
  recurrence_from, category, title, title_folded, description, description_folded)
SELECT u.id, n.id, n.at, n.at, n.at + interval '9 days', (n.at + interval '9 days') AT TIME ZONE 'UTC',
  'UTC', 0, 1, 1, n.id, i % 5, 0, 1, 0, 'home', 'Water the plants ' || i, 'water the plants ' || i,
  'A sentence that says a little more about what is to be done, and where.',
  'a sentence that says a little more about what is to be done, and where.'
FROM users u, generate_series(1, {TASKS_EACH}) i,
  LATERAL (SELECT gen_random_uuid() AS id, now() - i * interval '1 minute' AS at
           WHERE u.id IS NOT NULL) n""")
    database.execute(f"UPDATE user_state SET changes = {TASKS_EACH}, living_tasks = {TASKS_EACH}")
    database.execute("VACUUM ANALYZE")


def lists() -> None:
    """A list of 50 tasks, beside pgbench that runs the same select."""
    bare, ours = [], []
    with cluster() as started:
        database = started.new_database()
        with serving(database) as server:
            people = people_on(server, USERS)
            fill_tasks(database)
            number_users(database)
            asked = [raw("GET", "/api/v1/tasks?limit=50", person.token) for person in people]
            connections = [asked[i % USERS:] + asked[:i % USERS] for i in range(CLIENTS)]
            load(server.port, 1, connections)
            for _ in range(TURNS):
                bare.append(pgbench(database, LIST_SQL))
                ours.append(measured(server.pid, server.port, SECONDS, connections))
    rate = mean([o["rate"] for o in ours])
    row("lists / pgbench", rate / mean(bare), "", 0.4, 0.6,
        f"{rate:.0f}/s of {mean(bare):.0f}/s, CPU {mean([o['cpu_ms'] for o in ours]):.3f} ms",
        higher=True)


def next_occurrence() -> None:
    """From the answer of one process to `complete` until another lists the next occurrence."""
    for way, floor, aim in (("LISTEN", 100, 15), ("polling", 2_000, 1_000)):
        with cluster() as started:
            database = started.new_database()
            settings = {"DATABASE_DIRECT_URL": database.url} if way == "LISTEN" else {}
            with serving(database, **settings) as first, \
                    serving(database, "second", **settings) as second:
                person = people_on(first, 1)[0]
                waits = sorted(completions(first, second, person.token))
        row(f"complete → next listed by another, {way}, p99", waits[int(len(waits) * 0.99)], " ms",
            floor, aim, f"median {waits[len(waits) // 2]:.1f} ms")


def completions(first: Server, second: Server, token: str) -> list:
    waits = []
    with contextlib.closing(first.connect()) as here, contextlib.closing(second.connect()) as there:
        for number in range(OCCURRENCES):
            task = first.request(here, "POST", "/tasks", token, {
                "title": f"Water the plants {number}", "due_date": "2030-02-10T09:00:00Z",
                "recurrence_rule": "weekly"})
            told = first.request(here, "POST", f"/tasks/{task['id']}/complete", token)
            began = time.monotonic()
            wanted = told["next_occurrence"]["id"]
            while wanted not in [t["id"] for t in second.request(
                    there, "GET", "/tasks?limit=2&completed=false", token)]:
                if time.monotonic() - began > 60:
                    raise RuntimeError("the next occurrence does not come")
            waits.append((time.monotonic() - began) * 1000)
    return waits


def audit(entries: int) -> None:
    """The deepest page of a long trail beside the first."""
    need = entries * BYTES_AN_ENTRY
    free = shutil.disk_usage(DATA).free
    if free < need:
        say(f"  {entries:,} audit entries need {need / 1e9:.0f} GB free, there are "
            f"{free / 1e9:.0f}: the row is left out")
        return
    with cluster(max_wal_size="8GB", full_page_writes="off") as started:
        database = started.new_database()
        with serving(database) as server:
            person = people_on(server, 1)[0]
            fill_audit(database, person.id, entries)
            pages_of(server, person.token, entries)


def fill_audit(database: postgres.Database, user_id: str, entries: int) -> None:
    began = time.monotonic()
    step = 500_000
    for first in range(1, entries + 1, step):
        last = min(first + step - 1, entries)
        database.execute(f"""
INSERT INTO audit_entries (user_id, seq, id, entity_id, entity_version, timestamp, key_id, action,
  entity_type, prev_hash, hash, canonical)
SELECT '{user_id}', i, gen_random_uuid(), gen_random_uuid(), 1,
  now() - ({entries} - i) * interval '1 second', 1, i % 3, 'task', sha256(i::text::bytea),
  sha256(i::text::bytea),
  '{{"id":"' || gen_random_uuid() || '","before_value":null,"after_value":{{"title":"Task ' || i ||
  '","description":"{'x' * 500}"}},"metadata":{{"actor":"web"}}}}'
FROM generate_series({first}, {last}) i""")
        say(f"  {last:,} of {entries:,} audit entries after {time.monotonic() - began:.0f} s …")
    database.execute(f"UPDATE audit_heads SET seq = {entries}")
    database.execute("VACUUM ANALYZE audit_entries")


def pages_of(server: Server, token: str, entries: int) -> None:
    times = {"first": [], "deepest": []}
    with contextlib.closing(server.connect()) as connection:
        page = server.request(connection, "GET", "/audit?limit=50", token)
        # A cursor ends with the seq that the page before ended with: nobody waits for all pages.
        cursor = base64.urlsafe_b64decode(page["next_cursor"] + "==")
        deep = base64.urlsafe_b64encode(cursor[:-8] + (51).to_bytes(8, "big")).decode().rstrip("=")
        for _ in range(PAGES):
            for which, query in (("first", ""), ("deepest", f"&cursor={deep}")):
                began = time.monotonic()
                page = server.request(connection, "GET", "/audit?limit=50" + query, token)
                times[which].append((time.monotonic() - began) * 1000)
                if len(page["entries"]) != 50:
                    raise RuntimeError(f"the {which} page has {len(page['entries'])} entries")
    first, deepest = (sorted(times[which]) for which in ("first", "deepest"))
    row("audit page, deepest / first", deepest[PAGES // 2] / first[PAGES // 2], "", 1.5, 1.1,
        f"medians {deepest[PAGES // 2]:.2f} / {first[PAGES // 2]:.2f} ms, {entries:,} entries")
    row("audit page, p99", max(first[int(PAGES * 0.99)], deepest[int(PAGES * 0.99)]), " ms", 20, 5,
        "the worse of first and deepest")


def idle() -> None:
    """Statements of a process that nobody asks anything but whether it is ready."""
    with cluster(log_min_duration_statement="0") as started:
        database = started.new_database()
        with serving(database, DATABASE_DIRECT_URL=database.url) as server:
            people_on(server, 1)
            server.drained()
            time.sleep(REST_SECONDS)
            before = statements(started, database)
            deadline = time.monotonic() + IDLE_SECONDS
            with contextlib.closing(server.connect()) as connection:
                while time.monotonic() < deadline:
                    connection.request("GET", "/readyz")
                    if connection.getresponse().read() is None:
                        raise RuntimeError("not ready")
                    time.sleep(10)
            row("statements of an idle process", statements(started, database) - before, "", 0, 0,
                f"in {IDLE_SECONDS} s, a probe every 10 s")


def statements(started: postgres.Cluster, database: postgres.Database) -> int:
    text = started.log.read_text(errors="replace")
    # By this program: the benchmark's own look at the database says so.
    return sum(1 for line in text.splitlines()
               if database.name in line and " LOG:  duration:" in line
               and "EXISTS (SELECT FROM outbox)" not in line)


def copy() -> None:
    """A whole SQLite database moved to PostgreSQL and verified, beside COPY of the same rows alone."""
    folder, _ = run.seed("tasks", "users", USERS, TASKS_EACH)
    with cluster() as started:
        target = started.new_database()
        env = {"PATH": os.environ["PATH"], "DATA_DIR": str(DATA / "copying"),
               "JWT_SECRET": "bench" * 8}
        began = time.monotonic()
        subprocess.run([run.BUILD / "todo-backend", "copy", "--from", f"sqlite:{folder}/todo.db",
                        "--to", target.url], env=env, check=True, capture_output=True)
        ours = time.monotonic() - began
        rows, bare = copied_barely(started, target)
        row("copy SQLite → PostgreSQL / COPY", bare / ours, "", 0.3, 0.6,
            f"{rows:,} rows, {rows / ours:,.0f}/s of {rows / bare:,.0f}/s", higher=True)


def copied_barely(started: postgres.Cluster, source: postgres.Database) -> tuple[int, float]:
    """How many rows there are, and the seconds of COPY FROM into an empty schema of the same kind."""
    import psycopg2
    empty = started.new_database()
    with serving(empty):
        pass  # which makes the schema
    tables = [name for (name,) in source.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")]
    rows, seconds = 0, 0.0
    with contextlib.closing(psycopg2.connect(source.url)) as reading, \
            contextlib.closing(psycopg2.connect(empty.url)) as writing, \
            tempfile.TemporaryFile(dir=DATA) as file:
        to = writing.cursor()
        to.execute("SET session_replication_role = replica")  # no order of tables
        to.execute("TRUNCATE " + ", ".join(tables))
        writing.commit()
        for table in tables:
            file.seek(0)
            file.truncate()
            reading.cursor().copy_expert(f"COPY {table} TO STDOUT", file)
            file.seek(0)
            began = time.monotonic()
            to.copy_expert(f"COPY {table} FROM STDIN", file)
            writing.commit()
            seconds += time.monotonic() - began
            rows += to.rowcount
    return rows, seconds


def benches(entries: int) -> dict:
    return {"creates": creates, "lists": lists, "next": next_occurrence, "idle": idle, "copy": copy,
            "audit": lambda: audit(entries)}
