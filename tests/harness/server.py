"""A todo-backend process and the people who use it."""
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time
import urllib.parse
import uuid

from harness.ports import free_port
from harness.store import PostgresStore, SqliteStore

START_SECONDS = 20
STOP_SECONDS = 30
WAIT_SECONDS = 10
PASSWORD = "correct horse battery"


def program() -> str:
    root = pathlib.Path(__file__).resolve().parents[2]
    return os.environ.get("TODO_BACKEND") or str(root / "build" / "release" / "todo-backend")


def eventually(condition, seconds: float = WAIT_SECONDS):
    """The first true answer of `condition`; fails after the deadline with the last one."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"did not come true within {seconds} s: {answer!r}"
        time.sleep(0.01)


class Response:
    def __init__(self, status: int, headers: list, body: bytes):
        self.status = status
        self.headers = headers
        self.body = body

    def header(self, name: str) -> str | None:
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return values[0] if values else None

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self):
        return json.loads(self.body)

    def expect(self, status: int) -> "Response":
        assert self.status == status, f"{self.status} instead of {status}: {self.body[:2000]!r}"
        return self

    def fields(self) -> list:
        """The members that a 422 names."""
        return sorted(error["field"] for error in self.json().get("errors", []))


class Server:
    """One data directory and the process that serves it, on the SQLite file there or on the `store`
    that is given. Time moves by `clock_offset` seconds where it is given (libfaketime reads it from a
    file at each look at the clock)."""

    def __init__(self, folder, faketime: bool = False, store=None, **settings):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.data = self.folder / "data"
        self.store = store or SqliteStore(self.data / "todo.db")
        self.metrics_port = free_port()
        self.settings = {"RATE_LIMITS": "off", **self.store.settings, **settings}
        self.process = None
        self.url = None
        self.log = []
        self.recorder = None  # called with each request and its response
        self.faketime = faketime
        self.clock_file = self.folder / "clock"
        if faketime:
            self.set_clock_offset(0)

    # --- the process ---

    def environment(self) -> dict:
        env = {key: value for key, value in os.environ.items()
               if key in ("PATH", "LANG", "ASAN_OPTIONS", "UBSAN_OPTIONS", "ASAN_SYMBOLIZER_PATH", "UBSAN_SYMBOLIZER_PATH")}
        env |= {"HOME": str(self.folder), "DATA_DIR": str(self.data), "PORT": "0",
                "METRICS_PORT": str(self.metrics_port)}
        if self.faketime:
            library = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
            env |= {"LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(self.clock_file),
                    "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}
        return env | {key: str(value) for key, value in self.settings.items()}

    def set_clock_offset(self, seconds: float) -> None:
        """The server's clock runs this much ahead of the machine's. What happened before has then had
        its effects: an event that waits for a month is given up."""
        self.store.settle()
        self.offset = seconds
        new = self.clock_file.with_suffix(".new")
        new.write_text(f"{seconds:+.3f}\n")
        new.rename(self.clock_file)

    def now(self) -> float:
        return time.time() + (self.offset if self.faketime else 0)

    def start(self) -> "Server":
        assert self.process is None
        self.process = subprocess.Popen([program(), "serve"], env=self.environment(), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=self.folder)
        self.log = []
        ready = threading.Event()
        self.reader = threading.Thread(target=self._read, args=(self.process.stdout, ready), daemon=True)
        self.reader.start()
        assert ready.wait(START_SECONDS) and self.url, "it did not start:\n" + "\n".join(self.log[-20:])
        return self

    def _read(self, stream, ready) -> None:
        self.url = None
        for line in stream:
            text = line.decode(errors="replace").rstrip("\n")
            self.log.append(text)
            if self.url is None and '"message":"ready"' in text:
                self.url = json.loads(text)["url"]
                ready.set()
        ready.set()

    def stop(self) -> int:
        process, self.process = self.process, None
        if process is None:
            return 0
        self.store.settle()
        process.send_signal(signal.SIGTERM)
        code = process.wait(STOP_SECONDS)
        self.reader.join(STOP_SECONDS)
        return code

    def kill(self) -> None:
        process, self.process = self.process, None
        process.kill()
        process.wait()
        self.reader.join(STOP_SECONDS)

    def restart(self) -> "Server":
        self.stop()
        return self.start()

    def run(self, *arguments, input: str = "", check: bool = True) -> subprocess.CompletedProcess:
        """A subcommand on the same data directory."""
        self.store.settle()
        done = subprocess.run([program(), *arguments], env=self.environment(), input=input, text=True,
                              capture_output=True, timeout=120, cwd=self.folder)
        if check:
            assert done.returncode == 0, f"{arguments}: {done.returncode}: {done.stdout}{done.stderr}"
        return done

    def told(self, *arguments) -> list:
        """The lines that a subcommand prints, but for those of the log."""
        return [line for line in self.run(*arguments).stdout.splitlines() if not line.startswith("{")]

    # --- HTTP ---

    @property
    def port(self) -> int:
        return urllib.parse.urlsplit(self.url).port

    def connect(self, timeout: float = 60) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def request(self, method: str, path: str, body=None, headers: dict | None = None, connection=None) -> Response:
        """`path` is below /api/v1 unless it begins with //, which stands for the server's root."""
        target = path[1:] if path.startswith("//") else "/api/v1" + path
        headers = dict(headers or {})
        data = body
        if body is not None and not isinstance(body, (bytes, str)):
            data = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        own = connection or self.connect()
        try:
            own.request(method, target, body=data.encode() if isinstance(data, str) else data, headers=headers)
            answer = own.getresponse()
            response = Response(answer.status, answer.getheaders(), answer.read())
        finally:
            if connection is None:
                own.close()
        if method != "GET" and response.status < 300:
            self.store.changed()
        if self.recorder:
            self.recorder(method, target, headers, data, response)
        return response

    def raw(self, data: bytes, timeout: float = 10) -> bytes:
        """Sends bytes as they are; what comes back until the server closes or the time is over."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
            connection.sendall(data)
            answer = b""
            try:
                while piece := connection.recv(65536):
                    answer += piece
            except TimeoutError:
                pass
            return answer

    def metric(self, name: str, labels: str = "") -> float:
        connection = http.client.HTTPConnection("127.0.0.1", self.metrics_port, timeout=10)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        total = 0.0
        for line in text.splitlines():
            series, _, value = line.rpartition(" ")
            if (series == name or series.startswith(name + "{")) and labels in series:
                total += float(value)
        return total

    def user(self, email: str | None = None, **profile) -> "User":
        email = email or f"{uuid.uuid4().hex[:12]}@example.com"
        answer = self.request("POST", "/auth/register", {"email": email, "password": PASSWORD, **profile}).expect(201)
        return User(self, email, answer.json()["id"]).login()


def migrated(cluster, folder):
    """A database of the cluster's that is ready for a server and otherwise empty: copies of it are
    made ten times as fast."""
    database = cluster.new_database()
    Server(folder, store=PostgresStore(database)).run("migrate")
    return database


class User:
    """Someone who is logged in."""

    def __init__(self, server: Server, email: str, user_id: str):
        self.server = server
        self.email = email
        self.id = user_id
        self.token = None

    def login(self, password: str = PASSWORD) -> "User":
        answer = self.server.request("POST", "/auth/login", {"email": self.email, "password": password}).expect(200)
        self.token = answer.json()["access_token"]
        return self

    def with_token(self, token: str) -> "User":
        other = User(self.server, self.email, self.id)
        other.token = token
        return other

    def request(self, method: str, path: str, body=None, headers: dict | None = None, **more) -> Response:
        return self.server.request(method, path, body, {"Authorization": f"Bearer {self.token}", **(headers or {})}, **more)

    def get(self, path: str, **more) -> Response:
        self.server.store.settle()
        return self.request("GET", path, **more)

    def post(self, path: str, body=None, **more) -> Response:
        return self.request("POST", path, body, **more)

    def patch(self, path: str, body=None, **more) -> Response:
        return self.request("PATCH", path, body, **more)

    def put(self, path: str, body=None, **more) -> Response:
        return self.request("PUT", path, body, **more)

    def delete(self, path: str, body=None, **more) -> Response:
        return self.request("DELETE", path, body, **more)

    # What tests do all the time.

    def task(self, title: str = "Buy milk", **members) -> dict:
        return self.post("/tasks", {"title": title, **members}).expect(201).json()

    def read(self, task) -> dict:
        return self.get(f"/tasks/{task['id']}").expect(200).json()

    def edit(self, task, **members) -> dict:
        return self.patch(f"/tasks/{task['id']}", members).expect(200).json()

    def complete(self, task) -> dict:
        """The task completed, and its next occurrence made: who reopens it meanwhile stops that."""
        answer = self.post(f"/tasks/{task['id']}/complete").expect(200).json()
        self.server.store.settle()
        return answer

    def reopen(self, task) -> dict:
        return self.post(f"/tasks/{task['id']}/reopen").expect(200).json()

    def tasks(self, query: str = "") -> list:
        return self.get("/tasks" + query).expect(200).json()

    def all_pages(self, path: str) -> list:
        """Follows Link: rel="next" to the end."""
        found, target = [], "/api/v1" + path
        while target:
            answer = self.get("/" + target).expect(200)
            found += answer.json()
            link = answer.header("Link")
            target = link[1:link.index(">")] if link else None
        return found

    def reminders(self, task) -> list:
        return self.get(f"/tasks/{task['id']}/reminders").expect(200).json()["reminders"]

    def notifications(self, query: str = "") -> list:
        return self.get("/notifications" + query).expect(200).json()["notifications"]

    def audit(self, query: str = "") -> list:
        return self.get("/audit" + query).expect(200).json()["entries"]

    def all_audit(self) -> list:
        """Every entry, the newest first."""
        found, cursor = [], ""
        while cursor is not None:
            page = self.get(f"/audit?limit=100{cursor and '&cursor=' + cursor}").expect(200).json()
            found += page["entries"]
            cursor = page["next_cursor"]
        return found

    def occurrences(self, task, count: int = 5) -> list:
        return self.get(f"/tasks/{task['id']}/occurrences?count={count}").expect(200).json()["occurrences"]
