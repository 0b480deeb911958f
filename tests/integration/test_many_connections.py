"""Ten thousand people who keep a connection open and say nothing cost memory and nothing else."""
import pathlib
import resource
import socket

import pytest

CONNECTIONS = 10_000
# Files of the test itself, and those that the server keeps for other things than connections.
FILES_RESERVED = 1_000
# The ports of one source address may be too few beside what else runs on the machine.
SOURCES = [f"127.0.0.{number}" for number in range(2, 6)]
AT_ONCE = 500
RSS_PER_CONNECTION_MAX = 40 * 1024
ANSWER_SECONDS_MAX = 5
REQUEST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def raise_limit(capsys):
    """Lets this process open as many files as the system allows: how many connections it may hold.
    Until then the limit is what a shell or a service starts with."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    known = hard if hard != resource.RLIM_INFINITY else CONNECTIONS + FILES_RESERVED
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, known), hard))

    def raise_it() -> int:
        resource.setrlimit(resource.RLIMIT_NOFILE, (known, hard))
        count = min(CONNECTIONS, max(known - FILES_RESERVED, known // 2))
        if count < CONNECTIONS:
            with capsys.disabled():
                print(f"\nRLIMIT_NOFILE allows only {count} of {CONNECTIONS} connections")
        return count

    yield raise_it
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def open_some(server, source: str, count: int) -> list:
    found = []
    for _ in range(count):
        connection = socket.create_connection(
            ("127.0.0.1", server.port), timeout=30, source_address=(source, 0)
        )
        found.append(connection)
        connection.sendall(REQUEST)
    for connection in found:
        take_answer(connection)
    return found


def take_answer(connection) -> None:
    """Reads one whole answer, so that the connection is idle again."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(4096)
        assert piece, "it was closed"
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    assert " 200 " in lines[0] and "connection: close" not in lines, lines
    length = next(int(line.split(":")[1]) for line in lines if line.startswith("content-length:"))
    while len(body) < length:
        piece = connection.recv(4096)
        assert piece, "it was closed"
        body += piece


def resident_bytes(server) -> int:
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def answers_promptly(user) -> None:
    """Half of the requests on a connection of their own each, half on one that is kept."""
    kept = user.server.connect(timeout=ANSWER_SECONDS_MAX)
    for number in range(25):
        own = user.server.connect(timeout=ANSWER_SECONDS_MAX)
        task = user.post("/tasks", {"title": f"T{number}"}, connection=own).expect(201).json()
        own.close()
        user.get(f"/tasks/{task['id']}", connection=kept).expect(200)
    kept.close()


def test_ten_thousand_idle_connections_leave_the_others_served(start, raise_limit):
    server = start()  # it raises its own limit itself
    many = raise_limit()
    user = server.user()
    answers_promptly(user)  # what is made once is made before memory is looked at
    before = resident_bytes(server)
    idle = []
    try:
        while len(idle) < many:
            source = SOURCES[len(idle) // AT_ONCE % len(SOURCES)]
            idle += open_some(server, source, min(AT_ONCE, many - len(idle)))
        assert (resident_bytes(server) - before) / many < RSS_PER_CONNECTION_MAX
        answers_promptly(user)
        # Those who kept silent are still there, the first that came and the last.
        for connection in idle[:: len(idle) // 50] + idle[-1:]:
            connection.sendall(REQUEST)
            take_answer(connection)
        assert (resident_bytes(server) - before) / many < RSS_PER_CONNECTION_MAX
    finally:
        for connection in idle:
            connection.close()
    answers_promptly(user)
    assert not [line for line in server.log if '"level":"error"' in line]
