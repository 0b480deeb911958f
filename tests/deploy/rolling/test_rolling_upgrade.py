"""A rolling upgrade without a cluster: two processes on one PostgreSQL behind a balancer, under load.

The schema is brought a level ahead while the old processes serve, as a release's migration does; the level is
a test's own as long as no released one is behind the present. Then the processes are replaced one by one,
stopped as the chart stops a pod, and then once more for the way back.
"""
import collections
import contextlib
import http.client
import json
import signal
import threading
import time
import uuid

import psycopg2
import pytest
from harness import postgres
from harness.server import PASSWORD, Server
from harness.store import PostgresStore
from kit import objects, render

from balancer import Balancer, wait_for

CLIENTS = 8
PAUSE_S = 0.02  # between the requests of a client
SETTLED_SECONDS_MAX = 60


class Chart:
    """The timings that the chart gives a pod."""

    def __init__(self):
        deployment = next(thing for thing in objects(render("production"))
                          if thing["kind"] == "Deployment")
        pod = deployment["spec"]["template"]["spec"]
        container = pod["containers"][0]
        env = {entry["name"]: entry.get("value") for entry in container["env"]}
        self.delay = env["SHUTDOWN_DELAY"]
        self.grace_s = pod["terminationGracePeriodSeconds"]
        self.period_s = container["readinessProbe"]["periodSeconds"]
        self.failures_max = container["readinessProbe"]["failureThreshold"]


class Client(threading.Thread):
    """Somebody who adds tasks, one request after the other, on a connection that is kept. A connection that
    was closed before the answer began is opened anew, once, and the request sent with the same key."""

    def __init__(self, port: int, token: str):
        super().__init__(daemon=True)
        self.port = port
        self.token = token
        self.ended = threading.Event()
        self.made = {}
        self.failed = []
        self.again = 0
        self.seconds = []

    def run(self) -> None:
        connection = self._connect()
        while not self.ended.wait(PAUSE_S):
            key, title = uuid.uuid4().hex, f"Task {len(self.made)}"
            started = time.monotonic()
            for attempt in (1, 2):
                try:
                    self._send(connection, key, title)
                    break
                except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError) as error:
                    connection.close()
                    connection = self._connect()
                    self.again += attempt == 1
                    if attempt == 2:
                        self.failed.append(repr(error))
                except (OSError, http.client.HTTPException) as error:
                    self.failed.append(repr(error))
                    connection.close()
                    connection = self._connect()
                    break
            self.seconds.append(time.monotonic() - started)
        connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def _send(self, connection, key: str, title: str) -> None:
        connection.request("POST", "/api/v1/tasks", json.dumps({"title": title}), {
            "Authorization": f"Bearer {self.token}", "Content-Type": "application/json",
            "Idempotency-Key": key})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status == 201:
            self.made[json.loads(body)["id"]] = title
        else:
            self.failed.append(f"{answer.status} {body[:200]!r}")


@pytest.fixture(scope="module")
def cluster():
    with postgres.Cluster() as started:
        yield started


def a_level_ahead(database) -> None:
    """As a migration is done: in one transaction, which waits for a lock for 5 s at most."""
    with contextlib.closing(psycopg2.connect(database.url)) as connection, connection, \
            connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '5s'")
        cursor.execute("ALTER TABLE tasks ADD COLUMN test_only text")
        cursor.execute("CREATE TABLE test_only (id bigint PRIMARY KEY)")
        cursor.execute("UPDATE schema_info SET version = version + 1 RETURNING version, min_app")
        version, min_app = cursor.fetchone()
        assert min_app < version


class Fleet:
    """Two pods, and how a Deployment replaces them: one more, then one less."""

    def __init__(self, folder, store, chart: Chart):
        self.folder = folder
        self.store = store
        self.chart = chart
        self.balancer = Balancer(chart.period_s, chart.failures_max)
        self.pods = []
        self.started = 0
        self.stop_seconds = []

    def start_pod(self) -> None:
        self.started += 1
        server = Server(self.folder / f"pod-{self.started}", store=self.store,
                        SHUTDOWN_DELAY=self.chart.delay).start()
        self.pods.append(server)
        self.balancer.add(server.port)

    def stop_pod(self, server: Server) -> None:
        started = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(self.chart.grace_s) == 0
        self.stop_seconds.append(time.monotonic() - started)
        self.balancer.remove(server.port)
        self.pods.remove(server)

    def roll(self) -> None:
        for old in list(self.pods):
            self.start_pod()
            self.stop_pod(old)

    def close(self) -> None:
        for server in list(self.pods):
            server.kill()
        self.balancer.close()


def test_no_request_fails_and_nothing_is_lost(cluster, tmp_path, capsys):
    chart = Chart()
    database = cluster.new_database()
    store = PostgresStore(database)
    Server(tmp_path / "migrate", store=store).run("migrate")
    fleet = Fleet(tmp_path, store, chart)
    clients = []
    try:
        fleet.start_pod()
        fleet.start_pod()
        users = [fleet.pods[0].user() for _ in range(CLIENTS)]
        clients = [Client(fleet.balancer.port, user.token) for user in users]
        for client in clients:
            client.start()
        wait_for("load", lambda: all(client.made for client in clients), 30)

        a_level_ahead(database)
        fleet.roll()  # to the new release
        fleet.roll()  # and back again, on the new schema
        for client in clients:
            client.ended.set()
        for client in clients:
            client.join(60)

        assert [failure for client in clients for failure in client.failed] == []
        hold_to_account(fleet, users, clients)
        report(fleet, clients, capsys)
    finally:
        for client in clients:
            client.ended.set()
        fleet.close()


def hold_to_account(fleet: Fleet, users: list, clients: list) -> None:
    """Every task that somebody was told of is there, once, with its audit entry, and every chain holds."""
    server = fleet.pods[0]
    wait_for("the outbox is empty", lambda: fleet.store.execute("SELECT count(*) FROM outbox")
             == [(0,)], SETTLED_SECONDS_MAX)
    for user, client in zip(users, clients):
        user.server = server
        user.login(PASSWORD)
        there = {task["id"]: task["title"] for task in user.all_pages("/tasks?limit=500")}
        assert there == client.made
        entries = collections.Counter(entry["entity_id"] for entry in user.all_audit())
        assert all(entries[task] == 1 for task in client.made)
        assert user.get("/audit/verify").expect(200).json()["verified"] is True


def report(fleet: Fleet, clients: list, capsys) -> None:
    seconds = sorted(second for client in clients for second in client.seconds)
    with capsys.disabled():
        print(f"\n  {len(seconds)} requests while {fleet.started - 2} pods were replaced: 0 failed, "
              f"{sum(client.again for client in clients)} sent again after a closed connection, p99 "
              f"{seconds[int(len(seconds) * 0.99)] * 1000:.0f} ms; a pod stops in "
              f"{max(fleet.stop_seconds):.1f} s at most")
