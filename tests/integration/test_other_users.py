"""Nobody reaches what is another's, and no credential does more than it may: every operation that
the API's description lists is tried, so that a new one is tried too."""
import time
import uuid

import pytest

from harness.contract import operations
from harness.server import PASSWORD, eventually

SECURED = [each for each in operations() if each.secured]
UNSAFE = [each for each in SECURED if each.unsafe]
# A WebSocket is none: test_ws.py has its users.
READS = [each for each in SECURED if not each.unsafe and "200" in each.statuses]
ON_OBJECTS = [each for each in SECURED if each.names_object]
WITHOUT_OBJECTS = [each for each in SECURED if not each.names_object]


def attempt(who, each, object_id, **more):
    """As well-formed as can be, so that nothing but who asks can be the reason to refuse."""
    return who.request(each.method, each.target(object_id), each.example(), **more)


def when(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


class Owner:
    """Someone with one of everything."""

    def __init__(self, server):
        self.user = server.user()
        series = self.user.task(
            "Secret rent", due_date="2031-01-31", recurrence_rule="monthly", category="secret"
        )
        done = self.user.complete(
            self.user.task("Secret walk", due_date="2031-01-01", recurrence_rule="daily")
        )
        gone = self.user.task("Secret past")
        self.user.delete(f"/tasks/{gone['id']}").expect(204)
        told = self.user.task("Secret call", due_date=when(1800))
        tasks = [series, done["completed_task"], done["next_occurrence"], gone, told]
        notifications = eventually(self.user.notifications)
        token = (
            self.user.post("/auth/tokens", {"name": "secret script", "scope": "write"})
            .expect(201)
            .json()
        )
        self.api_token = token["token"]
        self.ids = {
            "task": [task["id"] for task in tasks],
            "notification": [each["id"] for each in notifications],
            "token": [token["id"]],
        }
        self.all_ids = [object_id for ids in self.ids.values() for object_id in ids] + [
            self.user.id
        ]
        self.before = eventually(lambda: len(self.user.audit()) == 7 and self.state())

    def state(self) -> dict:
        paths = (
            "/auth/me",
            "/auth/me/preferences",
            "/auth/me/stats",
            "/tasks",
            "/tasks?deleted=true",
            "/notifications",
            "/audit",
        )
        return {path: self.user.get(path).expect(200).json() for path in paths} | {
            "tokens": [
                each | {"last_used_at": None}
                for each in self.user.get("/auth/tokens").expect(200).json()
            ]
        }

    def assert_untouched(self) -> None:
        assert self.state() == self.before


@pytest.fixture(scope="module")
def owner(server):
    return Owner(server)


@pytest.fixture(scope="module")
def stranger(server):
    return server.user()


def reason(answer) -> dict:
    return {name: value for name, value in answer.json().items() if name != "request_id"}


# --- ids ---


@pytest.mark.parametrize("each", ON_OBJECTS, ids=str)
def test_what_is_anothers_answers_as_what_never_was(owner, stranger, each):
    unknown = attempt(stranger, each, uuid.uuid4()).expect(404)
    for object_id in owner.ids[each.noun]:
        for headers in (
            {},
            {"If-Match": "*"},
            {"If-Match": '"1"'},
            {"Idempotency-Key": str(uuid.uuid4())},
        ):
            answer = attempt(stranger, each, object_id, headers=headers).expect(404)
            assert reason(answer) == reason(unknown)
    owner.assert_untouched()


@pytest.mark.parametrize("each", ON_OBJECTS, ids=str)
def test_an_id_of_another_kind_is_not_found(owner, each):
    for noun, ids in owner.ids.items():
        if noun != each.noun:
            attempt(owner.user, each, ids[0]).expect(404)
    attempt(owner.user, each, owner.user.id).expect(404)
    owner.assert_untouched()


@pytest.mark.parametrize(
    "malformed",
    [
        "1",
        "x" * 300,
        "%00",
        "%20",
        "..",
        "%2e%2e",
        "null",
        "%7Bid%7D",
        "00000000-0000-0000-0000-000000000000",
        "{id}0",
        "{id}%20",
        "%C3%28",
        "{bare}",
        "{encoded}",
    ],
)
def test_what_is_no_id_is_not_found(owner, stranger, malformed):
    some_id = owner.ids["task"][0]
    text = malformed.format(
        id=some_id, bare=some_id.replace("-", ""), encoded=f"%{ord(some_id[0]):02x}{some_id[1:]}"
    )
    for each in ON_OBJECTS:
        attempt(stranger, each, text).expect(404)


def test_what_a_deleted_user_had_is_not_found(server, stranger):
    gone = Owner(server)
    gone.user.delete("/auth/me", {"password": PASSWORD}).expect(204)
    for each in ON_OBJECTS:
        for object_id in gone.ids[each.noun]:
            attempt(stranger, each, object_id).expect(404)
    assert (
        stranger.get(f"/audit?entity_id={gone.ids['task'][0]}").expect(200).json()["entries"] == []
    )


# --- lists ---


@pytest.mark.parametrize("each", [each for each in READS if not each.names_object], ids=str)
def test_lists_and_numbers_are_of_ones_own(owner, stranger, each):
    text = attempt(stranger, each, "").expect(200).text
    assert "secret" not in text.lower() and not [
        object_id for object_id in owner.all_ids if object_id in text
    ]


def test_sweeping_changes_stop_at_ones_own(owner, server):
    other = server.user()
    assert other.post("/notifications/mark-all-read").expect(200).json() == {"updated_count": 0}
    assert other.delete("/notifications/clear").expect(200).json() == {"deleted_count": 0}
    owner.assert_untouched()


def test_filters_and_cursors_do_not_reach_over(owner, stranger):
    task = owner.ids["task"][0]
    assert stranger.audit(f"?entity_id={task}") == []
    assert stranger.tasks("?category=secret") == [] and stranger.tasks("?q=Secret") == []
    link = owner.user.get("/tasks?limit=1").expect(200).header("Link")
    stranger.get("/" + link[1 : link.index(">")]).expect(422)
    for path in ("/audit", f"/audit/task/{owner.ids['task'][1]}"):
        cursor = owner.user.get(path + "?limit=1").expect(200).json()["next_cursor"]
        stranger.get(f"/audit?limit=1&cursor={cursor}").expect(422)


# --- credentials that are none ---


def refused_everywhere(server, headers, status=401) -> None:
    for each in SECURED:
        answer = server.request(
            each.method, each.target(uuid.uuid4()), each.example(), headers=dict(headers)
        )
        assert answer.status == status, (each, headers, answer.body)
        assert answer.header("WWW-Authenticate") == "Bearer"


def bearer(token) -> dict:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.smoke
def test_nobody_is_refused_everywhere(server):
    refused_everywhere(server, {})


@pytest.mark.parametrize(
    "make",
    [
        lambda owner: bearer(""),
        lambda owner: bearer("nonsense"),
        lambda owner: bearer("todo_" + "A" * 43),
        lambda owner: bearer(owner.user.token[:-1]),
        lambda owner: bearer(owner.user.token + "A"),
        lambda owner: bearer(owner.api_token[:-1]),
        lambda owner: bearer(owner.api_token + "A"),
        lambda owner: bearer(owner.api_token.upper()),
        lambda owner: {"Authorization": f"Basic {owner.user.token}"},
        lambda owner: {"Authorization": owner.user.token},
        lambda owner: {"Cookie": f"todo_session={owner.api_token}"},
        lambda owner: {"Cookie": f"session={owner.user.token}"},
        lambda owner: {"Cookie": f"todo_session={owner.user.token[:-1]}"},
        # The header counts, even beside a cookie that would do.
        lambda owner: bearer("nonsense") | {"Cookie": f"todo_session={owner.user.token}"},
    ],
    ids=[
        "empty",
        "nonsense",
        "unknown API token",
        "shortened",
        "lengthened",
        "shortened API token",
        "lengthened API token",
        "upper case API token",
        "basic",
        "no scheme",
        "API token as cookie",
        "another cookie",
        "shortened cookie",
        "bad header beside a good cookie",
    ],
)
def test_a_credential_that_is_none_is_refused_everywhere(server, owner, make):
    refused_everywhere(server, make(owner))
    owner.assert_untouched()


def ended(server, user, end) -> None:
    token = user.token
    end()
    eventually(lambda: user.with_token(token).get("/auth/me").status == 401)
    refused_everywhere(server, bearer(token))


def test_after_a_logout_the_session_is_refused_everywhere(server, user):
    ended(server, user, lambda: user.post("/auth/logout").expect(200))


def test_after_a_new_password_the_other_sessions_are_refused_everywhere(server, user):
    here = user.with_token(user.token).login()
    ended(
        server,
        user,
        lambda: here.post(
            "/auth/me/password", {"current_password": PASSWORD, "new_password": "another password"}
        ).expect(204),
    )
    here.get("/auth/me").expect(200)


def test_a_disabled_users_credentials_are_refused_everywhere(server, user):
    api_token = (
        user.post("/auth/tokens", {"name": "script", "scope": "write"}).expect(201).json()["token"]
    )
    ended(server, user, lambda: server.run("user", "disable", user.email))
    refused_everywhere(server, bearer(api_token))


def test_a_deleted_users_credentials_are_refused_everywhere(server, user):
    api_token = (
        user.post("/auth/tokens", {"name": "script", "scope": "write"}).expect(201).json()["token"]
    )
    ended(server, user, lambda: user.delete("/auth/me", {"password": PASSWORD}).expect(204))
    refused_everywhere(server, bearer(api_token))


def test_a_revoked_api_token_is_refused_everywhere(server, user):
    made = user.post("/auth/tokens", {"name": "script", "scope": "write"}).expect(201).json()
    ended(
        server,
        user.with_token(made["token"]),
        lambda: user.delete(f"/auth/tokens/{made['id']}").expect(204),
    )
    user.get("/auth/me").expect(200)


def test_an_expired_api_token_is_refused_everywhere(server, user):
    made = (
        user.post("/auth/tokens", {"name": "script", "scope": "write", "expires_at": when(3)})
        .expect(201)
        .json()
    )
    ended(server, user.with_token(made["token"]), lambda: None)


def test_a_session_that_is_over_is_refused_everywhere(timed):
    user = timed.user()
    timed.set_clock_offset(24 * 3600 + 5)
    refused_everywhere(timed, bearer(user.token))


# --- credentials that may less ---


@pytest.mark.smoke
@pytest.mark.parametrize("each", UNSAFE, ids=str)
def test_a_read_token_changes_nothing(owner, each):
    reader = owner.user.with_token(
        owner.user.post("/auth/tokens", {"name": "reader", "scope": "read"})
        .expect(201)
        .json()["token"]
    )
    own_ids = owner.ids.get(each.noun, [""])
    for object_id in own_ids:
        attempt(reader, each, object_id).expect(403)
    listed = owner.user.get("/auth/tokens").expect(200).json()
    owner.user.delete(f"/auth/tokens/{listed[0]['id']}").expect(204)
    owner.assert_untouched()


def test_a_read_token_reads_everything(owner):
    made = owner.user.post("/auth/tokens", {"name": "reader", "scope": "read"}).expect(201).json()
    reader = owner.user.with_token(made["token"])
    for each in READS:
        attempt(reader, each, owner.ids.get(each.noun, [""])[0]).expect(200)
    owner.user.delete(f"/auth/tokens/{made['id']}").expect(204)


def test_an_api_token_does_nothing_to_the_account(owner):
    writer = owner.user.with_token(owner.api_token)
    session_only = [each for each in UNSAFE if each.session_only]
    assert len(session_only) >= 5
    for each in session_only:
        attempt(writer, each, owner.ids.get(each.noun, [""])[0]).expect(403)
    owner.assert_untouched()


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "http://evil.example",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        "https://127.0.0.1.evil.example",
        "file://",
        "http://127.0.0.1:{port}.evil.example",
        "{port}",
    ],
)
def test_another_sites_page_changes_nothing_with_the_users_cookie(server, owner, origin):
    headers = {"Cookie": f"todo_session={owner.user.token}"} | (
        {"Origin": origin.format(port=server.port)} if origin else {}
    )
    for each in UNSAFE:
        server.request(
            each.method,
            each.target(owner.ids.get(each.noun, [""])[0]),
            each.example(),
            headers=dict(headers),
        ).expect(403)
    owner.assert_untouched()
