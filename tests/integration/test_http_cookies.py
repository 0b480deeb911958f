"""The session cookie: what it may hold, and how it goes."""
from harness.server import PASSWORD


def cookie_of(user, origin: str) -> dict:
    """Headers of a browser that is logged in."""
    answer = user.server.request(
        "POST",
        "/auth/login",
        {"email": user.email, "password": PASSWORD, "session": "cookie"},
        {"Origin": origin},
    ).expect(200)
    return {"Cookie": answer.header("Set-Cookie").split(";")[0], "Origin": origin}


def is_cleared(answer) -> bool:
    name, *attributes = answer.header("Set-Cookie").split("; ")
    return name == "todo_session=" and {
        "Max-Age=0",
        "Path=/",
        "HttpOnly",
        "SameSite=Strict",
    } <= set(attributes)


def test_an_api_token_is_no_cookie_even_after_it_was_used(server, user):
    token = user.post("/auth/tokens", {"name": "cli", "scope": "write"}).expect(201).json()["token"]
    cookie = {"Cookie": f"todo_session={token}", "Origin": f"http://127.0.0.1:{server.port}"}
    for _ in range(3):
        server.request("GET", "/auth/me", headers=cookie).expect(401)
        server.request("POST", "/tasks", {"title": "x"}, cookie).expect(401)
        user.with_token(token).get("/auth/me").expect(200)
    assert user.tasks() == []


def test_the_cookie_is_cleared_as_it_was_set(server, start):
    for place, origin, secure in (
        (server, f"http://127.0.0.1:{server.port}", False),
        (start(PUBLIC_URL="https://todo.example"), "https://todo.example", True),
    ):
        user = place.user()
        out = place.request("POST", "/auth/logout", headers=cookie_of(user, origin)).expect(200)
        assert is_cleared(out) and ("Secure" in out.header("Set-Cookie")) == secure
        gone = place.request(
            "DELETE", "/auth/me", {"password": PASSWORD}, cookie_of(user, origin)
        ).expect(204)
        assert is_cleared(gone) and ("Secure" in gone.header("Set-Cookie")) == secure


def test_an_account_deleted_by_token_touches_no_cookie(user):
    assert user.delete("/auth/me", {"password": PASSWORD}).expect(204).header("Set-Cookie") is None


def test_an_account_that_is_kept_keeps_its_cookie(server, user):
    browser = cookie_of(user, f"http://127.0.0.1:{server.port}")
    refused = server.request("DELETE", "/auth/me", {"password": "not this one"}, browser).expect(
        422
    )
    assert refused.header("Set-Cookie") is None
    server.request("GET", "/auth/me", headers=browser).expect(200)
