"""Tasks: making, reading, changing, deleting, restoring, versions, idempotency."""
import concurrent.futures
import datetime
import uuid

import pytest

from harness.server import PASSWORD

TASK_MEMBERS = (
    "id user_id title description completed completed_at due_date due_on priority category "
    "recurrence_rule recurrence_interval recurrence_weekdays recurrence_from "
    "parent_task_id series_id occurrence version "
    "created_at updated_at"
).split()


@pytest.mark.smoke
def test_a_new_task_has_every_member_and_its_defaults(user):
    answer = user.post("/tasks", {"title": "  Buy milk  "}).expect(201)
    task = answer.json()
    assert list(task) == TASK_MEMBERS
    assert task["title"] == "Buy milk" and task["user_id"] == user.id and task["completed"] is False
    assert (
        task["recurrence_rule"] == "none"
        and task["recurrence_interval"] == 1
        and task["recurrence_from"] == "due"
    )
    assert (
        task["occurrence"] == 1
        and task["version"] == 1
        and task["created_at"] == task["updated_at"]
    )
    for name in (
        "description",
        "completed_at",
        "due_date",
        "due_on",
        "priority",
        "category",
        "recurrence_weekdays",
        "parent_task_id",
    ):
        assert task[name] is None
    assert (
        answer.header("Location") == f"/api/v1/tasks/{task['id']}"
        and answer.header("ETag") == '"1"'
    )
    assert user.read(task) == task


def test_all_members_come_back_as_they_were_given(user):
    task = user.task(
        "Müll 🗑 rausbringen",
        description="grün\nund gelb",
        due_date="2031-03-01T09:30:00.250+02:00",
        priority="urgent",
        category="Haus",
        recurrence_rule="weekly",
        recurrence_interval=2,
        recurrence_weekdays=["fr", "mo"],
        recurrence_from="completion",
    )
    assert task["due_date"] == "2031-03-01T07:30:00.250Z" and task["due_on"] is None
    assert task["recurrence_weekdays"] == ["mo", "fr"] and task["recurrence_interval"] == 2
    assert (
        task["description"] == "grün\nund gelb"
        and task["priority"] == "urgent"
        and task["recurrence_from"] == "completion"
    )
    assert user.read(task) == task


@pytest.mark.parametrize(
    "given, answered",
    [
        ("2031-03-01T09:00:00Z", "2031-03-01T09:00:00Z"),
        ("2031-03-01t09:00:00z", "2031-03-01T09:00:00Z"),
        ("2031-03-01T09:00:00.123999Z", "2031-03-01T09:00:00.123Z"),
        ("2031-03-01T09:00:00-05:30", "2031-03-01T14:30:00Z"),
        ("2031-03-01T09:00", "2031-03-01T08:00:00Z"),
        ("2031-07-01T09:00:00", "2031-07-01T07:00:00Z"),
        ("2031-03-30T02:30", "2031-03-30T01:30:00Z"),
        ("2031-10-26T02:30", "2031-10-26T00:30:00Z"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
    ],
)
def test_a_due_date_is_read_in_its_offset_or_the_users_zone(server, given, answered):
    user = server.user(timezone="Europe/Berlin")
    assert user.task(due_date=given)["due_date"] == answered


def test_a_date_alone_makes_an_all_day_task(server):
    user = server.user(timezone="America/New_York")
    task = user.task(due_date="2031-02-10")
    assert task["due_on"] == "2031-02-10" and task["due_date"] == "2031-02-11T04:59:59Z"
    timed = user.edit(task, due_date="2031-02-10T09:00")
    assert timed["due_on"] is None and timed["due_date"] == "2031-02-10T14:00:00Z"
    assert user.edit(timed, due_date="2031-02-12")["due_on"] == "2031-02-12"


@pytest.mark.parametrize(
    "body, fields",
    [
        ({}, ["title"]),
        ({"title": ""}, ["title"]),
        ({"title": " \t\n "}, ["title"]),
        ({"title": None}, ["title"]),
        ({"title": "x" * 201}, ["title"]),
        ({"title": 5}, ["title"]),
        ({"title": "ok", "description": "x" * 2001}, ["description"]),
        ({"title": "ok", "category": "x" * 51}, ["category"]),
        ({"title": "ok", "priority": "medium"}, ["priority"]),
        ({"title": "ok", "due_date": "tomorrow"}, ["due_date"]),
        ({"title": "ok", "due_date": "2031-02-30"}, ["due_date"]),
        ({"title": "ok", "due_date": "2031-02-01T25:00:00Z"}, ["due_date"]),
        ({"title": "ok", "due_date": 1893456000}, ["due_date"]),
        ({"title": "ok", "due_date": "1969-12-31T23:59:59Z"}, ["due_date"]),
        ({"title": "ok", "due_date": "9999-12-31T23:59:59-01:00"}, ["due_date"]),
        ({"title": "ok", "recurrence_rule": "daily"}, ["due_date"]),
        ({"title": "ok", "recurrence_rule": "hourly"}, ["recurrence_rule"]),
        ({"title": "ok", "recurrence_interval": 0}, ["recurrence_interval"]),
        ({"title": "ok", "recurrence_interval": 401}, ["recurrence_interval"]),
        ({"title": "ok", "recurrence_interval": 1.5}, ["recurrence_interval"]),
        (
            {
                "title": "ok",
                "due_date": "2031-01-01",
                "recurrence_rule": "daily",
                "recurrence_weekdays": ["mo"],
            },
            ["recurrence_weekdays"],
        ),
        (
            {
                "title": "ok",
                "due_date": "2031-01-01",
                "recurrence_rule": "weekly",
                "recurrence_weekdays": [],
            },
            ["recurrence_weekdays"],
        ),
        (
            {
                "title": "ok",
                "due_date": "2031-01-01",
                "recurrence_rule": "weekly",
                "recurrence_weekdays": ["mo", "xx"],
            },
            ["recurrence_weekdays"],
        ),
        ({"title": "ok", "recurrence_from": "now"}, ["recurrence_from"]),
        ({"title": "ok", "colour": "red"}, ["colour"]),
        ({"title": "ok", "id": "x", "version": 3}, ["id", "version"]),
        (
            {"title": "", "recurrence_weekdays": ["mo"], "due_date": "1960-01-01T00:00:00Z"},
            ["due_date", "recurrence_weekdays", "title"],
        ),
        (
            {"title": "", "recurrence_rule": "daily", "recurrence_weekdays": ["mo"]},
            ["due_date", "recurrence_weekdays", "title"],
        ),
        ({"title": "", "recurrence_rule": "weekly"}, ["due_date", "title"]),
        (
            {"title": "", "priority": "x", "category": 7, "due_date": "x", "extra": 1},
            ["category", "due_date", "extra", "priority", "title"],
        ),
    ],
)
def test_a_bad_task_is_refused_naming_every_failing_member(user, body, fields):
    answer = user.post("/tasks", body).expect(422)
    assert answer.fields() == fields
    assert answer.header("Content-Type") == "application/problem+json"
    assert user.tasks() == []


@pytest.mark.parametrize(
    "has_due_date, body, fields",
    [
        (
            False,
            {"recurrence_rule": "daily", "recurrence_weekdays": ["mo"]},
            ["due_date", "recurrence_weekdays"],
        ),
        (
            True,
            {"recurrence_rule": "daily", "recurrence_weekdays": ["mo"], "due_date": None},
            ["due_date", "recurrence_weekdays"],
        ),
        (
            True,
            {"recurrence_weekdays": ["mo"], "due_date": "1969-12-31"},
            ["due_date", "recurrence_weekdays"],
        ),
    ],
)
def test_a_bad_change_is_refused_naming_every_failing_member(user, has_due_date, body, fields):
    task = user.task(due_date="2031-01-01" if has_due_date else None)
    assert user.patch(f"/tasks/{task['id']}", body).expect(422).fields() == fields
    assert user.read(task) == task


def test_lengths_are_counted_in_code_points_after_trimming(user):
    assert len(user.task("🎉" * 200 + "  ")["title"]) == 200
    user.post("/tasks", {"title": "🎉" * 201}).expect(422)
    user.task(description="é" * 2000, category="ß" * 50)


def test_patch_changes_what_is_named_and_null_clears(user):
    task = user.task(
        description="old", priority="low", category="home", due_date="2031-01-01T00:00:00Z"
    )
    changed = user.edit(task, description=None, priority="high")
    assert (
        changed["description"] is None
        and changed["priority"] == "high"
        and changed["category"] == "home"
    )
    moment = datetime.datetime.fromisoformat
    assert changed["version"] == 2 and moment(changed["updated_at"]) >= moment(task["updated_at"])
    cleared = user.edit(task, priority=None, category=None, due_date=None)
    assert (
        cleared["priority"] is cleared["category"] is cleared["due_date"] is None
        and cleared["version"] == 3
    )
    user.patch(f"/tasks/{task['id']}", {"title": None}).expect(422)
    user.patch(f"/tasks/{task['id']}", {"id": task["id"]}).expect(422)


def test_a_change_that_changes_nothing_makes_no_version(user):
    task = user.task(due_date="2031-01-01", priority="low")
    assert user.edit(task, title=task["title"], priority="low", due_date="2031-01-01") == task
    assert user.edit(task) == task
    assert len(user.audit(f"?entity_id={task['id']}")) == 1


def test_put_takes_the_task_as_it_was_answered(user):
    task = user.task(due_date="2031-01-01", recurrence_rule="monthly")
    assert user.put(f"/tasks/{task['id']}", task).expect(200).json() == task
    changed = (
        user.put(f"/tasks/{task['id']}", task | {"title": "Other", "version": 99, "id": "whatever"})
        .expect(200)
        .json()
    )
    assert changed["title"] == "Other" and changed["version"] == 2 and changed["id"] == task["id"]
    assert changed["due_on"] == "2031-01-01" and changed["recurrence_rule"] == "monthly"
    assert (
        user.put(f"/tasks/{task['id']}", {"priority": "low"}).expect(200).json()["title"] == "Other"
    )


def test_an_old_if_match_is_refused_and_none_means_the_last_write_wins(user):
    task = user.task()
    path = f"/tasks/{task['id']}"
    user.patch(path, {"title": "Two"}, headers={"If-Match": '"1"'}).expect(200)
    answer = user.patch(path, {"title": "Three"}, headers={"If-Match": '"1"'}).expect(412)
    assert answer.header("Content-Type") == "application/problem+json"
    for method, target in (
        ("PUT", path),
        ("DELETE", path),
        ("PATCH", path + "/toggle"),
        ("POST", path + "/complete"),
        ("POST", path + "/reopen"),
    ):
        user.request(
            method, target, {} if method == "PUT" else None, headers={"If-Match": '"1"'}
        ).expect(412)
    user.patch(path, {"title": "Three"}, headers={"If-Match": '"7", "2"'}).expect(200)
    user.patch(path, {"title": "Four"}, headers={"If-Match": "*"}).expect(200)
    user.patch(path, {"title": "Five"}, headers={"If-Match": 'W/"4"'}).expect(412)
    user.patch(path, {"title": "Five"}).expect(200)
    user.patch(f"/tasks/{uuid.uuid4()}", {"title": "x"}, headers={"If-Match": "*"}).expect(404)


def test_completing_and_toggling_are_the_same_change(user):
    task = user.task()
    done = user.complete(task)
    assert (
        done["completed_task"]["completed"]
        and done["completed_task"]["completed_at"]
        and done["next_occurrence"] is None
    )
    assert done["completed_task"]["version"] == 2
    again = user.complete(task)
    assert again == done
    reopened = user.reopen(task)
    assert (
        reopened["task"]["completed"] is False
        and reopened["task"]["completed_at"] is None
        and reopened["removed_occurrence_id"] is None
    )
    assert user.reopen(task)["task"] == reopened["task"]
    assert user.patch(f"/tasks/{task['id']}/toggle").expect(200).json()["completed"]
    assert user.patch(f"/tasks/{task['id']}/toggle").expect(200).json()["completed"] is False
    both = user.edit(task, title="Renamed", completed=True)
    assert both["completed"] and both["title"] == "Renamed"
    assert user.edit(task, completed=False)["completed"] is False


def test_a_patch_that_completes_is_one_change_with_all_it_names(user):
    task = user.task("Rent", due_date="2031-01-01T09:00:00Z", recurrence_rule="daily")
    done = user.edit(task, title="Pay rent", completed=True)
    assert done["version"] == 2 and done["completed"] and done["title"] == "Pay rent"
    following = next(each for each in user.tasks() if each["parent_task_id"] == task["id"])
    assert following["title"] == "Pay rent"
    entry, first = user.audit(f"?entity_id={task['id']}")
    assert (entry["action"], entry["entity_version"]) == ("complete", 2)
    assert entry["before_value"] == {"title": "Rent", "completed": False, "completed_at": None}
    assert entry["after_value"] == {
        "title": "Pay rent",
        "completed": True,
        "completed_at": done["completed_at"],
    }
    assert first["action"] == "create"

    reopened = user.edit(task, title="Rent again", completed=False)
    assert reopened["version"] == 3 and not reopened["completed"]
    assert [each["id"] for each in user.tasks()] == [task["id"]], "its successor is taken back"
    entries = user.audit(f"?entity_id={task['id']}")
    assert len(entries) == 3
    assert (entries[0]["action"], entries[0]["metadata"]["op"]) == ("update", "reopen")
    assert set(entries[0]["after_value"]) == {"title", "completed", "completed_at"}


def test_a_patch_that_completes_can_move_the_series(user):
    task = user.task(due_date="2031-01-01T09:00:00Z", recurrence_rule="daily")
    user.edit(task, due_date="2031-02-01T10:00:00Z", recurrence_rule="weekly", completed=True)
    following = user.complete(task)["next_occurrence"]
    assert following["due_date"] == "2031-02-08T10:00:00Z"


@pytest.mark.smoke
def test_a_deleted_task_is_gone_until_it_is_restored(user):
    task = user.task(priority="high")
    path = f"/tasks/{task['id']}"
    user.delete(path).expect(204)
    for method, target in (
        ("GET", path),
        ("PATCH", path),
        ("PUT", path),
        ("DELETE", path),
        ("POST", path + "/complete"),
        ("POST", path + "/reopen"),
        ("PATCH", path + "/toggle"),
        ("GET", path + "/occurrences"),
        ("GET", path + "/reminders"),
    ):
        user.request(
            method, target, {} if method in ("PATCH", "PUT") and "toggle" not in target else None
        ).expect(404)
    assert user.tasks() == []
    assert [gone["id"] for gone in user.tasks("?deleted=true")] == [task["id"]]
    restored = user.post(path + "/restore").expect(200).json()
    assert (
        restored["version"] == 3
        and restored["title"] == task["title"]
        and user.tasks("?deleted=true") == []
    )
    assert user.post(path + "/restore").expect(200).json() == restored
    user.post(f"/tasks/{uuid.uuid4()}/restore").expect(404)


def test_a_purge_deletes_what_its_dry_run_told_of_and_nothing_else(timed):
    user = timed.user()
    kept, gone = user.task("Kept"), user.task("Gone")
    user.delete(f"/tasks/{gone['id']}").expect(204)
    user.post("/tasks", {"title": "With a key"}, headers={"Idempotency-Key": "k"}).expect(201)
    timed.stop()  # which would do it by itself
    timed.set_clock_offset(31 * 86400)
    would = timed.told("purge", "--dry-run")
    assert would == timed.told("purge", "--dry-run")
    assert would[:2] == ["deleted tasks: 1 would go", "notifications: 0 would go"]
    assert would[3:] == ["idempotency keys: 1 would go", "accounts: 0 would go"]
    gone_now = timed.told("purge")
    assert gone_now == [line.replace("would go", "gone") for line in would]
    assert all(": 0 " in line for line in timed.told("purge", "--dry-run"))
    timed.start()
    user.login()
    user.get(f"/tasks/{kept['id']}").expect(200)
    assert sorted(task["title"] for task in user.tasks()) == ["Kept", "With a key"]


def test_a_deleted_task_can_be_restored_for_thirty_days(timed):
    user = timed.user()
    task = user.task()
    user.delete(f"/tasks/{task['id']}").expect(204)
    timed.set_clock_offset(29 * 86400)
    user.login()
    assert len(user.tasks("?deleted=true")) == 1
    timed.set_clock_offset(30 * 86400 + 60)
    user.login()
    assert user.tasks("?deleted=true") == []
    user.post(f"/tasks/{task['id']}/restore").expect(404)
    # Its history stays.
    assert len(user.get(f"/audit/task/{task['id']}").expect(200).json()["entries"]) == 2


def test_an_idempotency_key_makes_a_repeated_request_happen_once(user):
    key = {"Idempotency-Key": "create-1"}
    first = user.post("/tasks", {"title": "Once"}, headers=key).expect(201)
    again = user.post("/tasks", {"title": "Once"}, headers=key).expect(201)
    assert (
        again.body == first.body
        and again.header("Idempotency-Replayed") == "true"
        and first.header("Idempotency-Replayed") is None
    )
    assert again.header("Location") == first.header("Location") and again.header(
        "ETag"
    ) == first.header("ETag")
    assert len(user.tasks()) == 1
    assert user.post("/tasks", {"title": "Other"}, headers=key).expect(422).fields() == [
        "Idempotency-Key"
    ]
    user.post("/tasks", {"title": "Once"}, headers={"Idempotency-Key": "create-2"}).expect(201)
    assert len(user.tasks()) == 2
    for bad in ("", "x" * 256):
        user.post("/tasks", {"title": "No"}, headers={"Idempotency-Key": bad}).expect(422)


def test_idempotency_keys_work_on_every_change_under_tasks(user):
    task = user.task()
    path = f"/tasks/{task['id']}"
    for number, (method, target, body) in enumerate(
        (
            ("PATCH", path, {"title": "B"}),
            ("PUT", path, {"title": "C"}),
            ("PATCH", path + "/toggle", None),
            ("POST", path + "/reopen", None),
            ("POST", path + "/complete", None),
            ("DELETE", path, None),
            ("POST", path + "/restore", None),
        )
    ):
        key = {"Idempotency-Key": f"key-{number}"}
        first = user.request(method, target, body, headers=key)
        assert first.status in (200, 204)
        again = user.request(method, target, body, headers=key)
        assert (again.status, again.body, again.header("Idempotency-Replayed")) == (
            first.status,
            first.body,
            "true",
        )


def test_racing_twins_with_one_key_make_one_task(user):
    def create(_):
        return user.post("/tasks", {"title": "Twin"}, headers={"Idempotency-Key": "twin"})

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(create, range(8)))
    assert {answer.status for answer in answers} == {201} and len(
        {answer.body for answer in answers}
    ) == 1
    assert len(user.tasks()) == 1


def test_an_idempotency_key_is_each_users_own_and_lasts_a_day(timed):
    user, other = timed.user(), timed.user()
    key = {"Idempotency-Key": "same"}
    user.post("/tasks", {"title": "A"}, headers=key).expect(201)
    other.post("/tasks", {"title": "B"}, headers=key).expect(201)
    timed.set_clock_offset(86400 + 60)
    user.login()
    user.post("/tasks", {"title": "C"}, headers=key).expect(201)
    assert len(user.tasks()) == 2


def test_a_refused_request_leaves_its_key_unused_or_replays_the_refusal(user):
    key = {"Idempotency-Key": "try"}
    user.post("/tasks", {"title": ""}, headers=key).expect(422)
    user.post("/tasks", {"title": "Now right"}, headers=key).expect(201)


def test_concurrent_changes_each_make_a_version(user):
    task = user.task()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: user.edit(task, title=f"Title {n}"), range(40)))
    assert user.read(task)["version"] == 41
    assert [entry["entity_version"] for entry in user.audit(f"?entity_id={task['id']}")][:1] == [41]
