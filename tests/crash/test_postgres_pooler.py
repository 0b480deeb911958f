"""Behind a pooler, what a connection's end means is for PostgreSQL to say, and the pooler says
something else."""
import re
import uuid

import pytest

from harness import postgres
from harness.pgbouncer import PgBouncer
from harness.proxy import Proxy
from harness.server import Server, eventually, migrated
from harness.store import PostgresStore

CREATES = r"INTO\s+tasks"
MAYBE = "may or may not have happened"


@pytest.fixture(scope="module")
def cluster():
    with postgres.Cluster(settings={"log_statement": "all"}) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def template(cluster, tmp_path_factory):
    return migrated(cluster, tmp_path_factory.mktemp("template"))


@pytest.fixture
def database(template):
    return template.copy()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_create_whose_commit_the_pooler_lost_is_made_once(database, tmp_path, when):
    with Proxy(database.postgres.port) as proxy, PgBouncer(proxy.port) as pooler:
        store = PostgresStore(database).by(pooler.url(database.url))
        server = Server(tmp_path, store=store).start()
        try:
            user = server.user()
            proxy.cut_at_commit(when, CREATES)
            body, key = {"title": "Once"}, {"Idempotency-Key": str(uuid.uuid4())}
            answer = user.post("/tasks", body, headers=key).expect(503)
            assert MAYBE in answer.json()["detail"]
            proxy.wait_for_cuts(1)
            assert server.metric("todo_storage_unknown_total") == 1
            answer = user.post("/tasks", body, headers=key).expect(201)
            assert answer.header("Idempotency-Replayed") == ("true" if when == "after" else None)
            assert [task["id"] for task in user.tasks()] == [answer.json()["id"]]
            eventually(lambda: user.get("/audit").json()["total"] == 1)
        finally:
            server.stop()


def test_servers_start_in_sessions_that_others_had_before(cluster, database, tmp_path):
    """There are statements by the names that the program gives its own."""
    first = Server(tmp_path / "first", store=PostgresStore(database))
    first.start().stop()
    names = set(re.findall(r"execute (todo_\w+):", cluster.log.read_text()))
    assert names, "it names its statements where the session is its own"
    with PgBouncer(cluster.port, pool_size=1) as pooler:
        url = pooler.url(database.url)
        pooled = Server(tmp_path / "second", store=first.store.by(url))
        prepare = "".join(f"PREPARE {name} AS SELECT 1; " for name in names)
        for arguments in (["migrate"], ["audit", "verify"], None):
            postgres.execute(url, "DEALLOCATE ALL; " + prepare)
            pooled.run(*arguments) if arguments else pooled.start()
        assert pooled.user().task()["version"] == 1
        assert pooled.stop() == 0
