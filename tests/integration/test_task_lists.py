"""Lists of tasks: filters, sorts, search, pages, counts, ETags."""
import random
import urllib.parse

import pytest

PRIORITIES = ["urgent", "high", "normal", "low", None]


def titles(tasks) -> list:
    return [task["title"] for task in tasks]


@pytest.fixture(scope="module")
def full(server):
    """Someone with many tasks, alike in many ways so that ties are frequent."""
    user = server.user()
    rng = random.Random(7)
    for number in range(90):
        members = {
            "priority": rng.choice(PRIORITIES),
            "category": rng.choice(["work", "home", "Work", None]),
            "due_date": rng.choice(
                [None, "2020-01-01T00:00:00Z", "2090-01-01T00:00:00Z", "2090-06-01"]
            ),
        }
        task = user.task(
            rng.choice(["Ähre", "apple", "Banana", "éclair", "ÄHRE", "zebra"]),
            **{k: v for k, v in members.items() if v},
        )
        if rng.random() < 0.3:
            user.complete(task)
        if rng.random() < 0.1:
            user.delete(f"/tasks/{task['id']}").expect(204)
    return user


def rank(task) -> int:
    return PRIORITIES.index(task["priority"])


def tie(task):
    """Urgent first, then newest, then greatest id."""
    return (
        rank(task),
        [-ord(c) for c in task["created_at"].ljust(24, "0")],
        [-ord(c) for c in task["id"]],
    )


def instant(text):
    return (text[:-1] if "." in text else text[:-1] + ".000").ljust(23, "0")


def key_for(sort, descending):
    def flip(text):
        return [-ord(c) for c in text] if descending else [ord(c) for c in text]

    def key(task):
        newest = [-ord(c) for c in instant(task["created_at"])]
        ids = [-ord(c) for c in task["id"]]
        ties = (rank(task), newest, ids)
        if sort in ("created_at", "updated_at"):
            return (flip(instant(task[sort])), ties)
        if sort == "due_date":
            return (
                task["due_date"] is None,
                flip(instant(task["due_date"])) if task["due_date"] else [],
                ties,
            )
        if sort == "priority":
            return (
                task["priority"] is None,
                rank(task) if descending else -rank(task),
                newest,
                ids,
            )
        return (flip(task["title"].casefold() + "\0"), ties)

    return key


def test_the_default_is_the_newest_first(full):
    tasks = full.tasks()
    assert tasks == sorted(tasks, key=key_for("created_at", True)) and tasks == full.tasks(
        "?sort=created_at&order=desc"
    )


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("sort", ["created_at", "updated_at", "due_date", "priority", "title"])
def test_every_sort_pages_through_all_tasks_once_in_order(full, sort, order):
    whole = full.tasks(f"?limit=500&sort={sort}&order={order}")
    assert [task["id"] for task in whole] == [
        task["id"] for task in sorted(whole, key=key_for(sort, order == "desc"))
    ]
    for limit in (1, 7, 50):
        paged = full.all_pages(f"/tasks?limit={limit}&sort={sort}&order={order}")
        assert [task["id"] for task in paged] == [task["id"] for task in whole]


def test_filters_select_what_they_say(full):
    everything = full.tasks("?limit=500")
    for name in ("work", "Work"):
        assert full.tasks(f"?limit=500&category={name}") == [
            t for t in everything if t["category"] == name
        ]
    for priority in PRIORITIES[:4]:
        assert full.tasks(f"?limit=500&priority={priority}") == [
            t for t in everything if t["priority"] == priority
        ]
    for done in (True, False):
        assert full.tasks(f"?limit=500&completed={str(done).lower()}") == [
            t for t in everything if t["completed"] is done
        ]
    overdue = [
        t for t in everything if not t["completed"] and t["due_date"] and t["due_date"] < "2026"
    ]
    assert full.tasks("?limit=500&overdue=true") == overdue and overdue
    assert full.tasks("?limit=500&overdue=false") == [t for t in everything if t not in overdue]
    after = [t for t in everything if t["due_date"] and t["due_date"] > "2050"]
    assert full.tasks("?limit=500&due_after=2050-01-01") == after
    assert full.tasks("?limit=500&due_before=2090-01-01T00:00:00Z") == [
        t for t in everything if t["due_date"] and t["due_date"] < "2090"
    ]
    both = full.tasks(
        "?limit=500&completed=false&priority=high&due_after=2050-01-01T00:00:00%2B02:00"
    )
    assert both == [t for t in after if not t["completed"] and t["priority"] == "high"]


def test_filtered_lists_page_and_count(full):
    answer = full.get("/tasks?completed=false&limit=5").expect(200)
    expected = full.tasks("?completed=false&limit=500")
    assert (
        answer.header("X-Total-Count") == str(len(expected))
        and answer.header("X-Total-Count-Capped") is None
    )
    assert full.all_pages("/tasks?completed=false&limit=5&sort=due_date&order=asc") == full.tasks(
        "?completed=false&limit=500&sort=due_date&order=asc"
    )
    assert full.get("/tasks?limit=3").header("X-Total-Count") == str(len(full.tasks("?limit=500")))


def test_search_finds_parts_of_titles_and_descriptions_whatever_their_case(user):
    user.task("Straße kehren")
    user.task("Call Ann", description="about the ÉCLAIRS")
    user.task("100% done_now")
    assert titles(user.tasks("?q=STRASSE")) == ["Straße kehren"]
    assert titles(user.tasks("?q=" + urllib.parse.quote("éclair"))) == ["Call Ann"]
    assert titles(user.tasks("?q=" + urllib.parse.quote("100%"))) == ["100% done_now"]
    assert titles(user.tasks("?q=done_n")) == ["100% done_now"]
    assert user.tasks("?q=done.n") == [] and len(user.tasks("?q=%20")) == 3


def test_the_last_page_has_no_next_link(user):
    for number in range(4):
        user.task(f"T{number}")
    first = user.get("/tasks?limit=2").expect(200)
    assert first.header("Link").endswith('; rel="next"') and first.header("Link").startswith(
        "</api/v1/tasks?limit=2&cursor="
    )
    assert user.get("/tasks?limit=4").header("Link") is None
    assert len(user.all_pages("/tasks?limit=2")) == 4


def test_pages_stay_whole_while_tasks_come_and_go(user):
    made = [user.task(f"T{number}")["id"] for number in range(10)]
    first = user.get("/tasks?limit=5").expect(200)
    user.task("Newer")
    user.delete(f"/tasks/{made[5]}").expect(204)
    link = first.header("Link")
    rest = user.get("/" + link[1 : link.index(">")]).expect(200).json()
    assert [task["id"] for task in rest] == [made[4], made[3], made[2], made[1], made[0]]


def test_a_cursor_belongs_to_its_list(user):
    for number in range(3):
        user.task(f"T{number}")
    link = user.get("/tasks?limit=1&sort=title").header("Link")
    cursor = urllib.parse.parse_qs(urllib.parse.urlsplit(link[1 : link.index(">")]).query)[
        "cursor"
    ][0]
    user.get(f"/tasks?limit=2&sort=title&cursor={cursor}").expect(200)
    for other in (
        "sort=priority",
        "sort=title&order=asc",
        "sort=title&completed=false",
        "sort=title&q=T",
    ):
        assert user.get(f"/tasks?{other}&cursor={cursor}").expect(422).fields() == ["cursor"]
    for broken in ("x", cursor[:-3], cursor + "AAAA", "A" * 4000):
        assert "cursor" in user.get(f"/tasks?sort=title&cursor={broken}").expect(422).fields()


@pytest.mark.parametrize(
    "query, fields",
    [
        ("limit=0", ["limit"]),
        ("limit=501", ["limit"]),
        ("limit=ten", ["limit"]),
        ("limit=5&limit=6", ["limit"]),
        ("sort=size", ["sort"]),
        ("order=up", ["order"]),
        ("completed=yes", ["completed"]),
        ("priority=medium", ["priority"]),
        ("due_before=soon", ["due_before"]),
        ("page=2", ["page"]),
        ("q=" + "x" * 201, ["q"]),
        ("q=%ff", ["q"]),
        ("q=%0", ["q"]),
        ("limit=0&sort=x&more=1", ["limit", "more", "sort"]),
    ],
)
def test_query_parameters_are_validated_like_bodies(user, query, fields):
    assert user.get(f"/tasks?{query}").expect(422).fields() == fields


def test_due_bounds_without_an_offset_are_the_users_local_time(server):
    user = server.user(timezone="Asia/Tokyo")
    user.task("Late", due_date="2031-01-01T23:30")
    assert titles(user.tasks("?due_before=2031-01-02")) == ["Late"]
    assert user.tasks("?due_after=2031-01-02") == []
    assert titles(user.tasks("?due_after=2031-01-01T23:00")) == ["Late"]


def test_an_unchanged_list_is_not_sent_again(user):
    task = user.task()
    answer = user.get("/tasks").expect(200)
    etag = answer.header("ETag")
    assert etag.startswith('W/"')
    same = user.get("/tasks", headers={"If-None-Match": etag}).expect(304)
    assert same.body == b"" and same.header("ETag") == etag
    assert user.get("/tasks?limit=7", headers={"If-None-Match": etag}).status == 200
    user.edit(task, title="Changed")
    changed = user.get("/tasks", headers={"If-None-Match": etag}).expect(200)
    assert changed.header("ETag") != etag
    assert (
        user.get("/tasks", headers={"If-None-Match": f'"x", {changed.header("ETag")}'}).status
        == 304
    )
    overdue = user.get("/tasks?overdue=true")
    user.get("/tasks?overdue=true", headers={"If-None-Match": overdue.header("ETag")}).expect(304)


def test_a_change_of_zone_is_a_change_of_all_day_lists(server):
    user = server.user(timezone="UTC")
    user.task(due_date="2031-05-05")
    etag = user.get("/tasks").header("ETag")
    user.patch("/auth/me", {"timezone": "Asia/Tokyo"}).expect(200)
    answer = user.get("/tasks", headers={"If-None-Match": etag}).expect(200)
    assert (
        answer.json()[0]["due_on"] == "2031-05-05"
        and answer.json()[0]["due_date"] == "2031-05-05T14:59:59Z"
    )


def test_categories_are_the_users_own_and_distinct(server, user):
    server.user().task(category="theirs")
    for category in ("work", "home", "work", None):
        user.task(category=category)
    gone = user.task(category="old")
    user.delete(f"/tasks/{gone['id']}").expect(204)
    assert user.get("/tasks/categories").expect(200).json() == ["home", "work"]
