import pytest

from harness.server import Server


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """One server for the tests that only look at it, or work as a user of their own."""
    server = Server(tmp_path_factory.mktemp("shared")).start()
    yield server
    assert server.stop() == 0


@pytest.fixture
def user(server):
    return server.user()


@pytest.fixture
def place(tmp_path):
    """Makes servers of the test's own, each in a folder below its own; they end with the test."""
    servers = []

    def make(name: str) -> Server:
        servers.append(Server(tmp_path / name))
        return servers[-1]

    yield make
    for server in servers:
        server.stop()
