"""WebSockets: who may open one, what they tell, and how they end."""
import base64
import re
import socket
import struct
import time

import pytest

from harness.server import PASSWORD, STOP_SECONDS, eventually
from harness.websocket import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Closed, Refused, WebSocket, bearer, listen, masked

# What ends a session ends its sockets within so much.
REVOKED_SECONDS_MAX = 1
# From a change to its message.
LIVE_SECONDS_MAX = 1


@pytest.fixture
def sockets():
    """Opens sockets that are cut at the end."""
    opened = []

    def make(user, *, headers=None, **more):
        opened.append(WebSocket(user.server, headers or bearer(user.token), **more))
        assert opened[-1].receive()["type"] == "hello"
        return opened[-1]

    yield make
    for each in opened:
        each.cut()


def refused(server, headers=None, path="/api/v1/ws") -> Refused:
    with pytest.raises(Refused) as caught:
        WebSocket(server, headers or {}, path)
    return caught.value


def cookie_of(user) -> str:
    answer = user.server.request("POST", "/auth/login", {"email": user.email, "password": PASSWORD, "session": "cookie"},
                                 {"Origin": origin_of(user.server)}).expect(200)
    return answer.header("Set-Cookie").split(";")[0]


def origin_of(server) -> str:
    return f"http://127.0.0.1:{server.port}"


def soon(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


# --- who may open one ---


def test_a_token_opens_one_as_a_subprotocol(server, user):
    opened = WebSocket(server, bearer(user.token))
    assert opened.headers["sec-websocket-protocol"] == "bearer"
    hello = opened.receive()
    assert set(hello) == {"type", "server_time"} and hello["type"] == "hello"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", hello["server_time"])
    opened.close()


def test_a_token_in_the_header_opens_one_without_a_subprotocol(server, user):
    opened = WebSocket(server, {"Authorization": f"Bearer {user.token}"})
    assert "sec-websocket-protocol" not in opened.headers
    assert opened.receive()["type"] == "hello"
    opened.close()


@pytest.mark.parametrize("scope", ["read", "write"])
def test_an_api_token_of_any_scope_opens_one(server, user, scope):
    token = user.post("/auth/tokens", {"name": "script", "scope": scope}).expect(201).json()["token"]
    opened = WebSocket(server, bearer(token))
    assert opened.receive()["type"] == "hello"
    opened.close()


@pytest.mark.parametrize("headers", [
    {},
    {"Sec-WebSocket-Protocol": "bearer"},
    {"Sec-WebSocket-Protocol": "bearer, "},
    {"Sec-WebSocket-Protocol": "bearer, wrong"},
    {"Sec-WebSocket-Protocol": "bearer, todo_wrong"},
    {"Sec-WebSocket-Protocol": "bearer, one, two"},
    {"Authorization": "Bearer wrong"},
    {"Cookie": "todo_session=wrong"},
], ids=str)
def test_without_good_credentials_it_is_not_opened(server, headers):
    answer = refused(server, headers)
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_session_that_has_ended_opens_none(server, user):
    user.post("/auth/logout").expect(200)
    assert refused(server, bearer(user.token)).status == 401


def test_the_cookie_opens_one_for_pages_of_this_server_only(server, user):
    cookie = cookie_of(user)
    opened = WebSocket(server, {"Cookie": cookie, "Origin": origin_of(server)})
    assert opened.receive()["type"] == "hello"
    opened.close()
    for origin in ({}, {"Origin": "http://evil.example"}, {"Origin": "null"},
                   {"Origin": f"https://127.0.0.1:{server.port + 1}"}):
        assert refused(server, {"Cookie": cookie} | origin).status == 403


def test_a_token_is_enough_whatever_the_origin(server, user):
    opened = WebSocket(server, bearer(user.token) | {"Origin": "http://another.example"})
    assert opened.receive()["type"] == "hello"
    opened.close()


@pytest.mark.parametrize("headers", [
    {"Upgrade": None},
    {"Upgrade": "h2c"},
    {"Connection": "keep-alive"},
    {"Sec-WebSocket-Version": "8"},
    {"Sec-WebSocket-Version": None},
    {"Sec-WebSocket-Key": None},
    {"Sec-WebSocket-Key": "short"},
    {"Sec-WebSocket-Key": "x" * 24},
], ids=str)
def test_a_request_that_is_no_handshake_is_told_so(server, user, headers):
    answer = refused(server, bearer(user.token) | headers)
    assert answer.status == 426
    assert answer.headers["upgrade"] == "websocket"
    assert answer.headers["sec-websocket-version"] == "13"


def test_fields_are_lists_in_any_case(server, user):
    opened = WebSocket(server, bearer(user.token) | {"Upgrade": "WebSocket", "Connection": "keep-alive, UPGRADE"})
    assert opened.receive()["type"] == "hello"
    opened.close()


def test_a_user_has_so_many_and_no_more(start):
    server = start(SOCKETS_PER_USER_MAX=2, SOCKETS_MAX=3)
    ann, bob = server.user(), server.user()
    opened = [listen(ann), listen(ann)]
    answer = refused(server, bearer(ann.token))
    assert answer.status == 429 and int(answer.headers["retry-after"]) > 0
    opened.append(listen(bob))
    answer = refused(server, bearer(bob.token))
    assert answer.status == 503 and int(answer.headers["retry-after"]) > 0
    opened.pop(0).close()
    opened.append(eventually(lambda: try_to_listen(ann)))
    for each in opened:
        each.close()


def try_to_listen(user):
    try:
        return listen(user)
    except Refused:
        return None


# --- what is told ---


@pytest.mark.smoke
def test_each_change_of_a_task_is_told_with_its_version(user, sockets):
    live = sockets(user)
    task = user.task(recurrence_rule="daily", due_date="2031-01-01")
    seen = lambda action, task, version: live.receive(LIVE_SECONDS_MAX) == {
        "type": "task", "action": action, "task_id": task["id"], "version": version}
    assert seen("created", task, 1)
    user.edit(task, title="Buy oat milk")
    assert seen("updated", task, 2)
    done = user.complete(task)
    assert seen("completed", task, 3)
    # Made by the consumer of the completion's event.
    assert seen("created", done["next_occurrence"], 1)
    user.reopen(task)
    told = [live.receive(), live.receive()]
    assert {(each["action"], each["task_id"]) for each in told} == {
        ("updated", task["id"]), ("deleted", done["next_occurrence"]["id"])}
    user.delete(f"/tasks/{task['id']}").expect(204)
    assert seen("deleted", task, 5)
    user.post(f"/tasks/{task['id']}/restore").expect(200)
    assert seen("updated", task, 6)


def test_all_of_a_users_sockets_are_told_and_nobody_elses(server, user, sockets):
    other = server.user()
    mine, theirs = [sockets(user) for _ in range(3)], sockets(other)
    task = user.task()
    for each in mine:
        assert each.receive(LIVE_SECONDS_MAX)["task_id"] == task["id"]
    own = other.task()
    assert theirs.receive(LIVE_SECONDS_MAX)["task_id"] == own["id"]


def test_what_is_refused_or_changes_nothing_is_not_told(user, sockets):
    live = sockets(user)
    task = user.task()
    user.post("/tasks", {"title": ""}).expect(422)
    user.patch(f"/tasks/{task['id']}", {"title": "No"}, headers={"If-Match": '"9"'}).expect(412)
    user.patch(f"/tasks/{task['id']}", {"title": task["title"]}).expect(200)
    last = user.task("The last one")
    assert [live.receive()["task_id"], live.receive()["task_id"]] == [task["id"], last["id"]]


def test_a_replayed_request_is_told_once(user, sockets):
    live = sockets(user)
    key = {"Idempotency-Key": "once"}
    first = user.post("/tasks", {"title": "Once"}, headers=key).expect(201).json()
    user.post("/tasks", {"title": "Once"}, headers=key).expect(201)
    last = user.task("The last one")
    assert [live.receive()["task_id"], live.receive()["task_id"]] == [first["id"], last["id"]]


def test_a_notification_is_told_whole_with_the_unread_count(user, sockets):
    live = sockets(user)
    for count in (1, 2):
        began = time.monotonic()
        user.task(f"Rent {count}", due_date=soon(1800))
        message = live.wait_for(lambda each: each["type"] == "notification")
        assert time.monotonic() - began < 2
        assert set(message) == {"type", "notification", "unread_count"}
        assert message["unread_count"] == count
        assert message["notification"] == user.notifications()[0]


def test_changes_that_come_at_once_are_all_told(user, sockets):
    live = sockets(user)
    made = {user.task(f"T{number}", due_date="2031-01-01T09:00")["id"] for number in range(150)}
    assert {live.receive()["task_id"] for _ in made} == made
    # One unit of work with many changes.
    user.patch("/auth/me", {"timezone": "Asia/Tokyo", "shift_due_dates": True}).expect(200)
    told = [live.receive() for _ in made]
    assert {each["task_id"] for each in told} == made
    assert {(each["action"], each["version"]) for each in told} == {("updated", 2)}


# --- what a client may say ---


def test_a_ping_is_answered(user, sockets):
    live = sockets(user)
    live.send_bytes(masked(TEXT, b'{"type":"ping"}'))
    assert live.receive() == {"type": "pong"}
    live.send_bytes(masked(TEXT, b' { "type" : "ping" } '))
    assert live.receive() == {"type": "pong"}
    live.send_frame(PING, b"are you there")
    assert live.receive_frame() == (PONG, b"are you there")
    live.send_frame(PONG, b"unasked")
    live.close()


def test_a_ping_may_come_in_pieces(user, sockets):
    live = sockets(user)
    live.send_frame(TEXT, b'{"type":', final=False)
    live.send_frame(PING)
    assert live.receive_frame() == (PONG, b"")
    live.send_frame(CONTINUATION, b'"pi', final=False)
    live.send_frame(CONTINUATION, b'ng"}')
    assert live.receive() == {"type": "pong"}
    for byte in masked(TEXT, b'{"type":"ping"}'):
        live.send_bytes(bytes([byte]))
    assert live.receive() == {"type": "pong"}


@pytest.mark.smoke
@pytest.mark.parametrize("code, data", [
    (1008, masked(TEXT, b"hello")),
    (1008, masked(TEXT, b"")),
    (1008, masked(TEXT, b'{"type":"ping","more":1}')),
    (1008, masked(TEXT, b'{"type":"subscribe"}')),
    (1003, masked(BINARY, b'{"type":"ping"}')),
    (1007, masked(TEXT, b"\xc3\x28")),
    (1009, masked(TEXT, b"x" * 1025)),
    (1009, masked(TEXT, b"x" * 600, final=False) + masked(CONTINUATION, b"x" * 600)),
    (1009, masked(TEXT, b"x" * 70_000)),
    (1002, b"\x81\x02hi"),  # not masked
    (1002, b"\xc1" + masked(TEXT, b"hi")[1:]),  # a reserved bit
    (1002, masked(3, b"hi")),
    (1002, masked(11, b"hi")),
    (1002, masked(PING, b"x" * 126)),
    (1002, masked(PING, b"x", final=False)),
    (1002, masked(CONTINUATION, b"x")),
    (1002, masked(TEXT, b"a", final=False) + masked(TEXT, b"b")),
    (1002, b"\x81\xfe\x00\x02" + bytes(6)),  # a length in a longer form than it needs
    (1002, masked(CLOSE, b"x")),
    (1002, masked(CLOSE, struct.pack("!H", 1005))),
    (1002, masked(CLOSE, struct.pack("!H", 999))),
    (1007, masked(CLOSE, struct.pack("!H", 1000) + b"\xff")),
], ids=lambda value: str(value)[:30])
def test_anything_else_closes_it_with_the_code_that_says_why(user, sockets, code, data):
    live = sockets(user)
    began = time.monotonic()
    live.send_bytes(data)
    assert live.wait_closed() == code
    assert time.monotonic() - began < 3, "the connection ends at once, not after a time limit"


@pytest.mark.parametrize("payload, code", [(struct.pack("!H", 1000), 1000), (struct.pack("!H", 1001) + b"bye", 1001),
                                           (struct.pack("!H", 4321), 4321), (b"", 1005)])
def test_a_close_is_answered_and_ends_the_connection(user, sockets, payload, code):
    live = sockets(user)
    live.send_frame(CLOSE, payload)
    with pytest.raises(Closed) as closed:
        live.receive()
    assert closed.value.code == code
    with pytest.raises(Closed):
        live.receive()


def test_a_client_that_says_too_much_is_closed(user, sockets):
    live = sockets(user)
    try:
        for _ in range(200):
            live.send({"type": "ping"})
    except ConnectionError:
        pass
    assert live.wait_closed() in (1008, None)


def test_a_client_that_does_not_read_is_dropped(start):
    server = start()
    user = server.user()
    tasks = 200  # of one unit of work, when all of them move
    for number in range(tasks):
        user.task(f"T{number}", due_date="2031-01-01T09:00")
    slow, quick = listen(user, receive_buffer=4096), listen(user)
    moves = 30  # far more than the system takes for somebody who does not read
    for move in range(moves):
        body = {"timezone": "UTC" if move % 2 else "Asia/Tokyo", "shift_due_dates": True}
        user.patch("/auth/me", body).expect(200)
        for _ in range(tasks):
            assert quick.receive()["version"] == 2 + move
    # What was on its way is there, whole, and then the reason, unless the server waited too long.
    received = 0
    with pytest.raises(Closed) as closed:
        while slow.receive():
            received += 1
    assert closed.value.code in (1013, None)
    assert 0 < received < moves * tasks / 2, "what waits is bounded"
    slow.cut()
    eventually(lambda: server.metric("todo_sockets_closed_total", 'code="1013"') == 1)
    quick.close()


# --- how they end ---


def assert_revoked(live, act) -> None:
    act()
    began = time.monotonic()
    assert live.wait_closed(REVOKED_SECONDS_MAX) == 1008
    assert time.monotonic() - began < REVOKED_SECONDS_MAX


@pytest.mark.smoke
def test_signing_out_closes_the_sessions_sockets_and_no_others(user, sockets):
    other = user.with_token(user.token).login()
    live, lasting = sockets(user), sockets(other)
    assert_revoked(live, lambda: user.post("/auth/logout").expect(200))
    other.task()
    assert lasting.receive()["action"] == "created"


def test_a_new_password_closes_the_other_sessions_sockets(user, sockets):
    other = user.with_token(user.token).login()
    live, lasting = sockets(other), sockets(user)
    body = {"current_password": PASSWORD, "new_password": "another horse battery"}
    assert_revoked(live, lambda: user.post("/auth/me/password", body).expect(204))
    user.task()
    assert lasting.receive()["action"] == "created"


def test_a_token_that_is_deleted_closes_its_sockets(user, sockets):
    token = user.post("/auth/tokens", {"name": "script", "scope": "read"}).expect(201).json()
    live, lasting = sockets(user.with_token(token["token"])), sockets(user)
    assert_revoked(live, lambda: user.delete(f"/auth/tokens/{token['id']}").expect(204))
    user.task()
    assert lasting.receive()["action"] == "created"


def test_an_account_that_is_deleted_closes_all_its_sockets(user, sockets):
    token = user.post("/auth/tokens", {"name": "script", "scope": "read"}).expect(201).json()["token"]
    by_token = sockets(user.with_token(token))
    assert_revoked(sockets(user), lambda: user.delete("/auth/me", {"password": PASSWORD}).expect(204))
    assert by_token.wait_closed(REVOKED_SECONDS_MAX) == 1008


def test_an_account_that_is_disabled_closes_all_its_sockets(start):
    server = start()
    user = server.user()
    live = listen(user)
    server.run("user", "disable", user.email)
    assert live.wait_closed(REVOKED_SECONDS_MAX) == 1008


def test_a_session_that_expires_closes_its_sockets(timed):
    user = timed.user()
    live = listen(user)
    timed.set_clock_offset(24 * 3600 - 60)
    user.task()
    assert live.receive()["action"] == "created"
    timed.set_clock_offset(24 * 3600 + 1)
    assert live.wait_closed(3) == 1008


@pytest.mark.smoke
def test_a_stop_closes_them_as_going_away(start):
    server = start()
    user = server.user()
    opened = [listen(user) for _ in range(5)]
    server.process.terminate()
    for each in opened:
        assert each.wait_closed() == 1001
    assert server.process.wait(STOP_SECONDS) == 0
    assert not [line for line in server.log if '"level":"error"' in line]


def test_a_stop_does_not_wait_long_for_a_client_that_does_not_answer(start):
    server = start()
    silent = listen(server.user())
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 8
    silent.cut()


def test_a_client_that_vanishes_is_counted_out(start):
    server = start()
    user = server.user()
    open_now = lambda: server.metric("todo_sockets")
    opened = [listen(user) for _ in range(3)]
    assert open_now() == 3
    for each in opened:
        each.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        each.cut()
    eventually(lambda: open_now() == 0)
    assert server.metric("todo_sockets_closed_total", 'code="1006"') == 3
    user.task()
    assert not [line for line in server.log if '"level":"error"' in line]


def test_requests_and_sockets_are_told_apart_in_log_and_metrics(start):
    server = start()
    user = server.user()
    live = listen(user)
    user.task()
    live.receive()
    live.close()
    eventually(lambda: server.metric("todo_sockets_closed_total", 'code="1000"') == 1)
    assert server.metric("todo_socket_messages_total") == 2
    assert server.metric("todo_http_requests_total", 'route="/api/v1/ws"') == 1
    text = "\n".join(server.log)
    assert '"socket closed"' in text and user.token not in text


def test_the_handshakes_key_is_not_any_text(server, user):
    """The bytes behind a handshake are frames already."""
    key = base64.b64encode(b"0123456789abcdef").decode()
    request = (f"GET /api/v1/ws HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: bearer, {user.token}\r\n\r\n")
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(request.encode() + masked(TEXT, b'{"type":"ping"}') + masked(CLOSE, b""))
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    assert b'{"type":"pong"}' in answer and answer.endswith(b"\x88\x00")
