import pytest

from harness import postgres
from harness.contract import Recorder
from harness.pgbouncer import PgBouncer
from harness.server import Server, migrated
from harness.store import PostgresStore, SqliteStore

# Every request of this run, to be held against docs/api/openapi.yaml by test_zz_contract.py.
recorder = Recorder()


def pytest_addoption(parser):
    parser.addoption("--database", choices=("sqlite", "postgres"), default="sqlite",
                     help="what the servers of the tests stand on")
    parser.addoption("--pooler", action="store_true",
                     help="PostgreSQL by way of a PgBouncer in transaction mode")
    parser.addoption("--long", action="store_true", help="outages as long as they really are")


def pytest_configure(config):
    config.addinivalue_line("markers", "smoke: also run on the program built with sanitizers")
    config.addinivalue_line("markers", "only(database): about this database, or its files, alone")


def pytest_collection_modifyitems(config, items):
    """Each run of this folder is on one database."""
    here = config.getoption("database")
    others = [item for item in items
              if (mark := item.get_closest_marker("only")) and mark.args != (here,)]
    items[:] = [item for item in items if item not in others]
    config.hook.pytest_deselected(items=others)


@pytest.fixture(scope="session")
def contract():
    return recorder


@pytest.fixture(scope="session")
def cluster():
    """The PostgreSQL of the run: not to be stopped."""
    with postgres.running() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def template(cluster, tmp_path_factory):
    database = migrated(cluster, tmp_path_factory.mktemp("template"))
    yield database
    database.drop()


@pytest.fixture(scope="session")
def pooler(cluster):
    """Fewer connections than any server has: what one leaves behind in a session, another meets."""
    with PgBouncer(cluster.port, pool_size=2) as pooler:
        yield pooler


@pytest.fixture(scope="session")
def new_store(request):
    """Makes the store of a new server, whose folder it is told."""
    if request.config.getoption("database") == "sqlite":
        return lambda folder: SqliteStore(folder / "data" / "todo.db")
    template = request.getfixturevalue("template")
    if not request.config.getoption("pooler"):
        return lambda _folder: PostgresStore(template.copy())
    pooler = request.getfixturevalue("pooler")

    def pooled(_folder):
        store = PostgresStore(template.copy())
        return store.by(pooler.url(store.database.url))

    return pooled


@pytest.fixture(scope="session")
def server(tmp_path_factory, new_store):
    """One server for all tests that do not stop it or move its clock; each works as a user of its
    own."""
    folder = tmp_path_factory.mktemp("shared")
    server = Server(folder, store=new_store(folder))
    server.recorder = recorder.record
    server.run("migrate")
    server.store.keep_events()
    server.start()
    yield server
    assert server.stop() == 0
    recorder.collect_events(server)
    server.store.drop()
    complaints = [line for line in server.log if '"level":"error"' in line]
    assert not complaints, complaints


@pytest.fixture
def user(server):
    return server.user()


@pytest.fixture
def new_server(tmp_path, new_store):
    """Makes servers of the test's own, which it starts; they are stopped at its end."""
    servers = []

    def make(store=None, **settings) -> Server:
        folder = tmp_path / f"server{len(servers)}"
        server = Server(folder, store=store or new_store(folder), **settings)
        server.recorder = recorder.record
        servers.append(server)
        return server

    yield make
    for server in servers:
        server.stop()
    for server in servers:
        server.store.drop()


@pytest.fixture
def start(new_server):
    """Starts servers of the test's own."""
    return lambda **settings: new_server(**settings).start()


@pytest.fixture
def timed(start):
    """A server whose clock the test moves, and someone who uses it."""
    return start(faketime=True)
