"""What a database holds, read in one transaction, in one form for both: ids are text, instants are
milliseconds since 1970."""
import contextlib
import datetime
import sqlite3
import uuid

import psycopg2
import psycopg2.extras

psycopg2.extras.register_uuid()

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
TABLES_TO_BE_EMPTY = ("outbox", "dead_letters", "promised_occurrences")

# Of each user: its id, living and completed tasks, how long its audit chain is.
SQLITE_USERS = (
    "SELECT u.id, s.living_tasks, s.completed_tasks, s.audit_seq"
    " FROM users u JOIN user_state s ON s.user_id = u.id"
)
POSTGRES_USERS = (
    "SELECT u.id, s.living_tasks, s.completed_tasks, h.seq AS audit_seq"
    " FROM users u JOIN user_state s ON s.user_id = u.id JOIN audit_heads h ON h.user_id = u.id"
)
TASKS = (
    "SELECT user_id, id, version, deleted, title, description, completed_at, due_at, category,"
    " recurrence_rule, parent_task_id, series_id, occurrence FROM tasks"
)
ENTRIES = (
    "SELECT user_id, entity_id, entity_version, canonical FROM audit_entries ORDER BY user_id, seq"
)
REMINDERS = "SELECT task_id, due_at, state, notification_id FROM reminders"
NOTIFICATIONS = "SELECT id, task_id, data FROM notifications"
KEYS = "SELECT user_id, key, status FROM idempotency_keys"


def plain(value):
    if isinstance(value, bytes):
        return str(uuid.UUID(bytes=value))
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, datetime.datetime):
        return (value - EPOCH) // datetime.timedelta(milliseconds=1)
    return value


class Contents:
    """`rows` runs a SELECT and answers dicts."""

    def __init__(self, rows, users: str):
        def read(statement):
            return [{name: plain(value) for name, value in row.items()} for row in rows(statement)]

        self.damage = []  # what the database says about its own file
        self.users = {row["id"]: row for row in read(users)}
        self.tasks = {row["id"]: row for row in read(TASKS)}
        self.entries = read(ENTRIES)
        self.reminders = read(REMINDERS)
        self.notifications = read(NOTIFICATIONS)
        self.keys = {(row["user_id"], row["key"]): row["status"] for row in read(KEYS)}
        self.left = {
            table: read(f"SELECT count(*) AS count FROM {table}")[0]["count"]
            for table in TABLES_TO_BE_EMPTY
        }


def of_file(path) -> Contents:
    with contextlib.closing(
        sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10, isolation_level=None)
    ) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("BEGIN")
        rows = lambda statement: map(dict, connection.execute(statement).fetchall())
        contents = Contents(rows, SQLITE_USERS)
        told = [row[0] for row in connection.execute("PRAGMA integrity_check")]
        contents.damage = [] if told == ["ok"] else told
        return contents


def of_postgres(url: str, tampering: str | None = None) -> Contents:
    """With a statement run before and taken back afterwards, which must change something."""
    with contextlib.closing(psycopg2.connect(url)) as connection:
        connection.set_session(isolation_level="REPEATABLE READ")
        with connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
            if tampering:
                cursor.execute(tampering)
                assert cursor.rowcount > 0, tampering

            def rows(statement):
                cursor.execute(statement)
                return cursor.fetchall()

            return Contents(rows, POSTGRES_USERS)
