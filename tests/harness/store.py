"""The database of a server, for tests that look or reach below the program. Statements are written
once for both databases: parameters are `?`, ids are uuid.UUID, instants are aware datetimes, `{ms}` is
a millisecond to add to an instant."""
import contextlib
import datetime
import pathlib
import secrets
import sqlite3
import time
import uuid

import psycopg2

from harness import postgres

BUSY_SECONDS = 10
SETTLE_SECONDS = 10


def _sqlite_value(value):
    if isinstance(value, uuid.UUID):
        return value.bytes
    if isinstance(value, datetime.datetime):
        return round(value.timestamp() * 1000)
    return value


class SqliteStore:
    name = "sqlite"
    settings = {}
    # Where the heads of the audit chains are: table, and how its columns begin.
    audit_heads = ("user_state", "audit_")

    def __init__(self, path: pathlib.Path):
        self.path = path

    def execute(self, statement: str, *values) -> list:
        with contextlib.closing(sqlite3.connect(self.path, timeout=BUSY_SECONDS)) as connection:
            with connection:
                return connection.execute(
                    statement.replace("{ms}", "1"), [_sqlite_value(each) for each in values]
                ).fetchall()

    def keep_events(self) -> None:
        """From now on what the bus takes out of the outbox is kept."""
        self.execute("CREATE TABLE IF NOT EXISTS seen_events (topic INTEGER, event TEXT)")
        self.execute(
            "CREATE TRIGGER IF NOT EXISTS keep_events AFTER DELETE ON outbox "
            "BEGIN INSERT INTO seen_events VALUES (old.topic, old.event); END"
        )

    def changed(self) -> None:
        """Something was written."""

    def settle(self) -> None:
        """What follows a change is committed with it."""

    def drop(self) -> None:
        """It goes with its folder."""


class PostgresStore:
    """A database of a cluster's, and the keys that all servers on it share. `url` leads there another
    way: by a pooler or a proxy."""

    name = "postgres"
    audit_heads = ("audit_heads", "")

    def __init__(self, database: postgres.Database, url: str | None = None):
        self.database = database
        self.unsettled = False
        self.settings = {
            "DATABASE_URL": url or database.url,
            "JWT_SECRET": secrets.token_hex(32),
            "AUDIT_KEY": secrets.token_hex(32),
        }

    def by(self, url: str) -> "PostgresStore":
        """The same by another way."""
        other = PostgresStore(self.database)
        other.settings = self.settings | {"DATABASE_URL": url}
        return other

    def execute(self, statement: str, *values) -> list:
        text = statement.replace("{ms}", "interval '1 ms'")
        if values:
            text = text.replace("%", "%%").replace("?", "%s")
        rows = self.database.execute(text, values or None)
        return [
            tuple(bytes(each) if isinstance(each, memoryview) else each for each in row)
            for row in rows
        ]

    def keep_events(self) -> None:
        self.execute("CREATE TABLE seen_events (topic smallint, event text)")
        self.execute(
            "CREATE FUNCTION keep_event() RETURNS trigger LANGUAGE plpgsql AS "
            "'BEGIN INSERT INTO seen_events VALUES (old.topic, old.event); RETURN old; END'"
        )
        self.execute(
            "CREATE TRIGGER keep_events AFTER DELETE ON outbox "
            "FOR EACH ROW EXECUTE FUNCTION keep_event()"
        )

    def changed(self) -> None:
        self.unsettled = True

    def settle(self) -> None:
        """What follows a change comes a moment after it: waits for that, while there is reason to."""
        if not self.unsettled:
            return
        self.unsettled = False
        deadline = time.monotonic() + SETTLE_SECONDS
        with contextlib.suppress(psycopg2.Error):  # a test takes the database away
            with contextlib.closing(psycopg2.connect(
                    self.database.url, connect_timeout=2, application_name="tests")) as connection:
                connection.autocommit = True
                with connection.cursor() as cursor:
                    waiting = True
                    while waiting and time.monotonic() < deadline:
                        cursor.execute("SELECT EXISTS (SELECT FROM outbox WHERE not_before IS NULL)")
                        waiting = cursor.fetchone()[0]

    def drop(self) -> None:
        self.database.drop()
