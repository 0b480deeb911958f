import pytest

from harness.contract import Recorder
from harness.server import Server

# Every request of this run, to be held against docs/api/openapi.yaml by test_zz_contract.py.
recorder = Recorder()


def pytest_configure(config):
    config.addinivalue_line("markers", "smoke: also run on the program built with sanitizers")


@pytest.fixture(scope="session")
def contract():
    return recorder


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """One server for all tests that do not stop it or move its clock: each works as a user of its own."""
    server = Server(tmp_path_factory.mktemp("shared"))
    server.recorder = recorder.record
    server.run("migrate")
    recorder.watch_events(server)
    server.start()
    yield server
    assert server.stop() == 0
    recorder.collect_events(server)
    complaints = [line for line in server.log if '"level":"error"' in line]
    assert not complaints, complaints


@pytest.fixture
def user(server):
    return server.user()


@pytest.fixture
def start(tmp_path):
    """Starts servers of the test's own; they are stopped at its end."""
    servers = []

    def start_one(**settings):
        server = Server(tmp_path / f"server{len(servers)}", **settings)
        server.recorder = recorder.record
        servers.append(server)
        return server.start()

    yield start_one
    for server in servers:
        server.stop()


@pytest.fixture
def timed(start):
    """A server whose clock the test moves, and someone who uses it."""
    return start(faketime=True)
