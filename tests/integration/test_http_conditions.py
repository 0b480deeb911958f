"""Conditional requests, lists that did not change, and pages by title."""
import urllib.parse

import pytest


def page(user, link: str):
    return user.get("/" + link[1 : link.index(">")]).expect(200)


def test_a_task_that_did_not_change_is_not_sent_again(user):
    task = user.task()
    path = f"/tasks/{task['id']}"
    assert user.get(path).expect(200).header("ETag") == '"1"'
    for known in ('"1"', 'W/"1"', '"x", "1"', '"7",W/"1"', "*"):
        same = user.get(path, headers={"If-None-Match": known}).expect(304)
        assert same.body == b"" and same.header("ETag") == '"1"'
    for other in ('"2"', '"x"', "1", '"01"', ""):
        assert user.get(path, headers={"If-None-Match": other}).expect(200).json() == task
    user.edit(task, title="Changed")
    changed = user.get(path, headers={"If-None-Match": '"1"'}).expect(200)
    assert changed.json()["title"] == "Changed" and changed.header("ETag") == '"2"'


def test_a_task_is_read_only_as_the_version_that_was_asked_for(user):
    task = user.task()
    path = f"/tasks/{task['id']}"
    user.edit(task, title="Changed")
    for old in ('"1"', 'W/"2"', '"02"'):
        user.get(path, headers={"If-Match": old}).expect(412)
    for good in ('"2"', "*", '"1", "2"'):
        assert user.get(path, headers={"If-Match": good}).expect(200).json()["version"] == 2


@pytest.mark.parametrize("tag", ['"01"', '"001"', '"+1"', '" 1"'])
def test_a_version_written_in_another_way_is_no_match(user, tag):
    task = user.task()
    for method, path, body in [
        ("PATCH", "", {"title": "x"}),
        ("PUT", "", {"title": "x"}),
        ("DELETE", "", None),
        ("PATCH", "/toggle", None),
        ("POST", "/complete", None),
    ]:
        user.request(method, f"/tasks/{task['id']}{path}", body, headers={"If-Match": tag}).expect(
            412
        )
    assert user.read(task) == task


@pytest.mark.parametrize(
    "query, hide",
    [
        ("overdue=true", lambda user, task: user.complete(task)),
        ("overdue=false", lambda user, task: user.delete(f"/tasks/{task['id']}").expect(204)),
        ("deleted=true", lambda user, task: user.post(f"/tasks/{task['id']}/restore").expect(200)),
    ],
)
def test_a_page_with_another_total_or_next_page_is_another_page(user, query, hide):
    due = {} if query == "overdue=false" else {"due_date": "2020-01-01T00:00:00Z"}
    tasks = [user.task(f"T{number}", **due) for number in range(3)]
    if query == "deleted=true":
        for task in reversed(tasks):
            user.delete(f"/tasks/{task['id']}").expect(204)
    path = f"/tasks?{query}&sort=title&order=asc&limit=1"
    seen = []
    for gone in (tasks[2], tasks[1], None):
        answer = user.get(path).expect(200)
        assert [task["id"] for task in answer.json()] == [tasks[0]["id"]]
        user.get(path, headers={"If-None-Match": answer.header("ETag")}).expect(304)
        for old in seen:
            user.get(path, headers={"If-None-Match": old}).expect(200)
        seen.append(answer.header("ETag"))
        if gone:
            hide(user, gone)
    assert answer.header("X-Total-Count") == "1" and answer.header("Link") is None


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("letter", ["ﷺ", "㌀", "İ", "a"])
def test_pages_by_title_hold_every_task_once_however_long_their_folded_titles(user, order, letter):
    # As folded, the first is eighteen times longer. They differ in their ends, or not at all.
    made = [user.task(letter * 199 + end)["id"] for end in ("c", "a", "b", "a", "c")]
    made += [user.task(letter * 200)["id"], user.task("short")["id"]]
    query = f"?sort=title&order={order}"
    for limit in (1, 2, 3):
        paged = user.all_pages(f"/tasks{query}&limit={limit}")
        assert paged == user.tasks(query)
        assert sorted(task["id"] for task in paged) == sorted(made)


def test_a_page_after_a_title_of_any_length_can_be_asked_for(user):
    for end in "ab":
        user.task("ﷺ" * 199 + end)
    link = (
        user.get("/tasks?sort=title&limit=1&q=" + urllib.parse.quote("ﷺ" * 150))
        .expect(200)
        .header("Link")
    )
    assert len(page(user, link).json()) == 1
