#!/usr/bin/python3
"""demo.py [--email ADDRESS] [--password TEXT] [--timezone ZONE]: what `./dev demo` runs.

Fills an account of the running server (TODO_URL, by default http://127.0.0.1:8080) with the tasks of a
month, through the API as anybody could: some done, some late, some that recur. The account is made when
there is none; one that has tasks already is left as it is.
"""
import argparse
import datetime
import http.client
import json
import os
import sys
import time
import urllib.parse
import zoneinfo

URL = os.environ.get("TODO_URL", "http://127.0.0.1:8080")

# Days from today, time or none, title, and what else there is to say.
TASKS = [
    # Late.
    (-9, None, "Return the library books", {"category": "errands"}),
    (-4, "17:00", "Send the invoice", {"priority": "high", "category": "work"}),
    (-2, None, "Renew the passport", {
        "priority": "urgent", "category": "family",
        "description": "The old one, a photo, and the form from https://www.gov.example/passports\n"
                       "Appointments are on Tuesdays and Thursdays."}),
    (-1, "18:30", "Water the tomatoes", {
        "category": "home", "recurrence_rule": "daily", "recurrence_interval": 3}),
    # Today.
    (0, "08:00", "Take the vitamins", {"category": "health", "recurrence_rule": "daily"}),
    (0, "10:00", "Stand-up with the team", {
        "category": "work", "recurrence_rule": "weekly",
        "recurrence_weekdays": ["mo", "tu", "we", "th", "fr"]}),
    (0, "14:30", "Call the dentist", {"priority": "high", "category": "health"}),
    (0, "17:45", "Pick up the parcel", {"category": "errands", "description": "Locker 14, code 7731"}),
    (0, None, "Buy milk, bread and apples", {"category": "shopping"}),
    (0, None, "Read thirty pages", {"priority": "low", "recurrence_rule": "daily"}),
    # To come.
    (1, "09:00", "Pay the rent", {
        "priority": "urgent", "category": "finance", "recurrence_rule": "monthly"}),
    (1, "12:30", "Lunch with Maria", {}),
    (1, None, "Book the train to Vienna", {"priority": "high", "category": "travel"}),
    (2, "18:00", "Yoga", {"category": "health", "recurrence_rule": "weekly"}),
    (2, None, "Take out the recycling", {
        "category": "home", "recurrence_rule": "weekly", "recurrence_interval": 2}),
    (3, "11:00", "Review the budget with Tom", {"priority": "high", "category": "work"}),
    (3, None, "Order a birthday cake for Lena", {"category": "family"}),
    (4, None, "Clean the kitchen", {"category": "home", "recurrence_rule": "weekly"}),
    (5, "16:00", "Lena’s birthday party", {"category": "family"}),
    (6, "18:00", "Call Grandma", {"category": "family", "recurrence_rule": "weekly"}),
    (7, None, "Backup of the photos", {
        "category": "home", "recurrence_rule": "weekly", "recurrence_from": "completion"}),
    (8, "09:30", "Quarterly planning", {
        "priority": "high", "category": "work",
        "description": "Agenda: results, hiring, the move. Slides by the day before."}),
    (9, None, "Change the water filter", {
        "category": "home", "recurrence_rule": "monthly", "recurrence_interval": 2,
        "recurrence_from": "completion"}),
    (11, None, "Renew the domain", {"priority": "normal", "category": "work"}),
    (13, "07:10", "Train to Vienna", {"category": "travel"}),
    (16, None, "Car inspection", {
        "category": "errands", "recurrence_rule": "yearly", "recurrence_interval": 2}),
    (18, "19:00", "Book club", {"recurrence_rule": "monthly"}),
    (22, None, "Transfer savings", {"category": "finance", "recurrence_rule": "monthly"}),
    (27, None, "Wish list for the holidays", {"priority": "low", "category": "family"}),
    (33, None, "Cancel the trial subscription", {"priority": "high", "category": "finance"}),
    # Some day.
    (None, None, "Learn to bake sourdough", {"priority": "low"}),
    (None, None, "Look for a new desk lamp", {"category": "shopping"}),
    (None, None, "Ideas for the garden", {
        "category": "home", "description": "A fig tree by the wall?\nRaised beds, herbs near the door."}),
    # Done.
    (-6, None, "File the tax return", {"priority": "urgent", "category": "finance", "done": True}),
    (-3, "15:00", "Haircut", {"category": "errands", "done": True}),
    (-1, None, "Fix the bicycle light", {"category": "home", "done": True}),
    (-7, "08:30", "Swim", {"category": "health", "recurrence_rule": "weekly", "done": True}),
    (-1, "21:00", "Plan the week", {"category": "work", "recurrence_rule": "weekly", "done": True}),
]


class Refused(Exception):
    """Said to the user in one sentence."""


class Client:
    def __init__(self, url: str):
        parts = urllib.parse.urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self.connection = kind(parts.hostname, parts.port, timeout=30)
        self.headers = {}

    def call(self, method: str, path: str, body: dict | None = None) -> tuple:
        """Status and answer; a busy server is given the time that it asks for."""
        headers = self.headers | ({"Content-Type": "application/json"} if body is not None else {})
        text = json.dumps(body) if body is not None else None
        while True:
            self.connection.request(method, "/api/v1" + path, body=text, headers=headers)
            answer = self.connection.getresponse()
            data = answer.read()
            if answer.status not in (429, 503):
                return answer.status, json.loads(data) if data else None
            time.sleep(int(answer.getheader("Retry-After", "1")))

    def must(self, method: str, path: str, body: dict | None = None):
        status, answer = self.call(method, path, body)
        if status >= 300:
            raise Refused(f"{method} {path}: {status} {answer.get('detail', '')} {answer.get('errors', '')}")
        return answer


def zone_here() -> str:
    """The machine's, where it says which that is."""
    _, found, name = os.path.realpath("/etc/localtime").partition("zoneinfo/")
    return name if found and name in zoneinfo.available_timezones() else "UTC"


def sign_in(client: Client, options: argparse.Namespace) -> dict:
    who = {"email": options.email, "password": options.password}
    status, answer = client.call("POST", "/auth/login", who)
    if status == 401:
        status, answer = client.call("POST", "/auth/register", who | {
            "display_name": "Ann", "timezone": options.timezone})
        if status != 201:
            raise Refused(f"{options.email} can neither sign in nor register: {answer['detail']}")
        status, answer = client.call("POST", "/auth/login", who)
    if status != 200:
        raise Refused(f"{options.email} cannot sign in: {answer['detail']}")
    client.headers["Authorization"] = f"Bearer {answer['access_token']}"
    return answer["user"]


def due(days: int | None, at: str | None, today: datetime.date) -> str | None:
    if days is None:
        return None
    day = (today + datetime.timedelta(days)).isoformat()
    return f"{day}T{at}" if at else day


def fill(client: Client, zone: str) -> None:
    now = datetime.datetime.now(zoneinfo.ZoneInfo(zone))
    made = {}
    for days, at, title, more in TASKS:
        members = {key: value for key, value in more.items() if key != "done"}
        task = client.must("POST", "/tasks", {
            "title": title, "due_date": due(days, at, now.date()), **members})
        made[title] = task["id"]
        if more.get("done"):
            client.must("POST", f"/tasks/{task['id']}/complete")
    # What the bell and the trail tell of.
    soon = now.astimezone(datetime.UTC) + datetime.timedelta(minutes=25)
    client.must("POST", "/tasks", {"title": "Take the bread out of the oven", "priority": "high",
                                   "due_date": soon.strftime("%Y-%m-%dT%H:%M:00Z")})
    client.must("PATCH", f"/tasks/{made['Book club']}", {"description": "“The Summer Book”, to the end"})
    client.must("PATCH", f"/tasks/{made['Renew the domain']}", {"priority": "high"})
    client.must("PATCH", f"/tasks/{made['Lunch with Maria']}",
                {"due_date": due(1, "13:00", now.date())})
    client.must("DELETE", f"/tasks/{made['Look for a new desk lamp']}")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="./dev demo", description=f"Fills an account at {URL} (TODO_URL) with a month of tasks.")
    parser.add_argument("--email", default="demo@example.com")
    parser.add_argument("--password", default="correct horse battery")
    parser.add_argument("--timezone", default=zone_here())
    options = parser.parse_args()
    try:
        client = Client(URL)
        user = sign_in(client, options)
        if client.must("GET", "/tasks?limit=1"):
            raise Refused(f"{options.email} has tasks already; name another with --email")
        fill(client, user["timezone"])
    except OSError as error:
        print(f"demo: there is no server at {URL} ({error}): start one with ./dev run", file=sys.stderr)
        return 1
    except Refused as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    print(f"{len(TASKS) + 1} tasks are at {URL}: sign in as {options.email}, "
          f"password “{options.password}”.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
