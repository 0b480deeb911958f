"""Servers on PostgreSQL are killed at random moments, one, some or all of them, and PostgreSQL
itself; what they acknowledged is there afterwards."""
import concurrent.futures
import contextlib
import random
import signal
import subprocess
import time

import pytest

from crash import contents
from crash.campaign import CLUSTER_SETTINGS, PostgresCampaign
from crash.checker import check
from harness.postgres import Cluster
from harness.server import Server, eventually, migrated, program
from harness.store import PostgresStore

KILLS = 16  # of each campaign
# How many servers, and whether they wake each other or only poll.
CAMPAIGNS = {"one": (1, False), "three": (3, True)}
TASKS = 600  # enough that an archive takes some time to be killed in
KILLS_IN_OPERATION = 3


@pytest.fixture(scope="module")
def durable_cluster():
    with Cluster(durable=True, settings=CLUSTER_SETTINGS) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def cluster():
    """In memory, where databases are made in no time, and yet true to its log: no test takes the
    memory away."""
    with Cluster(settings={"fsync": "on", "full_page_writes": "on"}) as cluster:
        yield cluster


@pytest.fixture(scope="module", params=CAMPAIGNS)
def campaign(request, durable_cluster, tmp_path_factory, seed):
    """Servers that were killed again and again; they are stopped now."""
    processes, listening = CAMPAIGNS[request.param]
    folder = tmp_path_factory.mktemp(f"campaign-of-{request.param}")
    with contextlib.closing(
        PostgresCampaign(durable_cluster, folder, f"{seed}/{request.param}", processes, listening)
    ) as campaign:
        campaign.run(KILLS)
        yield campaign


def test_nothing_is_lost_and_nothing_is_done_twice(campaign):
    assert campaign.problems == []
    assert campaign.kills >= KILLS
    assert set(campaign.killed) >= {"server", "postgres", "everything"}
    assert campaign.load.lost > KILLS / 2, "hardly a kill met anyone"
    assert campaign.load.unavailable > 0, "nobody was told that the database is away"
    kinds = {op.kind for op in campaign.load.ops if op.acknowledged}
    assert kinds == {"create", "update", "complete", "reopen", "delete", "restore"}
    assert len(campaign.contents().notifications) > 20


# What the checker must notice here too, where it reads another database. Each statement changes one
# row of what a campaign left.
TAMPERED = {
    "a_task_is_lost": (
        "DELETE FROM tasks WHERE id = (SELECT id FROM tasks WHERE version > 2 LIMIT 1)",
        "is not there",
    ),
    "an_entry_is_missing": (
        "DELETE FROM audit_entries WHERE (user_id, seq) ="
        " (SELECT user_id, seq FROM audit_entries WHERE entity_version = 1 LIMIT 1)",
        "its entries are",
    ),
    "a_due_date_is_other": (
        "UPDATE tasks SET due_at = due_at + interval '1 ms' WHERE id ="
        " (SELECT id FROM tasks WHERE due_at IS NOT NULL LIMIT 1)",
        "due_date is",
    ),
    "told_twice": (
        "INSERT INTO notifications SELECT user_id, gen_random_uuid(), created_at, read_at, task_id,"
        " type, title, message, data FROM notifications LIMIT 1",
        "told 2 times",
    ),
    "told_never": (
        "DELETE FROM notifications WHERE id = (SELECT id FROM notifications LIMIT 1)",
        "was not told",
    ),
    "an_event_is_left": (
        "INSERT INTO outbox (id, topic, user_id, event, attempts)"
        " SELECT gen_random_uuid(), 0, id, '{}', 0 FROM users LIMIT 1",
        "left in outbox",
    ),
    "a_key_is_forgotten": ("DELETE FROM idempotency_keys", "is not kept"),
    "a_chain_is_longer_than_its_entries": ("UPDATE audit_heads SET seq = seq + 1", "counters say"),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_the_checker_finds(campaign, name):
    statement, expected = TAMPERED[name]
    assert campaign.problems == []
    tampered = contents.of_postgres(campaign.database.url, statement)
    problems = check(tampered, campaign.load.ops, campaign.load.user_ids, 0)
    assert any(expected in problem for problem in problems), problems


def test_an_edited_entry_breaks_the_chain(campaign):
    server = campaign.servers[0]
    ((user_id, seq),) = server.store.execute(
        "SELECT user_id, seq FROM audit_entries WHERE action = 0 LIMIT 1"
    )
    for old, new, code in (("Task", "Tusk", 1), ("Tusk", "Task", 0)):
        server.store.execute(
            f"UPDATE audit_entries SET canonical = replace(canonical, '{old}', '{new}')"
            " WHERE user_id = ? AND seq = ?",
            user_id,
            seq,
        )
        assert server.run("audit", "verify", check=False).returncode == code


# --- killed while something rare is done ---


def kill_in(command: list, server: Server, moment: float, kill=None) -> None:
    """Kills a subcommand after a moment; or does what is given instead, and waits for its end."""
    process = subprocess.Popen(
        [program(), *command],
        env=server.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(moment)
    if kill is None:
        process.kill()
        assert process.wait() in (0, -signal.SIGKILL)
    else:
        kill()
        assert process.wait() in (0, 1)


def seconds_for(server: Server, *arguments) -> float:
    started = time.monotonic()
    server.run(*arguments)
    return time.monotonic() - started


def restarter(cluster, moments):
    """Kills PostgreSQL and starts it again."""

    def restart() -> None:
        getattr(cluster, moments.choice(["stop_immediate", "kill"]))()
        cluster.start()

    return restart


@pytest.mark.parametrize("victim", ["program", "postgres"])
def test_killed_while_it_migrates_it_migrates_the_next_time(cluster, tmp_path, seed, victim):
    moments = random.Random(seed)
    kill = restarter(cluster, moments) if victim == "postgres" else None
    whole = Server(tmp_path / "whole", store=PostgresStore(cluster.new_database()))
    took = seconds_for(whole, "migrate")
    for number in range(KILLS_IN_OPERATION):
        store = PostgresStore(cluster.new_database())
        server = Server(tmp_path / str(number), store=store)
        kill_in(["migrate"], server, moments.uniform(0, took), kill)
        server.run("migrate")
        assert server.run("migrate").stdout.endswith("nothing to do\n")
        try:
            assert server.start().user().task()["version"] == 1
        finally:
            code = server.stop()
        assert code == 0
        store.drop()


@pytest.fixture(scope="module")
def filled(cluster, tmp_path_factory):
    """Someone's tasks, and as many audit entries, which are old at once."""
    store = PostgresStore(migrated(cluster, tmp_path_factory.mktemp("migration")))
    server = Server(tmp_path_factory.mktemp("filled"), store=store, AUDIT_RETENTION="1s").start()
    user = server.user()
    task = lambda number: user.task(f"Task {number}", description=f"Some text, {number}. " * 20)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(task, range(TASKS)))
    eventually(lambda: user.get("/audit").json()["total"] == TASKS)
    assert server.stop() == 0
    yield server, user.email
    store.drop()


def exported(server: Server, folder) -> list:
    """The lines of the one chain there is."""
    server.run("audit", "export", "--output", str(folder))
    return next(folder.glob("*.ndjson")).read_text().splitlines()


@pytest.mark.parametrize("victim", ["program", "postgres"])
def test_an_archive_run_that_was_killed_loses_no_entry(cluster, filled, tmp_path, seed, victim):
    server, email = filled
    moments = random.Random(seed)
    kill = restarter(cluster, moments) if victim == "postgres" else None
    before = exported(server, tmp_path / "before")
    assert len(before) == TASKS
    took = seconds_for(server, "audit", "archive")
    for number in range(KILLS_IN_OPERATION):
        server.run("audit", "restore", "--all", "--user", email)
        kill_in(["audit", "archive"], server, moments.uniform(0, took), kill)
        server.run("audit", "verify")
        assert exported(server, tmp_path / f"after{number}") == before
