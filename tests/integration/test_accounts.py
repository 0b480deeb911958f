"""Users and sessions: registration, login, profile, password, API tokens, deletion, rate limits."""
import concurrent.futures
import http.client
import json
import time
import uuid

import pytest

from harness.server import PASSWORD, eventually


def new_email() -> str:
    return f"{uuid.uuid4().hex[:12]}@example.com"


def register(server, email=None, **members):
    return server.request(
        "POST", "/auth/register", {"email": email or new_email(), "password": PASSWORD, **members}
    )


@pytest.mark.smoke
def test_a_new_user_gets_a_profile_and_can_log_in(server):
    email = new_email()
    user = register(server, email, display_name="Ann", timezone="Europe/Berlin").expect(201).json()
    assert (
        user["email"] == email
        and user["display_name"] == "Ann"
        and user["timezone"] == "Europe/Berlin"
    )
    answer = (
        server.request("POST", "/auth/login", {"email": email, "password": PASSWORD})
        .expect(200)
        .json()
    )
    assert (
        answer["token_type"] == "bearer"
        and answer["expires_in"] == 24 * 3600
        and answer["user"] == user
    )
    me = server.request(
        "GET", "/auth/me", headers={"Authorization": f"Bearer {answer['access_token']}"}
    ).expect(200)
    assert me.json() == user


def test_without_a_time_zone_it_is_utc(server):
    assert register(server).expect(201).json()["timezone"] == "UTC"


def test_an_email_can_be_registered_once_whatever_its_case(server):
    email = new_email()
    register(server, email).expect(201)
    answer = register(server, email.upper()).expect(409)
    assert answer.json()["detail"] == "Email already registered"


def test_two_racing_registrations_make_one_user(server):
    email = new_email()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        statuses = sorted(
            answer.status for answer in pool.map(lambda _: register(server, email), range(4))
        )
    assert statuses == [201, 409, 409, 409]


@pytest.mark.parametrize(
    "body, fields",
    [
        ({}, ["email", "password"]),
        ({"email": "nobody", "password": "short"}, ["email", "password"]),
        ({"email": "a@b@c", "password": PASSWORD}, ["email"]),
        ({"email": "a@" + "b" * 255, "password": PASSWORD}, ["email"]),
        ({"email": "a@b.c", "password": "x" * 1025}, ["password"]),
        ({"email": "a@b.c", "password": PASSWORD, "timezone": "Mars/Base"}, ["timezone"]),
        ({"email": "a@b.c", "password": PASSWORD, "timezone": "../../etc/passwd"}, ["timezone"]),
        ({"email": "a@b.c", "password": PASSWORD, "timezone": "localtime"}, ["timezone"]),
        ({"email": "a@b.c", "password": PASSWORD, "display_name": "x" * 101}, ["display_name"]),
        ({"email": 1, "password": True, "nickname": "x"}, ["email", "nickname", "password"]),
    ],
)
def test_registration_names_every_member_that_is_wrong(server, body, fields):
    assert server.request("POST", "/auth/register", body).expect(422).fields() == fields


def test_passwords_count_bytes_and_have_no_composition_rules(server):
    for password, status in (("ééaa ää", 201), ("1234567", 422), ("        ", 201)):
        body = {"email": new_email(), "password": password}
        server.request("POST", "/auth/register", body).expect(status)


def test_a_wrong_password_and_an_unknown_email_answer_the_same(server, user):
    wrong = server.request(
        "POST", "/auth/login", {"email": user.email, "password": "wrong password"}
    ).expect(401)
    unknown = server.request(
        "POST", "/auth/login", {"email": new_email(), "password": "wrong password"}
    ).expect(401)
    for answer in (wrong, unknown):
        assert answer.json()["detail"] == "Invalid email or password"
        assert answer.header("WWW-Authenticate") == "Bearer"
    strip = lambda answer: {k: v for k, v in answer.json().items() if k != "request_id"}
    assert strip(wrong) == strip(unknown)


def test_login_time_does_not_tell_whether_the_email_exists(server, user):
    def fastest(email):
        times = []
        for _ in range(7):
            begun = time.perf_counter()
            server.request(
                "POST", "/auth/login", {"email": email, "password": "wrong password"}
            ).expect(401)
            times.append(time.perf_counter() - begun)
        return min(times)

    known, unknown = fastest(user.email), fastest(new_email())
    # Both hash once; without the decoy an unknown email answers some thirty times faster.
    assert 0.2 < known / unknown < 5


@pytest.mark.smoke
def test_logging_out_ends_the_session_within_a_second(server, user):
    other = user.with_token(user.token)
    user.login()
    assert other.token != user.token
    assert other.post("/auth/logout").expect(200).json() == {"message": "Successfully logged out"}
    begun = time.monotonic()
    eventually(lambda: other.get("/auth/me").status == 401)
    assert time.monotonic() - begun <= 1.5
    user.get("/auth/me").expect(200)


def test_requests_without_credentials_are_refused(server):
    for headers in (
        {},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer x.y.z"},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer todo_" + "0" * 40},
        {"Authorization": "Bearer " + "a" * 3000},
        {"Cookie": "todo_session=nonsense"},
    ):
        answer = server.request("GET", "/tasks", headers=headers).expect(401)
        assert answer.header("WWW-Authenticate") == "Bearer"


def test_a_changed_token_is_no_token(server, user):
    head, payload, signature = user.token.split(".")
    for token in (
        f"{head}.{payload}.{signature[:-4]}AAAA",
        f"{head}.{payload}.",
        f"{head}.{payload}",
        f"eyJhbGciOiJub25lIn0.{payload}.",
        f"{head}.{payload}A.{signature}",
    ):
        user.with_token(token).get("/auth/me").expect(401)


def test_the_profile_changes_what_is_named(server, user):
    assert (
        user.patch("/auth/me", {"display_name": "Bob"}).expect(200).json()["display_name"] == "Bob"
    )
    changed = user.patch("/auth/me", {"timezone": "Asia/Tokyo"}).expect(200).json()
    assert changed["timezone"] == "Asia/Tokyo" and changed["display_name"] == "Bob"
    assert user.patch("/auth/me", {"display_name": None}).expect(200).json()["display_name"] is None
    assert user.patch("/auth/me", {"timezone": "Nowhere", "email": "x@y.z"}).expect(
        422
    ).fields() == ["email", "timezone"]
    assert user.get("/auth/me").json()["timezone"] == "Asia/Tokyo"


def test_preferences_have_defaults_and_bounds(server, user):
    defaults = {
        "reminders_enabled": True,
        "reminder_minutes_before": 60,
        "toast_notifications": True,
        "missed_occurrences": "keep",
    }
    assert user.get("/auth/me/preferences").expect(200).json() == defaults
    changed = (
        user.patch(
            "/auth/me/preferences", {"reminder_minutes_before": 5, "missed_occurrences": "skip"}
        )
        .expect(200)
        .json()
    )
    assert changed == defaults | {"reminder_minutes_before": 5, "missed_occurrences": "skip"}
    for wrong in (4, 1441, "60", 1.5, None):
        assert user.patch("/auth/me/preferences", {"reminder_minutes_before": wrong}).expect(
            422
        ).fields() == ["reminder_minutes_before"]
    assert user.patch(
        "/auth/me/preferences", {"missed_occurrences": "drop", "reminders_enabled": 1}
    ).expect(422).fields() == ["missed_occurrences", "reminders_enabled"]
    assert user.get("/auth/me/preferences").json() == changed


def test_changing_the_password_ends_the_other_sessions(server, user):
    other = user.with_token(user.token)
    user.login()
    answer = user.post(
        "/auth/me/password", {"current_password": "not this", "new_password": "another password"}
    )
    assert answer.expect(422).fields() == ["current_password"]
    user.post("/auth/me/password", {"current_password": PASSWORD, "new_password": "short"}).expect(
        422
    )
    user.post(
        "/auth/me/password", {"current_password": PASSWORD, "new_password": "another password"}
    ).expect(204)
    eventually(lambda: other.get("/auth/me").status == 401)
    user.get("/auth/me").expect(200)
    server.request("POST", "/auth/login", {"email": user.email, "password": PASSWORD}).expect(401)
    user.login("another password")


def test_statistics_count_the_living_tasks(server, user):
    past, future = "2020-01-01T00:00:00Z", "2090-01-01T00:00:00Z"
    user.task(due_date=past)
    done = user.task(due_date=past)
    user.task(due_date=future)
    gone = user.task(due_date=past)
    user.complete(done)
    user.delete(f"/tasks/{gone['id']}").expect(204)
    assert user.get("/auth/me/stats").expect(200).json() == {
        "total_tasks": 3,
        "completed_tasks": 1,
        "pending_tasks": 2,
        "overdue_tasks": 1,
    }


def test_an_api_token_is_shown_once_and_works_within_its_scope(server, user):
    made = user.post("/auth/tokens", {"name": "script", "scope": "read"}).expect(201).json()
    assert set(made) == {"id", "name", "scope", "expires_at", "created_at", "last_used_at", "token"}
    reader = user.with_token(made["token"])
    reader.get("/tasks").expect(200)
    reader.post("/tasks", {"title": "No"}).expect(403)
    writer = user.with_token(
        user.post("/auth/tokens", {"name": "writer", "scope": "write"}).expect(201).json()["token"]
    )
    task = writer.task("By script")
    assert user.audit(f"?entity_id={task['id']}")[0]["metadata"]["actor"] == "token:writer"
    listed = user.get("/auth/tokens").expect(200).json()
    assert [token["name"] for token in listed] == ["writer", "script"] and all(
        "token" not in token for token in listed
    )
    eventually(
        lambda: {token["name"]: token["last_used_at"] for token in user.get("/auth/tokens").json()}[
            "script"
        ]
    )
    user.delete(f"/auth/tokens/{made['id']}").expect(204)
    eventually(lambda: reader.get("/tasks").status == 401)
    user.delete(f"/auth/tokens/{made['id']}").expect(404)


def test_an_api_token_cannot_outgrow_itself(server, user):
    writer = user.with_token(
        user.post("/auth/tokens", {"name": "writer", "scope": "write"}).expect(201).json()["token"]
    )
    writer.post("/auth/tokens", {"name": "more", "scope": "write"}).expect(403)
    writer.post(
        "/auth/me/password", {"current_password": PASSWORD, "new_password": "another password"}
    ).expect(403)
    writer.delete("/auth/me", {"password": PASSWORD}).expect(403)


def test_an_expired_api_token_is_refused(server, user):
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2))
    token = (
        user.post("/auth/tokens", {"name": "short", "scope": "read", "expires_at": soon})
        .expect(201)
        .json()["token"]
    )
    eventually(lambda: user.with_token(token).get("/tasks").status == 401)
    assert user.post(
        "/auth/tokens", {"name": "past", "scope": "read", "expires_at": "2020-01-01T00:00:00Z"}
    ).expect(422).fields() == ["expires_at"]


def test_tokens_are_validated_and_limited_to_fifty(server, user):
    assert user.post("/auth/tokens", {"scope": "all", "name": "", "more": 1}).expect(
        422
    ).fields() == ["more", "name", "scope"]
    for number in range(50):
        user.post("/auth/tokens", {"name": f"t{number}", "scope": "read"}).expect(201)
    user.post("/auth/tokens", {"name": "one more", "scope": "read"}).expect(409)


def cookie_login(server, user, origin="http://127.0.0.1"):
    host = {"Origin": f"http://127.0.0.1:{server.port}"} if origin else {}
    return server.request(
        "POST",
        "/auth/login",
        {"email": user.email, "password": PASSWORD, "session": "cookie"},
        host,
    )


def test_a_cookie_session_keeps_its_token_from_scripts(server, user):
    answer = cookie_login(server, user).expect(200)
    assert "access_token" not in answer.json()
    cookie = answer.header("Set-Cookie")
    assert (
        cookie.startswith("todo_session=")
        and "HttpOnly" in cookie
        and "SameSite=Strict" in cookie
        and "Path=/" in cookie
    )
    session = {"Cookie": cookie.split(";")[0]}
    server.request("GET", "/tasks", headers=session).expect(200)
    own = session | {"Origin": f"http://127.0.0.1:{server.port}"}
    server.request("POST", "/tasks", {"title": "By cookie"}, own).expect(201)
    for origin in (
        {},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": f"https://127.0.0.1:{server.port}.evil.example"},
    ):
        server.request("POST", "/tasks", {"title": "Forged"}, session | origin).expect(403)
    out = server.request("POST", "/auth/logout", headers=own).expect(200)
    assert "todo_session=;" in out.header("Set-Cookie").replace(
        '""', ""
    ) and "Max-Age=0" in out.header("Set-Cookie")
    eventually(lambda: server.request("GET", "/tasks", headers=session).status == 401)


def test_with_a_public_url_the_cookie_is_secure_and_its_origin_counts(start):
    server = start(PUBLIC_URL="https://todo.example")
    user = server.user()
    server.request(
        "POST",
        "/auth/login",
        {"email": user.email, "password": PASSWORD, "session": "cookie"},
        {"Origin": f"http://127.0.0.1:{server.port}"},
    ).expect(403)
    answer = server.request(
        "POST",
        "/auth/login",
        {"email": user.email, "password": PASSWORD, "session": "cookie"},
        {"Origin": "https://todo.example"},
    ).expect(200)
    assert "; Secure" in answer.header("Set-Cookie")


@pytest.mark.smoke
def test_a_deleted_account_is_gone_with_all_it_had(server):
    user, other = server.user(), server.user()
    task = user.task(recurrence_rule="daily", due_date="2090-01-01T00:00:00Z")
    user.complete(task)
    kept = other.task("Mine stays")
    user.delete("/auth/me", {"password": "not this"}).expect(422)
    user.delete("/auth/me", {"password": PASSWORD}).expect(204)
    eventually(lambda: user.get("/auth/me").status == 401)
    server.request("POST", "/auth/login", {"email": user.email, "password": PASSWORD}).expect(401)
    again = server.user(user.email)
    assert again.id != user.id and again.tasks() == [] and again.audit() == []
    assert other.read(kept) == kept and other.get("/audit/verify").json()["verified"]


def test_the_export_holds_all_of_ones_own_data(server, user):
    task = user.task("Mine", due_date="2090-05-05")
    gone = user.task("Gone")
    user.delete(f"/tasks/{gone['id']}").expect(204)
    server.user().task("Not mine")
    answer = user.get("/auth/me/export").expect(200)
    assert answer.header("Content-Type").startswith("application/x-ndjson")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    by_type = {}
    for line in lines:
        by_type.setdefault(line["type"], []).append(line["data"])
    assert by_type["user"][0]["email"] == user.email
    assert by_type["task"] == [task]
    assert [each["id"] for each in by_type["deleted_task"]] == [gone["id"]]
    assert [entry["seq"] for entry in by_type["audit_entry"]] == [1, 2, 3]
    assert "Not mine" not in answer.text and "password" not in answer.text


def test_an_export_that_cannot_be_whole_does_not_look_whole(start):
    server = start(faketime=True)
    user = server.user()
    user.task("Old")
    server.set_clock_offset(91 * 86400)
    server.run("audit", "archive")
    server.stop()
    server.store.execute("UPDATE audit_segments SET data = ?", b"\0")
    server.start()
    user.login()
    connection = server.connect()
    connection.request(
        "GET", "/api/v1/auth/me/export", headers={"Authorization": f"Bearer {user.token}"}
    )
    answer = connection.getresponse()
    assert answer.status == 200
    with pytest.raises(http.client.IncompleteRead) as broken:
        answer.read()
    assert b'"type":"user"' in broken.value.partial, "what came before was sent"
    connection.close()


def test_an_export_misses_no_entry_that_is_archived_meanwhile(start):
    server = start(faketime=True)
    user = server.user()
    # More than what the kernel takes off the server's hands while nobody reads.
    count = 1500
    description = "🎉" * 2000
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(
            pool.map(lambda number: user.task(f"T{number}", description=description), range(count))
        )
    server.set_clock_offset(91 * 86400)
    user.login()
    connection = server.connect()
    connection.request(
        "GET", "/api/v1/auth/me/export", headers={"Authorization": f"Bearer {user.token}"}
    )
    answer = connection.getresponse()
    found = []

    def read_entry() -> bool:
        line = answer.readline()
        if line.startswith(b'{"type":"audit_entry"'):
            found.append(json.loads(line)["data"]["seq"])
        return bool(line)

    while not found:
        assert read_entry()
    server.run("audit", "archive")
    assert user.audit() == [], "by this or by the server, which has seen the date too"
    while read_entry():
        pass
    connection.close()
    assert found == list(range(1, count + 1))


def test_logins_are_limited_by_account_and_address(start):
    server = start(RATE_LIMITS="on")
    user = server.user()
    statuses = [
        server.request(
            "POST", "/auth/login", {"email": user.email.upper(), "password": "wrong"}
        ).status
        for _ in range(12)
    ]
    assert statuses[:9] == [401] * 9 and statuses[-1] == 429
    answer = server.request(
        "POST", "/auth/login", {"email": user.email, "password": PASSWORD}
    ).expect(429)
    assert 1 <= int(answer.header("Retry-After")) <= 60
    statuses = [
        server.request("POST", "/auth/login", {"email": new_email(), "password": "wrong"}).status
        for _ in range(31)
    ]
    assert statuses[-1] == 429
    user.get("/tasks").expect(200)


def test_registrations_are_limited_by_address(start):
    server = start(RATE_LIMITS="on")
    statuses = [register(server).status for _ in range(21)]
    assert statuses == [201] * 20 + [429]


def test_requests_are_limited_by_user(start):
    server = start(RATE_LIMITS="on")
    busy, quiet = server.user(), server.user()
    connection = server.connect()
    statuses = [
        busy.get("/notifications/unread-count", connection=connection).status for _ in range(400)
    ]
    assert statuses[:200] == [200] * 200 and 429 in statuses
    quiet.get("/tasks").expect(200)
    answer = next(a for a in (busy.get("/tasks") for _ in range(400)) if a.status == 429)
    assert int(answer.header("Retry-After")) >= 1


def test_behind_a_trusted_proxy_the_forwarded_address_counts(start):
    server = start(RATE_LIMITS="on", TRUSTED_PROXIES="127.0.0.1")
    forwarded = lambda address: {"X-Forwarded-For": address}
    body = lambda: {"email": new_email(), "password": PASSWORD}
    statuses = [
        server.request("POST", "/auth/register", body(), forwarded("198.51.100.7")).status
        for _ in range(21)
    ]
    assert statuses[-1] == 429
    server.request("POST", "/auth/register", body(), forwarded("198.51.100.8")).expect(201)
    # What the client wrote itself stands before what the proxy saw.
    server.request(
        "POST", "/auth/register", body(), forwarded("198.51.100.9, 198.51.100.7")
    ).expect(429)


def test_registration_can_be_off(start):
    server = start(REGISTRATION="off")
    answer = register(server)
    assert answer.status == 403
    server.run("user", "add", "ann@example.com", input=PASSWORD + "\n")
    server.request(
        "POST", "/auth/login", {"email": "ann@example.com", "password": PASSWORD}
    ).expect(200)


def test_a_session_ends_after_a_day(timed):
    user = timed.user()
    user.get("/auth/me").expect(200)
    timed.set_clock_offset(23 * 3600)
    user.get("/auth/me").expect(200)
    timed.set_clock_offset(24 * 3600 + 5)
    user.get("/auth/me").expect(401)
