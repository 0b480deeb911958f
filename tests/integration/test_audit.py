"""The audit trail: one entry for each change, chained, verifiable, archived."""
import datetime
import json
import uuid

import pytest

from harness.server import eventually

MEMBERS = (
    "id user_id seq entity_type entity_id entity_version action before_value after_value "
    "timestamp metadata hash prev_hash"
).split()


def verify(user) -> dict:
    return user.get("/audit/verify").expect(200).json()


@pytest.mark.smoke
def test_every_change_of_a_task_has_one_entry(user):
    task = user.task("Rent", due_date="2031-01-31", recurrence_rule="monthly")
    user.edit(task, title="Pay rent", priority="high")
    following = user.complete(task)["next_occurrence"]
    user.reopen(task)
    user.delete(f"/tasks/{task['id']}").expect(204)
    user.post(f"/tasks/{task['id']}/restore").expect(200)
    entries = user.audit()
    assert sorted(entries[0]) == sorted(MEMBERS)
    assert [entry["seq"] for entry in entries] == list(range(len(entries), 0, -1))
    of_task = [entry for entry in entries[::-1] if entry["entity_id"] == task["id"]]
    assert [
        (entry["action"], entry["entity_version"], entry["metadata"].get("op")) for entry in of_task
    ] == [
        ("create", 1, None),
        ("update", 2, None),
        ("complete", 3, None),
        ("update", 4, "reopen"),
        ("delete", 5, None),
        ("update", 6, "restore"),
    ]
    assert of_task[0]["before_value"] is None and of_task[0]["after_value"] == task
    assert of_task[1]["before_value"] == {"title": "Rent", "priority": None} and of_task[1][
        "after_value"
    ] == {"title": "Pay rent", "priority": "high"}
    assert set(of_task[2]["after_value"]) == {"completed", "completed_at"}
    assert of_task[4]["before_value"]["title"] == "Pay rent" and of_task[4]["after_value"] is None
    of_next = [entry for entry in entries[::-1] if entry["entity_id"] == following["id"]]
    assert [(entry["action"], entry["metadata"]["actor"]) for entry in of_next] == [
        ("create", "system"),
        ("delete", "web"),
    ]
    for older, newer in zip(entries[::-1], entries[::-1][1:]):
        assert newer["prev_hash"] == older["hash"]
    assert entries[-1]["prev_hash"] == "0" * 64
    answer = verify(user)
    assert (
        answer["verified"]
        and answer["entries"] == len(entries)
        and answer["head"] == entries[0]["hash"]
        and answer["first_bad_seq"] is None
    )


def test_an_entry_tells_the_request_that_caused_it(user):
    task = user.post(
        "/tasks", {"title": "Traced"}, headers={"X-Request-Id": "my-request-7"}
    ).expect(201)
    assert task.header("X-Request-Id") == "my-request-7"
    entry = user.audit(f"?entity_id={task.json()['id']}")[0]
    assert entry["metadata"] == {"actor": "web", "request_id": "my-request-7"}
    following = (
        user.post(
            f"/tasks/{user.task(due_date='2031-01-01', recurrence_rule='daily')['id']}/complete",
            headers={"X-Request-Id": "my-request-8"},
        )
        .expect(200)
        .json()["next_occurrence"]
    )
    assert user.audit(f"?entity_id={following['id']}")[0]["metadata"] == {
        "actor": "system",
        "request_id": "my-request-8",
    }


def test_filters_and_pages(user):
    tasks = [user.task(f"T{number}") for number in range(6)]
    user.edit(tasks[0], title="Changed")
    user.delete(f"/tasks/{tasks[1]['id']}").expect(204)
    everything = user.audit()
    assert user.audit("?action=delete") == [e for e in everything if e["action"] == "delete"]
    assert user.audit(f"?entity_type=task&entity_id={tasks[0]['id']}") == [
        e for e in everything if e["entity_id"] == tasks[0]["id"]
    ]
    assert user.audit("?entity_type=note") == []
    moment = everything[3]["timestamp"]
    assert user.audit(f"?from_date={moment}") == [e for e in everything if e["timestamp"] >= moment]
    assert user.audit(f"?to_date={moment}") == [e for e in everything if e["timestamp"] <= moment]
    found, cursor = [], ""
    while True:
        page = user.get(f"/audit?limit=3{cursor}").expect(200).json()
        assert page["total"] == 8
        found += page["entries"]
        if not page["next_cursor"]:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == everything and user.audit("?limit=2&offset=3") == everything[3:5]
    for query, fields in (
        ("limit=101", ["limit"]),
        ("action=destroy", ["action"]),
        ("entity_id=5", ["entity_id"]),
        ("from_date=x", ["from_date"]),
        ("cursor=zz", ["cursor"]),
        ("offset=-1&more=1", ["more", "offset"]),
    ):
        assert user.get(f"/audit?{query}").expect(422).fields() == fields


def test_the_history_of_a_task_outlives_it(server, user):
    task = user.task()
    user.delete(f"/tasks/{task['id']}").expect(204)
    history = user.get(f"/audit/task/{task['id']}").expect(200).json()
    assert (
        history["task_id"] == task["id"]
        and [entry["action"] for entry in history["entries"]] == ["delete", "create"]
        and history["next_cursor"] is None
    )
    user.get(f"/audit/task/{uuid.uuid4()}").expect(404)
    server.user().get(f"/audit/task/{task['id']}").expect(404)


@pytest.mark.parametrize(
    "statement, bad_seq",
    [
        ("UPDATE audit_entries SET canonical = replace(canonical, 'T2', 'X2') WHERE seq = 3", 3),
        ("UPDATE audit_entries SET action = 1 WHERE seq = 4", 4),
        ("UPDATE audit_entries SET timestamp = timestamp + {ms} WHERE seq = 2", 2),
        ("DELETE FROM audit_entries WHERE seq = 3", 3),
        ("DELETE FROM audit_entries WHERE seq = 6", 6),
        ("DELETE FROM audit_entries WHERE seq = 1", 1),
        (
            "UPDATE audit_entries SET seq = CASE seq WHEN 2 THEN 30 ELSE 2 END WHERE seq IN (2, 3)",
            2,
        ),
    ],
)
def test_any_tampering_is_found(start, statement, bad_seq):
    server = start()
    user = server.user()
    for number in range(6):
        user.task(f"T{number}")
    assert verify(user)["verified"]
    server.stop()
    server.store.execute(statement)  # what someone without the key could do to the database
    done = server.run("audit", "verify", check=False)
    assert done.returncode == 1 and f"entry {bad_seq}" in done.stdout + done.stderr
    server.start()
    user.login()
    answer = verify(user)
    assert answer["verified"] is False and answer["first_bad_seq"] == bad_seq


def test_a_lost_event_is_found(start):
    server = start(faketime=True)
    user = server.user()
    task = user.task()
    server.stop()
    server.store.execute("UPDATE tasks SET version = 5 WHERE id = ?", uuid.UUID(task["id"]))
    server.start()
    assert verify(user)["verified"], "younger than ten minutes counts as in flight"
    server.set_clock_offset(700)
    assert verify(user)["verified"] is False


class Copy:
    """The database of a stopped server, and what someone who kept an older copy can put back."""

    def __init__(self, server, user):
        self.execute = server.store.execute
        self.heads, self.prefix = server.store.audit_heads
        self.user_id = uuid.UUID(user.id)

    def head(self) -> dict:
        names = ("seq", "hash", "seal", "key_id")
        columns = ", ".join(self.prefix + name for name in names)
        (row,) = self.execute(
            f"SELECT {columns} FROM {self.heads} WHERE user_id = ?", self.user_id
        )
        return dict(zip(names, row))

    def cut(self, head: dict) -> None:
        """The chain ends with `head` again."""
        self.execute(
            "DELETE FROM audit_entries WHERE user_id = ? AND seq > ?",
            self.user_id,
            head["seq"],
        )
        columns = ", ".join(f"{self.prefix}{name} = ?" for name in head)
        self.execute(
            f"UPDATE {self.heads} SET {columns} WHERE user_id = ?",
            *head.values(),
            self.user_id,
        )


def test_a_chain_cut_short_with_its_head_and_its_tasks_is_found(start):
    server = start()
    user = server.user()
    user.task("Stays")
    gone = user.task("Never was")
    user.delete(f"/tasks/{gone['id']}").expect(204)
    server.stop()
    copy = Copy(server, user)
    ((last_hash,),) = copy.execute(
        "SELECT hash FROM audit_entries WHERE user_id = ? AND seq = 1", copy.user_id
    )
    copy.cut({**copy.head(), "seq": 1, "hash": last_hash})
    copy.execute("DELETE FROM tasks WHERE id = ?", uuid.UUID(gone["id"]))
    done = server.run("audit", "verify", check=False)
    assert done.returncode == 1 and user.id in done.stdout + done.stderr
    server.start()
    user.login()
    assert verify(user)["verified"] is False
    # What is recorded after it does not hide it.
    user.task("Next")
    assert verify(user)["verified"] is False
    # Nor can it be cut down to nothing: an empty chain has a sealed end too.
    server.stop()
    copy.cut({**copy.head(), "seq": 0, "hash": bytes(32)})
    copy.execute("DELETE FROM tasks")
    assert server.run("audit", "verify", check=False).returncode == 1


@pytest.fixture
def lossy(start):
    """A task of version 4, changed an hour ago, whose last two events were lost: the chain ends
    with the entry of version 2, as a sound head says."""
    server = start()
    user = server.user()
    task = user.task("First")
    user.edit(task, title="Second")
    server.store.settle()
    server.stop()
    copy = Copy(server, user)
    head = copy.head()
    server.start()
    user.login()
    user.edit(task, title="Third")
    user.edit(task, title="Fourth")
    server.store.settle()
    server.stop()
    copy.cut(head)
    copy.execute("UPDATE tasks SET updated_at = updated_at - 3600000 * {ms}")
    return server, user, task, copy


def wait_in_outbox(copy, entity_id: str, version: int) -> None:
    """An event whose turn does not come within this test."""
    event = {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "todo-backend",
        "type": "todo.task.updated",
        "data": {
            "schema_version": "1.0",
            "event_type": "task.updated",
            "timestamp": "2031-01-01T00:00:00Z",
            "user_id": str(copy.user_id),
            "entity_type": "task",
            "entity_id": entity_id,
            "entity_version": version,
            "action": "update",
            "before": {},
            "after": {},
            "metadata": {"actor": "web"},
        },
    }
    copy.execute(
        "INSERT INTO outbox (id, topic, user_id, event, attempts, not_before) "
        "VALUES (?, 0, ?, ?, 1, ?)",
        uuid.UUID(event["id"]),
        copy.user_id,
        json.dumps(event),
        datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=240),
    )


def test_a_lost_version_is_found_whatever_else_waits(lossy):
    server, user, task, copy = lossy
    assert server.run("audit", "verify", check=False).returncode == 1
    wait_in_outbox(copy, str(uuid.uuid4()), 1)
    wait_in_outbox(copy, task["id"], 2)
    wait_in_outbox(copy, task["id"], 4)
    done = server.run("audit", "verify", check=False)
    assert done.returncode == 1 and "version 3" in done.stdout + done.stderr
    server.start()
    user.login()
    assert verify(user)["verified"] is False


def test_a_version_whose_own_event_waits_is_not_lost(lossy):
    server, user, task, copy = lossy
    wait_in_outbox(copy, task["id"], 3)
    wait_in_outbox(copy, task["id"], 4)
    server.run("audit", "verify")
    server.start()
    user.login()
    assert verify(user)["verified"]


def test_another_key_does_not_verify_and_a_rotated_one_does(start):
    old, new = "o" * 32, "n" * 32
    server = start(AUDIT_KEY=old)
    user = server.user()
    user.task()
    server.stop()
    server.settings["AUDIT_KEY"] = f"{new},{old}"
    server.start()
    user.login()
    user.task()
    assert verify(user)["verified"]
    server.stop()
    server.settings["AUDIT_KEY"] = new
    assert server.run("audit", "verify", check=False).returncode == 1
    server.settings["AUDIT_KEY"] = f"{old},{new}"
    assert server.run("audit", "verify").returncode == 0


def with_old_entries(start):
    """A server and someone with two entries that are older than the retention, and a new one."""
    server = start(faketime=True)
    user = server.user()
    old = user.task("Old")
    user.edit(old, title="Older")
    server.set_clock_offset(91 * 86400)
    user.login()
    user.task("New")
    return server, user


def test_old_entries_are_archived_and_the_chain_holds_across(start):
    server, user = with_old_entries(start)
    assert "2 entries archived" in server.run("audit", "archive").stdout
    assert [entry["seq"] for entry in user.audit()] == [3]
    answer = verify(user)
    assert answer["verified"] and answer["entries"] == 3
    assert "verified: 1 chain, 3 entries" in server.run("audit", "verify").stdout
    # The export has all of it.
    assert [
        json.loads(line)["data"]["seq"]
        for line in user.get("/auth/me/export").text.splitlines()
        if '"type":"audit_entry"' in line
    ] == [1, 2, 3]
    server.run("audit", "export", "--output", str(server.folder / "export"))
    lines = (server.folder / "export" / f"audit-{user.id}.ndjson").read_text().splitlines()
    assert [json.loads(line)["seq"] for line in lines] == [1, 2, 3]
    assert "2 entries" in server.run("audit", "restore", "--user", user.email).stdout
    assert [entry["seq"] for entry in user.audit()] == [3, 2, 1] and verify(user)["verified"]


def test_a_dry_run_tells_what_would_be_archived_exported_and_restored(start):
    server, user = with_old_entries(start)
    before = user.audit()
    assert server.told("audit", "archive", "--dry-run") == ["2 entries would be archived"]
    target = server.folder / "export"
    told = server.told("audit", "export", "--output", str(target), "--dry-run")
    assert told == ["3 entries of 1 chains would be written"] and not target.exists()
    assert user.audit() == before
    assert "2 entries archived" in server.run("audit", "archive").stdout
    if server.store.name == "sqlite":  # there the server does what the subcommand asks for
        assert server.metric("todo_retention_rows_total", 'kind="audit_entries"') == 2
    for flags in ([], ["--all"]):
        told = server.told("audit", "restore", "--user", user.email, "--dry-run", *flags)
        assert told == ["2 entries of 1 segment would come back"]
    assert [entry["seq"] for entry in user.audit()] == [3]
    assert server.told("audit", "archive", "--dry-run") == ["0 entries would be archived"]


def test_the_daily_line_publishes_the_heads(start):
    server = start()
    user = server.user()
    user.task()
    server.restart()
    line = eventually(
        lambda: next((json.loads(line) for line in server.log if '"audit heads"' in line), None)
    )
    user.login()
    assert line["heads"] == f"{user.id}:1:{verify(user)['head']}"


def test_an_archived_segment_that_was_changed_is_found(start):
    server = start(faketime=True)
    user = server.user()
    user.task("Old")
    server.set_clock_offset(91 * 86400)
    server.run("audit", "archive")
    server.stop()
    ((data,),) = server.store.execute("SELECT data FROM audit_segments")
    server.store.execute("UPDATE audit_segments SET data = ?", data[:-2] + bytes(2))
    assert server.run("audit", "verify", check=False).returncode == 1
