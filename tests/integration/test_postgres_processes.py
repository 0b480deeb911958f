"""Two and three servers on one database are as one."""
import concurrent.futures
import contextlib
import time
import uuid

import pytest

from harness.server import PASSWORD, Server, eventually
from harness.store import PostgresStore
from harness.websocket import listen

pytestmark = pytest.mark.only("postgres")

# From a change in one process to its effect in another, where they only poll.
POLLED_SECONDS_MAX = 5
# What one process knows of a session is believed for a second.
BELIEVED_SECONDS = 3
# From a change to its message on a WebSocket, and from a session's end to the end of its sockets.
LIVE_SECONDS_MAX = 1
REVOKED_SECONDS_MAX = 1
REST_SECONDS = 5
REST_SECONDS_LONG = 30

# How many there are, and whether they wake each other by LISTEN or only poll.
KINDS = {"two_listening": (2, True), "three_polling": (3, False)}


def start_several(kind: str, store, make) -> list:
    count, listening = KINDS[kind]
    settings = {"DATABASE_DIRECT_URL": store.database.url} if listening else {}
    return [make(store=store, **settings).start() for _ in range(count)]


@pytest.fixture(scope="module", params=KINDS)
def servers(request, template, contract, tmp_path_factory):
    """For all tests that stop none of them: each works as users of its own."""
    store = PostgresStore(template.copy())
    store.keep_events()
    with contextlib.ExitStack() as stack:
        stack.callback(store.drop)

        def make(**settings):
            server = Server(tmp_path_factory.mktemp("one-of-several"), **settings)
            server.recorder = contract.record
            stack.callback(server.stop)
            return server

        servers = start_several(request.param, store, make)
        yield servers
        for server in servers:
            assert not [line for line in server.log if '"level":"error"' in line]


def at(server, user):
    """The same person, by way of another server."""
    other = type(user)(server, user.email, user.id)
    other.token = user.token
    return other


def everywhere(servers, user) -> list:
    return [at(server, user) for server in servers]


def soon(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + moment))


# --- read your writes ---


def test_a_change_by_one_is_read_by_all_at_once(servers):
    user = servers[0].user()
    people = everywhere(servers, user)
    for number in range(20):
        writer, reader = people[number % len(people)], people[(number + 1) % len(people)]
        task = writer.task(f"T{number}")
        assert reader.read(task) == task
        assert reader.tasks()[0] == task
        changed = reader.edit(task, title=f"U{number}")
        assert writer.read(task) == changed
        stale = {"If-Match": f'"{task["version"]}"'}
        writer.patch(f"/tasks/{task['id']}", {"title": "No"}, headers=stale).expect(412)
        for each in people:
            assert each.get("/auth/me/stats").json()["total_tasks"] == number + 1


def test_a_list_that_was_not_changed_is_the_same_for_all(servers):
    first, second = everywhere(servers, servers[0].user())[:2]
    first.task()
    known = {"If-None-Match": first.get("/tasks").expect(200).header("ETag")}
    second.get("/tasks", headers=known).expect(304)
    second.task()
    first.get("/tasks", headers=known).expect(200)


# --- sessions ---


def test_a_session_is_good_everywhere_until_it_ends_anywhere(servers):
    user = servers[0].user()
    people = everywhere(servers, user)
    for each in people:
        each.get("/auth/me").expect(200)
    people[-1].post("/auth/logout").expect(200)
    for each in people:
        eventually(lambda each=each: each.get("/auth/me").status == 401, BELIEVED_SECONDS)


def test_a_password_changed_at_one_ends_the_sessions_at_all(servers):
    user = servers[0].user()
    others = everywhere(servers, at(servers[0], user).login())
    keeper = at(servers[-1], user)
    body = {"current_password": PASSWORD, "new_password": "another horse battery"}
    keeper.post("/auth/me/password", body).expect(204)
    for each in others:
        eventually(lambda each=each: each.get("/tasks").status == 401, BELIEVED_SECONDS)
    for server in servers:
        at(server, keeper).get("/tasks").expect(200)
        login = {"email": user.email, "password": PASSWORD}
        server.request("POST", "/auth/login", login).expect(401)
        login["password"] = "another horse battery"
        server.request("POST", "/auth/login", login).expect(200)


def test_a_token_taken_back_at_one_is_refused_by_all(servers):
    user = servers[0].user()
    made = user.post("/auth/tokens", {"name": "script", "scope": "write"}).expect(201).json()
    scripts = everywhere(servers, user.with_token(made["token"]))
    for each in scripts:
        each.task()
    at(servers[-1], user).delete(f"/auth/tokens/{made['id']}").expect(204)
    for each in scripts:
        eventually(lambda each=each: each.post("/tasks", {"title": "No"}).status == 401,
                   BELIEVED_SECONDS)


def test_an_account_deleted_at_one_is_gone_at_all(servers):
    user = servers[0].user()
    people = everywhere(servers, user)
    people[-1].delete("/auth/me", {"password": PASSWORD}).expect(204)
    for each in people:
        eventually(lambda each=each: each.get("/tasks").status == 401, BELIEVED_SECONDS)


# --- events ---


def test_what_any_of_them_does_is_recorded_once(servers):
    users = [server.user() for server in servers]
    with concurrent.futures.ThreadPoolExecutor(3 * len(servers)) as pool:
        work = [
            pool.submit(lambda who=who, number=number: who.edit(who.task(f"T{number}"), title="U"))
            for number in range(30)
            for user in users
            for who in everywhere(servers, user)
        ]
        for each in work:
            each.result()
    expected = 60 * len(servers)
    for user in users:
        eventually(lambda: user.get("/audit").json()["total"] >= expected)
        entries = user.all_audit()
        assert [each["seq"] for each in entries] == list(range(expected, 0, -1))
        assert len({(each["entity_id"], each["entity_version"]) for each in entries}) == expected
        assert user.get("/audit/verify").json()["verified"]
    events = servers[0].store.execute(
        "SELECT event::json ->> 'id' FROM seen_events "
        "WHERE event::json -> 'data' ->> 'user_id' = ANY(?)",
        [user.id for user in users],
    )
    assert len(set(events)) == len(events) == expected * len(users)


def test_a_task_completed_everywhere_at_once_has_one_next_occurrence(servers):
    user = servers[0].user()
    people = everywhere(servers, user)
    for number in range(10):
        task = user.task(f"T{number}", due_date="2031-01-31", recurrence_rule="monthly")
        complete = lambda each: each.post(f"/tasks/{task['id']}/complete").expect(200).json()
        with concurrent.futures.ThreadPoolExecutor(len(people)) as pool:
            answers = list(pool.map(complete, people))
        assert len({each["next_occurrence"]["id"] for each in answers}) == 1
        for each in people:
            eventually(
                lambda: [
                    found["occurrence"]
                    for found in each.tasks("?completed=false")
                    if found["series_id"] == task["series_id"]
                ]
                == [2],
                POLLED_SECONDS_MAX,
            )


def test_of_twins_at_two_servers_one_is_done_and_the_other_told(servers):
    user = servers[0].user()
    people = everywhere(servers, user)
    for number in range(10):
        key, body = {"Idempotency-Key": str(uuid.uuid4())}, {"title": f"T{number}"}
        with concurrent.futures.ThreadPoolExecutor(len(people)) as pool:
            answers = list(pool.map(lambda each: each.post("/tasks", body, headers=key), people))
        assert {answer.expect(201).json()["id"] for answer in answers} == {user.tasks()[0]["id"]}
        replayed = [answer.header("Idempotency-Replayed") for answer in answers]
        assert replayed.count(None) == 1 and replayed.count("true") == len(people) - 1
        assert len(user.tasks()) == number + 1


def test_changes_of_one_task_by_all_are_one_after_the_other(servers):
    user = servers[0].user()
    people = everywhere(servers, user)
    task = user.task("T0")
    with concurrent.futures.ThreadPoolExecutor(4 * len(people)) as pool:
        work = [
            pool.submit(each.edit, task, title=f"T{number} by {index}")
            for number in range(10)
            for index, each in enumerate(people)
        ]
        versions = sorted(each.result()["version"] for each in work)
    assert versions == list(range(2, 10 * len(people) + 2))
    eventually(lambda: user.get("/audit").json()["total"] == 10 * len(people) + 1)
    assert user.get("/audit/verify").json()["verified"]


# --- reminders ---


def test_a_reminder_is_told_once_whoever_checks(servers):
    user = servers[0].user()
    people = everywhere(servers, user)
    # Told as soon as they are made: their moment, an hour before, has passed.
    tasks = [people[number % len(people)].task(f"T{number}", due_date=soon(1800)) for number in range(30)]
    with concurrent.futures.ThreadPoolExecutor(len(servers)) as pool:
        for check in [pool.submit(server.run, "reminders", "run") for server in servers]:
            check.result()
    told = lambda: user.get("/notifications?limit=100").expect(200).json()
    eventually(lambda: told()["total"] >= len(tasks))
    for server in servers:
        server.run("reminders", "run")
    assert told()["total"] == len(tasks)
    assert sorted(each["task_id"] for each in told()["notifications"]) == sorted(
        task["id"] for task in tasks
    )
    for task in tasks:
        assert [row["state"] for row in user.reminders(task)] == ["sent"]


# --- coming and going ---


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["stop", "kill"])
def test_when_one_goes_the_others_do_its_work(template, new_server, kind, how):
    servers = start_several(kind, PostgresStore(template.copy()), new_server)
    user = servers[0].user()
    people = everywhere(servers, user)
    tasks = [people[number % len(people)].task(f"T{number}") for number in range(30)]
    getattr(servers[0], how)()
    stays = people[1]
    eventually(lambda: stays.get("/audit").json()["total"] == len(tasks))
    assert {each["id"] for each in stays.all_pages("/tasks")} == {each["id"] for each in tasks}
    stays.task("Afterwards")
    servers[0].start()
    back = at(servers[0], user)
    assert back.tasks()[0]["title"] == "Afterwards"
    eventually(lambda: back.get("/audit").json()["total"] == len(tasks) + 1)


def test_servers_that_start_at_once_on_an_empty_database_all_serve(cluster, new_server):
    store = PostgresStore(cluster.new_database())
    servers = [new_server(store=store) for _ in range(3)]
    with concurrent.futures.ThreadPoolExecutor(len(servers)) as pool:
        for done in [pool.submit(server.run, "migrate") for server in servers]:
            done.result()
        for started in [pool.submit(server.start) for server in servers]:
            started.result()
    user = servers[0].user()
    task = user.task()
    for each in everywhere(servers, user):
        assert each.read(task) == task


# --- rest ---


def statements(database) -> int:
    """All that were ever executed on it: each is a transaction, or in one."""
    ((count,),) = database.postgres.execute(
        "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = %s",
        (database.name,),
    )
    return count


def test_idle_servers_leave_the_database_asleep(template, new_server, request):
    """Probed all the while, they send nothing once they have come to rest."""
    store = PostgresStore(template.copy())
    direct = {"DATABASE_DIRECT_URL": store.database.url}
    servers = [new_server(store=store, **settings).start() for settings in (direct, {})]
    user = servers[0].user()
    user.task()
    eventually(lambda: user.get("/audit").json()["total"] == 1)
    seconds = REST_SECONDS_LONG if request.config.getoption("long") else REST_SECONDS

    def rested() -> bool:
        before, until = statements(store.database), time.monotonic() + seconds
        while time.monotonic() < until:
            for server in servers:
                server.request("GET", "//readyz").expect(200)
                server.request("GET", "//healthz").expect(200)
        return statements(store.database) == before

    eventually(rested, 12 * seconds)


# --- WebSockets ---


@pytest.fixture
def live(servers):
    """One socket of a user's at each server."""
    user = servers[0].user()
    opened = [listen(each) for each in everywhere(servers, user)]
    yield user, opened
    for each in opened:
        each.cut()


def test_a_change_made_at_one_is_told_at_all(servers, live):
    user, opened = live
    for number, each in enumerate(everywhere(servers, user)):
        task = each.task(f"T{number}")
        for socket in opened:
            assert socket.receive(LIVE_SECONDS_MAX) == {
                "type": "task", "action": "created", "task_id": task["id"], "version": 1}
        each.edit(task, title=f"U{number}")
        each.delete(f"/tasks/{task['id']}").expect(204)
        for socket in opened:
            # Who looks may find only what became of it in the end.
            assert socket.wait_for(lambda message: message["action"] == "deleted", LIVE_SECONDS_MAX)["version"] == 3


def test_a_notification_is_told_at_all(servers, live):
    user, opened = live
    at(servers[-1], user).task(due_date=soon(1800))
    for socket in opened:
        message = socket.wait_for(lambda each: each["type"] == "notification", POLLED_SECONDS_MAX)
        assert message["unread_count"] == 1
        assert message["notification"] == user.notifications()[0]


def test_an_account_disabled_by_a_command_loses_its_sockets_at_all(servers, live):
    user, opened = live
    servers[0].run("user", "disable", user.email)
    began = time.monotonic()
    for socket in opened:
        assert socket.wait_closed() == 1008
    assert time.monotonic() - began < REVOKED_SECONDS_MAX


def test_signing_out_at_one_closes_the_sockets_at_all(servers, live):
    user, opened = live
    other = at(servers[0], user).login()
    lasting = [listen(each) for each in everywhere(servers, other)]
    at(servers[-1], user).post("/auth/logout").expect(200)
    began = time.monotonic()
    for socket in opened:
        assert socket.wait_closed() == 1008
    assert time.monotonic() - began < REVOKED_SECONDS_MAX
    other.task()
    for socket in lasting:
        assert socket.receive()["action"] == "created"
        socket.close()
