"""Holds what the server answered against docs/api/openapi.yaml, its events against
docs/api/events/."""
import dataclasses
import functools
import http.client
import io
import json
import pathlib
import re
import sys
import urllib.parse

import jsonschema

from harness.server import Response

ROOT = pathlib.Path(__file__).resolve().parents[2]
API = ROOT / "docs" / "api"
sys.path.append(str(ROOT / "tools"))
import yaml_to_json  # noqa: E402

SCHEMAS = {
    "todo.audit": "todo.audit",
    "todo.reminders": "todo.reminders",
    "todo.task.completed": "todo.task.completed",
}
METHODS = ("get", "post", "put", "patch", "delete")


def inlined(value, document):
    """The value with every $ref replaced by what it names; none refers to itself."""
    if isinstance(value, list):
        return [inlined(item, document) for item in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        target = document
        for name in value["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        value = target | {key: other for key, other in value.items() if key != "$ref"}
        return inlined(value, document)
    return {key: inlined(other, document) for key, other in value.items()}


@functools.cache
def load_openapi() -> dict:
    return yaml_to_json.load(API / "openapi.yaml")


@functools.cache
def schema(name: str) -> dict:
    document = load_openapi()
    return inlined(document["components"]["schemas"][name], document)


@dataclasses.dataclass(frozen=True)
class Operation:
    method: str
    path: str  # with {id}
    spec: dict = dataclasses.field(hash=False, compare=False)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def statuses(self) -> list:
        return [status for status in self.spec["responses"] if status != "default"]

    @property
    def secured(self) -> bool:
        return bool(self.spec["security"])

    @property
    def session_only(self) -> bool:
        return self.secured and not any("apiToken" in each for each in self.spec["security"])

    @property
    def unsafe(self) -> bool:
        return self.method != "GET"

    @property
    def takes_body(self) -> bool:
        return "requestBody" in self.spec

    @property
    def names_object(self) -> bool:
        return "{id}" in self.path

    @property
    def noun(self) -> str | None:
        """What its {id} is the id of: task, notification or token."""
        return next(
            (
                noun
                for noun in ("task", "notification", "token")
                if self.names_object and noun in self.path
            ),
            None,
        )

    def parameter(self, name: str) -> dict | None:
        return next((each for each in self.spec["parameters"] if each["name"] == name), None)

    def example(self) -> dict | None:
        """A body that the document gives as an example."""
        if not self.takes_body:
            return None
        content = self.spec["requestBody"]["content"]["application/json"]
        return (
            content["example"]
            if "example" in content
            else next(iter(content["examples"].values()))["value"]
        )

    def target(self, object_id="") -> str:
        """As Server.request takes it."""
        path = self.path.replace("{id}", str(object_id))
        return path.removeprefix("/api/v1") if path.startswith("/api/v1") else "/" + path


@functools.cache
def operations() -> tuple:
    """Every operation of the document, its references resolved."""
    document = load_openapi()
    found = []
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                spec = inlined(item[method], document)
                spec.setdefault("security", document["security"])
                spec["parameters"] = inlined(item.get("parameters", []), document) + spec.get(
                    "parameters", []
                )
                found.append(Operation(method.upper(), path, spec))
    return tuple(found)


def send_raw(server, data: bytes, record_as: tuple | None = None) -> Response | None:
    """Sends bytes as they are, and reads one response; None when the server closed without one.
    `record_as` is the method and target that the answer is held against."""

    class Received:
        def makefile(self, _mode):
            return io.BytesIO(answer)

    answer = server.raw(data)
    if not answer:
        return None
    parsed = http.client.HTTPResponse(Received(), method=(record_as or ("GET",))[0])
    parsed.begin()
    response = Response(parsed.status, parsed.getheaders(), parsed.read())
    if server.recorder and record_as:
        server.recorder(*record_as, {}, None, response)
    return response


class Recorder:
    """Every request and answer of a test run, checked as it comes."""

    def __init__(self):
        self.seen = set()  # (method, path template, status)
        self.problems = []
        self.events = []
        self.operations = {(each.method, each.path): each for each in operations()}
        self.templates = sorted(
            ((self._pattern(path), path) for path in load_openapi()["paths"]),
            key=lambda item: item[1].count("{"),
        )
        self.validators = {}
        responses = inlined(load_openapi()["components"]["responses"], load_openapi())
        self.http_error, self.not_found = responses["HttpError"], responses["NotFound"]

    @staticmethod
    def _pattern(path: str) -> re.Pattern:
        return re.compile(re.sub(r"\\\{[^}]+\\\}", "[^/]+", re.escape(path)) + r"\Z")

    def template(self, target: str) -> str | None:
        path = urllib.parse.urlsplit(target).path
        return next((template for pattern, template in self.templates if pattern.match(path)), None)

    def methods_of(self, template: str) -> set:
        methods = {method for method, path in self.operations if path == template}
        return methods | {"HEAD"} if "GET" in methods else methods

    def record(self, method, target, headers, body, response) -> None:
        template = self.template(target)
        where = f"{method} {template or target[:100]} {response.status}"
        if template is None:
            # The web interface is no part of the API, nor may it be where the API is.
            if response.status in (200, 304) and not target.startswith("/api"):
                return None
            return self._check_unknown_path(where, method, response)
        operation = self.operations.get(("GET" if method == "HEAD" else method, template))
        status = str(response.status)
        if operation is None:
            if response.status == 405 and set(
                response.header("Allow").split(", ")
            ) != self.methods_of(template):
                self.problems.append(f"{where}: Allow is {response.header('Allow')}")
            return self._check(where, method, self.http_error, response)
        documented = (
            operation.spec["responses"].get(status) or operation.spec["responses"]["default"]
        )
        self.seen.add(
            (
                operation.method,
                template,
                status if status in operation.spec["responses"] else "default",
            )
        )
        self._check(where, method, documented, response)
        if response.status < 300:
            self._check_request(where, operation, target, body)

    def _check_unknown_path(self, where, method, response) -> None:
        if response.status == 404:
            return self._check(where, method, self.not_found, response)
        self._check(where, method, self.http_error, response)

    def _check(self, where, method, documented, response) -> None:
        for name, header in documented.get("headers", {}).items():
            value = response.header(name)
            if value is None:
                if header.get("required"):
                    self.problems.append(f"{where}: the header {name} is missing")
                continue
            if header["schema"].get("type") == "integer":
                value = int(value) if value.isdecimal() else value
            self._validate(f"{where}: {name}", header["schema"], value)
        self._check_content(where, method, documented.get("content"), response)

    def _check_content(self, where, method, content, response) -> None:
        if not content:
            if response.body:
                self.problems.append(
                    f"{where}: a body where none is documented: {response.body[:200]!r}"
                )
            return
        media = (response.header("Content-Type") or "").split(";")[0]
        if media not in content:
            self.problems.append(f"{where}: {media} is not documented: {response.body[:200]!r}")
        elif method == "HEAD":
            if response.body:
                self.problems.append(f"{where}: an answer to HEAD with a body")
        elif media == "application/x-ndjson":
            for line in response.body.splitlines():
                self._validate(where, content[media]["schema"], json.loads(line))
        elif media.endswith("json"):
            self._validate(where, content[media]["schema"], json.loads(response.body))

    def _check_request(self, where, operation, target, body) -> None:
        """What the server took must be what the document allows."""
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(target).query, keep_blank_values=True)
        for name in query:
            if operation.secured and operation.parameter(name) is None:
                self.problems.append(f"{where}: took the parameter {name}, which is not documented")
        if operation.takes_body and body is not None:
            self._validate(
                f"{where}, the request",
                operation.spec["requestBody"]["content"]["application/json"]["schema"],
                json.loads(body),
            )

    def _validate(self, where, its_schema, value) -> None:
        validator = self.validators.get(id(its_schema))
        if validator is None:
            # The schema is kept with its validator, so that its id stays its own.
            validator = self.validators[id(its_schema)] = jsonschema.Draft202012Validator(
                its_schema, format_checker=jsonschema.FormatChecker()
            )
        for error in validator.iter_errors(value):
            self.problems.append(
                f"{where}: {'/'.join(map(str, error.absolute_path))}: {error.message[:300]}"
            )

    # --- events: what the bus took out of the outbox of a store that keeps them ---

    def collect_events(self, server) -> None:
        self.events += [
            (list(SCHEMAS)[topic], json.loads(event))
            for topic, event in server.store.execute("SELECT topic, event FROM seen_events")
        ]

    def check_events(self) -> list:
        """What does not hold of the events that were collected."""
        problems = []
        validators = {
            topic: jsonschema.Draft202012Validator(
                event_schema(topic), format_checker=jsonschema.FormatChecker()
            )
            for topic in SCHEMAS
        }
        for topic, event in self.events:
            for error in validators[topic].iter_errors(event):
                problems.append(
                    f"{topic}: {'/'.join(map(str, error.absolute_path))}: {error.message[:300]}"
                )
        return problems


@functools.cache
def event_schema(topic: str) -> dict:
    return json.loads((API / "events" / f"{SCHEMAS[topic]}.schema.json").read_text())
