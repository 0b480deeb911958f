"""The server is killed (SIGKILL) at random moments; what it acknowledged is there afterwards."""
import concurrent.futures
import contextlib
import random
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest

from crash import contents
from crash.campaign import SqliteCampaign, start_and_kill
from crash.checker import check
from harness.server import Server, program

KILLS = 40
TASKS = 1_600  # enough that a copy or an archive takes some time to be killed in
KILLS_IN_OPERATION = 5


@pytest.fixture(scope="module")
def campaign(tmp_path_factory, seed):
    """A server that was killed again and again; it is stopped now."""
    with contextlib.closing(
        SqliteCampaign(tmp_path_factory.mktemp("campaign"), str(seed))
    ) as campaign:
        campaign.run(KILLS)
        yield campaign


def database(path):
    return contextlib.closing(sqlite3.connect(path, timeout=10, isolation_level=None))


def integrity(path) -> str:
    with database(path) as connection:
        return connection.execute("PRAGMA integrity_check").fetchone()[0]


def test_nothing_is_lost_and_nothing_is_done_twice(campaign):
    assert campaign.problems == []
    assert campaign.kills >= KILLS
    assert campaign.load.lost > KILLS / 2, "hardly a kill met anyone"
    kinds = {op.kind for op in campaign.load.ops if op.acknowledged}
    assert kinds == {"create", "update", "complete", "reopen", "delete", "restore"}
    with database(campaign.path) as connection:
        assert connection.execute("SELECT count(*) FROM notifications").fetchone()[0] > 20


# What the checker must notice. Each statement changes one row of what a campaign left.
TAMPERED = {
    "a_task_is_lost": ("DELETE FROM tasks WHERE id = :task", "is not there"),
    "a_creation_is_lost_with_its_entry": (
        "DELETE FROM tasks WHERE id = :fresh; DELETE FROM audit_entries WHERE entity_id = :fresh",
        "is lost",
    ),
    "an_update_is_lost_with_its_entry": (
        "UPDATE tasks SET version = version - 1, description = :before WHERE id = :updated;"
        "DELETE FROM audit_entries WHERE entity_id = :updated AND entity_version = :version",
        "is lost",
    ),
    "an_entry_is_missing": (
        "DELETE FROM audit_entries WHERE entity_id = :task AND entity_version = 1",
        "its entries are",
    ),
    "a_row_has_other_text": ("UPDATE tasks SET title = 'other' WHERE id = :task", "title is"),
    "a_task_is_living_again": (
        "UPDATE tasks SET deleted = 1 - deleted WHERE id = :task",
        "deleted is",
    ),
    "an_entry_nobody_asked_for": (
        "UPDATE audit_entries SET canonical ="
        """ replace(canonical, '"request_id":"c', '"request_id":"x')"""
        " WHERE entity_id = :fresh",
        "nobody asked",
    ),
    "a_next_occurrence_is_missing": (
        "DELETE FROM audit_entries WHERE entity_id = :successor;"
        " DELETE FROM tasks WHERE id = :successor",
        "next occurrence",
    ),
    "a_second_next_occurrence": (
        "DROP INDEX tasks_by_occurrence; CREATE TEMP TABLE twin AS"
        " SELECT * FROM tasks WHERE id = :successor; UPDATE twin SET id = randomblob(16);"
        " INSERT INTO tasks SELECT * FROM twin",
        "living next occurrences",
    ),
    "told_twice": (
        "INSERT INTO notifications"
        " SELECT user_id, created_at, randomblob(16), type, title, message, data,"
        " task_id, read_at FROM notifications LIMIT 1",
        "told 2 times",
    ),
    "told_never": (
        "DELETE FROM notifications WHERE id = (SELECT id FROM notifications LIMIT 1)",
        "was not told",
    ),
    "the_ledger_forgot": (
        "DELETE FROM reminders WHERE state = 1",
        "told, and the ledger does not say so",
    ),
    "a_reminder_is_pending": ("UPDATE reminders SET state = 0 WHERE state = 1", "still pending"),
    "an_event_is_left": (
        "INSERT INTO outbox (id, topic, user_id, event, attempts, not_before)"
        " SELECT randomblob(16), 0, id, '{}', 0, 0 FROM users LIMIT 1",
        "left in outbox",
    ),
    "a_key_is_forgotten": ("DELETE FROM idempotency_keys", "is not kept"),
    "a_counter_is_off": ("UPDATE user_state SET living_tasks = living_tasks + 1", "counters say"),
    "a_stranger_is_there": (
        "UPDATE users SET id = randomblob(16) WHERE id = (SELECT id FROM users LIMIT 1)",
        "not those who registered",
    ),
}


@pytest.fixture(scope="module")
def chosen(campaign) -> dict:
    """Rows to tamper with."""
    with database(campaign.path) as connection:
        one = lambda sql: connection.execute(sql + " LIMIT 1").fetchone()
        task = one("SELECT id FROM tasks WHERE version > 2 AND deleted = 0")[0]
        created = {
            op.task_id.replace("-", "")
            for op in campaign.load.ops
            if op.kind == "create" and op.acknowledged
        }
        fresh = next(
            row[0]
            for row in connection.execute(
                "SELECT id FROM tasks WHERE version = 1 AND deleted = 0 AND due_at IS NULL"
                " AND parent_task_id IS NULL"
            )
            if row[0].hex() in created
        )
        successor = one(
            "SELECT s.id FROM tasks s JOIN tasks p"
            " ON p.id = s.parent_task_id AND p.user_id = s.user_id"
            " WHERE s.deleted = 0 AND s.completed_at IS NULL AND s.version = 1"
            " AND p.completed_at IS NOT NULL"
        )[0]
        version, updated = last_update(campaign, connection)
        before = connection.execute(
            "SELECT json_extract(canonical, '$.before_value.description') FROM audit_entries"
            " WHERE entity_id = ? AND entity_version = ?",
            [updated, version],
        ).fetchone()[0]
    return {
        "task": task,
        "fresh": fresh,
        "successor": successor,
        "updated": updated,
        "version": version,
        "before": before,
    }


def last_update(campaign, connection):
    """A task whose last change is an acknowledged update of its description alone."""
    for op in campaign.load.ops:
        if op.kind != "update" or not op.acknowledged:
            continue
        row = connection.execute(
            "SELECT t.version, t.id FROM tasks t JOIN audit_entries a ON a.user_id = t.user_id"
            " AND a.entity_id = t.id AND a.entity_version = t.version"
            " WHERE t.id = ? AND t.description = ? AND a.action = 1"
            " AND json_type(canonical, '$.after_value.due_date') IS NULL",
            [bytes.fromhex(op.task_id.replace("-", "")), op.marker],
        ).fetchone()
        if row:
            return row
    raise AssertionError("no such task")


@pytest.mark.parametrize("name", TAMPERED)
def test_the_checker_finds(campaign, chosen, tmp_path, name):
    statements, expected = TAMPERED[name]
    assert campaign.problems == []
    copy = tmp_path / "todo.db"
    shutil.copy(campaign.path, copy)
    with database(copy) as connection:
        for statement in statements.split(";"):
            used = {key: value for key, value in chosen.items() if f":{key}" in statement}
            assert connection.execute(statement, used).rowcount != 0, statement
    problems = check(contents.of_file(copy), campaign.load.ops, campaign.load.user_ids, 0)
    assert any(expected in problem for problem in problems), problems


def test_an_edited_entry_breaks_the_chain(campaign, tmp_path):
    copy = Server(tmp_path)
    shutil.copytree(campaign.server.data, copy.data, ignore=shutil.ignore_patterns("*.sock"))
    assert copy.run("audit", "verify", check=False).returncode == 0
    with database(copy.data / "todo.db") as connection:
        connection.execute(
            "UPDATE audit_entries SET canonical = replace(canonical, 'Task', 'Tusk')"
            " WHERE position = (SELECT max(position) FROM audit_entries WHERE action = 0)"
        )
    assert copy.run("audit", "verify", check=False).returncode == 1


# --- killed while it does something rare ---


def test_killed_during_the_first_start_it_starts_the_next_time(tmp_path, seed):
    moments = random.Random(seed)
    for i in range(6):
        server = Server(tmp_path / str(i))
        for _ in range(moments.randint(1, 3)):
            start_and_kill(server, moments.uniform(0, 0.05))
        server.start()
        task = server.user().task()
        assert task["version"] == 1
        assert server.stop() == 0
        assert integrity(server.data / "todo.db") == "ok"
        assert not [line for line in server.log if '"level":"error"' in line]


def test_killed_while_it_migrates_it_migrates_the_next_time(tmp_path, seed):
    moments = random.Random(seed)
    for i in range(6):
        server = Server(tmp_path / str(i))
        process = subprocess.Popen(
            [program(), "migrate"], env=server.environment(), stdout=subprocess.DEVNULL
        )
        time.sleep(moments.uniform(0, 0.03))  # the moment of the kill
        process.kill()
        process.wait()
        server.run("migrate")
        assert server.run("migrate").stdout.endswith("nothing to do\n")
        assert integrity(server.data / "todo.db") == "ok"


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A data directory with tasks and audit entries in it. Tests work on copies."""
    server = Server(tmp_path_factory.mktemp("filled")).start()
    user = server.user()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(
            pool.map(
                lambda i: user.task(f"Task {i}", description=f"Some text, {i}. " * 20), range(TASKS)
            )
        )
    assert server.stop() == 0
    return server.data


@pytest.fixture
def copy(filled, tmp_path):
    """A server on a copy of the filled data; its audit entries are old at once."""
    server = Server(tmp_path / "copy", AUDIT_RETENTION="1s")
    shutil.copytree(filled, server.data, ignore=shutil.ignore_patterns("*.sock"))
    yield server
    if server.process is not None:
        server.kill()


def kill_in(server: Server, victim: str, moment: float, *arguments) -> int:
    """Kills a subcommand, or the server that does its work, after a moment. Its exit code."""
    process = subprocess.Popen(
        [program(), *map(str, arguments)],
        env=server.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        process.wait(moment)
    except subprocess.TimeoutExpired:
        pass
    if victim == "server":
        server.kill()
    else:
        process.kill()
    return process.wait()


def seconds_for(server: Server, *arguments) -> float:
    started = time.monotonic()
    server.run(*map(str, arguments))
    return time.monotonic() - started


@pytest.mark.parametrize("victim", ["server", "subcommand"])
def test_a_backup_that_was_killed_is_whole_or_not_there(copy, tmp_path, seed, victim):
    moments = random.Random(seed)
    if victim == "server":
        copy.start()
    took = seconds_for(copy, "backup", tmp_path / "whole.db")
    for i in range(KILLS_IN_OPERATION):
        target = tmp_path / f"backup{i}.db"
        code = kill_in(copy, victim, moments.uniform(0, took), "backup", target)
        assert code == 0 or victim == "server" or code == -signal.SIGKILL
        if code == 0:
            assert target.exists()
        if target.exists():
            assert integrity(target) == "ok"
            with database(target) as connection:
                assert connection.execute("SELECT count(*) FROM tasks").fetchone()[0] == TASKS
        if victim == "server":
            copy.start()
        # What the killed one left does not stand in the way of the next.
        target.unlink(missing_ok=True)
        copy.run("backup", str(target))
        assert integrity(target) == "ok"
    copy.run("audit", "verify")


@pytest.mark.parametrize("victim", ["server", "subcommand"])
def test_an_archive_run_that_was_killed_loses_no_entry(copy, filled, tmp_path, seed, victim):
    moments = random.Random(seed)
    before = exported(copy, tmp_path / "before")
    assert len(before) == TASKS
    took = seconds_for(copy, "audit", "archive")
    assert exported(copy, tmp_path / "archived") == before
    for i in range(KILLS_IN_OPERATION):
        copy.run("audit", "restore", "--all", "--user", email_of(copy))
        if victim == "server":
            copy.start()
        kill_in(copy, victim, moments.uniform(0, took), "audit", "archive")
        if victim == "server":
            copy.start()
        copy.run("audit", "verify")
        assert exported(copy, tmp_path / f"after{i}") == before
        if victim == "server":
            assert copy.stop() == 0
        assert integrity(copy.data / "todo.db") == "ok"


def email_of(server: Server) -> str:
    with database(server.data / "todo.db") as connection:
        return connection.execute("SELECT email FROM users").fetchone()[0]


def exported(server: Server, folder) -> list:
    """The lines of the one chain there is."""
    server.run("audit", "export", "--output", str(folder))
    return next(folder.glob("*.ndjson")).read_text().splitlines()
