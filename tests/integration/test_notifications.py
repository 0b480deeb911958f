"""Notifications: newest first, read, archived, cleared."""
import datetime
import uuid

from harness.server import eventually


def soon(server) -> str:
    return (
        datetime.datetime.fromtimestamp(server.now(), datetime.timezone.utc)
        + datetime.timedelta(minutes=30)
    ).strftime("%Y-%m-%dT%H:%M:%SZ")


def told(server, user, count: int) -> list:
    for number in range(count):
        user.task(f"Task {number}", due_date=soon(server))
    return eventually(
        lambda: len(user.notifications("?limit=100")) >= count and user.notifications("?limit=100")
    )


def unread(user) -> int:
    return user.get("/notifications/unread-count").expect(200).json()["count"]


def test_they_are_listed_newest_first_with_their_counts(server, user):
    notifications = told(server, user, 3)
    assert list(notifications[0]) == [
        "id",
        "user_id",
        "type",
        "title",
        "message",
        "data",
        "task_id",
        "read",
        "read_at",
        "created_at",
        "archived_at",
    ]
    assert ["Task 2" in notifications[0]["title"], "Task 0" in notifications[2]["title"]] == [
        True,
        True,
    ]
    page = user.get("/notifications").expect(200).json()
    assert page["unread_count"] == page["total"] == 3 and page["next_cursor"] is None
    assert unread(user) == 3


def test_pages_go_by_cursor_or_offset(server, user):
    everything = told(server, user, 5)
    found, cursor = [], ""
    while True:
        page = user.get(f"/notifications?limit=2{cursor}").expect(200).json()
        found += page["notifications"]
        if not page["next_cursor"]:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == everything
    assert user.notifications("?limit=2&offset=3") == everything[3:]
    assert user.get("/notifications?limit=101").expect(422).fields() == ["limit"]
    assert user.get("/notifications?offset=10001&archived=maybe&x=1").expect(422).fields() == [
        "archived",
        "offset",
        "x",
    ]
    assert user.get("/notifications?cursor=nonsense").expect(422).fields() == ["cursor"]


def test_reading_one_and_all(server, user):
    first, second, third = told(server, user, 3)
    read = user.post(f"/notifications/{second['id']}/read").expect(200).json()
    assert read["read"] and read["read_at"]
    assert user.post(f"/notifications/{second['id']}/read").expect(200).json() == read
    assert unread(user) == 2
    assert [each["id"] for each in user.notifications("?unread_only=true")] == [
        first["id"],
        third["id"],
    ]
    assert user.post("/notifications/mark-all-read").expect(200).json() == {"updated_count": 2}
    assert user.post("/notifications/mark-all-read").expect(200).json() == {"updated_count": 0}
    assert unread(user) == 0 and len(user.notifications()) == 3


def test_deleting_one_and_all(server, user):
    first, second, third = told(server, user, 3)
    user.delete(f"/notifications/{second['id']}").expect(204)
    user.delete(f"/notifications/{second['id']}").expect(404)
    user.post(f"/notifications/{second['id']}/read").expect(404)
    user.post(f"/notifications/{uuid.uuid4()}/read").expect(404)
    assert [each["id"] for each in user.notifications()] == [first["id"], third["id"]]
    assert user.delete("/notifications/clear").expect(200).json() == {"deleted_count": 2}
    assert user.notifications() == []


def test_after_thirty_days_they_are_archived_and_after_ninety_gone(timed):
    user = timed.user()
    told(timed, user, 2)
    timed.set_clock_offset(31 * 86400)
    user.login()
    page = user.get("/notifications").expect(200).json()
    assert (
        page["notifications"] == []
        and page["unread_count"] == page["total"] == 0
        and unread(user) == 0
    )
    archived = user.notifications("?archived=true")
    assert len(archived) == 2 and all(each["archived_at"] for each in archived)
    timed.set_clock_offset(91 * 86400)
    timed.restart()
    user.login()
    eventually(lambda: user.notifications("?archived=true") == [])


def test_a_long_title_is_shortened(server, user):
    user.task("x" * 200, due_date=soon(server))
    reminder = eventually(user.notifications)[0]
    assert (
        len(reminder["title"]) == 100
        and reminder["title"].endswith("…")
        and len(reminder["message"]) <= 500
    )
    assert reminder["data"]["task_title"] == "x" * 200
