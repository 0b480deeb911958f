"""The row `./dev bench pipeline`: events through the sidecar and the broker, beside a bare loop that
publishes the same bytes and a bare app that answers deliveries at once."""
import contextlib
import datetime
import http.client
import json
import pathlib
import re
import shutil
import socketserver
import sys
import tempfile
import threading
import time
import uuid

import run
from run import cpu_seconds, memory_mib, row

sys.path.insert(0, str(run.ROOT / "tests"))
from harness import broker, daprd, parts  # noqa: E402
from harness.daprd import Sidecar  # noqa: E402
from harness.ports import free_port  # noqa: E402
from harness.replicas import Replicas  # noqa: E402
from harness.server import eventually  # noqa: E402

EVENTS = 20_000
USERS = 50
BULK, CONNECTIONS = 125, 4
TURNS = 3
DRAIN_SECONDS = 180
LOOK_SECONDS = 0.1  # looking costs the machine that is measured
MUTATIONS_PER_SECOND, LOAD_SECONDS, LOAD_CONNECTIONS = 200, 20, 16
IDLE_SECONDS = 30
TOPIC = "todo.audit"


# --- events ---------------------------------------------------------------------------------------


def event_ids():
    """UUIDs of version 7, in the order of their making."""
    begin = int(time.time() * 1000) << 80
    for number in range(1 << 32):
        yield uuid.UUID(int=begin | 7 << 76 | 2 << 62 | number)


def events(user_ids: list, ids) -> list:
    """(id, user, envelope), as creating tasks makes them."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    made = []
    for number in range(EVENTS):
        event_id, entity, user = next(ids), str(uuid.uuid4()), str(user_ids[number % len(user_ids)])
        after = {"title": f"Task {number}", "description": "As often as it takes. " * 5,
                 "completed": False, "completed_at": None, "due_date": now, "priority": "high",
                 "category": "home", "recurrence_rule": "weekly", "recurrence_interval": 1}
        made.append((event_id, user, json.dumps({
            "specversion": "1.0", "id": str(event_id), "source": "todo-backend",
            "type": "todo.task.created", "subject": entity, "time": now,
            "datacontenttype": "application/json", "partitionkey": user,
            "data": {"schema_version": "1.0", "event_type": "task.created", "timestamp": now,
                     "user_id": user, "entity_type": "task", "entity_id": entity,
                     "entity_version": 1, "action": "create", "before": None, "after": after,
                     "metadata": {"actor": "web", "request_id": str(event_id)}}})))
    return made


def bodies(made: list) -> list:
    """Requests of the bulk API."""
    trace = ',"traceparent":"00-{0}-{1}-01","traceid":"00-{0}-{1}-01"}}'.format("a" * 32, "b" * 16)
    return ["[" + ",".join(
        f'{{"entryId":"{event_id}","event":{text[:-1]}{trace},'
        f'"contentType":"application/cloudevents+json","metadata":{{"partitionKey":"{user}"}}}}'
        for event_id, user, text in made[at:at + BULK]) + "]" for at in range(0, len(made), BULK)]


def fill_outbox(database, made: list) -> None:
    import psycopg2.extras
    with contextlib.closing(psycopg2.connect(database.url)) as connection:
        with connection, connection.cursor() as cursor:
            psycopg2.extras.execute_values(
                cursor, "INSERT INTO outbox (id, user_id, attempts, topic, event) VALUES %s",
                [(event_id, user, 0, 0, text) for event_id, user, text in made], page_size=1000)


# --- the bare loop and the bare app ---------------------------------------------------------------


def publish(sidecar: Sidecar, requests: list) -> float:
    """Seconds until all are acknowledged, from as many connections as the relay uses."""
    waiting, failures = list(reversed(requests)), []
    headers = {"Content-Type": "application/json", "dapr-api-token": sidecar.api_token}

    def work() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", sidecar.http_port, timeout=30)
        with contextlib.suppress(IndexError):
            while True:
                body = waiting.pop()
                connection.request("POST", f"/v1.0/publish/bulk/todo-pubsub/{TOPIC}", body, headers)
                answer = connection.getresponse()
                answer.read()
                if answer.status != 204:
                    failures.append(answer.status)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(CONNECTIONS)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError(f"the sidecar answered {failures[:3]}")
    return time.monotonic() - began


class BareApp(socketserver.ThreadingTCPServer):
    """Says yes to whatever it is brought."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int):
        self.count, self.first, self.last = 0, 0.0, 0.0
        super().__init__(("127.0.0.1", port), BareHandler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def took(self, count: int) -> None:
        self.last = time.monotonic()
        self.first = self.first or self.last
        self.count += count


class BareHandler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while request := self.rfile.readline():
            length = 0
            while (line := self.rfile.readline()) not in (b"\r\n", b""):
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            body = self.rfile.read(length)
            self.answer(request.split()[1].decode(), body)

    def answer(self, path: str, body: bytes) -> None:
        answer = "{}"
        if path == "/dapr/subscribe":
            answer = json.dumps([{
                "pubsubname": "todo-pubsub", "topic": TOPIC, "routes": {"default": "/events/audit"},
                "deadLetterTopic": f"{TOPIC}.dlq",
                "bulkSubscribe": {"enabled": True, "maxMessagesCount": 100,
                                  "maxAwaitDurationMs": 20}}])
        elif path == "/events/audit":
            count = body.count(b'"entryId":')
            # A bulk's entries are counted from 0.
            answer = json.dumps({"statuses": [{"entryId": str(i), "status": "SUCCESS"}
                                              for i in range(count)]})
            self.server.took(count)
        self.wfile.write(f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
                         f"{len(answer)}\r\n\r\n{answer}".encode())


def bare_delivery(rig: Replicas, count: int) -> float:
    """Events a second that a sidecar brings to an app that answers at once."""
    group = "bench-bare"
    app = BareApp(free_port())
    sidecar = Sidecar(rig.folder / group, app.server_address[1], rig.broker.address, group=group)
    (sidecar.resources / "dead-letters.yaml").unlink()
    try:
        sidecar.start()
        eventually(lambda: app.count >= count, DRAIN_SECONDS)
        return app.count / (app.last - app.first)
    finally:
        sidecar.stop()
        app.shutdown()
        app.server_close()


# --- rows -----------------------------------------------------------------------------------------


def through_the_broker(rig: Replicas) -> None:
    """Out of the outbox into the topic, and out of the topic into the database."""
    replica = rig.replicas[0]
    people = [replica.server.user().id for _ in range(USERS)]
    replica.server.stop()
    replica.door.shut()  # nothing is consumed while it is published
    rig.stop_sidecar(rig.replicas[1])
    rig.replicas[1].server.stop()
    ids = event_ids()
    bare, relayed = [], []
    total = 0
    for _ in range(TURNS):
        bare.append(EVENTS / publish(replica.sidecar, bodies(events(people, ids))))
        fill_outbox(rig.database, events(people, ids))
        total += 2 * EVENTS
        replica.server.start()
        relayed.append(relay_rate(rig))
        replica.server.stop()
    row("outbox → Kafka", run.mean(relayed) / run.mean(bare), "", 0.6, 0.9,
        f"{run.mean(relayed):,.0f} events/s, a bare loop of bulk publishes {run.mean(bare):,.0f}",
        higher=True)
    delivered = bare_delivery(rig, total)
    consumed = consume_rate(rig, total)
    row("topic → effect in PostgreSQL", consumed / delivered, "", 0.4, 0.6,
        f"{consumed:,.0f} events/s, to an app that answers at once {delivered:,.0f}",
        higher=True)


def rate(count, total: int) -> float:
    """What is counted, a second: from the first look that sees some of it to the one that sees all."""

    def look() -> float:
        time.sleep(LOOK_SECONDS)
        return count()

    first = eventually(look, DRAIN_SECONDS)
    began = time.monotonic()
    eventually(lambda: look() >= total, DRAIN_SECONDS)
    return (total - first) / (time.monotonic() - began)


def relay_rate(rig: Replicas) -> float:
    replica = rig.replicas[0]
    relayed = rate(lambda: replica.metric("todo_events_published_total"), EVENTS)
    eventually(lambda: rig.database.execute("SELECT NOT EXISTS (SELECT FROM outbox)")[0][0],
               DRAIN_SECONDS)
    return relayed


def consume_rate(rig: Replicas, total: int) -> float:
    def recorded() -> int:
        return rig.database.execute("SELECT coalesce(sum(seq), 0)::bigint FROM audit_heads")[0][0]

    # By a sidecar of its own that reaches the app without the door, as the bare app is reached.
    replica = rig.replicas[0]
    rig.stop_sidecar(replica)
    begun = recorded()
    replica.server.start()
    group = "bench-effect"
    sidecar = Sidecar(rig.folder / group, replica.server.settings["APP_PORT"], rig.broker.address,
                      group=group, api_token=replica.sidecar.api_token,
                      app_token=replica.sidecar.app_token)
    try:
        sidecar.start()
        applied = rate(lambda: replica.metric("todo_events_applied_total"), total)
        eventually(lambda: recorded() == begun + total, DRAIN_SECONDS)
        return applied
    finally:
        sidecar.stop()


def histogram(rig: Replicas, name: str, labels: str) -> dict:
    counts = {}
    for replica in rig.replicas:
        connection = http.client.HTTPConnection("127.0.0.1", replica.server.metrics_port, timeout=10)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        for line in re.findall(rf"^{name}_bucket{{(.*)}} (\d+)", text, flags=re.M):
            if labels in line[0]:
                bound = float(re.search(r'le="([^"]+)"', line[0]).group(1).replace("+Inf", "inf"))
                counts[bound] = counts.get(bound, 0) + int(line[1])
    return counts


def quantile(before: dict, after: dict, q: float) -> float:
    """Within a bucket it is guessed that values lie evenly."""
    counts = {bound: after[bound] - before.get(bound, 0) for bound in sorted(after)}
    wanted = q * max(counts.values())
    low_bound, low_count = 0.0, 0
    for bound, count in counts.items():
        if count >= wanted:
            share = (wanted - low_count) / max(1, count - low_count)
            return low_bound + (min(bound, 10) - low_bound) * share
        low_bound, low_count = bound, count
    return low_bound


def from_commit_to_entry(rig: Replicas) -> None:
    """At a steady rate of mutations by way of both replicas."""
    for replica in rig.replicas:
        if replica.server.process is None:
            replica.server.start()
        rig.want(replica)
    rig.await_ready()
    people = [rig.replicas[0].server.user() for _ in range(LOAD_CONNECTIONS)]
    done = [0] * LOAD_CONNECTIONS

    def work(number: int, until: float) -> None:
        server = rig.replicas[number % len(rig.replicas)].server
        connection = server.connect()
        interval = LOAD_CONNECTIONS / MUTATIONS_PER_SECOND
        due = time.monotonic() + interval * number / LOAD_CONNECTIONS
        while due < until:
            time.sleep(max(0.0, due - time.monotonic()))
            people[number].request("POST", "/tasks", {"title": "Buy milk"}, connection=connection)
            done[number] += 1
            due += interval
        connection.close()

    labels = f'topic="{TOPIC}"'
    for seconds in (5, LOAD_SECONDS):  # the first to warm up
        before = histogram(rig, "todo_event_lag_seconds", labels)
        done[:] = [0] * LOAD_CONNECTIONS
        until = time.monotonic() + seconds
        threads = [threading.Thread(target=work, args=(i, until)) for i in range(LOAD_CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        eventually(lambda: rig.database.execute("SELECT NOT EXISTS (SELECT FROM outbox)")[0][0], 30)
        count = sum(done)
        eventually(lambda: max(histogram(rig, "todo_event_lag_seconds", labels).values())
                   >= max(before.values(), default=0) + count, 30)
    after = histogram(rig, "todo_event_lag_seconds", labels)
    row("commit → audit entry, p99", quantile(before, after, 0.99) * 1000, " ms", 500, 100,
        f"median {quantile(before, after, 0.5) * 1000:.0f} ms, "
        f"{sum(done) / LOAD_SECONDS:.0f} mutations/s by two replicas")


def idle(rig: Replicas) -> None:
    time.sleep(5)
    pids = [replica.server.process.pid for replica in rig.replicas]
    before = [cpu_seconds(pid) for pid in pids]
    time.sleep(IDLE_SECONDS)
    share = max(cpu_seconds(pid) - cpu for pid, cpu in zip(pids, before)) / IDLE_SECONDS * 100
    row("idle replica, of a core", share, " %", 0.5, 0.1, f"the worse of two, in {IDLE_SECONDS} s")


def idle_memory(rig: Replicas) -> None:
    row("idle replica, memory", max(memory_mib(replica.server.process.pid)
                                    for replica in rig.replicas), " MiB", 60, 25,
        "after its start, sidecar not counted")


def pipeline() -> None:
    try:
        broker.jars()
        daprd.program()
    except parts.PartError as error:
        raise RuntimeError(str(error)) from error
    folder = pathlib.Path(tempfile.mkdtemp(prefix="todo-bench-", dir=run.DATA))
    try:
        with Replicas(folder) as rig:
            time.sleep(2)
            idle_memory(rig)
            from_commit_to_entry(rig)
            idle(rig)
            through_the_broker(rig)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
