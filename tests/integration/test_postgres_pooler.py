"""Behind a transaction pooler, as Neon's, a server has no session: what it leaves in one, another
transaction meets."""
import concurrent.futures

import pytest

from harness.pgbouncer import PgBouncer
from harness.server import eventually
from harness.store import PostgresStore

pytestmark = pytest.mark.only("postgres")

# Of the pooler's on the database; the servers together have many times as many.
POOL_SIZE = 3


@pytest.fixture(scope="module")
def bouncer(cluster):
    with PgBouncer(cluster.port, pool_size=POOL_SIZE) as bouncer:
        yield bouncer


@pytest.fixture
def servers(template, bouncer, new_server):
    store = PostgresStore(template.copy())
    pooled = store.by(bouncer.url(store.database.url))
    direct = {"DATABASE_DIRECT_URL": store.database.url}
    return [new_server(store=pooled, **settings).start() for settings in (direct, {})]


def work(user, number: int) -> None:
    task = user.task(f"T{number}", due_date="2031-01-31", recurrence_rule="monthly")
    user.edit(task, title=f"U{number}")
    user.complete(task)
    assert user.read(task)["completed"]


def test_many_transactions_share_few_connections(servers):
    users = [server.user() for server in servers for _ in range(3)]
    with concurrent.futures.ThreadPoolExecutor(len(users) * 2) as pool:
        for each in [pool.submit(work, user, number) for number in range(20) for user in users]:
            each.result()
    for user in users:
        # Created, changed, completed; and the next occurrence, created.
        eventually(lambda: user.get("/audit").json()["total"] == 80)
        assert user.get("/audit/verify").json()["verified"]
        assert len(user.tasks("?completed=false")) == 20
    # All of it went by the pooler, but what listens.
    ((connections,),) = servers[0].store.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name <> 'tests' AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND query !~* 'listen|notify'"
    )
    assert connections <= POOL_SIZE
    for server in servers:
        assert not [line for line in server.log if '"level":"error"' in line]


def test_a_session_is_left_as_it_was_found(servers):
    """No setting, no lock, no statement and no table of ours stays in a pooled connection."""
    user = servers[0].user()
    for number in range(10):
        work(user, number)
    eventually(lambda: user.get("/audit").json()["total"] == 40)
    store, ask = servers[0].store, lambda text: store.execute(text)
    ((locks,),) = ask("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
    ((temporary,),) = ask("SELECT count(*) FROM pg_class WHERE relpersistence = 't'")
    assert (locks, temporary) == (0, 0)


def test_a_pooler_that_starts_again_is_not_noticed_for_long(template, new_server):
    store = PostgresStore(template.copy())
    with PgBouncer(template.postgres.port, pool_size=POOL_SIZE) as bouncer:
        server = new_server(store=store.by(bouncer.url(store.database.url))).start()
        user = server.user()
        user.task("Before")
        bouncer.stop()
        assert user.get("/tasks").status == 503
        bouncer.start()
        eventually(lambda: user.get("/tasks").status == 200, 2)
        user.task("After")
        assert [task["title"] for task in user.tasks()] == ["After", "Before"]
