"""The server beside a sidecar, which the test plays."""
import datetime
import json

import pytest

from harness.fake_sidecar import FakeServer, FakeSidecar, ask, deliver
from harness.ports import free_port
from harness.server import eventually

TOKEN = "what-the-sidecar-shows"
OUR_TOKEN = "what-we-show-the-sidecar"
KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def sidecar():
    sidecar = FakeSidecar().start()
    yield sidecar
    sidecar.stop()


@pytest.fixture
def server(new_server, sidecar):
    """A server of the test's own, that is ready."""
    server = new_server(EVENT_BUS="dapr", APP_PORT=free_port(), DAPR_HTTP_PORT=sidecar.port,
                        DAPR_API_TOKEN=OUR_TOKEN, APP_API_TOKEN=TOKEN).start()
    # What is done waits for nobody: the test plays the bus.
    server.store.settle = lambda: None
    eventually(lambda: server.request("GET", "//readyz").status == 200)
    return server


def app_port(server) -> int:
    return server.settings["APP_PORT"]


def bring(server, path: str, events: list) -> list:
    status, statuses = deliver(app_port(server), path, events, server.settings["APP_API_TOKEN"])
    assert status == 200, statuses
    return statuses


def published(sidecar, topic: str, count: int) -> list:
    return eventually(lambda: len(found := sidecar.events(topic)) >= count and found)


def test_what_a_request_does_is_published_and_its_effect_comes_with_the_delivery(server, sidecar):
    user = server.user()
    task = user.task(due_date="2031-01-06T12:00:00Z", recurrence_rule="weekly")
    following = user.complete(task)["next_occurrence"]
    audit = published(sidecar, "todo.audit", 2)
    (completed,) = published(sidecar, "todo.task.completed", 1)
    assert user.all_audit() == []
    # Out of order, and twice.
    for _ in range(2):
        assert bring(server, "/events/completed", [completed]) == ["SUCCESS"]
        assert bring(server, "/events/audit", audit[::-1]) == ["SUCCESS"] * 2
    (created,) = published(sidecar, "todo.audit", 3)[2:]
    assert bring(server, "/events/audit", [created]) == ["SUCCESS"]
    assert [entry["action"] for entry in user.all_audit()] == ["create", "complete", "create"]
    assert {each["id"] for each in user.tasks()} == {task["id"], following["id"]}
    assert server.metric("todo_events_duplicate_total") >= 3


def test_an_entry_carries_the_partition_key_and_the_trace_of_its_request(server, sidecar):
    user = server.user()
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    user.request("POST", "/tasks", {"title": "Buy milk"}, {"traceparent": trace}).expect(201)
    published(sidecar, "todo.audit", 1)
    ((_, entry),) = sidecar.published
    assert entry["metadata"] == {"partitionKey": user.id}
    assert entry["contentType"] == "application/cloudevents+json"
    assert entry["entryId"] == entry["event"]["id"]
    assert entry["event"]["traceparent"].split("-")[1] == trace.split("-")[1]
    assert entry["event"]["traceid"] == entry["event"]["traceparent"]
    tokens = {headers["dapr-api-token"] for _, _, headers, _ in sidecar.requests}
    assert tokens == {OUR_TOKEN}


def test_only_entries_that_failed_are_sent_again(server, sidecar):
    refused = []

    def refuse_the_first(entry) -> bool:
        if not refused or entry["entryId"] == refused[0] and len(refused) < 3:
            refused.append(entry["entryId"])
            return True
        return False

    sidecar.refuses = refuse_the_first
    user = server.user()
    for number in range(10):
        user.task(f"Task {number}")
    published(sidecar, "todo.audit", 10)
    ids = [event["id"] for event in sidecar.events("todo.audit")]
    assert len(ids) == len(set(ids)) == 10
    assert len(refused) == 3


def test_while_the_sidecar_is_away_changes_wait_and_the_server_stays_ready(server, sidecar):
    user = server.user()
    sidecar.stop()
    task = user.task()
    user.edit(task, title="Buy oat milk")
    answer = eventually(
        lambda: (told := server.request("GET", "//readyz")).json()["status"] == "degraded" and told, 20)
    assert answer.status == 200
    assert server.metric("todo_sidecar_up") == 0
    sidecar.start()
    published(sidecar, "todo.audit", 2)
    eventually(lambda: server.request("GET", "//readyz").json()["status"] == "ready", 20)


def test_a_server_is_not_ready_before_its_sidecar_is(new_server, sidecar):
    sidecar.ready = False
    server = new_server(EVENT_BUS="dapr", APP_PORT=free_port(), DAPR_HTTP_PORT=sidecar.port).start()
    # It was asked, and said no.
    eventually(lambda: sidecar.of("/v1.0/healthz/outbound"))
    answer = server.request("GET", "//readyz").expect(503)
    assert answer.json()["checks"]["sidecar"] != "ok"
    # The sidecar asks these before it is ready itself.
    assert ask(app_port(server), "GET", "/healthz")[0] == 200
    status, body = ask(app_port(server), "GET", "/dapr/subscribe")
    assert status == 200 and len(json.loads(body)) == 3
    sidecar.ready = True
    eventually(lambda: server.request("GET", "//readyz").status == 200)


def test_the_sidecars_port_is_not_the_publics(server):
    token = server.settings["APP_API_TOKEN"]
    for path in ("/dapr/subscribe", "/events/audit", "/reminder-cron"):
        assert server.request("POST", "/" + path).status == 404
        for wrong in ("", "wrong", token + "x"):
            assert ask(app_port(server), "POST", path, "{}", wrong)[0] == 401
    for method, path in (("GET", "/"), ("GET", "/nothing"), ("POST", "/events/nothing"),
                         ("PUT", "/events/audit"), ("GET", "/api/v1/tasks"), ("GET", "/readyz")):
        assert ask(app_port(server), method, path, "", token)[0] == 503, path


def test_poison_becomes_a_dead_letter_and_can_be_tried_again(server, sidecar):
    user = server.user()
    user.task()
    (good,) = published(sidecar, "todo.audit", 1)
    newer = {**good, "id": "01a2153a-130f-72c9-8dc7-2c08729298bb",
             "data": {**good["data"], "schema_version": "2.0"}}
    assert bring(server, "/events/audit", [newer, good, 17]) == ["SUCCESS"] * 3
    assert len(user.all_audit()) == 1
    listed = server.run("events", "dead", "list").stdout
    assert newer["id"] in listed and "schema_version 2.0" in listed and "2 dead letters" in listed
    dead = published(sidecar, "todo.audit.dlq", 2)
    assert {each["type"] for each in dead} == {"todo.dead_letter"}
    assert any("schema_version 2.0" in each["data"]["reason"] for each in dead)
    server.run("events", "dead", "retry", newer["id"])
    again = published(sidecar, "todo.audit", 2)[1]
    assert again["id"] == newer["id"] and again["data"] == newer["data"]
    server.run("events", "dead", "drop", "--all")


def test_the_cron_of_the_sidecar_tells_of_reminders_once(server, sidecar):
    user = server.user()
    due = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=30)
    user.task(due_date=due.strftime("%Y-%m-%dT%H:%M:%SZ"))
    for _ in range(5):
        assert ask(app_port(server), "POST", "/reminder-cron", "",
                   server.settings["APP_API_TOKEN"])[0] == 200
    (reminder,) = published(sidecar, "todo.reminders", 1)
    for _ in range(3):
        assert bring(server, "/events/reminders", [reminder]) == ["SUCCESS"]
    assert len(user.notifications()) == 1
    assert server.metric("todo_reminder_lateness_seconds_count") == 1


def test_a_stop_refuses_deliveries_and_ends_in_order(server):
    user = server.user()
    user.task()
    assert server.stop() == 0
    assert not [line for line in server.log if '"level":"error"' in line]


def test_secrets_come_from_the_sidecar_and_are_not_told(new_server, sidecar):
    sidecar.secrets = {"JWT_SECRET": {"JWT_SECRET": KEY}, "todo-backend": {"AUDIT_KEY": KEY[::-1]}}
    server = new_server(SECRET_STORE="todo-secrets", DAPR_HTTP_PORT=sidecar.port)
    for variable in ("JWT_SECRET", "AUDIT_KEY"):
        server.settings.pop(variable, None)
    server.start()
    user = server.user()
    task = user.task()
    server.stop()
    assert KEY not in "".join(server.log) and KEY[::-1] not in "".join(server.log)
    # The same keys by hand: sessions go on and the chain verifies.
    server.settings |= {"JWT_SECRET": KEY, "AUDIT_KEY": KEY[::-1]}
    del server.settings["SECRET_STORE"]
    server.start()
    assert user.read(task)["title"] == task["title"]
    assert user.get("/audit/verify").json()["verified"]


def test_a_trace_goes_from_the_request_to_the_consumer(new_server, sidecar):
    collector = FakeServer().start()
    try:
        server = new_server(EVENT_BUS="dapr", APP_PORT=free_port(), DAPR_HTTP_PORT=sidecar.port,
                            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{collector.port}").start()
        server.store.settle = lambda: None
        user = server.user()
        trace_id, caller = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
        user.request("POST", "/tasks", {"title": "Buy milk"},
                     {"traceparent": f"00-{trace_id}-{caller}-01"}).expect(201)
        (event,) = published(sidecar, "todo.audit", 1)
        assert deliver(app_port(server), "/events/audit", [event]) == (200, ["SUCCESS"])
        spans = eventually(lambda: len(found := spans_of(collector, trace_id)) == 3 and found)
        request, publication, process = sorted(spans, key=lambda span: span["kind"])
        assert request["name"] == "POST /api/v1/tasks" and request["parentSpanId"] == caller
        assert publication["name"] == "publish todo.audit"
        assert process["name"] == "process todo.audit"
        assert publication["parentSpanId"] == process["parentSpanId"] == request["spanId"]
        assert all(int(span["endTimeUnixNano"]) > int(span["startTimeUnixNano"]) for span in spans)
    finally:
        collector.stop()


def spans_of(collector, trace_id: str) -> list:
    return [span for body in collector.of("/v1/traces")
            for resource in json.loads(body)["resourceSpans"]
            for scope in resource["scopeSpans"] for span in scope["spans"]
            if span["traceId"] == trace_id]
