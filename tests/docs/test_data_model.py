"""docs/data-model.md names every table, column and index of the real database, and by what stands
there an exported audit chain can be verified."""
import hashlib
import json
import pathlib
import re
import sqlite3
import uuid

import pytest

TEXT = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "data-model.md").read_text()


@pytest.fixture(scope="module")
def schema(server):
    """Table → columns, and the names of the indexes that have one of their own."""
    with sqlite3.connect(f"file:{server.data / 'todo.db'}?mode=ro", uri=True) as database:
        tables = [name for name, in database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]
        columns = {name: [row[1] for row in database.execute(f"PRAGMA table_info({name})")]
                   for name in tables}
        indexes = [name for name, in database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")]
    database.close()
    return columns, indexes


def documented_tables() -> dict:
    sections = re.split(r"^### ", TEXT, flags=re.M)[1:]
    tables = {}
    for section in sections:
        if name := re.match(r"`(\w+)`$", section, flags=re.M):
            body = re.split(r"^##", section, flags=re.M)[0]
            first_table = re.search(r"^\| column \|.*\n\|[-|]+\|\n((?:\|.*\n)*)", body, flags=re.M)
            tables[name[1]] = re.findall(r"^\| `(\w+)`", first_table[1], flags=re.M)
    return tables


def test_every_table_and_column_is_documented_in_its_order(schema):
    documented = documented_tables()
    assert sorted(documented) == sorted(schema[0])
    for table, columns in schema[0].items():
        assert documented[table] == columns, table


def test_every_index_is_documented(schema):
    missing = [name for name in schema[1] if f"`{name}`" not in TEXT]
    assert not missing


def test_every_index_that_is_documented_exists(schema):
    mentioned = re.findall(r"^\| `(tasks_by_\w+)`", TEXT, flags=re.M)
    mentioned += [name for line in re.findall(r"^Index(?:es)?: .*(?:\n.+)*", TEXT, flags=re.M)
                  for name in re.findall(r"`([a-z]+_[a-z_]+)`", line)]
    columns = {column for table in schema[0].values() for column in table} | set(schema[0])
    assert [name for name in mentioned if name not in schema[1] and name not in columns] == []


def test_an_export_can_be_verified_with_the_documented_bytes(server, user, tmp_path):
    task = user.task("Buy milk", description="“two litres”")
    user.edit(task, title="Buy oat milk")
    user.complete(task)
    server.run("audit", "export", "--user", user.email, "--output", str(tmp_path))

    text = (server.data / "audit.key").read_text().strip().encode()
    key = hashlib.blake2b(text).digest()
    previous = bytes(32)
    lines = (tmp_path / f"audit-{user.id}.ndjson").read_text().splitlines()
    for line in lines:
        canonical = line[:line.rindex(',"hash":"')] + "}"
        digest = hashlib.blake2b(previous + canonical.encode(), key=key, digest_size=32).digest()
        entry = json.loads(line)
        assert (entry["prev_hash"], entry["hash"]) == (previous.hex(), digest.hex())
        previous = digest
    assert len(lines) == 3

    key_id = int.from_bytes(hashlib.blake2b(text, digest_size=32).digest()[:4], "big")
    head = b"head:%s:3" % user.id.encode()
    seal = hashlib.blake2b(previous + head, key=key, digest_size=32).digest()
    with sqlite3.connect(f"file:{server.data / 'todo.db'}?mode=ro", uri=True) as database:
        key_ids = database.execute("SELECT DISTINCT key_id FROM audit_entries").fetchall()
        stored = database.execute("""SELECT audit_seq, audit_hash, audit_seal, audit_key_id
            FROM user_state WHERE user_id = ?""", (uuid.UUID(user.id).bytes,)).fetchall()
    database.close()
    assert key_ids == [(key_id,)]
    assert stored == [(3, previous, seal, key_id)]


def test_only_the_owner_can_read_what_is_on_the_disk(server):
    documented = set(re.findall(r"`([\w.-]+)`", TEXT.split("## Conventions")[0]))
    for path in server.data.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path
        assert path.name in documented
