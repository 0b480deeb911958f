"""The program as its operator meets it: start, stop, limits, subcommands, lost keys."""
import contextlib
import datetime
import fcntl
import json
import os
import signal
import socket
import subprocess
import threading
import time
import uuid

import pytest

from harness.server import PASSWORD, STOP_SECONDS, eventually, program

INTERNALS = ("[system", "boost", "asio", "/usr/", ".cpp", ".hpp", "std::")


@pytest.fixture
def place(new_server):
    """A data directory that nothing serves."""
    return new_server()


def serve(place, **settings) -> subprocess.CompletedProcess:
    """A start that is expected to fail."""
    return subprocess.run(
        [program(), "serve"],
        env=place.environment() | settings,
        stdin=subprocess.DEVNULL,
        text=True,
        capture_output=True,
        timeout=60,
        cwd=place.folder,
    )


def error_of(done) -> str:
    """The one line that says why the server did not start."""
    assert done.returncode != 0
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    errors = [line for line in lines if line["level"] == "error"]
    assert len(errors) == 1 and errors[0]["message"] == "cannot start", lines
    return errors[0]["error"]


def can_log_in(server, email: str) -> bool:
    return (
        server.request("POST", "/auth/login", {"email": email, "password": PASSWORD}).status == 200
    )


# --- start ---


def test_a_start_that_fails_names_the_setting_and_does_not_wait(place):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        begun = time.monotonic()
        for settings, names in (
            ({"PORT": port}, "PORT"),
            ({"METRICS_PORT": port}, "METRICS_PORT"),
            ({"HOST": "203.0.113.7", "METRICS_PORT": "0"}, "HOST"),
        ):
            error = error_of(serve(place, SHUTDOWN_DELAY="15s", **settings))
            assert names in error and not any(word in error for word in INTERNALS), error
        assert time.monotonic() - begun < 15


def test_a_longer_delay_of_the_stop_than_it_may_take_is_refused(place):
    for delay in ("16s", "1m", "1d"):
        assert "SHUTDOWN_DELAY" in error_of(serve(place, SHUTDOWN_DELAY=delay))
    assert not place.data.exists()
    place.settings["SHUTDOWN_DELAY"] = "15s"
    assert "15s" in place.run("check-config").stdout


def test_few_open_files_are_told_and_still_serve(place, tmp_path, monkeypatch):
    limited = tmp_path / "limited"
    limited.write_text(f'#!/bin/sh\nulimit -n 300\nexec {program()} "$@"\n')
    limited.chmod(0o700)
    monkeypatch.setenv("TODO_BACKEND", str(limited))
    server = place.start()
    try:
        warning = next(json.loads(line) for line in server.log if "RLIMIT_NOFILE" in line)
        assert warning["level"] == "warning" and warning["files"] == 300
        most = warning["connections"]
        assert 100 <= most < 300
        with contextlib.ExitStack() as stack:
            answered = []
            for _ in range(most + 20):
                connection = stack.enter_context(
                    socket.create_connection(("127.0.0.1", server.port), timeout=10)
                )
                try:
                    connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n")
                    answered.append(connection.recv(4096) != b"")
                except ConnectionError:
                    answered.append(False)
            assert answered == [True] * most + [False] * 20
            # What is kept for other files is there.
            server.run("user", "add", "ann@example.com", input=PASSWORD + "\n")
            if server.store.name == "sqlite":
                server.run("backup", str(tmp_path / "copy.db"))
            assert server.metric("todo_http_requests_total", 'route="/healthz"') == most
        eventually(lambda: can_log_in_again(server))
    finally:
        assert server.stop() == 0
    assert not any('"level":"error"' in line for line in server.log)


def can_log_in_again(server) -> bool:
    try:
        return can_log_in(server, "ann@example.com")
    except (ConnectionError, OSError):
        return False  # the connections of before are not yet taken off


def test_the_version_is_told_whatever_the_settings(place):
    told = place.run("version").stdout
    assert told.startswith("todo-backend ") and told.count("\n") == 1
    assert place.run("--version").stdout == told
    place.settings["PORT"] = "no port"
    assert place.run("--version").stdout == told
    assert not place.data.exists()


# --- stop ---


def test_a_delayed_stop_ends_in_time_beside_a_request_that_hangs(start):
    server = start(SHUTDOWN_DELAY="9s")
    user = server.user()
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as hanging:
        hanging.sendall(b"POST /api/v1/tasks HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n\r\n{")
        user.get("/auth/me").expect(200)
        begun = time.monotonic()
        process, server.process = server.process, None
        process.send_signal(signal.SIGTERM)
        eventually(lambda: server.request("GET", "//readyz").status == 503)
        user.task("Made while it waits")
        assert process.wait(STOP_SECONDS) == 0 and time.monotonic() - begun < 20
    server.reader.join(STOP_SECONDS)
    assert json.loads(server.log[-1])["message"] == "stopped"


# --- usage ---


def test_the_log_is_for_the_server_not_for_mistakes_of_typing(place):
    for arguments in (
        ("user", "add"),
        ("audit", "frob"),
        ("audit", "verify", "--wrong"),
        ("events", "dead", "drop"),
        ("check-config", "more"),
    ):
        done = place.run(*arguments, check=False)
        assert done.returncode != 0 and done.stdout == "" and done.stderr != "", arguments
    place.settings["PORT"] = "80x"
    done = place.run("audit", "verify", check=False)
    assert done.returncode != 0 and done.stdout == "" and "PORT" in done.stderr
    for arguments in (("serve",), (), ("serve", "--prot", "1"), ("--prot", "1")):
        done = place.run(*arguments, check=False)
        assert done.stderr and error_of(done)


# --- subcommands beside a server ---


class Silent:
    """Holds a data directory as a server does, takes one operation, and goes without an answer."""

    def __init__(self, place, keeps_lock: bool):
        place.data.mkdir(parents=True, exist_ok=True)
        self.lock = open(place.data / "lock", "w")
        self.lock.write(f"{os.getpid()}\n")
        self.lock.flush()
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.bind(str(place.data / "control.sock"))
        self.socket.listen()
        self.keeps_lock = keeps_lock
        self.asked = b""
        self.thread = threading.Thread(target=self._take, daemon=True)
        self.thread.start()

    def _take(self):
        connection, _ = self.socket.accept()
        with connection:
            self.asked = connection.recv(65536)
            if not self.keeps_lock:
                self.lock.close()

    def end(self):
        self.thread.join(30)
        self.socket.close()
        self.lock.close()


@pytest.mark.only("sqlite")
def test_what_a_stopping_server_was_asked_is_not_done_again_here(place):
    for keeps_lock in (True, False):
        place.run("user", "add", "first@example.com", input=PASSWORD + "\n", check=False)
        silent = Silent(place, keeps_lock)
        done = place.run("user", "add", "ann@example.com", input=PASSWORD + "\n", check=False)
        silent.end()
        assert b"ann@example.com" in silent.asked
        assert done.returncode == 1 and done.stdout == ""
        if keeps_lock:
            assert "in use" in done.stderr and str(os.getpid()) in done.stderr
        else:
            assert "may or may not have been done" in done.stderr
        (place.data / "control.sock").unlink()
    server = place.start()
    try:
        assert can_log_in(server, "first@example.com") and not can_log_in(server, "ann@example.com")
    finally:
        server.stop()


@pytest.mark.only("sqlite")
def test_a_folder_that_something_else_holds_is_left_alone(place):
    place.run("migrate")
    with open(place.data / "lock", "r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate()
        lock.write("4711\n")
        lock.flush()
        for arguments in (("user", "add", "ann@example.com"), ("audit", "verify"), ("migrate",)):
            done = place.run(*arguments, input=PASSWORD + "\n", check=False)
            assert (
                done.returncode == 1 and "4711" in done.stderr and str(place.data) in done.stderr
            ), done


def test_whatever_a_subcommand_says_of_a_server_that_stops_is_so(place):
    for number in range(6):
        email = f"user{number}@example.com"
        place.start()
        adding = subprocess.Popen(
            [program(), "user", "add", email],
            env=place.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=place.folder,
        )
        stopping = threading.Thread(target=place.stop)
        if number % 2:
            stopping.start()
        adding.stdin.write(PASSWORD + "\n")
        adding.stdin.flush()
        if not number % 2:
            stopping.start()
        out, told = adding.communicate(timeout=60)
        stopping.join(STOP_SECONDS)
        ((there,),) = place.store.execute("SELECT count(*) FROM users WHERE email = ?", email)
        assert adding.returncode in (0, 1), told
        if adding.returncode == 0:
            assert there == 1 and email in out
        elif "may or may not" not in told:
            assert there == 0, out + told


@pytest.mark.parametrize("beside_a_server", [True, False])
def test_a_user_is_added_only_as_one_could_register(place, beside_a_server):
    if beside_a_server:
        place.start()
    try:
        for wrong in (
            (b"\xffann@example.com",),
            (b"ann@example.com", b"--name", b"\xff"),
            ("a@" + "b" * 254,),
            ("ann@example.com", "--name", "x" * 101),
            ("ann",),
            ("ann@example.com", "--timezone", "Mars/Base"),
        ):
            done = subprocess.run(
                [program(), "user", "add", *wrong],
                env=place.environment(),
                cwd=place.folder,
                input=PASSWORD.encode() + b"\n",
                capture_output=True,
                timeout=60,
            )
            assert done.returncode == 1 and (done.stdout + done.stderr).count(b"\n") == 1, (
                wrong,
                done,
            )
        place.run("user", "add", "ann@example.com", "--name", "ä" * 100, input=PASSWORD + "\n")
        if not beside_a_server:
            place.start()
        answer = place.request(
            "POST", "/auth/login", {"email": "ann@example.com", "password": PASSWORD}
        ).expect(200)
        assert answer.json()["user"]["display_name"] == "ä" * 100
    finally:
        place.stop()


def test_bad_news_of_the_audit_trail_are_an_answer(start):
    server = start()
    user = server.user()
    user.task()
    eventually(lambda: user.audit())
    good = server.run("audit", "verify")
    assert good.stderr == "" and good.stdout.startswith("verified: 1 chain, ")
    server.stop()
    server.store.execute("UPDATE audit_entries SET timestamp = timestamp + {ms}")
    alone = server.run("audit", "verify", check=False)
    server.start()
    beside = server.run("audit", "verify", check=False)
    for bad in (alone, beside):
        assert (
            bad.returncode == 1
            and user.id in bad.stdout
            and "1 of 1 chains do not hold" in bad.stdout
        )
        assert bad.stderr == ""
    nobody = server.run("audit", "verify", "--user", "nobody@example.com", check=False)
    assert nobody.returncode == 1 and nobody.stdout == "" and "nobody@example.com" in nobody.stderr


# --- keys ---


@pytest.mark.only("sqlite")
def test_a_lost_audit_key_is_not_replaced_while_there_are_chains(place):
    key = place.data / "audit.key"
    place.start()
    place.stop()
    first = key.read_text()
    key.unlink()
    place.start()  # nobody has a chain yet
    user = place.user()
    task = user.task()
    place.stop()
    kept = key.read_text()
    assert kept != first
    key.unlink()
    error = error_of(serve(place))
    assert (
        str(key) in error and "AUDIT_KEY" in error and not any(word in error for word in INTERNALS)
    )
    done = place.run("audit", "verify", check=False)
    assert done.returncode == 1 and done.stdout == "" and str(key) in done.stderr
    assert not key.exists()
    key.write_text(kept)
    place.start()
    try:
        assert (
            user.read(task)["title"] == task["title"]
            and user.get("/audit/verify").json()["verified"]
        )
    finally:
        place.stop()


# --- metrics ---


def test_dead_letters_are_a_metric(place):
    place.start()
    user = place.user()
    eventually(lambda: place.metric("todo_dead_letters") == 0)
    place.stop()
    place.store.execute(
        "INSERT INTO dead_letters (id, topic, user_id, event, reason, attempts, died_at) "
        "VALUES (?, 0, ?, '{}', 'of the test', 10, ?)",
        uuid.uuid4(),
        uuid.UUID(user.id),
        datetime.datetime.fromtimestamp(0, datetime.timezone.utc),
    )
    place.start()
    try:
        eventually(lambda: place.metric("todo_dead_letters") == 1)
        assert "of the test" in place.run("events", "dead", "list").stdout
    finally:
        place.stop()
