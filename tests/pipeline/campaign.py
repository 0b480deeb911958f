"""A load on the whole pipeline while its parts are taken away, and what must come of it: nothing that
was acknowledged is lost, every effect happens once, and soon after the last part's return."""
import contextlib
import dataclasses
import datetime
import random
import threading
import time

import psycopg2

from crash import contents
from crash.checker import PENDING, check
from crash.load import Client, Load
from harness.broker import DEAD_TOPICS, TOPICS
from harness.replicas import Replicas
from harness.server import eventually

MUTATIONS_PER_SECOND = 50
USERS = 4
CLIENTS = 16
MUTATIONS_PER_STEP = 0.9  # some steps only look, or find nothing to do
BEFORE_SECONDS = 4  # of load before a part goes
AFTER_SECONDS = 2  # and after everything was caught up
MOST = 0.98  # of the events that a disturbance held up …
MOST_SECONDS = 15
ALL_SECONDS = 60
SETTLE_SECONDS = 90
POLL_SECONDS = 0.1


class PacedClient(Client):
    """Works at a steady rate; what it could not do meanwhile it does not make up for."""

    def __init__(self, name: str, user, gate, seed: str):
        # Names differ from one load to the next: what they ask for is told apart by them.
        super().__init__(f"{name}-{seed}", user, gate, seed)
        self.next = time.monotonic() + self.random.uniform(0, self.interval)

    interval = CLIENTS * MUTATIONS_PER_STEP / MUTATIONS_PER_SECOND

    def step(self) -> None:
        self.gate.pause(max(0.0, self.next - time.monotonic()))
        if self.gate.ended:
            return
        super().step()
        self.next = max(self.next + self.interval, time.monotonic() - self.interval)


@dataclasses.dataclass
class Result:
    """A line of the table."""

    scenario: str
    mutations: int = 0
    events: int = 0
    duplicates: int = 0
    most_seconds: float = 0
    all_seconds: float = 0
    away_seconds: float = 0
    problems: list = dataclasses.field(default_factory=list)


def table(results: list) -> str:
    lines = [f"{'scenario':<46}{'away':>8}{'mutations':>11}{'events':>8}{'duplicates':>12}"
             f"{'98 % in':>9}{'all in':>9}"]
    for each in results:
        lines.append(f"{each.scenario:<46}{each.away_seconds:>6.1f} s{each.mutations:>11}"
                     f"{each.events:>8}{each.duplicates:>12}{each.most_seconds:>7.1f} s"
                     f"{each.all_seconds:>7.1f} s")
    return "\n".join(lines)


class Campaign:
    def __init__(self, replicas: Replicas, seed: int):
        self.parts = replicas
        self.random = random.Random(seed)
        self.seed = seed
        self.ops, self.user_ids = [], set()
        self.results = []
        self.load = None
        self.poison = set()  # ids of dead letters that are meant to be: they come back with a replay

    # --- what the database holds ---

    def query(self, statement: str, parameters=None):
        return self.parts.database.execute(statement, parameters)[0]

    def made(self) -> int:
        """How many audit events there ever were: one for each version of a task."""
        return int(self.query("SELECT coalesce(sum(version), 0) FROM tasks")[0])

    def recorded(self, until: datetime.datetime) -> int:
        """Entries of what happened until then."""
        return self.query("SELECT count(*) FROM audit_entries WHERE timestamp <= %s", (until,))[0]

    def left(self) -> int:
        """What waits for a bus, or for a timer within the next second."""
        soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=1)
        return self.query(
            "SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM promised_occurrences)"
            " + (SELECT count(*) FROM tasks WHERE remind_at < %s)"
            " + (SELECT coalesce(sum(version), 0) FROM tasks)"
            " - (SELECT count(*) FROM audit_entries)"
            " + (SELECT count(*) FROM reminders WHERE state = %s)", (soon, PENDING))[0]

    # --- the load ---

    def begin(self) -> None:
        """New people each time: their names are new."""
        seed = f"{len(self.results)}-{self.seed}"
        self.load = Load(self.parts.replicas[0].server, seed, USERS, CLIENTS, PacedClient)
        for replica in self.parts.replicas:
            self.let_in(replica)
        self.load.begin()

    def let_in(self, replica) -> None:
        self.load.gate.open(replica.number, replica.server.port)

    def keep_out(self, replica) -> None:
        self.load.gate.close(replica.number)

    def mutations(self) -> int:
        return sum(op.acknowledged for op in self.load.ops)

    # --- a scenario ---

    @contextlib.contextmanager
    def under_load(self, scenario: str):
        """The body takes parts away and brings them back; it ends when the last one answers."""
        result = Result(scenario)
        self.begin()
        # Not waiting for anything: this is how long the load runs undisturbed.
        threading.Event().wait(BEFORE_SECONDS)
        made_before = self.made()
        duplicates_before = self.duplicates()
        began = time.monotonic()
        yield result
        result.away_seconds = time.monotonic() - began
        self.await_recovery(result, made_before)
        threading.Event().wait(AFTER_SECONDS)
        result.mutations = self.mutations()
        self.load.end()
        self.ops += self.load.ops
        self.user_ids |= self.load.user_ids
        self.settle(result)
        result.events = int(self.made())
        result.duplicates = int(max(0, self.duplicates() - duplicates_before))
        self.results.append(result)
        result.events -= sum(each.events for each in self.results[:-1])

    def duplicates(self) -> float:
        return self.parts.metric("todo_events_duplicate_total")

    def await_recovery(self, result: Result, made_before: int) -> None:
        """How long what happened until now takes to be recorded."""
        made = self.made()
        # Afterwards: what was made until then has a time before this one.
        returned = datetime.datetime.now(datetime.UTC)
        began = time.monotonic()
        most = made - (1 - MOST) * (made - made_before)
        while (recorded := self.recorded(returned)) < made:
            seconds = time.monotonic() - began
            if recorded >= most and not result.most_seconds:
                result.most_seconds = seconds
            if seconds > ALL_SECONDS:
                result.problems.append(f"{made - recorded} events are not consumed {seconds:.0f} s"
                                       " after the return")
                break
            time.sleep(POLL_SECONDS)
        result.all_seconds = time.monotonic() - began
        result.most_seconds = result.most_seconds or result.all_seconds
        if result.most_seconds > MOST_SECONDS:
            result.problems.append(f"98 % took {result.most_seconds:.1f} s")

    def settle(self, result: Result) -> None:
        try:
            eventually(lambda: self.left() == 0, SETTLE_SECONDS)
        except AssertionError as late:
            result.problems.append(f"something is left: {late}")
        server = self.parts.replicas[0].server
        again = self.poison & {letter.split()[0] for letter in self.dead_letters()}
        if again:
            server.run("events", "dead", "drop", *sorted(again))
        verified = server.run("audit", "verify", check=False)
        if verified.returncode != 0:
            result.problems.append(f"audit verify: {verified.stdout}{verified.stderr}")
        found = contents.of_postgres(self.parts.database.url)
        result.problems += check(found, self.ops, self.user_ids, time.time())

    # --- taking parts away ---

    def kill_server(self, replica) -> None:
        self.keep_out(replica)
        replica.server.kill()

    def start_server(self, replica) -> None:
        replica.server.start()
        self.let_in(replica)

    def await_return(self) -> None:
        self.parts.await_ready()

    def await_database(self) -> None:
        def answers():
            try:
                return self.query("SELECT 1")[0] == 1
            except psycopg2.OperationalError:
                return False
        eventually(answers, SETTLE_SECONDS)

    # --- the topics ---

    def consume_all(self, topics=TOPICS) -> list:
        """Every message there is, as (topic, key, value)."""
        from confluent_kafka import Consumer, TopicPartition
        consumer = Consumer({"bootstrap.servers": self.parts.broker.address, "group.id": "test",
                             "enable.auto.commit": False, "log_level": 0})
        try:
            found, ends = [], {}
            for topic in topics:
                for partition in consumer.list_topics(topic, 10).topics[topic].partitions:
                    low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), 10)
                    if high > low:
                        ends[topic, partition] = (low, high)
            consumer.assign([TopicPartition(*where, low) for where, (low, _) in ends.items()])
            missing = {where: high for where, (_, high) in ends.items()}
            while missing:
                message = consumer.poll(10)
                assert message is not None and message.error() is None, "the topics cannot be read"
                where = message.topic(), message.partition()
                found.append((message.topic(), message.key(), message.value()))
                if message.offset() + 1 >= missing.get(where, 0):
                    missing.pop(where, None)
            return found
        finally:
            consumer.close()

    def produce(self, messages: list) -> None:
        from confluent_kafka import Producer
        producer = Producer({"bootstrap.servers": self.parts.broker.address, "log_level": 0})
        for topic, key, value in messages:
            producer.produce(topic, value, key)
            producer.poll(0)
        assert producer.flush(30) == 0

    def dead_letters(self) -> list:
        told = self.parts.replicas[0].server.run("events", "dead", "list").stdout
        return told.splitlines()[:-1]


__all__ = ["Campaign", "DEAD_TOPICS", "Result", "TOPICS", "table"]
