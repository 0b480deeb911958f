"""What HTTP or the input's rules refuse: what the sender is told, and what the operator."""
import http.client
import json
import socket
import time
import uuid

import pytest

from harness.server import PASSWORD, Response, eventually

JSON = {"Content-Type": "application/json"}


def ask_raw(server, data: bytes) -> Response:
    """Sends the bytes as they are and reads the one answer to them."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(data)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        body = answer.read()
        return Response(answer.status, answer.getheaders(), body)


def test_a_client_that_sends_a_large_body_before_it_reads_sees_the_refusal(user):
    for size in (2**20 + 1, 5 * 2**20):
        answer = user.post("/tasks", b"x" * size, headers=JSON).expect(413)
        assert answer.json()["status"] == 413 and answer.header("Connection") == "close"


REFUSED_BY_HTTP = {
    "a body that is too large": (413, "POST", b"Content-Length: 99999999\r\n\r\n"),
    "a length that is none": (400, "POST", b"Content-Length: -1\r\n\r\n"),
    "two lengths": (400, "POST", b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n"),
    "a chunk that is none": (400, "POST", b"Transfer-Encoding: chunked\r\n\r\nx\r\n\r\n"),
    "an unknown coding": (501, "POST", b"Transfer-Encoding: gzip\r\n\r\n"),
    "an unknown expectation": (417, "POST", b"Content-Length: 1\r\nExpect: more\r\n\r\n"),
    "two hosts": (400, "GET", b"Host: there\r\n\r\n"),
}


@pytest.mark.parametrize("why", REFUSED_BY_HTTP)
def test_what_http_refuses_is_told_logged_and_counted_under_the_requests_id(server, why):
    status, method, rest = REFUSED_BY_HTTP[why]
    labels = f'method="{method}",route="none",status="{status}"'
    counted = server.metric("todo_http_requests_total", labels)
    mine = uuid.uuid4().hex
    answer = ask_raw(
        server,
        f"{method} /api/v1/tasks HTTP/1.1\r\nHost: here\r\nX-Request-Id: {mine}\r\n".encode()
        + rest,
    )
    answer.expect(status)
    assert answer.header("Content-Type").startswith("application/problem+json")
    assert answer.header("X-Request-Id") == answer.json()["request_id"] == mine
    assert server.metric("todo_http_requests_total", labels) == counted + 1
    line = eventually(lambda: [line for line in server.log if mine in line])
    assert (
        len(line) == 1
        and json.loads(line[0])["status"] == status
        and json.loads(line[0])["method"] == method
    )


@pytest.mark.parametrize(
    "status, request_line, fields",
    [
        (431, "GET / HTTP/1.1", "X-Fill: " + "x" * 17_000),
        (414, "GET /" + "x" * 9_000 + " HTTP/1.1", "X: y"),
        (505, "GET / HTTP/2.0", "X: y"),
        (400, "GET /", "X: y"),
    ],
)
def test_what_cannot_be_read_gets_an_id_that_the_log_knows(server, status, request_line, fields):
    labels = f'route="none",status="{status}"'
    counted = server.metric("todo_http_requests_total", labels)
    answer = ask_raw(server, f"{request_line}\r\nHost: here\r\n{fields}\r\n\r\n".encode()).expect(
        status
    )
    given = answer.header("X-Request-Id")
    assert given and answer.json()["request_id"] == given
    assert server.metric("todo_http_requests_total", labels) == counted + 1
    line = eventually(lambda: [line for line in server.log if given in line])
    assert json.loads(line[0])["status"] == status


# --- every mistake at once ---


def test_mistakes_of_query_and_body_are_named_together(server, user):
    for who, method, path, body, fields in [
        (user, "POST", "/tasks", {"title": ""}, ["title"]),
        (user, "PUT", f"/tasks/{uuid.uuid4()}", {"title": ""}, ["title"]),
        (user, "POST", "/auth/tokens", {"name": "", "scope": "all"}, ["name", "scope"]),
        (user, "PATCH", "/auth/me", {"timezone": "Mars/Base"}, ["timezone"]),
        (
            user,
            "PATCH",
            "/auth/me/preferences",
            {"missed_occurrences": "x"},
            ["missed_occurrences"],
        ),
        (
            user,
            "POST",
            "/auth/me/password",
            {"current_password": PASSWORD, "new_password": "x"},
            ["new_password"],
        ),
        (user, "DELETE", "/auth/me", {"password": 1}, ["password"]),
        (server, "POST", "/auth/register", {"email": "x", "password": "x"}, ["email", "password"]),
        (server, "POST", "/auth/login", {"email": 1, "password": 2}, ["email", "password"]),
    ]:
        assert who.request(method, path + "?foo=1", body).expect(422).fields() == sorted(
            [*fields, "foo"]
        ), path


def test_what_does_not_go_together_is_named_with_what_is_wrong_by_itself(user):
    for body, fields in [
        ({"title": "", "recurrence_rule": "daily"}, ["due_date", "title"]),
        ({"title": "", "recurrence_weekdays": ["mo"]}, ["recurrence_weekdays", "title"]),
        (
            {
                "colour": "red",
                "due_date": "2031-01-01",
                "recurrence_rule": "daily",
                "recurrence_weekdays": ["mo"],
            },
            ["colour", "recurrence_weekdays", "title"],
        ),
    ]:
        assert user.post("/tasks", body).expect(422).fields() == fields


def test_thousands_of_unknown_members_get_a_small_answer_soon(server):
    body = json.dumps({f"{number:x}": 1 for number in range(50_000)})
    begun = time.monotonic()
    answer = server.request("POST", "/auth/register", body, JSON).expect(422)
    # Some 0.1 s; comparing each member with all others takes a hundred times as long.
    assert time.monotonic() - begun < 5
    assert len(answer.body) < 16_384
    # email and password are missed besides.
    assert answer.json()["errors"][-1]["message"] == "And 49902 more"


def test_someone_unknown_learns_nothing_of_the_query(server):
    for query in ("limit=0", "foo=1", "limit=%zz", "q=" + "a" * 4_100):
        answer = server.request("GET", "/tasks?" + query).expect(401)
        assert answer.header("WWW-Authenticate") == "Bearer" and "errors" not in answer.json()


def test_a_token_does_not_expire_after_the_year_9999(user):
    for late in (
        "9999-12-31T23:59:59-10:00",
        "9999-12-31T23:59:59.999-00:01",
        "+10000-01-01T00:00:00Z",
    ):
        answer = user.post("/auth/tokens", {"name": "late", "scope": "read", "expires_at": late})
        assert answer.expect(422).fields() == ["expires_at"]
    last = "9999-12-31T23:59:59Z"
    token = (
        user.post("/auth/tokens", {"name": "last", "scope": "read", "expires_at": last})
        .expect(201)
        .json()
    )
    assert token["expires_at"] == last
    assert user.get("/auth/tokens").expect(200).json()[0]["expires_at"] == last


# --- what a body is sent as ---


@pytest.mark.parametrize(
    "fields",
    [
        "Content-Type: application/json; version=1; charset=latin1",
        "Content-Type: application/json; charset=utf-8; charset=latin1",
        "Content-Type: application/json\r\nContent-Type: application/json",
        "Content-Type: application/json\r\nContent-Type: text/plain",
        "Content-Type: application/json\r\nContent-Encoding: gzip",
        "Content-Type: application/json\r\nContent-Encoding: br",
    ],
)
def test_a_body_that_is_not_plain_json_in_utf8_is_refused(user, fields):
    body = b'{"title":"a"}'
    head = (
        "POST /api/v1/tasks HTTP/1.1\r\nHost: here\r\n"
        f"Authorization: Bearer {user.token}\r\n{fields}\r\n"
        f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    ask_raw(user.server, head.encode() + body).expect(415)
    assert user.tasks() == []


def test_a_target_that_names_the_site_is_taken(user):
    head = (
        f"GET http://elsewhere.example/api/v1/tasks?limit=1 HTTP/1.1\r\nHost: here\r\n"
        f"Authorization: Bearer {user.token}\r\nConnection: close\r\n\r\n"
    )
    assert ask_raw(user.server, head.encode()).expect(200).json() == []
