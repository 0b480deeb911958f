"""One database, the servers on it, and those who use them while both are killed again and again."""
import concurrent.futures
import datetime
import json
import os
import pathlib
import random
import signal
import subprocess
import time

import psycopg2

from crash import contents
from crash.checker import check
from crash.load import Load
from harness.pgbouncer import PgBouncer
from harness.postgres import binaries, execute, process_state
from harness.server import Server, eventually, migrated, program
from harness.store import PostgresStore

CHECK_EVERY = 10
LIFE_SECONDS = (0.02, 0.9)  # of a server, from ready to killed
START_LIFE_SECONDS = (0.0, 0.06)  # of one that is killed while it starts
POSTGRES_START_LIFE_SECONDS = (0.0, 0.2)
DISTURBED = 0.3  # how many lives sessions end in
AGAIN = 0.3  # how often one is killed again while it starts
SETTLE_SECONDS = 30

# Who is killed, as often as named here, in an order of the seed's; then again.
VICTIMS_OF_ONE = ["server"] * 6 + ["postgres"] * 3 + ["everything"]
VICTIMS_OF_SEVERAL = (
    ["server"] * 4 + ["some"] + ["all"] * 2 + ["postgres"] * 2 + ["everything"]
)
# A session's end by SIGKILL makes PostgreSQL end all others and recover.
WAYS_TO_KILL_POSTGRES = ("stop_immediate", "kill", "session")
WAYS_WITH_POOLER = (*WAYS_TO_KILL_POSTGRES, "pooler", "pooler")
POOL_SIZE = 4
# Recovery syncs the whole file system at once, where file by file takes seconds.
CLUSTER_SETTINGS = {"recovery_init_sync_method": "syncfs"}
# What a server may complain of when its database was killed.
OUTAGES = ("the database cannot be reached", "reminders wait")
# What PostgreSQL logs at each start and recovery.
READY = "database system is ready to accept connections"
# What it logs where sessions are shared, until the program has found out.
SHARED = "prepared statement"


def start_and_kill(server: Server, seconds: float) -> None:
    """Kills a server that may not be ready yet."""
    process = subprocess.Popen(
        [program(), "serve"],
        env=server.environment(),
        cwd=server.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        pass
    process.kill()
    code = process.wait()
    assert code == -signal.SIGKILL, f"it ended by itself with {code} while it started"


def is_held(pid: int) -> bool:
    """Stops a process for a moment; False where it ends by itself. To kill one that has ended but was
    not waited for succeeds, and does nothing."""
    try:
        os.kill(pid, signal.SIGSTOP)
    except ProcessLookupError:
        return False
    eventually(lambda: process_state(pid) in "TZX")
    return process_state(pid) == "T"


class Campaign:
    """What is the same on both databases. It runs once, and is closed whatever came of it."""

    def __init__(self, servers: list, seed: str):
        self.random = random.Random(seed)
        self.servers = servers
        self.kills = 0
        self.problems = []
        try:
            for server in servers:
                server.start()
            self.load = Load(servers[0], seed)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        for server in self.servers:
            if server.process is not None:
                server.kill()

    def run(self, kills: int, tell=lambda text: None) -> list:
        for number in range(len(self.servers)):
            self.open(number)
        self.load.begin()
        told = 0
        while self.kills < kills and not self.problems:
            self.live(self.random.uniform(*LIFE_SECONDS))
            self.kill_once(kills)
            if self.kills >= min(kills, told + CHECK_EVERY):
                told = self.kills
                tell(
                    f"{self.kills} kills, {len(self.load.ops)} requests, "
                    f"{self.load.lost} answers lost, {self.load.unavailable} put off"
                )
        self.load.end()
        return self.finish()

    def open(self, number: int) -> None:
        self.load.gate.open(number, self.servers[number].port)

    def live(self, seconds: float) -> None:
        time.sleep(seconds)  # the moment of the kill: nothing is waited for

    def kill_servers(self, numbers: list) -> None:
        """Takes their last words; their clients learn of it by themselves."""
        for number in numbers:
            self.load.gate.close(number)
            self.servers[number].kill()
        for number in numbers:
            self.hear(self.servers[number])

    def start_servers(self, numbers: list, kills_max: int, life_seconds: tuple) -> int:
        """How many were killed while they started; up to `kills_max`."""
        kills = 0
        for number in numbers:
            while kills < kills_max and self.random.random() < AGAIN:
                start_and_kill(self.servers[number], self.random.uniform(*life_seconds))
                kills += 1
        with concurrent.futures.ThreadPoolExecutor(len(numbers)) as pool:
            list(pool.map(lambda number: self.servers[number].start(), numbers))
        for number in numbers:
            self.open(number)
        return kills

    def hear(self, server: Server) -> None:
        """Takes what a server complained of in the life that it has behind it."""
        for line in server.log:
            if '"level":"error"' in line and not self.excuses(json.loads(line)["message"]):
                self.problems.append(line)

    def finish(self) -> list:
        """Everything is checked, beside the servers and without them."""
        eventually(lambda: not self.things_left(), SETTLE_SECONDS)
        self.verify_audit("beside the servers")
        self.check_contents(time.time())
        for server in self.servers:
            code = server.stop()
            if code != 0:
                self.problems.append(f"a server stopped with {code}")
            self.hear(server)
        self.verify_audit("without a server")
        self.check_contents(0)
        return self.problems

    def check_contents(self, now: float) -> None:
        self.problems += check(self.contents(), self.load.ops, self.load.user_ids, now)

    def things_left(self) -> int:
        """Events, and reminders that a timer is about to claim, within the next second too."""
        execute = self.servers[0].store.execute
        ((events,),) = execute("SELECT count(*) FROM outbox")
        ((due,),) = execute("SELECT count(*) FROM tasks WHERE remind_at < ?", self.soon())
        return events + due

    def verify_audit(self, where: str) -> None:
        done = self.servers[0].run("audit", "verify", check=False)
        if done.returncode != 0:
            self.problems.append(f"audit verify {where}: {done.stdout}{done.stderr}")


class SqliteCampaign(Campaign):
    def __init__(self, folder: pathlib.Path, seed: str):
        super().__init__([Server(folder)], seed)
        self.server = self.servers[0]
        self.path = self.server.data / "todo.db"

    what = "SQLite"

    def kill_once(self, kills: int) -> None:
        self.kill_servers([0])
        self.kills += 1
        self.kills += self.start_servers([0], kills - self.kills, START_LIFE_SECONDS)

    def excuses(self, _message: str) -> bool:
        return False

    def soon(self) -> int:
        return int((time.time() + 1) * 1000)

    def contents(self) -> contents.Contents:
        return contents.of_file(self.path)

    def keep(self, folder: pathlib.Path) -> pathlib.Path:
        """Where all that was is kept."""
        return folder

    def drop(self) -> None:
        """It goes with its folder."""


class PostgresCampaign(Campaign):
    """Several servers, or one, on a database of a durable cluster, which is killed too; and so is
    the pooler, where they are `pooled`."""

    def __init__(
        self,
        cluster,
        folder: pathlib.Path,
        seed: str,
        processes: int,
        listening: bool,
        pooled: bool = False,
    ):
        self.cluster = cluster
        self.database = migrated(cluster, folder / "migration")
        self.lines_before = len(self.cluster_log().splitlines())
        self.pooler = PgBouncer(cluster.port, pool_size=POOL_SIZE) if pooled else None
        store = PostgresStore(self.database)
        if pooled:
            store = store.by(self.pooler.url(self.database.url))
        settings = {"DATABASE_DIRECT_URL": self.database.url} if listening else {}
        servers = [
            Server(folder / f"server{number}", store=store, **settings)
            for number in range(processes)
        ]
        how = ("listening" if listening else "polling", *(["pooled"] if pooled else []))
        self.what = f"PostgreSQL, servers: {processes}, {', '.join(how)}"
        super().__init__(servers, seed)
        self.killed = []  # whom, in this order
        self.deck = []

    def live(self, seconds: float) -> None:
        """Sometimes PostgreSQL ends some sessions meanwhile, in good order, as in a failover."""
        until = self.random.uniform(0, seconds) if self.random.random() < DISTURBED else 0
        if until:
            time.sleep(until)
            share = self.random.uniform(0, 1)
            self.cluster.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = %s AND random() < %s",
                (self.database.name, share),
            )
        time.sleep(seconds - until)

    def kill_once(self, _kills: int) -> None:
        """Those killed while they start are not counted."""
        if not self.deck:
            self.deck = list(VICTIMS_OF_ONE if len(self.servers) == 1 else VICTIMS_OF_SEVERAL)
            self.random.shuffle(self.deck)
        victims = self.deck.pop()
        numbers = list(range(len(self.servers)))
        self.random.shuffle(numbers)
        count = {"server": 1, "some": self.random.randint(2, 3), "postgres": 0}
        numbers = numbers[: count.get(victims, len(numbers))]
        self.kill_servers(numbers)
        if victims in ("postgres", "everything"):
            self.kill_postgres()
        self.killed.append(victims)
        self.kills += 1
        if numbers:
            self.start_servers(numbers, len(numbers), POSTGRES_START_LIFE_SECONDS)

    def kill_postgres(self) -> None:
        way = self.random.choice(WAYS_WITH_POOLER if self.pooler else WAYS_TO_KILL_POSTGRES)
        if way == "pooler":
            self.pooler.process.kill()
            self.pooler.process.wait()
            self.pooler.start()
        elif way != "session" or not self.kill_session():
            getattr(self.cluster, "kill" if way == "kill" else "stop_immediate")()
            self.cluster.start()
        if self.pooler:
            eventually(self.is_let_in, SETTLE_SECONDS)

    def is_let_in(self) -> bool:
        """A pooler that could not log in lets nobody try for a while."""
        try:
            return bool(execute(self.pooler.url(self.database.url), "SELECT 1"))
        except psycopg2.OperationalError:
            return False

    def close(self) -> None:
        super().close()
        if self.pooler:
            self.pooler.close()

    def kill_session(self) -> bool:
        """Whether there was one."""
        starts = self.cluster_log().count(READY)
        sessions = self.cluster.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = %s", (self.database.name,)
        )
        if not sessions:
            return False
        (session,) = self.random.choice(sessions)
        if not is_held(session):
            return False
        os.kill(session, signal.SIGKILL)
        eventually(lambda: self.cluster_log().count(READY) > starts, SETTLE_SECONDS)
        return True

    def cluster_log(self) -> str:
        return self.cluster.log.read_text(errors="replace")

    def finish(self) -> list:
        super().finish()
        said = self.cluster_log().splitlines()[self.lines_before :]
        errors = [line for line in said if " ERROR: " in line]
        self.problems += [line for line in errors if not (self.pooler and SHARED in line)]
        return self.problems

    def excuses(self, message: str) -> bool:
        return message in OUTAGES

    def soon(self) -> datetime.datetime:
        return datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=1)

    def contents(self) -> contents.Contents:
        return contents.of_postgres(self.database.url)

    def keep(self, folder: pathlib.Path) -> pathlib.Path:
        """Dumps what goes with the cluster, and what that said."""
        with open(folder / "database.sql", "wb") as dump:
            subprocess.run(
                [binaries() / "pg_dump", self.database.url], stdout=dump, check=True
            )
        (folder / "postgres.log").write_text(self.cluster_log())
        return folder

    def drop(self) -> None:
        self.database.drop()
