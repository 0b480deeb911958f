"""A release runs on the schema of the next one, which only adds: so an upgrade goes process by process,
and back again."""
from harness.server import eventually

AHEAD = (
    "CREATE TABLE of_the_next_release (user_id {bytes} NOT NULL, note TEXT NOT NULL)",
    "ALTER TABLE tasks ADD COLUMN of_the_next_release TEXT",
    "CREATE INDEX tasks_of_the_next_release ON tasks (user_id, of_the_next_release)",
    "UPDATE schema_info SET version = version + 1",
)


def migrate_ahead(server) -> None:
    """What the next release's `migrate` does to the database."""
    types = {"bytes": "BLOB" if server.store.name == "sqlite" else "uuid", "ms": "{ms}"}
    for statement in AHEAD:
        server.store.execute(statement.format(**types))


def work(user) -> list:
    """Something of everything that writes; the titles that are left."""
    task = user.task("Rent", due_date="2031-01-31", recurrence_rule="monthly")
    user.edit(task, title="Pay rent")
    following = user.complete(task)["next_occurrence"]
    gone = user.task("Gone")
    user.delete(f"/tasks/{gone['id']}").expect(204)
    user.post(f"/tasks/{gone['id']}/restore").expect(200)
    assert user.read(following)["title"] == "Pay rent"
    assert user.get("/audit/verify").json()["verified"]
    return sorted(task["title"] for task in user.tasks())


def test_the_program_works_on_a_schema_one_level_ahead(start):
    server = start()
    user = server.user()
    work(user)
    migrate_ahead(server)
    first = work(user)
    assert server.restart().request("GET", "//readyz").expect(200)
    user.login()
    assert sorted(task["title"] for task in user.tasks()) == first
    assert len(work(user)) == len(first) + 3
    assert server.run("audit", "verify").returncode == 0
    server.stop()
    server.run("migrate")  # of the older release: nothing to do
    server.start()
    assert eventually(lambda: server.request("GET", "//readyz").status == 200)


def test_a_schema_that_has_left_the_program_behind_is_refused(start):
    server = start()
    server.stop()
    server.store.execute("UPDATE schema_info SET version = version + 2, min_app = version + 2")
    refused = server.run("serve", check=False)
    assert refused.returncode == 1 and "newer program" in refused.stdout
