"""People who work with servers that keep being killed, and their journal of what they were told.

Each client has tasks of its own and does one thing after another with them, so that the order of
what it was told is the order of what happened. Every request has an X-Request-Id that no other
has; the audit trail repeats it, and so tells which request made which change.
"""
import dataclasses
import datetime
import http.client
import random
import threading

from harness.server import Response, Server, User

ANSWER_SECONDS = 30
RETRY_SECONDS = 0.05  # after a 503; that it was asked for a whole one is for those who can wait
REMINDER_MINUTES = 5
RACERS = 2
SERVER_CHANGE = 0.1  # how often, of all steps, a client goes to any of the servers anew

# Not there any more, or not now: nothing was done …
REFUSALS = (404, 409, 412, 503)
# … unless a 503 says so.
MAYBE = "may or may not have happened"


@dataclasses.dataclass
class Op:
    """One thing that a client wanted, with all attempts at it."""

    kind: str  # create update complete reopen delete restore
    user_id: str
    task_id: str | None = None  # of a create: once it was answered
    marker: str = ""  # its title (create) or its description (update), which no other has
    key: str | None = None  # Idempotency-Key
    request_ids: list = dataclasses.field(default_factory=list)
    refused: list = dataclasses.field(
        default_factory=list
    )  # those of them that must have done nothing
    unanswered: list = dataclasses.field(default_factory=list)  # those of whom nobody knows
    answers: list = dataclasses.field(default_factory=list)  # bodies of the good ones; {} for a 204

    @property
    def acknowledged(self) -> bool:
        return bool(self.answers)


class Gate:
    """Where servers are now: the ports of those that are up, by their numbers."""

    def __init__(self):
        self.changed = threading.Condition()
        self.ports = {}
        self.ended = False

    def open(self, number: int, port: int) -> None:
        with self.changed:
            self.ports[number] = port
            self.changed.notify_all()

    def close(self, number: int) -> None:
        with self.changed:
            self.ports.pop(number, None)

    def end(self) -> None:
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def wait(self) -> list:
        """The ports of the servers that are up, at least one; none when there is nothing more to
        do."""
        with self.changed:
            self.changed.wait_for(lambda: self.ended or self.ports)
            return [] if self.ended else list(self.ports.values())

    def pause(self, seconds: float) -> None:
        with self.changed:
            self.changed.wait_for(lambda: self.ended, seconds)


def now_plus(seconds: float) -> str:
    when = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Client(threading.Thread):
    def __init__(self, name: str, user: User, gate: Gate, seed: str):
        super().__init__(name=name, daemon=True)
        self.user = user
        self.gate = gate
        self.random = random.Random(seed)
        self.connection = None
        self.ops = []
        self.tasks = {}  # id: the task as it was last answered, with "deleted"
        self.count = 0
        self.lost = 0
        self.unavailable = 0
        self.problem = None

    # --- requests ---

    def unique(self) -> str:
        self.count += 1
        return f"{self.name}-{self.count}"

    def connect(self):
        """A connection to a server that is up now; None at the end."""
        ports = self.gate.wait()
        if not ports:
            return None
        port = self.random.choice(ports)
        return http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)

    def disconnect(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def request(self, method: str, path: str, body=None, headers: dict | None = None):
        """The response, or None when the answer was lost."""
        if self.connection is None:
            self.connection = self.connect()
            if self.connection is None:
                return None
        try:
            answer = self.user.request(method, path, body, headers, connection=self.connection)
        except (OSError, http.client.HTTPException):
            self.disconnect()
            self.lost += 1
            return None
        if answer.status == 503:
            self.unavailable += 1
            self.gate.pause(RETRY_SECONDS)
        return answer

    def attempt(self, op: Op, method: str, path: str, body) -> bool:
        """One attempt at `op`; whether it was answered, with anything but "not now"."""
        request_id = self.unique()
        op.request_ids.append(request_id)
        headers = {"X-Request-Id": request_id}
        if op.key:
            headers["Idempotency-Key"] = op.key
        answer = self.request(method, path, body, headers)
        return self.note(op, request_id, answer)

    @staticmethod
    def note(op: Op, request_id: str, answer) -> bool:
        if answer is None or (answer.status == 503 and MAYBE in answer.json()["detail"]):
            op.unanswered.append(request_id)
            return False
        if answer.status in (200, 201, 204):
            op.answers.append(answer.json() if answer.body else {})
        elif answer.status in REFUSALS:
            op.refused.append(request_id)
        else:
            raise AssertionError(f"{op.kind} {request_id}: {answer.status} {answer.body[:500]!r}")
        return answer.status != 503

    def do(self, op: Op, method: str, path: str, body=None) -> Op:
        """Does it; without an answer it tries again, or gives up and looks how things are."""
        if self.random.random() < 0.5:
            op.key = f"key-{self.unique()}"
        self.ops.append(op)
        while not self.attempt(op, method, path, body):
            if self.gate.ended or self.random.random() < 0.4:
                break
        if op.task_id:
            self.learn(op)
        return op

    def learn(self, op: Op) -> None:
        """What is known of the task from now on."""
        if not op.acknowledged:
            return self.look(op.task_id)
        answer = op.answers[-1]
        if op.kind == "delete":
            self.tasks[op.task_id]["deleted"] = True
        else:
            task = answer.get("completed_task") or answer.get("task") or answer
            self.tasks[op.task_id] = {**task, "deleted": False}

    def look(self, task_id: str) -> None:
        while not self.gate.ended:
            answer = self.request("GET", f"/tasks/{task_id}")
            if answer is None or answer.status == 503:
                continue
            assert answer.status in (200, 404), f"{answer.status} {answer.body[:500]!r}"
            if answer.status == 200:
                self.tasks[task_id] = {**answer.json(), "deleted": False}
            elif task_id in self.tasks:
                self.tasks[task_id]["deleted"] = True
            return

    # --- what a client does ---

    def create(self) -> None:
        title = f"Task {self.unique()}"
        body = {"title": title}
        kind = self.random.random()
        if kind < 0.35:
            body |= {
                "due_date": now_plus(86_400),
                "category": "home",
                "recurrence_rule": self.random.choice(["daily", "weekly", "monthly"]),
            }
        elif kind < 0.55:  # its reminder is due in a moment …
            body["due_date"] = now_plus(REMINDER_MINUTES * 60 + self.random.uniform(0, 3))
        elif kind < 0.65:  # … or at once
            body["due_date"] = now_plus(self.random.uniform(200, 290))
        op = self.do(Op("create", self.user.id, marker=title), "POST", "/tasks", body)
        if op.acknowledged:
            op.task_id = op.answers[-1]["id"]
            self.tasks[op.task_id] = {**op.answers[-1], "deleted": False}

    def update(self, task: dict) -> None:
        marker = f"Note {self.unique()}"
        body = {"description": marker}
        if task["due_date"] and task["recurrence_rule"] == "none" and self.random.random() < 0.3:
            body["due_date"] = now_plus(REMINDER_MINUTES * 60 + self.random.uniform(0, 2))
        op = Op("update", self.user.id, task["id"], marker)
        self.do(op, self.random.choice(["PATCH", "PUT"]), f"/tasks/{task['id']}", body)

    def complete(self, task: dict) -> None:
        if self.random.random() < 0.2:
            self.race(task)
        else:
            op = Op("complete", self.user.id, task["id"])
            self.do(op, "POST", f"/tasks/{task['id']}/complete")
        following = [answer["next_occurrence"] for answer in self.ops[-1].answers]
        for successor in following[:1]:
            if successor and self.random.random() < 0.5:
                self.tasks.setdefault(successor["id"], {**successor, "deleted": False})

    def race(self, task: dict) -> None:
        """The same completion, several times at once."""
        op = Op("complete", self.user.id, task["id"])
        self.ops.append(op)
        # Each answer is waited for, or its server is gone: nothing is under way afterwards.
        connections = [self.race_one(op) for _ in range(RACERS)]
        for request_id, connection in filter(None, connections):
            try:
                answer = connection.getresponse()
                answer = Response(answer.status, answer.getheaders(), answer.read())
            except (OSError, http.client.HTTPException):
                self.lost += 1
                answer = None
            connection.close()
            self.note(op, request_id, answer)
        self.learn(op)

    def race_one(self, op: Op):
        """Sends the completion on a connection of its own: its id and the connection; None when it
        could not be sent."""
        connection = self.connect()
        if connection is None:
            return None
        request_id = self.unique()
        op.request_ids.append(request_id)
        headers = {"Authorization": f"Bearer {self.user.token}", "X-Request-Id": request_id}
        try:
            connection.request("POST", f"/api/v1/tasks/{op.task_id}/complete", headers=headers)
        except (OSError, http.client.HTTPException):
            connection.close()
            self.lost += 1
            op.unanswered.append(request_id)
            return None
        return request_id, connection

    def reopen(self, task: dict) -> None:
        op = self.do(Op("reopen", self.user.id, task["id"]), "POST", f"/tasks/{task['id']}/reopen")
        for answer in op.answers:
            self.tasks.pop(answer["removed_occurrence_id"], None)

    def delete(self, task: dict) -> None:
        self.do(Op("delete", self.user.id, task["id"]), "DELETE", f"/tasks/{task['id']}")

    def restore(self, task: dict) -> None:
        self.do(Op("restore", self.user.id, task["id"]), "POST", f"/tasks/{task['id']}/restore")

    def look_through(self) -> None:
        answer = self.request("GET", "/tasks?limit=20")
        if answer is not None:
            assert answer.status in (200, 503), f"{answer.status} {answer.body[:500]!r}"

    def step(self) -> None:
        if self.random.random() < SERVER_CHANGE:
            self.disconnect()
        choice = self.random.random()
        task = self.random.choice(list(self.tasks.values())) if self.tasks else None
        if task is None or choice < 0.35:
            self.create()
        elif choice < 0.40:
            self.look_through()
        elif task["deleted"]:
            self.restore(task)
        elif task["completed"] and choice < 0.6:
            self.reopen(task)
        elif task["completed"] or choice < 0.6:
            self.update(task)
        elif choice < 0.9:
            self.complete(task)
        else:
            self.delete(task)
        if len(self.tasks) > 40:  # so that tasks have a history and new ones come
            self.tasks.pop(self.random.choice(list(self.tasks)))

    def run(self) -> None:
        try:
            while not self.gate.ended:
                self.step()
        except BaseException as problem:  # shown by who waits for the thread
            self.problem = problem
        self.disconnect()


class Load:
    """Several clients at once."""

    def __init__(
        self, server: Server, seed: str, users: int = 4, clients: int = 8, client=None
    ):
        client = client or Client
        self.gate = Gate()
        people = [server.user() for _ in range(users)]
        for user in people:
            user.patch(
                "/auth/me/preferences", {"reminder_minutes_before": REMINDER_MINUTES}
            ).expect(200)
        self.clients = [
            client(f"c{i}", people[i % users], self.gate, f"{seed}-{i}") for i in range(clients)
        ]
        self.user_ids = {user.id for user in people}

    def begin(self) -> None:
        """When the gate is open."""
        for client in self.clients:
            client.start()

    def end(self) -> None:
        self.gate.end()
        for client in self.clients:
            client.join(2 * ANSWER_SECONDS)
            assert not client.is_alive(), f"{client.name} hangs"
            if client.problem:
                raise client.problem

    @property
    def ops(self) -> list:
        return [op for client in self.clients for op in client.ops]

    @property
    def lost(self) -> int:
        """How many answers never came."""
        return sum(client.lost for client in self.clients)

    @property
    def unavailable(self) -> int:
        """How many answers were "not now"."""
        return sum(client.unavailable for client in self.clients)
