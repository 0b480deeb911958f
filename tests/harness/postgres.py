"""Private PostgreSQL clusters on free ports of 127.0.0.1, gone with whoever started them.

    postgres.py run    starts one, prints its URL, and stops it when its standard input ends
"""
import contextlib
import functools
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from harness.ports import free_port  # noqa: E402

CACHE = pathlib.Path(os.environ.get("TODO_CACHE") or ROOT / ".cache")  # set by ./dev
# Where the cluster of the whole run is; set by tools/run_tests.py.
VARIABLE = "TODO_TEST_POSTGRES"

START_SECONDS = 60
STOP_SECONDS = 60
PORT_TRIES = 5
POLL_SECONDS = 0.005

INITDB = ["-A", "trust", "-U", "postgres", "--locale=C.UTF-8", "-E", "UTF8", "--no-sync"]
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "dynamic_shared_memory_type": "mmap",  # files of its folder, which go with it
    "max_connections": 300,
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] %d ",
}
# For clusters that nothing kills: a commit costs no disk.
UNSAFE = {"fsync": "off", "full_page_writes": "off", "max_wal_size": "256MB"}
# There such a cluster lies in memory where there is plenty: making a database, which is 300 small
# files, takes 12 ms then, and 20 to 200 on a disk that others use too.
MEMORY = pathlib.Path("/dev/shm")
MEMORY_FREE_BYTES_MIN = 4 << 30


class PostgresError(Exception):
    """PostgreSQL is not there, or did not start; says why."""


@functools.cache
def binaries() -> pathlib.Path:
    """The folder of the newest PostgreSQL that is installed."""
    found = [path.parent for path in pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if found:
        return max(found, key=lambda path: int(path.parent.name))
    if on_path := shutil.which("initdb"):
        return pathlib.Path(on_path).resolve().parent
    raise PostgresError("PostgreSQL's server is not installed (Debian's package postgresql)")


@functools.cache
def version() -> str:
    told = subprocess.run([binaries() / "postgres", "--version"], check=True, capture_output=True,
                          text=True).stdout
    return re.search(r"\d[\w.]*", told).group()


@functools.cache
def account() -> pwd.struct_passwd | None:
    """Who runs the server: PostgreSQL refuses root, so root's clusters belong to postgres."""
    return pwd.getpwnam("postgres") if os.geteuid() == 0 else None


def as_account() -> dict:
    """Popen's arguments for a program that is PostgreSQL's."""
    who = account()
    return {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []} if who else {}


def reachable(folder: pathlib.Path) -> bool:
    """Whether PostgreSQL, under its account, gets to what is in the folder."""
    who = account()
    return who is None or all(
        each.stat().st_mode & 0o001 or each.stat().st_uid == who.pw_uid
        for each in (folder, *folder.parents))


def _own(folder: pathlib.Path) -> None:
    if who := account():
        subprocess.run(["chown", "-R", f"{who.pw_uid}:{who.pw_gid}", folder], check=True)


def _copy(source: pathlib.Path, target: pathlib.Path) -> None:
    subprocess.run(["cp", "-a", "--reflink=auto", source, target], check=True)


def _has_memory() -> bool:
    return os.access(MEMORY, os.W_OK) and \
        shutil.disk_usage(MEMORY).free >= MEMORY_FREE_BYTES_MIN


def temporary_folder(in_memory: bool = False) -> pathlib.Path:
    parent = MEMORY if in_memory and _has_memory() else pathlib.Path(tempfile.gettempdir())
    if not reachable(parent):
        parent = pathlib.Path("/tmp")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="todo-postgres-", dir=parent))
    _own(folder)
    return folder


def _initdb(data: pathlib.Path) -> None:
    """Makes an empty cluster: a second the first time, then a copy of what was made."""
    kept = CACHE / f"initdb-{version()}"
    if not kept.exists():
        folder = temporary_folder()
        try:
            done = subprocess.run([binaries() / "initdb", *INITDB, "-D", folder / "data"],
                                  cwd="/", capture_output=True, text=True, **as_account())
            if done.returncode != 0:
                raise PostgresError(f"initdb failed: {done.stdout}{done.stderr}")
            CACHE.mkdir(parents=True, exist_ok=True)
            new = pathlib.Path(tempfile.mkdtemp(prefix="initdb-new-", dir=CACHE))
            _copy(folder / "data", new / "data")
            with contextlib.suppress(OSError):  # another run was quicker
                (new / "data").rename(kept)
            shutil.rmtree(new)
        finally:
            shutil.rmtree(folder)
    # Its name comes last: what was begun and not ended is no cluster.
    new = data.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    _copy(kept, new)
    _own(new)
    new.rename(data)


class Postgres:
    """A PostgreSQL that runs on a port of 127.0.0.1."""

    def __init__(self, port: int | None):
        self.port = port

    def url(self, database: str = "postgres") -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str, parameters=None, database: str = "postgres") -> list:
        """Runs one statement outside any transaction; the rows it answers."""
        return execute(self.url(database), statement, parameters)

    def new_database(self, template: str = "template0") -> "Database":
        """A database of one's own: empty, or a copy of another that nobody is connected to."""
        name = f"todo_{uuid.uuid4().hex[:12]}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return Database(self, name)


class Database:
    def __init__(self, postgres: Postgres, name: str):
        self.postgres = postgres
        self.name = name

    @property
    def url(self) -> str:
        return self.postgres.url(self.name)

    def execute(self, statement: str, parameters=None) -> list:
        return self.postgres.execute(statement, parameters, self.name)

    def copy(self) -> "Database":
        return self.postgres.new_database(self.name)

    def drop(self) -> None:
        """Takes it away, whoever is connected."""
        self.postgres.execute(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")


def execute(url: str, statement: str, parameters=None) -> list:
    # Here, because whoever only starts a cluster needs no client.
    import psycopg2
    import psycopg2.extras
    psycopg2.extras.register_uuid()
    with contextlib.closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []


class Cluster(Postgres):
    """A cluster of one's own. It is there until close(), or until this process ends, however it
    does: a guard process sees that and takes the cluster away. `durable` is for those that are
    killed. A folder that is given is kept, with what is in it."""

    def __init__(self, folder=None, durable: bool = False, settings: dict | None = None):
        super().__init__(port=None)  # until the first start
        self.kept = folder is not None
        self.folder = pathlib.Path(folder).resolve() if self.kept \
            else temporary_folder(in_memory=not durable)
        self.data = self.folder / "data"
        self.log = self.folder / "log"
        self.settings = SETTINGS | ({} if durable or self.kept else UNSAFE) | (settings or {})
        self.process = None
        self.guard = None

    def __enter__(self) -> "Cluster":
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_) -> None:
        self.close()

    def start(self) -> "Cluster":
        """Starts it; again on the same port after it was stopped or killed."""
        assert self.process is None
        self._watch()
        if not self.data.exists():
            if self.kept:
                _own(self.folder)
            _initdb(self.data)
            if self.kept:
                subprocess.run([binaries() / "initdb", "--sync-only", "-D", self.data], cwd="/",
                               check=True, stdout=subprocess.DEVNULL, **as_account())
        for _ in range(1 if self.port else PORT_TRIES):
            port = self.port or free_port()
            if self._start(port):
                self.port = port
                return self
            if "could not bind" not in self._log_tail():  # the port was taken meanwhile
                break
        raise PostgresError(f"PostgreSQL did not start in {self.folder}:\n{self._log_tail()}")

    def stop(self) -> None:
        """The ordinary stop: open transactions are rolled back, all is written."""
        self._end(signal.SIGINT)

    def stop_immediate(self) -> None:
        """As a machine that fails: the next start recovers from the log."""
        self._end(signal.SIGQUIT)

    def kill(self) -> None:
        """Ends every process of it at once, by SIGKILL."""
        self._end(signal.SIGKILL)

    def restart(self) -> "Cluster":
        self.stop_immediate()
        return self.start()

    def close(self) -> None:
        """Stops it and takes its folder away, unless that is to be kept."""
        if self.process:
            self.stop() if self.kept else self.stop_immediate()
        if self.guard:
            guard, self.guard = self.guard, None
            guard.stdin.close()
            guard.wait(STOP_SECONDS)
        elif not self.kept:
            _remove(self.folder)

    def _watch(self) -> None:
        """The guard learns of our end by its standard input, which nobody else holds open."""
        if self.guard is None:
            self.guard = subprocess.Popen(
                [sys.executable, __file__, "guard", self.folder, "keep" if self.kept else "remove"],
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                start_new_session=True)

    def _start(self, port: int) -> bool:
        options = [f"--{name}={value}" for name, value in self.settings.items()]
        with open(self.log, "ab") as log:
            # In a session of its own, so that Ctrl-C reaches us and not the database below us.
            self.process = subprocess.Popen(
                [binaries() / "postgres", "-D", self.data, "-p", str(port), *options], cwd="/",
                env={"PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8"},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                **as_account())
        deadline = time.monotonic() + START_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            if _state(self.data) == (self.process.pid, "ready"):
                return True
            time.sleep(POLL_SECONDS)
        self._end(signal.SIGKILL)
        return False

    def _end(self, how: signal.Signals) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        if how == signal.SIGKILL:
            process.send_signal(signal.SIGSTOP)  # it makes no more of them
        children = _children(process.pid)
        process.send_signal(how)
        if how == signal.SIGKILL:
            _kill(children)
        process.wait(STOP_SECONDS)
        # Those that outlive a killed server for a moment would keep the next one from starting.
        _await_end(children)

    def _log_tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-20:])


def running_port(folder: pathlib.Path) -> int | None:
    """The port of the cluster that already serves a kept folder."""
    pid, state = _state(folder / "data")
    if state != "ready" or not _is_server(pid, folder / "data"):
        return None
    return int((folder / "data" / "postmaster.pid").read_text().splitlines()[3])


def _state(data: pathlib.Path) -> tuple[int, str]:
    """Process id and state that a server writes into its folder; (0, "") where there is none."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return 0, ""
    return (int(lines[0]), lines[7].strip()) if len(lines) > 7 else (0, "")


def _is_server(pid: int, data: pathlib.Path) -> bool:
    try:
        return os.fsencode(data) in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except FileNotFoundError:
        return False


def _children(pid: int) -> list[int]:
    try:
        return [int(each) for each in
                pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def _kill(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def process_state(pid: int) -> str:
    """A letter, as in proc(5); X when it is gone."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return "X"
    return stat.rpartition(")")[2].split()[0]


def _alive(pid: int) -> bool:
    return process_state(pid) not in "ZX"


def _await_end(pids: list[int]) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    while any(map(_alive, pids)) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def _guard(folder: pathlib.Path, keep: bool) -> None:
    """Waits for the end of who started us; then stops what still runs in the folder."""
    sys.stdin.buffer.read()
    pid, _ = _state(folder / "data")
    if pid and _is_server(pid, folder / "data"):
        children = _children(pid)
        os.kill(pid, signal.SIGINT if keep else signal.SIGQUIT)
        _await_end([pid])
        _kill([pid] if _alive(pid) else [])
        _await_end(children)
    if not keep:
        _remove(folder)


def _remove(folder: pathlib.Path) -> None:
    with contextlib.suppress(FileNotFoundError, IndexError):
        # A server that was killed leaves the shared memory that marks its folder as in use.
        memory = (folder / "data" / "postmaster.pid").read_text().splitlines()[6].split()[1]
        subprocess.run(["ipcrm", "--shmem-id", memory], check=False)
    shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running():
    """The cluster of the test run, or one of our own where there is none."""
    if url := os.environ.get(VARIABLE):
        yield Postgres(urllib.parse.urlsplit(url).port)
    else:
        with Cluster() as cluster:
            yield cluster


def main(arguments: list[str]) -> int:
    if arguments == ["run"]:
        with Cluster() as cluster:
            print(cluster.url(), flush=True)
            sys.stdin.buffer.read()
        return 0
    if len(arguments) == 3 and arguments[0] == "guard":
        _guard(pathlib.Path(arguments[1]), arguments[2] == "keep")
        return 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
