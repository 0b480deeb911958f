"""Bad input of every kind gets its status: bodies, queries, headers, paths and methods. What can be
read off the API's description is tried on every operation."""
import json
import uuid

import pytest

from harness.contract import operations, send_raw
from test_notifications import told

JSON = {"Content-Type": "application/json"}
WITH_BODY = [each for each in operations() if each.takes_body]
API = [each for each in operations() if each.path.startswith("/api/v1")]


def by_id(operation_id: str):
    return next(each for each in operations() if each.spec["operationId"] == operation_id)


def ask(user, each, query="", body=None, headers=None):
    """On an object that does not exist: input is looked at first."""
    return user.request(each.method, each.target(uuid.uuid4()) + query, body, headers=headers)


def create(user, body: bytes, headers=None):
    return user.request("POST", "/tasks", body, headers=dict(JSON if headers is None else headers))


# --- what is not JSON ---

MALFORMED = {
    "nothing": b"",
    "white space": b" \n\t",
    "half": b'{"title":"a"',
    "two": b'{"title":"a"}{}',
    "something after it": b'{"title":"a"} x',
    "a trailing comma": b'{"title":"a",}',
    "a comment": b'{"title":"a"/* x */}',
    "single quotes": b"{'title':'a'}",
    "no quotes": b"{title:1}",
    "a byte order mark": b'\xef\xbb\xbf{"title":"a"}',
    "UTF-16": '{"title":"a"}'.encode("utf-16"),
    "a duplicate key": b'{"title":"a","title":"b"}',
    "a duplicate key with the same value": b'{"title":"a","title":"a"}',
    "a duplicate key in other letters": b'{"title":"a","\\u0074itle":"b"}',
    "a duplicate key of an unknown member": b'{"title":"a","x":1,"x":1}',
    "a duplicate key deeper down": b'{"title":"a","x":[{"y":1,"y":2}]}',
    "bytes that are no UTF-8": b'{"title":"\xff"}',
    "a cut sequence": b'{"title":"\xc3"}',
    "an overlong sequence": b'{"title":"\xc0\xaf"}',
    "a surrogate in UTF-8": b'{"title":"\xed\xa0\x80"}',
    "a code point too high": b'{"title":"\xf4\x90\x80\x80"}',
    "a key that is no UTF-8": b'{"title":"a","\xff":1}',
    "NUL": b'{"title":"a\\u0000b"}',
    "NUL in a key": b'{"title":"a","\\u0000":1}',
    "a NUL byte": b'{"title":"a\x00b"}',
    "a control byte": b'{"title":"a\nb"}',
    "a lone high surrogate": b'{"title":"\\ud800"}',
    "a lone low surrogate": b'{"title":"\\udc00"}',
    "surrogates in the wrong order": b'{"title":"\\udc00\\ud800"}',
    "a lone surrogate in a key": b'{"title":"a","\\ud800":1}',
    "a bad escape": b'{"title":"\\x41"}',
    "1e400": b'{"title":"a","recurrence_interval":1e400}',
    "-1e400": b'{"title":"a","x":[-1e400]}',
    "NaN": b'{"title":"a","recurrence_interval":NaN}',
    "Infinity": b'{"title":"a","recurrence_interval":Infinity}',
    "a leading zero": b'{"title":"a","recurrence_interval":01}',
    "a plus sign": b'{"title":"a","recurrence_interval":+1}',
    "33 levels of arrays": b'{"title":"a","x":' + b"[" * 32 + b"]" * 32 + b"}",
    "33 levels of objects": b'{"x":' * 32 + b"{}" + b"}" * 32,
    "100,000 levels": b"[" * 100_000,
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_body_that_is_not_json_is_a_bad_request(user, name):
    create(user, MALFORMED[name]).expect(400)
    assert user.tasks() == []


def test_every_body_is_read_alike(user):
    for each in WITH_BODY:
        for name in (
            "nothing",
            "half",
            "a duplicate key",
            "bytes that are no UTF-8",
            "NUL",
            "1e400",
            "33 levels of objects",
        ):
            answer = ask(user, each, body=MALFORMED[name], headers=dict(JSON))
            assert answer.status == 400, (each, name, answer.body)


def test_a_duplicate_key_is_named(user):
    assert '"title"' in create(user, MALFORMED["a duplicate key"]).expect(400).json()["detail"]


def test_32_levels_are_read(user):
    for body in (
        b'{"title":"a","x":' + b"[" * 31 + b"]" * 31 + b"}",
        b'{"x":' * 31 + b"{}" + b"}" * 31,
    ):
        assert "x" in create(user, body).expect(422).fields()


def test_json_is_taken_however_it_is_written(user):
    texts = {
        b'\r\n\t {"title" : "a"}\n': "a",
        b'{"\\u0074itle":"\\u0061"}': "a",
        b'{"title":"\\ud83d\\ude00"}': "\U0001f600",
        '{"title":"\U0001f600"}'.encode(): "\U0001f600",
        b'{"title":"\\/\\"\\\\"}': '/"\\',
    }
    for body, title in texts.items():
        assert create(user, body).expect(201).json()["title"] == title


# --- what is JSON, but not what is asked for ---


@pytest.mark.parametrize("each", WITH_BODY, ids=str)
def test_every_wrong_member_is_named(user, each):
    schema = each.spec["requestBody"]["content"]["application/json"]["schema"]
    ignored = {
        name
        for name, member in schema["properties"].items()
        if member.get("description") == "Ignored."
    }
    # An object is what no member takes.
    wrong = {name: {} for name in schema["properties"]} | {"colour": "red", "": 1, "__proto__": {}}
    assert ask(user, each, body=wrong).expect(422).fields() == sorted(set(wrong) - ignored)
    assert ask(user, each, body={"colour": None}).expect(422).fields() == sorted(
        {"colour", *schema.get("required", [])}
    )


@pytest.mark.parametrize("each", WITH_BODY, ids=str)
def test_a_body_that_is_no_object_is_refused(user, each):
    for body in (b"null", b"[]", b'"x"', b"1", b"true", b'[{"title":"a"}]'):
        answer = ask(user, each, body=body, headers=dict(JSON))
        assert answer.status == 422, (each, body, answer.body)


def wrong_values(member: dict):
    """Values that the member's schema does not take, as far as it tells."""
    types = [
        each
        for each in (
            [member["type"]] if isinstance(member.get("type"), str) else member.get("type", [])
        )
    ]
    if "enum" in member:
        yield from ("nonsense", 1, True, [], member["enum"][0].upper())
    elif types:
        of_type = {"string": "x", "integer": 7, "boolean": True, "array": ["mo"], "null": None}
        yield from (value for name, value in of_type.items() if name not in types)
    if "integer" in types:
        yield from ("7", 7.5, member["minimum"] - 1, member["maximum"] + 1, 2**63, 1e300)
    if "maxLength" in member:
        yield "x" * (member["maxLength"] + 1)
    if None not in member.get("enum", [None]):
        yield None


@pytest.mark.parametrize(
    "each",
    [each for each in WITH_BODY if not each.path.startswith("/api/v1/auth/me/password")],
    ids=str,
)
def test_a_wrong_value_of_one_member_names_that_member_alone(user, each):
    schema = each.spec["requestBody"]["content"]["application/json"]["schema"]
    required = {name: each.example()[name] for name in schema.get("required", [])}
    for name, member in schema["properties"].items():
        if member.get("description") == "Ignored.":
            continue
        for value in wrong_values(member):
            answer = ask(user, each, body=required | {name: value})
            assert (answer.status, set(answer.fields())) == (422, {name}), (each, name, value)


def test_of_very_many_wrong_members_a_hundred_are_named(user):
    body = {"title": "a"} | {f"{number:04}" + "x" * 200: 1 for number in range(1000)}
    errors = user.post("/tasks", body).expect(422).json()["errors"]
    assert len(errors) == 101 and "900" in errors[-1]["message"] and errors[-1]["field"] == ""
    assert all(len(error["field"]) == 100 for error in errors[:-1])


def test_what_is_wrong_in_query_and_body_is_named_at_once(user):
    answer = user.patch(f"/tasks/{uuid.uuid4()}?scope=x&page=2", {"title": "", "colour": "red"})
    assert answer.expect(422).fields() == ["colour", "page", "scope", "title"]


# --- content types ---


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "text/json",
        "application/jsonx",
        "application/problem+json",
        "application/merge-patch+json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json, text/plain",
        "application/json; charset=latin1",
        "application/json; charset=utf-16",
        "*/*",
        "json",
    ],
)
def test_a_body_that_is_not_sent_as_json_is_refused(user, content_type):
    headers = {} if content_type is None else {"Content-Type": content_type}
    for each in WITH_BODY:
        # Even where there is none.
        for body in (json.dumps(each.example()).encode(), None):
            ask(user, each, body=body, headers=dict(headers)).expect(415)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "APPLICATION/JSON",
        "application/json;charset=utf-8",
        'application/json; charset="UTF-8"',
        "application/json;",
    ],
)
def test_json_is_taken_under_all_its_names(user, content_type):
    create(user, b'{"title":"a"}', {"Content-Type": content_type}).expect(201)


def test_a_compressed_body_is_refused(user):
    create(user, b'{"title":"a"}', JSON | {"Content-Encoding": "gzip"}).expect(415)
    create(user, b'{"title":"a"}', JSON | {"Content-Encoding": "identity"}).expect(201)


def test_operations_without_a_body_need_no_content_type(user):
    task = user.task()
    for content_type in ({}, {"Content-Type": "text/plain"}):
        user.post(f"/tasks/{task['id']}/complete", headers=dict(content_type)).expect(200)
        user.post("/notifications/mark-all-read", headers=dict(content_type)).expect(200)
        user.get("/tasks", headers=dict(content_type)).expect(200)


# --- sizes ---


def head(user, size: int) -> bytes:
    """A request whose head has this many bytes."""
    begun = (
        "GET /api/v1/auth/me HTTP/1.1\r\nHost: here\r\nConnection: close\r\n"
        f"Authorization: Bearer {user.token}\r\nX-Fill: "
    )
    return (begun + "x" * (size - len(begun) - 4) + "\r\n\r\n").encode()


def test_a_body_may_have_one_mebibyte(user):
    body = b'{"title":"a"}'
    create(user, body + b" " * (2**20 - len(body))).expect(201)
    send_raw(
        user.server,
        (
            f"POST /api/v1/tasks HTTP/1.1\r\nHost: here\r\nContent-Length: {2 ** 20 + 1}\r\n\r\n"
        ).encode(),
        ("POST", "/api/v1/tasks"),
    ).expect(413)


def test_a_body_without_a_length_may_have_no_more(user):
    connection = user.server.connect()
    headers = {"Authorization": f"Bearer {user.token}", "Transfer-Encoding": "chunked", **JSON}
    connection.putrequest("POST", "/api/v1/tasks")
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    try:
        for _ in range(17):
            connection.send(b"10000\r\n" + b" " * 65536 + b"\r\n")
    except ConnectionError:
        pass  # it has answered and closed
    answer = connection.getresponse()
    assert answer.status == 413 and json.loads(answer.read())["status"] == 413
    connection.close()


def test_a_head_may_have_16_kibibytes(user):
    send_raw(user.server, head(user, 16384), ("GET", "/api/v1/auth/me")).expect(200)
    send_raw(user.server, head(user, 16385), ("GET", "/api/v1/auth/me")).expect(431)


def test_a_query_may_have_4_kibibytes(user):
    user.get("/tasks?" + "&" * 4096).expect(200)
    for size in (4097, 8000):
        assert user.get("/tasks?" + "&" * size).expect(422).fields() == ["query"]
    user.get("/tasks?" + "&" * 9000).expect(414)


# --- queries ---


@pytest.mark.parametrize("each", API, ids=str)
def test_an_unknown_query_parameter_is_named(user, each):
    known = [
        parameter["name"] for parameter in each.spec["parameters"] if parameter["in"] == "query"
    ]
    query = "?colour=red&page=2&" + "&".join(f"{name.upper()}=1" for name in known)
    body = each.example()
    if body and each in (by_id("register"), by_id("login"), by_id("deleteMe")):
        body = body | {"password": "not the one"}
    answer = ask(user, each, query, body).expect(422)
    assert answer.fields() == sorted(["colour", "page", *(name.upper() for name in known)])


def query_parameters():
    for each in API:
        for parameter in each.spec["parameters"]:
            if parameter["in"] == "query":
                yield pytest.param(
                    each, parameter["name"], parameter["schema"], id=f"{each} {parameter['name']}"
                )


def wrong_texts(schema: dict):
    if "enum" in schema:
        yield from (
            "",
            "nonsense",
            schema["enum"][0].upper(),
            ",".join(schema["enum"]),
            f"%20{schema['enum'][0]}",
        )
    elif schema["type"] == "integer":
        yield from (
            "",
            "x",
            "1.0",
            "1e1",
            "0x1",
            "%2B1",
            "%201",
            str(schema["minimum"] - 1),
            str(schema["maximum"] + 1),
            "9" * 30,
        )
    elif schema["type"] == "boolean":
        yield from ("", "1", "yes", "TRUE", "null")
    elif schema.get("format") == "uuid":
        yield from ("", "1", "x" * 36, str(uuid.uuid4()).replace("-", ""), f"%7B{uuid.uuid4()}%7D")
    elif "pattern" in schema:
        yield from (
            "",
            "tomorrow",
            "2031-13-01",
            "2031-02-30",
            "2031-1-1",
            "1924992000",
            "2031-01-01T25:00:00Z",
            "2031-01-01T00:00:00+02:00",
            "2031-01-01T00:00:00Z" + "0" * 60,
        )
    if "maxLength" in schema:
        yield "x" * (schema["maxLength"] + 1)
    yield from ("%", "%4", "%zz", "a%00b", "%ff", "%C0%80", "%ED%A0%80")


@pytest.mark.parametrize("each, name, schema", query_parameters())
def test_a_query_parameter_that_does_not_hold_is_named(user, each, name, schema):
    for text in wrong_texts(schema):
        answer = ask(user, each, f"?{name}={text}", each.example())
        assert (answer.status, answer.fields()) == (422, [name]), (each, name, text, answer.body)


@pytest.mark.parametrize("each, name, schema", query_parameters())
def test_a_query_parameter_given_twice_is_named(user, each, name, schema):
    value = (
        schema["enum"][0]
        if "enum" in schema
        else {"integer": "5", "boolean": "true"}.get(schema["type"], "2031-01-01")
    )
    for query in (
        f"?{name}={value}&{name}={value}",
        f"?{name}={value}&%{ord(name[0]):02x}{name[1:]}={value}",
        f"?{name}={value}&{name}",
    ):
        assert ask(user, each, query, each.example()).expect(422).fields() == [name]


def test_names_and_values_may_be_percent_encoded(user):
    user.task("a b", category="x&y=z")
    assert (
        len(user.tasks("?%71=a+b"))
        == len(user.tasks("?q=a%20b"))
        == len(user.tasks("?category=x%26y%3Dz"))
        == 1
    )
    assert len(user.tasks("?&limit=%31&")) == 1


@pytest.mark.parametrize(
    "path, member", [("/notifications", "next_cursor"), ("/audit", "next_cursor")]
)
def test_a_cursor_holds_for_its_filters_only(user, path, member):
    told(user.server, user, 3)
    cursor = user.get(f"{path}?limit=1").expect(200).json()[member]
    user.get(f"{path}?limit=2&cursor={cursor}").expect(200)
    other = "unread_only=true" if path == "/notifications" else "action=create"
    for query in (
        f"{other}&cursor={cursor}",
        f"cursor={cursor[:-2]}",
        f"cursor={cursor}AAAA",
        f"cursor=B{cursor[1:]}",
        "cursor=",
        "cursor=%3D%3D",
    ):
        assert user.get(f"{path}?{query}").expect(422).fields() == ["cursor"]
    for elsewhere in ("/tasks", "/notifications", "/audit", f"/audit/task/{user.tasks()[0]['id']}"):
        if elsewhere != path:
            assert user.get(f"{elsewhere}?cursor={cursor}").expect(422).fields() == ["cursor"]


# --- headers ---


@pytest.mark.parametrize(
    "if_match",
    [
        "",
        "1",
        '"1',
        '1"',
        "garbage",
        '""',
        '"x"',
        'W/"1"',
        '"2"',
        '"0"',
        '"-1"',
        '"1.0"',
        '"1 "',
        '"99999999999999999999"',
        ",",
        '"1" "1"',
        '"x,1"',
    ],
)
def test_an_if_match_that_does_not_name_the_version_is_refused(user, if_match):
    task = user.task()
    for each in operations():
        if each.parameter("If-Match"):
            body = {"title": "Changed"} if each.takes_body else None
            user.request(
                each.method, each.target(task["id"]), body, headers={"If-Match": if_match}
            ).expect(412)
    assert user.read(task) == task


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "a\tb", "é"])
def test_a_bad_idempotency_key_is_named_everywhere(user, key):
    for each in operations():
        if each.parameter("Idempotency-Key"):
            answer = ask(user, each, body=each.example(), headers={"Idempotency-Key": key})
            assert answer.expect(422).fields() == ["Idempotency-Key"]


def test_two_idempotency_keys_are_refused(user):
    text = (
        "POST /api/v1/tasks HTTP/1.1\r\nHost: here\r\nConnection: close\r\n"
        f"Authorization: Bearer {user.token}\r\nContent-Type: application/json\r\n"
        "Idempotency-Key: a\r\nIdempotency-Key: b\r\n"
        'Content-Length: 13\r\n\r\n{"title":"a"}'
    )
    assert send_raw(user.server, text.encode(), ("POST", "/api/v1/tasks")).expect(422).fields() == [
        "Idempotency-Key"
    ]


def test_a_key_of_another_operation_or_object_is_refused(user):
    one, two = user.task(), user.task()
    key = {"Idempotency-Key": "one key"}
    user.post(f"/tasks/{one['id']}/complete", headers=dict(key)).expect(200)
    for method, path in (
        ("POST", f"/tasks/{two['id']}/complete"),
        ("POST", f"/tasks/{one['id']}/reopen"),
        ("DELETE", f"/tasks/{one['id']}"),
        ("PATCH", f"/tasks/{one['id']}/toggle"),
    ):
        assert user.request(method, path, headers=dict(key)).expect(422).fields() == [
            "Idempotency-Key"
        ]


def test_a_request_id_comes_back_or_a_new_one_is_made(user):
    for good in ("a", "x" * 128, "req:1/2;3"):
        answer = user.get("/nothing", headers={"X-Request-Id": good}).expect(404)
        assert answer.header("X-Request-Id") == answer.json()["request_id"] == good
    for bad in ("", "x" * 129, "a b", "é", 'a"b'):
        answer = user.get("/nothing", headers={"X-Request-Id": bad}).expect(404)
        assert answer.header("X-Request-Id") == answer.json()["request_id"] != bad
        uuid.UUID(answer.header("X-Request-Id"))


@pytest.mark.parametrize(
    "line",
    [
        b"X-Fill : a",
        b"X-Fill: a\r\n folded",
        b"X-Fill: a\x00b",
        b"no colon",
        b": empty",
        b"X-Fill: a\nX-More: b",
        b"Content-Length: -1",
        b"Content-Length: 1, 1",
        b"Content-Length: 1\r\nContent-Length: 2",
        b"Content-Length: 1\r\nTransfer-Encoding: chunked",
        b"Host: there",
    ],
)
def test_a_malformed_header_is_a_bad_request(server, line):
    send_raw(
        server,
        b"GET /api/v1/tasks HTTP/1.1\r\nHost: here\r\n" + line + b"\r\n\r\n",
        ("GET", "/api/v1/tasks"),
    ).expect(400)


# --- paths and methods ---


@pytest.mark.parametrize(
    "target",
    [
        "/nothing",
        "/api",
        "/api/",
        "/api/v1",
        "/api/v1/",
        "/api/v1/nothing",
        "/api/v1/tasks/",
        "/api//v1/tasks",
        "/api/v1//tasks",
        "/API/v1/tasks",
        "/api/v1/Tasks",
        "/api/v1/tasks/./categories",
        "/api/v1/tasks/../tasks",
        "/api/v1%2Ftasks",
        "/api/v2/tasks",
        "/healthz/",
        "/metrics",
        "/dapr/subscribe",
        "/events/audit",
        "/reminder-cron",
        "/v1.0/healthz",
        "/api/docs/",
        "/api/docs.html",
        "/.env",
        "/..%2f..%2fetc/passwd",
        "/api/v1/tasks/%2e%2e/auth/me",
    ],
)
def test_a_path_that_is_not_there_is_not_found(server, user, target):
    for method in ("GET", "HEAD", "POST", "DELETE", "OPTIONS"):
        for who in (server, user):
            who.request(method, "/" + target).expect(404)


@pytest.mark.parametrize("target", ["tasks", "*", "/api/v1/tasks\x7f", "/caf\xe9"])
def test_a_target_that_is_no_path_is_a_bad_request(server, target):
    send_raw(
        server,
        f"GET {target} HTTP/1.1\r\nHost: here\r\n\r\n".encode("latin-1"),
        ("GET", "/nothing"),
    ).expect(400)


def test_a_target_may_be_a_whole_url(server):
    for url in ("http://here/healthz", "HTTPS://elsewhere:1/healthz"):
        request = f"GET {url} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"
        send_raw(server, request.encode(), ("GET", "/healthz")).expect(200)


def test_head_answers_as_get_without_a_body(server, user):
    for each in operations():
        if each.method == "GET" and not each.names_object:
            who = user if each.secured else server
            got, head_only = who.request("GET", each.target()), who.request("HEAD", each.target())
            assert head_only.status == got.status and head_only.body == b""
            for name in (
                "Content-Type",
                "ETag",
                "X-Total-Count",
                "Content-Security-Policy",
                "Location",
            ):
                assert head_only.header(name) == got.header(name)
            assert head_only.header("Content-Length") == got.header(
                "Content-Length"
            ) or each == by_id("verifyAudit")
    user.request("HEAD", f"/tasks/{uuid.uuid4()}").expect(404)
    server.request("HEAD", "/tasks").expect(401)


def test_another_method_is_refused_whoever_asks(server, user):
    for who in (server, user):
        for method in ("OPTIONS", "TRACE", "PURGE", "get", "PROPFIND", "DELETE"):
            answer = who.request(method, "/tasks")
            assert answer.status == 405 and answer.header("Allow") == "GET, HEAD, POST"
        assert who.request("DELETE", "/tasks/categories").expect(405).header("Allow") == "GET, HEAD"
        assert who.request("GET", "/auth/login").expect(405).header("Allow") == "POST"


def test_after_a_refusal_the_connection_goes_on(user):
    connection = user.server.connect()
    for _ in range(3):
        user.post("/tasks", {"title": ""}, connection=connection).expect(422)
        user.request("POST", "/tasks", b"{", headers=dict(JSON), connection=connection).expect(400)
        user.get("/tasks", connection=connection).expect(200)
    connection.close()
