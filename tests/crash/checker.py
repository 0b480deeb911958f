"""Holds a database against the journal of those who used it.

`check` is given what a database holds when its servers have nothing left to do, and says, one
sentence each, what is not as it must be. It trusts nothing that the program says about itself: it
builds every task anew from the audit entries, compares the rows with that, and both with what
clients were told.
"""
import collections
import json
import time

from crash.contents import Contents
from crash.load import REMINDER_MINUTES

RULES = ["none", "daily", "weekly", "monthly", "yearly"]
PENDING, SENT = 0, 1  # states of the ledger
TOLD = (
    "title",
    "description",
    "completed",
    "completed_at",
    "due_date",
    "category",
    "recurrence_rule",
    "parent_task_id",
    "series_id",
    "occurrence",
)  # members of a task that are compared


def instant(ms) -> str | None:
    if ms is None:
        return None
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms // 1000))
    return f"{text}.{ms % 1000:03d}Z" if ms % 1000 else f"{text}Z"


class Entry:
    """One audit entry: which request did what to which version of a task."""

    def __init__(self, row):
        document = json.loads(row["canonical"])
        self.task_id = document["entity_id"]
        self.version = document["entity_version"]
        self.action = document["action"]
        self.before, self.after = document["before_value"], document["after_value"]
        self.actor = document["metadata"]["actor"]
        self.request_id = document["metadata"].get("request_id")
        self.op = document["metadata"].get("op")
        self.what = self.op or self.action  # as the journal names it
        columns = (row["entity_id"], row["entity_version"])
        self.agrees = columns == (self.task_id, self.version)


class Check:
    def __init__(self, contents: Contents, ops: list, user_ids: set, now: float):
        self.contents = contents
        self.ops = ops
        self.user_ids = user_ids
        self.now_ms = int(now * 1000)
        self.problems = []
        self.history = collections.defaultdict(list)  # task id: its entries by version
        for row in self.contents.entries:
            entry = Entry(row)
            self.history[entry.task_id].append(entry)
            if not entry.agrees:
                self.say(f"the columns of an entry of task {entry.task_id} differ from its text")
        for entries in self.history.values():
            entries.sort(key=lambda entry: entry.version)
        self.states = {}  # task id: what it was at each version
        self.unanswered = {request_id for op in ops for request_id in op.unanswered}

    def say(self, problem: str) -> None:
        self.problems.append(problem)

    def run(self) -> list:
        if self.contents.damage:
            self.say(f"the file is damaged: {self.contents.damage[:5]}")
        for table, count in self.contents.left.items():
            if count:
                self.say(f"{count} rows are left in {table}")
        self.check_users()
        self.check_history()
        self.check_requests()
        for op in self.ops:
            self.check_op(op)
        self.check_recurrence()
        self.check_reminders()
        return self.problems

    def check_users(self) -> None:
        if set(self.contents.users) != self.user_ids:
            self.say("the users are not those who registered")
        living, completed, entries = (
            collections.Counter(),
            collections.Counter(),
            collections.Counter(),
        )
        for row in self.contents.tasks.values():
            living[row["user_id"]] += not row["deleted"]
            completed[row["user_id"]] += (
                not row["deleted"] and row["completed_at"] is not None
            )
        for row in self.contents.entries:
            entries[row["user_id"]] += 1
        for user_id, row in self.contents.users.items():
            counted = (row["living_tasks"], row["completed_tasks"], row["audit_seq"])
            if counted != (living[user_id], completed[user_id], entries[user_id]):
                self.say(f"user {user_id}: counters say {counted}")

    # --- tasks and their entries ---

    def check_history(self) -> None:
        for task_id in set(self.history) | set(self.contents.tasks):
            entries, row = self.history.get(task_id, []), self.contents.tasks.get(task_id)
            if row is None:
                self.say(f"task {task_id} has entries and is not there")
                continue
            versions = [entry.version for entry in entries]
            if versions != list(range(1, row["version"] + 1)):
                self.say(
                    f"task {task_id} is at version {row['version']}, its entries are {versions}"
                )
                continue
            state, states = {}, {}
            for entry in entries:
                state = self.apply(state, entry)
                states[entry.version] = state
            self.states[task_id] = states
            self.compare(task_id, state, self.row_state(row), "its row")

    def apply(self, state: dict, entry: Entry) -> dict:
        if entry.action == "create":
            return {**entry.after, "deleted": False}
        if entry.action == "delete":
            return {**state, "deleted": True}
        if entry.op == "restore":
            return {**state, "deleted": False}
        changed = {name: state.get(name) for name in entry.before}
        if changed != entry.before:
            self.say(f"task {entry.task_id}: entry {entry.version} follows another state")
        return {**state, **entry.after}

    @staticmethod
    def row_state(row) -> dict:
        return {
            "title": row["title"],
            "description": row["description"],
            "completed": row["completed_at"] is not None,
            "completed_at": instant(row["completed_at"]),
            "due_date": instant(row["due_at"]),
            "category": row["category"],
            "recurrence_rule": RULES[row["recurrence_rule"]],
            "parent_task_id": row["parent_task_id"],
            "series_id": row["series_id"],
            "occurrence": row["occurrence"],
            "deleted": bool(row["deleted"]),
        }

    def compare(self, task_id: str, known: dict, other: dict, whose: str) -> None:
        for name in (*TOLD, "deleted"):
            if name in other and known.get(name) != other[name]:
                self.say(
                    f"task {task_id}: {name} is {known.get(name)!r} by its entries, "
                    f"{other[name]!r} by {whose}"
                )

    def check_requests(self) -> None:
        """Each change was asked for, and happened once."""
        asked = {request_id: op for op in self.ops for request_id in op.request_ids}
        refused = {request_id for op in self.ops for request_id in op.refused}
        done = collections.Counter()
        for entry in (entry for entries in self.history.values() for entry in entries):
            if entry.actor == "system":
                self.check_made_by_system(entry)
                continue
            op = asked.get(entry.request_id)
            if op is None:
                self.say(f"nobody asked for version {entry.version} of task {entry.task_id}")
                continue
            done[entry.request_id, entry.task_id] += 1
            if entry.request_id in refused:
                self.say(f"{entry.request_id} was refused and yet did something")
            if op.kind == "create" and entry.after and entry.after["title"] != op.marker:
                self.say(f"task {entry.task_id} is not what {entry.request_id} asked for")
            # Without a key, an attempt whose answer was lost may have made a task besides.
            expected = entry.what == op.kind and (
                op.kind == "create" or op.task_id == entry.task_id
            )
            removed_by_reopening = op.kind == "reopen" and entry.action == "delete"
            if not expected and not removed_by_reopening:
                self.say(
                    f"{entry.request_id}, a {op.kind}, did a {entry.what} to task {entry.task_id}"
                )
        for (request_id, task_id), count in done.items():
            if count > 1:
                self.say(f"{request_id} changed task {task_id} {count} times")

    def check_made_by_system(self, entry: Entry) -> None:
        if entry.action != "create" or not entry.after["parent_task_id"]:
            self.say(f"the system did a {entry.what} to task {entry.task_id}")
        elif not any(e.action == "complete" for e in self.history[entry.after["parent_task_id"]]):
            self.say(f"task {entry.task_id} follows one that nobody completed")

    def check_op(self, op) -> None:
        """What was acknowledged is there, and a key's request happened exactly once."""
        if op.key:
            made = [entry for entry in self.entries_of(op) if entry.what == op.kind]
            if len(made) > 1:
                self.say(f"{op.request_ids} have one key and did a {op.kind} {len(made)} times")
            if op.acknowledged and self.contents.keys.get((op.user_id, op.key)) not in (
                200,
                201,
                204,
            ):
                self.say(f"the answer to {op.key} is not kept")
        for answer in op.answers:
            self.check_answer(op, answer)

    def entries_of(self, op) -> list:
        if op.task_id is not None:
            of_task = self.history.get(op.task_id, [])
            if op.kind != "create":
                return [entry for entry in of_task if entry.request_id in op.request_ids]
        return [
            entry for request_id in op.request_ids for entry in self.creations.get(request_id, [])
        ]

    @property
    def creations(self) -> dict:
        if not hasattr(self, "_creations"):
            self._creations = collections.defaultdict(list)
            for entries in self.history.values():
                for entry in entries:
                    if entry.action == "create" and entry.actor != "system":
                        self._creations[entry.request_id].append(entry)
        return self._creations

    def check_answer(self, op, answer: dict) -> None:
        entries = self.entries_of(op)
        if op.kind == "delete":
            if not any(entry.action == "delete" for entry in entries):
                self.say(f"{op.request_ids[-1]}: an acknowledged deletion of {op.task_id} is lost")
            return
        task = answer.get("completed_task") or answer.get("task") or answer
        known = self.states.get(task["id"], {}).get(task["version"])
        if known is None:
            self.say(f"{op.request_ids[-1]}: an acknowledged {op.kind} of {task['id']} is lost")
            return
        told = {name: task[name] for name in TOLD}
        self.compare(task["id"], known, told, f"the answer to {op.request_ids[-1]}")
        # A request whose answer was lost may have been done long after its client gave it up: then
        # the next that wants the same finds it done.
        late = [e for e in self.history[task["id"]] if e.request_id in self.unanswered]
        made = any(e.version == task["version"] and e.what == op.kind for e in entries + late)
        if not made:
            self.say(
                f"{op.request_ids[-1]}: version {task['version']} of {task['id']} is someone else's"
            )
        if op.marker and op.marker not in (task["title"], task["description"]):
            self.say(f"{op.request_ids[-1]}: the answer is to another question")
        self.check_successor_told(op, task, answer.get("next_occurrence"))

    def check_successor_told(self, op, task: dict, successor: dict | None) -> None:
        if op.kind != "complete" or task["recurrence_rule"] == "none":
            return
        if successor is None:
            self.say(f"completing {task['id']} told of no next occurrence")
            return
        withdrawn = any(
            entry.op == "reopen" and entry.version > task["version"]
            for entry in self.history[task["id"]]
        )
        if successor["id"] not in self.contents.tasks and not withdrawn:
            self.say(f"the next occurrence {successor['id']} was promised and is not there")

    # --- recurrence ---

    def check_recurrence(self) -> None:
        occurrences = collections.defaultdict(list)
        for task_id, row in self.contents.tasks.items():
            occurrences[row["series_id"], row["occurrence"]].append(task_id)
        for (series_id, occurrence), tasks in occurrences.items():
            successors = occurrences.get((series_id, occurrence + 1), [])
            completions = sum(
                e.action == "complete" for task_id in tasks for e in self.history[task_id]
            )
            if len(successors) > completions:
                self.say(
                    f"occurrence {occurrence} of series {series_id} was completed {completions} "
                    "times, "
                    f"there are {len(successors)} next ones"
                )
            for task_id in tasks:
                self.check_successors(task_id, self.contents.tasks[task_id], successors)

    def check_successors(self, task_id: str, row, successors: list) -> None:
        living = [id for id in successors if not self.contents.tasks[id]["deleted"]]
        withdrawn = [
            id
            for id in successors
            if id not in living and self.history[id] and self.history[id][-1].op == "reopen"
        ]
        if len(living) > 1:
            self.say(f"task {task_id} has {len(living)} living next occurrences")
        recurs = RULES[row["recurrence_rule"]] != "none"
        if row["completed_at"] is not None and recurs and len(successors) == len(withdrawn):
            self.say(f"task {task_id} is completed and has no next occurrence")
        if row["completed_at"] is None:
            for id in living:
                successor = self.contents.tasks[id]
                if successor["version"] == 1 and successor["parent_task_id"] == task_id:
                    self.say(f"task {task_id} is pending, and its next occurrence {id} is there")

    # --- reminders ---

    def check_reminders(self) -> None:
        told = collections.Counter()
        notifications = {}
        for row in self.contents.notifications:
            notifications[row["id"]] = row
            told[row["task_id"], json.loads(row["data"])["due_date"]] += 1
        for (task_id, due_date), count in told.items():
            if count > 1:
                self.say(f"task {task_id}, due {due_date}: told {count} times")
        sent = set()
        for row in self.contents.reminders:
            key = row["task_id"], instant(row["due_at"])
            if row["state"] == PENDING:
                self.say(f"the reminder of task {key[0]}, due {key[1]}, is still pending")
            if row["state"] == SENT:
                sent.add(key)
                if row["notification_id"] not in notifications or told[key] != 1:
                    self.say(f"task {key[0]}, due {key[1]}: its reminder is sent and was not told")
        for key in set(told) - sent:
            self.say(f"task {key[0]}, due {key[1]}: told, and the ledger does not say so")
        for task_id, row in self.contents.tasks.items():
            self.check_reminded(task_id, row, sent)

    def check_reminded(self, task_id: str, row, sent: set) -> None:
        if row["deleted"] or row["completed_at"] is not None or row["due_at"] is None:
            return
        if row["due_at"] - REMINDER_MINUTES * 60_000 > self.now_ms:
            return
        # Who deletes or completes a task and takes that back when it is overdue is told nothing.
        interrupted = any(entry.action in ("delete", "complete") for entry in self.history[task_id])
        if interrupted and row["due_at"] <= self.now_ms:
            return
        if (task_id, instant(row["due_at"])) not in sent:
            self.say(f"task {task_id}, due {instant(row['due_at'])}: nobody was told")


def check(contents: Contents, ops: list, user_ids: set, now: float | None = None) -> list:
    """The problems found. `now`: when the servers were last known to have nothing left to do."""
    return Check(contents, ops, user_ids, time.time() if now is None else now).run()
