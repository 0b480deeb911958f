"""The API as it is described and the API as it is are the same. This file runs last: by then every
request of the run has been held against the description. It makes the calls itself that bring each
operation to each of its statuses, so that it holds on its own as well."""
import concurrent.futures
import json
import pathlib
import re
import time
import uuid

import jsonschema
import pytest

from harness.contract import (
    METHODS,
    SCHEMAS,
    event_schema,
    inlined,
    load_openapi,
    operations,
    schema,
    send_raw,
)
from harness.server import PASSWORD, Server, eventually

ROOT = pathlib.Path(__file__).resolve().parents[2]
JSON = {"Content-Type": "application/json"}

# What HTTP itself refuses, whatever the operation.
HTTP_REFUSALS = {
    400: "{method} {path} HTTP/1.1\r\nConnection: close\r\n\r\n",
    405: "TRACE {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n",
    413: "{method} {path} HTTP/1.1\r\nHost: here\r\nContent-Length: 1048577\r\n\r\n",
    414: "{method} {path}?{long} HTTP/1.1\r\nHost: here\r\n\r\n",
    417: "{method} {path} HTTP/1.1\r\nHost: here\r\nExpect: more\r\nContent-Length: 1\r\n\r\n",
    431: "{method} {path} HTTP/1.1\r\nHost: here\r\nX-Long: {long}\r\nX-Longer: {long}\r\n\r\n",
    501: "{method} {path} HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: gzip\r\n\r\n",
    505: "{method} {path} HTTP/2.0\r\nHost: here\r\n\r\n",
}
# 500 is a bug's alone; 408 comes after ten seconds (the unit tests of net have it, with less).
NOT_PROVOKED = {500, 408}


def operation(operation_id: str):
    return next(each for each in operations() if each.spec["operationId"] == operation_id)


def with_status(status: int) -> list:
    return [each for each in operations() if str(status) in each.statuses]


def call(who, each, object_id="", body=None, headers=None, query=""):
    """`who` is a server (nobody) or a user. Headers that the operation needs are sent along."""
    needed = {
        parameter["name"]: parameter["example"]
        for parameter in each.spec["parameters"]
        if parameter["in"] == "header" and parameter.get("required")
    }
    return who.request(
        each.method, each.target(object_id) + query, body, headers=needed | (headers or {})
    )


def soon() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 1800))


def new_email() -> str:
    return f"{uuid.uuid4().hex[:12]}@example.com"


def made_for(user, each):
    """The id of an object of the user's that the operation can succeed on."""
    if each.noun == "notification":
        user.task(due_date=soon())
        return eventually(user.notifications)[0]["id"]
    if each.noun == "token":
        return (
            user.post("/auth/tokens", {"name": "script", "scope": "read"}).expect(201).json()["id"]
        )
    task = user.task("Rent", due_date="2031-01-31", recurrence_rule="monthly")
    if each == operation("restoreTask"):
        user.delete(f"/tasks/{task['id']}").expect(204)
    return task["id"]


def good_body(user, each):
    body = each.example()
    if each == operation("register"):
        return body | {"email": new_email()}
    return body | {"email": user.email} if each == operation("login") else body


# --- the documents ---


def objects_in(value, path=""):
    if isinstance(value, dict):
        yield path, value
        for name, child in value.items():
            yield from objects_in(child, f"{path}/{name}")
    elif isinstance(value, list):
        for number, child in enumerate(value):
            yield from objects_in(child, f"{path}/{number}")


def test_the_description_is_sound():
    document = load_openapi()
    for name in document["components"]["schemas"]:
        jsonschema.Draft202012Validator.check_schema(schema(name))
    ids = [each.spec["operationId"] for each in operations()]
    assert len(ids) == len(set(ids))
    tags = {tag["name"] for tag in document["tags"]}
    for each in operations():
        assert (
            each.spec["summary"] and each.spec["description"] and set(each.spec["tags"]) <= tags
        ), each
        assert "default" in each.spec["responses"], each
        assert {"401", "429", "503"} <= set(each.statuses) or not each.secured, each
    used = set(re.findall(r"#/components/([\w/-]+)", json.dumps(document)))
    kept = {
        f"{kind}/{name}"
        for kind in ("parameters", "headers", "responses", "schemas")
        for name in document["components"][kind]
    }
    assert kept == used


def test_its_examples_are_what_its_schemas_say():
    document = inlined(load_openapi(), load_openapi())
    for path, value in objects_in(document):
        if "schema" in value and ("example" in value or "examples" in value):
            examples = (
                [value["example"]]
                if "example" in value
                else [each["value"] for each in value["examples"].values()]
            )
            for example in examples:
                errors = list(jsonschema.Draft202012Validator(value["schema"]).iter_errors(example))
                assert not errors, (path, errors)


def test_every_object_is_closed_and_its_members_are_always_there():
    optional = {
        "Problem": {"errors"},
        "NotificationPage": {"total_capped"},
        "AuditPage": {"total_capped"},
        "AuditMetadata": {"request_id", "op"},
        "AuditEvent": {"traceparent"},
        "ReminderEvent": {"traceparent"},
        "CompletedEvent": {"traceparent"},
    }
    inputs = {
        "Registration",
        "Login",
        "ProfileChange",
        "PreferencesChange",
        "NewApiToken",
        "NewTask",
        "QuickAdd",
        "TaskChange",
        "TaskReplacement",
    }
    for name, each in load_openapi()["components"]["schemas"].items():
        if each.get("type") != "object":
            continue
        assert each["additionalProperties"] is False, name
        if name not in inputs | {"TaskDifference"}:
            assert set(each["properties"]) - set(each["required"]) == optional.get(
                name, set()
            ), name


@pytest.mark.smoke
def test_the_server_serves_the_description_and_a_page_that_needs_no_other_host(server):
    served = call(server, operation("openapi")).expect(200)
    assert served.json() == load_openapi()
    page = call(server, operation("docs")).expect(200)
    assert "script-src 'self'" in page.header("Content-Security-Policy")
    assert "default-src 'none'" in page.header("Content-Security-Policy")
    assert not re.search(
        r"\son\w+=|style=|<style|<script(?![^>]*\ssrc=)", page.text
    ), "something inline, which the policy forbids"
    texts = [
        page.text,
        call(server, operation("docsScript")).expect(200).text,
        call(server, operation("docsStyle")).expect(200).text,
    ]
    assert all(texts)
    for text in texts:
        assert not re.search(
            r"(https?:)?//[a-z0-9-]+\.[a-z]", text.replace("http://www.w3.org/", "")
        ), "another host"


def test_every_route_of_the_server_is_described_and_the_other_way_round():
    routes, declarations = set(), 0
    for source in sorted((ROOT / "src" / "http").rglob("*.cpp")):
        text = source.read_text()
        names = dict(re.findall(r'string_view (\w+) = "([^"]+)"', text))
        declarations += len(re.findall(r"(?<!>)routes\.(?:push|emplace)_back", text))
        for method, path in re.findall(
            r"routes\.push_back\(\s*\{\s*(?:net::Method::)?(\w+),\s*([^,]+),", text
        ):
            method = "DELETE" if method == "del" else method.upper()
            routes.add((method, path.strip('"') if path.startswith('"') else names[path]))
    assert declarations == len(routes) > 30
    assert routes == {(each.method, each.path) for each in operations()}


@pytest.mark.smoke
def test_every_path_takes_the_methods_that_are_described_and_names_them_otherwise(server, contract):
    for path in sorted({each.path for each in operations()}):
        target = next(each for each in operations() if each.path == path).target(uuid.uuid4())
        for method in ("OPTIONS", *(method.upper() for method in METHODS)):
            if method not in contract.methods_of(path):
                answer = server.request(method, target).expect(405)
                assert set(answer.header("Allow").split(", ")) == contract.methods_of(path)


# --- every operation brought to every status ---


@pytest.mark.parametrize("each", operations(), ids=str)
def test_every_operation_succeeds(server, each):
    user = server.user()
    object_id = made_for(user, each) if each.names_object else ""
    answer = call(user if each.secured else server, each, object_id, good_body(user, each))
    assert answer.status == int(each.statuses[0]) < 400
    if each.parameter("If-None-Match"):
        known = {"If-None-Match": answer.header("ETag")}
        call(user, each, object_id, headers=known).expect(304)
    if each.parameter("dry_run"):
        call(user, each, body=good_body(user, each), query="?dry_run=true").expect(200)


def test_every_operation_refuses_what_it_cannot_take(server, user):
    for each in operations():
        who = user if each.secured else server
        object_id = uuid.uuid4()
        # Where no parameters are checked, a query that is badly encoded is refused all the same.
        query = "?unknown=1" if each.path.startswith("/api/v1") else "?q=%ff"
        call(who, each, object_id, each.example(), query=query).expect(422)
        if each.takes_body:
            call(who, each, object_id, b"{", JSON).expect(400)
            call(who, each, object_id, b"{}").expect(415)
            send_raw(
                server,
                HTTP_REFUSALS[413].format(method=each.method, path=each.path).encode(),
                (each.method, each.path),
            ).expect(413)
        if each.names_object:
            call(who, each, object_id, {} if each.takes_body else None).expect(404)
        if each.parameter("If-Match"):
            call(
                who,
                each,
                made_for(user, each),
                {} if each.takes_body else None,
                {"If-Match": '"999"'},
            ).expect(412)


def test_every_operation_refuses_who_may_not(server, user):
    reader = user.with_token(
        user.post("/auth/tokens", {"name": "reader", "scope": "read"}).expect(201).json()["token"]
    )
    for each in operations():
        if each.secured:
            call(server, each, uuid.uuid4()).expect(401)
            if each.unsafe:
                call(reader, each, uuid.uuid4()).expect(403)
    cookie = {"Cookie": f"todo_session={user.token}", "Origin": "http://evil.example"}
    call(server, operation("listen"), headers=cookie).expect(403)
    call(server, operation("login"), body={"email": user.email, "password": "wrong"}).expect(401)
    call(
        server,
        operation("login"),
        body={"email": user.email, "password": PASSWORD, "session": "cookie"},
    ).expect(403)


def test_a_request_that_is_no_handshake_is_refused(user):
    call(user, operation("listen"), headers={"Upgrade": "h2c"}).expect(426)


def test_registration_that_is_off_is_refused(start):
    call(
        start(REGISTRATION="off"), operation("register"), body=operation("register").example()
    ).expect(403)


def test_what_there_is_already_is_a_conflict(server, user):
    call(server, operation("register"), body={"email": user.email, "password": PASSWORD}).expect(
        409
    )
    task = user.task(due_date="2031-01-01", recurrence_rule="daily")
    gone = user.complete(task)["next_occurrence"]
    user.delete(f"/tasks/{gone['id']}").expect(204)
    user.reopen(task)
    user.complete(task)
    call(user, operation("restoreTask"), gone["id"]).expect(409)
    for number in range(50):
        user.post("/auth/tokens", {"name": f"t{number}", "scope": "read"}).expect(201)
    call(user, operation("createApiToken"), body={"name": "one more", "scope": "read"}).expect(409)


@pytest.mark.parametrize("name", ["changePassword", "deleteMe"])
def test_of_racing_changes_of_an_account_one_is_done(server, name):
    racers = [operation(name), operation("changePassword")] * 2

    user = server.user()
    with concurrent.futures.ThreadPoolExecutor(len(racers)) as pool:
        answers = pool.map(lambda each: call(user, each, body=each.example()), racers)
        statuses = [answer.status for answer in answers]
    assert statuses.count(204) == 1 and set(statuses) <= {204, 401, 422}


def test_every_operation_is_limited(start):
    server = start(RATE_LIMITS="on")
    user = server.user()
    connection = server.connect()

    def limited(each):
        for _ in range(1000):
            if user.get("/auth/me/stats", connection=connection).status == 429:
                break
        answer = call(user, each, uuid.uuid4())
        if each == operation("logout") and answer.status == 200:
            user.login()  # a token came back in between
        return answer.status == 429

    for each in operations():
        if each.secured:
            eventually(lambda: limited(each))
    for name in ("login", "register"):
        body = good_body(user, operation(name)) | {"password": "wrong"} if name == "login" else None
        eventually(
            lambda: call(
                server, operation(name), body=body or good_body(user, operation(name))
            ).status
            == 429
        )


def test_without_its_database_every_operation_is_unavailable(start):
    server = start()
    user = server.user()
    # The tables are renamed behind the server's back: it cannot read them, but its file is whole.
    for table in ("sessions", "users"):
        server.store.execute(f"ALTER TABLE {table} RENAME TO {table}_away")
    for each in with_status(503):
        if each != operation("ready"):
            answer = eventually(
                lambda: (
                    got := call(
                        user if each.secured else server, each, uuid.uuid4(), good_body(user, each)
                    )
                ).status
                == 503
                and got
            )
            assert "no such table" not in answer.text and "relation" not in answer.text


def test_a_server_that_stops_is_not_ready(start):
    server = start(SHUTDOWN_DELAY="3s")
    server.process.terminate()
    eventually(lambda: call(server, operation("ready")).status == 503)


def test_what_http_itself_refuses_is_a_problem_too(server):
    schema_of = schema("HttpProblem")["allOf"][1]["properties"]["status"]["enum"]
    assert set(schema_of) == set(HTTP_REFUSALS) | NOT_PROVOKED
    for status, request in HTTP_REFUSALS.items():
        text = request.format(method="GET", path="/api/v1/tasks", long="x" * 8500)
        send_raw(
            server, text.encode(), ("TRACE" if status == 405 else "GET", "/api/v1/tasks")
        ).expect(status)
    for each in operations():
        path = each.path.replace("{id}", str(uuid.uuid4()))
        send_raw(
            server,
            HTTP_REFUSALS[501].format(method=each.method, path=path).encode(),
            (each.method, path),
        ).expect(501)


# --- events ---


def kind(topic, event) -> tuple:
    return topic, event["type"]


@pytest.mark.smoke
def test_every_event_is_as_its_schema_says(server, user, contract):
    for topic in SCHEMAS:
        jsonschema.Draft202012Validator.check_schema(event_schema(topic))
        for example in event_schema(topic)["examples"]:
            jsonschema.validate(example, event_schema(topic), cls=jsonschema.Draft202012Validator)
    task = user.task("Rent", due_date="2031-01-31T09:00", recurrence_rule="monthly")
    user.complete(task)
    user.reopen(task)
    user.patch("/auth/me", {"timezone": "Asia/Tokyo", "shift_due_dates": True}).expect(200)
    user.delete(f"/tasks/{task['id']}").expect(204)
    user.post(f"/tasks/{task['id']}/restore").expect(200)
    user.task(due_date=soon())
    eventually(user.notifications)
    expected = {
        ("todo.audit", f"todo.task.{what}")
        for what in ("created", "updated", "completed", "deleted")
    } | {("todo.reminders", "todo.task.reminder"), ("todo.task.completed", "todo.task.completed")}

    def seen():
        contract.events.clear()
        contract.collect_events(server)
        return {kind(*each) for each in contract.events if each[1]["data"]["user_id"] == user.id}

    eventually(lambda: seen() == expected)
    assert contract.check_events() == []
    for _, event in contract.events:
        data = event["data"]
        assert event["time"] == data["timestamp"] and event["type"] == "todo." + data["event_type"]
        assert event["partitionkey"] == data["user_id"] and event["subject"] == data.get(
            "task_id", data.get("entity_id")
        )
        assert data.get("claim_id", event["id"]) == event["id"]


def without_words(value):
    """A schema without its descriptions, and without where its references lead to."""
    if isinstance(value, dict):
        return {
            name: without_words(child)
            for name, child in value.items()
            if name != "description" or not isinstance(child, str)
        }
    if isinstance(value, list):
        return [without_words(child) for child in value]
    return value.rpartition("/")[2] if isinstance(value, str) else value


def test_events_and_api_call_the_same_things_the_same():
    assert set(load_openapi()["x-events"]) == set(SCHEMAS)
    document = load_openapi()["components"]["schemas"]
    for topic in SCHEMAS:
        for name, its_schema in event_schema(topic)["$defs"].items():
            assert without_words(its_schema) == without_words(document[name]), (topic, name)


# --- what came of it ---


def test_every_described_operation_and_status_was_called(request, contract):
    here = {item.function.__name__ for item in request.session.items if item.path == request.path}
    if {name for name in globals() if name.startswith("test_")} - here:
        pytest.skip("only when all tests of this file run")
    described = {
        (each.method, each.path, status)
        for each in operations()
        for status in each.spec["responses"]
    }
    assert sorted(described - contract.seen) == []


@pytest.mark.smoke
def test_every_answer_was_as_described(contract):
    assert sorted(set(contract.problems)) == []
