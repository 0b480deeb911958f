"""Holds what the server answered against docs/api/openapi.yaml, and its events against docs/api/events/."""
import json
import pathlib
import re
import sqlite3
import urllib.parse

import jsonschema
import yaml

API = pathlib.Path(__file__).resolve().parents[2] / "docs" / "api"
SCHEMAS = {"todo.audit": "task.audit", "todo.reminders": "task.reminder", "todo.task.completed": "task.completed"}


def load_openapi() -> dict:
    path = API / "openapi.yaml"
    return yaml.safe_load(path.read_text()) if path.exists() else {"paths": {}}


class Recorder:
    """Every request and answer of a test run, checked as it comes."""

    def __init__(self):
        self.openapi = load_openapi()
        self.resolver = jsonschema.RefResolver("", self.openapi)
        self.seen = set()  # (method, path template, status)
        self.problems = []
        self.events = []
        self.templates = sorted(((self._pattern(path), path) for path in self.openapi["paths"]),
                                key=lambda item: item[1].count("{"))

    @staticmethod
    def _pattern(path: str) -> re.Pattern:
        return re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path) + r"\Z")

    def template(self, target: str) -> str | None:
        path = urllib.parse.urlsplit(target).path
        return next((template for pattern, template in self.templates if pattern.match(path)), None)

    def deref(self, value: dict) -> dict:
        while "$ref" in value:
            _, value = self.resolver.resolve(value["$ref"])
        return value

    def record(self, method, target, headers, body, response) -> None:
        template = self.template(target)
        if template is None:
            return
        path_item = self.openapi["paths"][template]
        operation = path_item.get(("get" if method == "HEAD" else method).lower())
        if operation is None:
            if response.status not in (405, 501, 400):
                self.problems.append(f"{method} {template} answers {response.status} and is not documented")
            return
        documented = operation["responses"].get(str(response.status))
        self.seen.add((method, template, response.status))
        if documented is None:
            self.problems.append(f"{method} {template} answered {response.status}, which is not documented: {response.body[:300]!r}")
            return
        self._check(f"{method} {template} {response.status}", method, self.deref(documented), response)

    def _check(self, where, method, documented, response) -> None:
        for name, header in documented.get("headers", {}).items():
            if self.deref(header).get("required") and response.header(name) is None:
                self.problems.append(f"{where}: the header {name} is missing")
        content = documented.get("content")
        if not content:
            if response.body:
                self.problems.append(f"{where}: a body where none is documented: {response.body[:200]!r}")
            return
        if method == "HEAD":
            return
        media = (response.header("Content-Type") or "").split(";")[0]
        if media not in content:
            self.problems.append(f"{where}: {media} is not documented")
            return
        schema = content[media].get("schema")
        if media.endswith("json") and schema:
            self._validate(where, schema, json.loads(response.body))
        elif media == "application/x-ndjson" and schema:
            for line in response.body.splitlines():
                json.loads(line)

    def _validate(self, where, schema, value) -> None:
        validator = jsonschema.Draft202012Validator(schema, resolver=self.resolver,
                                                    format_checker=jsonschema.FormatChecker())
        for error in validator.iter_errors(value):
            self.problems.append(f"{where}: {'/'.join(map(str, error.absolute_path))}: {error.message[:300]}")

    # --- events: a trigger keeps what the bus takes out of the outbox ---

    def watch_events(self, server) -> None:
        with sqlite3.connect(server.data / "todo.db", timeout=10) as database:
            database.execute("CREATE TABLE IF NOT EXISTS seen_events (topic INTEGER, event TEXT)")
            database.execute("CREATE TRIGGER IF NOT EXISTS keep_events AFTER DELETE ON outbox "
                             "BEGIN INSERT INTO seen_events VALUES (old.topic, old.event); END")
        database.close()

    def collect_events(self, server) -> None:
        with sqlite3.connect(server.data / "todo.db", timeout=10) as database:
            self.events += [(list(SCHEMAS)[topic], json.loads(event))
                            for topic, event in database.execute("SELECT topic, event FROM seen_events")]
        database.close()

    def check_events(self) -> list:
        """What does not hold, and the kinds of events that were seen."""
        problems = []
        validators = {topic: jsonschema.Draft202012Validator(
            json.loads((API / "events" / f"{name}.schema.json").read_text()), format_checker=jsonschema.FormatChecker())
            for topic, name in SCHEMAS.items()}
        for topic, event in self.events:
            for error in validators[topic].iter_errors(event):
                problems.append(f"{topic}: {'/'.join(map(str, error.absolute_path))}: {error.message[:300]}")
        return problems
