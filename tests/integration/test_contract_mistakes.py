"""What is wrong with a request is told whole, and a request that two readers could read differently is refused."""
import pytest

from harness.contract import send_raw


@pytest.mark.parametrize("body, fields", [
    ({"title": "", "due_date": "1969-12-31T23:59:59Z"}, ["due_date", "title"]),
    ({"title": "", "recurrence_weekdays": ["mo"]}, ["recurrence_weekdays", "title"]),
    ({"title": "ok", "recurrence_rule": "daily", "recurrence_weekdays": ["mo"]}, ["due_date", "recurrence_weekdays"]),
    ({"title": "", "recurrence_rule": "daily", "due_date": None}, ["due_date", "title"]),
])
def test_every_failing_member_of_a_new_task_is_named_at_once(user, body, fields):
    assert user.post("/tasks", body).expect(422).fields() == fields
    task = user.task()
    assert user.patch(f"/tasks/{task['id']}", body).expect(422).fields() == fields


def test_what_is_wrong_in_query_header_and_body_is_named_at_once(user):
    task = user.task()
    answer = user.patch(f"/tasks/{task['id']}?scope=x&page=2", {"title": "", "colour": "red"}, headers={"Idempotency-Key": ""})
    assert answer.expect(422).fields() == ["Idempotency-Key", "colour", "page", "scope", "title"]


def test_a_member_is_named_once(user):
    assert user.patch("/auth/me", {"timezone": "x" * 65}).expect(422).fields() == ["timezone"]


def test_an_entity_tag_is_compared_letter_by_letter(user):
    task = user.task()
    user.patch(f"/tasks/{task['id']}", {"title": "B"}, headers={"If-Match": '"01"'}).expect(412)


def test_what_http_refuses_has_a_request_id_in_its_header(server):
    answer = send_raw(server, b"GET / HTTP/1.1\r\n\r\n", ("GET", "/")).expect(400)
    assert answer.header("X-Request-Id") == answer.json()["request_id"]


@pytest.mark.parametrize("more", ["Authorization: Bearer x", "Content-Type: text/plain", "Content-Encoding: gzip"])
def test_a_request_that_two_readers_could_read_differently_is_refused(user, more):
    text = (f"POST /api/v1/tasks HTTP/1.1\r\nHost: here\r\nConnection: close\r\nAuthorization: Bearer {user.token}\r\n"
            f'Content-Type: application/json\r\n{more}\r\nContent-Length: 13\r\n\r\n{{"title":"a"}}')
    assert 400 <= send_raw(user.server, text.encode(), ("POST", "/api/v1/tasks")).status < 500
