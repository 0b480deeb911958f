"""Quick add over HTTP and on the command line."""
import datetime
import json
import pathlib
import socket
import stat
import threading
import zoneinfo

import pytest

from harness.ports import free_port
from harness.server import PASSWORD

ROOT = pathlib.Path(__file__).resolve().parents[2]
VECTORS = json.loads((ROOT / "tests" / "vectors" / "quickadd.json").read_text())
PATH = "/tasks/quick-add"
DEFAULTS = {
    "due_date": None,
    "due_on": None,
    "priority": None,
    "category": None,
    "recurrence_rule": "none",
    "recurrence_interval": 1,
    "recurrence_weekdays": None,
    "recurrence_from": "due",
}
NOW = "2026-11-23T10:00:00-05:00"


def moment(vector) -> tuple:
    """When a vector was typed, and where."""
    zone = vector.get("zone", VECTORS["zone"])
    local = datetime.datetime.fromisoformat(vector.get("now", VECTORS["now"]))
    return local.replace(tzinfo=zoneinfo.ZoneInfo(zone)).isoformat(), zone


@pytest.fixture
def new_yorker(server):
    return server.user(timezone="America/New_York")


class Users:
    """One user a time zone."""

    def __init__(self, server):
        self.server = server
        self.of_zone = {}

    def of(self, zone):
        if zone not in self.of_zone:
            self.of_zone[zone] = self.server.user(timezone=zone)
        return self.of_zone[zone]


def dry_run(user, text, now=NOW) -> dict:
    return user.post(PATH + "?dry_run=true", {"text": text, "now": now}).expect(200).json()


def add(user, text, now=NOW, **headers):
    return user.post(PATH, {"text": text, "now": now}, headers=headers)


# --- over HTTP ---


@pytest.mark.smoke
def test_dry_runs_answer_as_the_vectors_say(server):
    users = Users(server)
    for vector in VECTORS["vectors"]:
        now, zone = moment(vector)
        answer = dry_run(users.of(zone), vector["in"], now)
        expected = DEFAULTS | vector["out"]
        expected.pop("error", None)
        hints = expected.pop("hints", [])
        assert (answer["task"], answer["hints"]) == (expected, hints), vector["in"]
    assert all(user.get("/tasks").json() == [] for user in users.of_zone.values())


def test_a_task_is_made_as_its_dry_run_says(server):
    users = Users(server)
    for vector in VECTORS["vectors"]:
        now, zone = moment(vector)
        user = users.of(zone)
        answer = add(user, vector["in"], now)
        if vector["out"].get("error"):
            assert answer.expect(422).fields() == ["title"]
            continue
        task = answer.expect(201).json()
        draft = dry_run(user, vector["in"], now)["task"]
        if draft["due_on"]:
            draft.pop("due_date")
        assert {name: task[name] for name in draft} == draft, vector["in"]
        assert answer.header("Location") == f"/api/v1/tasks/{task['id']}"
        assert user.read(task) == task


def test_spans_tell_where_in_utf_16(new_yorker):
    text = "Größe 😀 #home by friday, 5pm !high"
    answer = dry_run(new_yorker, text)
    units = text.encode("utf-16-le")
    parts = [
        (span["kind"], units[2 * span["start"] : 2 * span["end"]].decode("utf-16-le"))
        for span in answer["spans"]
    ]
    assert parts == [
        ("category", "#home"),
        ("date", "by friday,"),
        ("time", "5pm"),
        ("priority", "!high"),
    ]
    assert answer["task"]["title"] == "Größe 😀"


def test_now_is_when_the_request_comes_unless_it_is_told(new_yorker):
    task = new_yorker.post(PATH, {"text": "call in 45 min"}).expect(201).json()
    due = datetime.datetime.fromisoformat(task["due_date"])
    made = datetime.datetime.fromisoformat(task["created_at"])
    assert due - made == datetime.timedelta(minutes=45)
    told = new_yorker.post(PATH, {"text": "call in 45 min", "now": NOW}).expect(201).json()
    assert told["due_date"] == "2026-11-23T15:45:00Z"


def test_a_key_makes_a_retry_safe_and_a_dry_run_uses_none(new_yorker):
    key = {"Idempotency-Key": "quick"}
    body = {"text": "buy milk tomorrow", "now": NOW}
    new_yorker.post(PATH + "?dry_run=true", body, headers=key).expect(200)
    first = new_yorker.post(PATH, body, headers=key).expect(201)
    again = new_yorker.post(PATH, body, headers=key).expect(201)
    assert again.body == first.body and again.header("Idempotency-Replayed") == "true"
    assert len(new_yorker.get("/tasks").json()) == 1
    new_yorker.post(PATH, body | {"text": "buy tea"}, headers=key).expect(422)


def test_mistakes_are_named(new_yorker):
    for body, query, fields in (
        ({}, "", ["text"]),
        ({"text": None}, "", ["text"]),
        ({"text": 5, "now": "2026-11-23T10:00"}, "", ["now", "text"]),
        ({"text": "x" * 2001}, "", ["text"]),
        ({"text": "x" * 201}, "", ["title"]),
        ({"text": "x", "title": "y"}, "", ["title"]),
        ({"text": "x", "now": "tomorrow"}, "?dry_run=maybe", ["dry_run", "now"]),
        ({"text": " "}, "", ["title"]),
    ):
        assert new_yorker.post(PATH + query, body).expect(422).fields() == fields, body
    assert dry_run(new_yorker, " ")["task"] == {"title": ""} | DEFAULTS
    assert len(dry_run(new_yorker, "x" * 2000)["task"]["title"]) == 2000


# --- on the command line ---


class Shell:
    """Somebody's terminal: a home of their own, and a server somewhere."""

    def __init__(self, server, home, **variables):
        self.server = server
        self.settings = {"HOME": str(home), "TODO_URL": server.url.rstrip("/"), **variables}

    def run(self, *arguments, input=""):
        before, self.server.settings = self.server.settings, self.server.settings | self.settings
        try:
            return self.server.run(*arguments, input=input, check=False)
        finally:
            self.server.settings = before


@pytest.fixture
def shell(server, tmp_path):
    return Shell(server, tmp_path)


def log_in(shell, user):
    done = shell.run("login", user.email, input=PASSWORD + "\n")
    assert done.returncode == 0, done.stderr
    return done


def test_what_is_added_on_the_command_line_is_there(shell, user, tmp_path):
    done = log_in(shell, user)
    file = tmp_path / ".config" / "todo-app" / "login.json"
    assert str(file) in done.stdout and PASSWORD not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    added = shell.run("add", "pay rent 2031-01-31 every month !urgent #finance")
    assert added.returncode == 0 and added.stderr == ""
    assert added.stdout == (
        "added “pay rent”, due 2031-01-31, monthly, urgent, #finance\n"
    )
    [task] = user.get("/tasks").json()
    assert (task["title"], task["due_on"], task["category"]) == ("pay rent", "2031-01-31", "finance")


def test_words_need_no_quotes(shell, user):
    log_in(shell, user)
    assert shell.run("add", "buy", "oat", "milk").stdout == "added “buy oat milk”\n"


def test_a_new_login_takes_the_place_of_the_old_one(shell, user):
    log_in(shell, user)
    log_in(shell, user)
    [token] = user.get("/auth/tokens").json()
    assert token["scope"] == "write"
    assert shell.run("add", "buy milk").returncode == 0


def test_a_token_in_the_environment_needs_no_login(server, user, tmp_path):
    made = user.post("/auth/tokens", {"name": "script", "scope": "write"}).expect(201).json()
    shell = Shell(server, tmp_path, TODO_TOKEN=made["token"])
    assert shell.run("add", "buy milk").stdout == "added “buy milk”\n"
    assert not (tmp_path / ".config").exists()
    user.delete(f"/auth/tokens/{made['id']}").expect(204)
    refused = shell.run("add", "buy milk")
    assert refused.returncode == 1 and "TODO_TOKEN" in refused.stderr


def test_who_is_not_signed_in_is_told_what_to_do(shell, user):
    refused = shell.run("add", "buy milk")
    assert refused.returncode == 1 and "run `todo-backend login`" in refused.stderr
    log_in(shell, user)
    [token] = user.get("/auth/tokens").json()
    user.delete(f"/auth/tokens/{token['id']}").expect(204)
    refused = shell.run("add", "buy milk")
    assert refused.returncode == 1 and "run `todo-backend login`" in refused.stderr
    assert refused.stdout == ""


def test_a_wrong_password_leaves_no_file(shell, user, tmp_path):
    refused = shell.run("login", user.email, input="wrong password\n")
    assert refused.returncode == 1 and "Invalid email or password" in refused.stderr
    assert not (tmp_path / ".config").exists()


def test_what_the_server_refuses_is_told(shell, user):
    log_in(shell, user)
    refused = shell.run("add", "tomorrow 5pm")
    assert refused.returncode == 1 and "What is to be done?" in refused.stderr


def test_no_server_and_no_todo_app_are_told_apart(server, user, tmp_path):
    nowhere = Shell(server, tmp_path, TODO_URL=f"http://127.0.0.1:{free_port()}", TODO_TOKEN="x")
    refused = nowhere.run("add", "buy milk")
    assert refused.returncode == 1 and "no server answers at http://127.0.0.1" in refused.stderr
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"

        def answer():
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")

        thread = threading.Thread(target=answer)
        thread.start()
        refused = Shell(server, tmp_path, TODO_URL=url, TODO_TOKEN="x").run("add", "buy milk")
        thread.join(10)
    assert refused.returncode == 1 and "no todo-app server" in refused.stderr


def test_a_token_goes_to_no_other_server_than_its_own(shell, server, user, tmp_path):
    log_in(shell, user)
    elsewhere = Shell(server, tmp_path, TODO_URL=f"http://127.0.0.1:{free_port()}")
    refused = elsewhere.run("add", "buy milk")
    assert refused.returncode == 1 and "you are signed in at" in refused.stderr


@pytest.mark.parametrize("url", ["https://todo.example.com", "todo.example.com", "http://a b", "http://"])
def test_an_address_that_cannot_be_is_named(server, tmp_path, url):
    refused = Shell(server, tmp_path, TODO_URL=url, TODO_TOKEN="x").run("add", "buy milk")
    assert refused.returncode == 2 and "TODO_URL" in refused.stderr


def test_a_login_without_a_file_to_write_is_told(server, user, tmp_path):
    (tmp_path / ".config").write_text("in the way")
    refused = Shell(server, tmp_path).run("login", user.email, input=PASSWORD + "\n")
    assert refused.returncode == 1 and "cannot write" in refused.stderr
    assert user.get("/auth/tokens").json() == []
