"""What is in deploy/dapr and deploy/compose fits its schema, and the places agree where they must."""
import json
import pathlib
import subprocess

import jsonschema
import pytest
import yaml

from harness import parts
from harness.broker import DEAD_TOPICS, TOPICS

DEPLOY = parts.ROOT / "deploy"
PLACES = (DEPLOY / "dapr" / "local", DEPLOY / "dapr" / "kubernetes", DEPLOY / "compose" / "dapr")
COMPOSE = DEPLOY / "compose" / "compose.yaml"
# Holds the schema of the Compose specification.
COMPOSE_MODULE = "github.com/compose-spec/compose-go/v2@v2.9.0"


def documents(folder: pathlib.Path) -> dict:
    """By kind and name."""
    found = {}
    for file in sorted(folder.glob("*.yaml")):
        for document in yaml.safe_load_all(file.read_text()):
            found[document["kind"], document["metadata"]["name"]] = document
    return found


def values(component: dict) -> dict:
    return {item["name"]: item.get("value") for item in component["spec"]["metadata"]}


@pytest.fixture(params=PLACES, ids=lambda path: f"{path.parent.name}-{path.name}")
def resources(request):
    return documents(request.param)


def test_the_parts_that_the_server_names_are_there(resources):
    assert {("Component", "todo-pubsub"), ("Component", "reminder-cron"),
            ("Component", "todo-secrets"), ("Resiliency", "todo-resiliency"),
            ("Configuration", "todo-config")} <= set(resources)
    for (kind, _), document in resources.items():
        if kind != "Configuration":
            assert document["scopes"] == ["todo-backend"]


def test_what_loses_events_by_default_is_set(resources):
    pubsub = values(resources["Component", "todo-pubsub"])
    assert pubsub["initialOffset"] == "oldest"
    assert pubsub["producerRequiredAcks"] == "all"
    assert pubsub["consumerGroup"] == "todo-backend"
    assert pubsub["authType"] in ("none", "password")
    if pubsub["authType"] == "password":
        assert pubsub["saslMechanism"] in ("SHA-256", "SHA-512")
    cron = values(resources["Component", "reminder-cron"])
    assert cron == {"schedule": "@every 15m", "direction": "input"}


def test_dead_letters_come_back_as_bytes(resources):
    subscriptions = [document["spec"] for (kind, _), document in resources.items()
                     if kind == "Subscription"]
    assert sorted(each["topic"] for each in subscriptions) == sorted(DEAD_TOPICS)
    for each in subscriptions:
        assert each["metadata"]["rawPayload"] == "true"
        assert each["routes"]["default"].endswith("/dead")


def test_the_inbound_retry_outlasts_the_health_check_by_far(resources):
    policies = resources["Resiliency", "todo-resiliency"]["spec"]["policies"]
    retry = policies["retries"]["delivery"]
    assert retry["policy"] == "constant" and retry["duration"] == "1s"
    assert retry["maxRetries"] >= 20


def test_places_differ_by_addresses_alone():
    local, *others = map(documents, PLACES)
    for other in others:
        for name in (("Component", "reminder-cron"), ("Resiliency", "todo-resiliency")):
            assert other[name] == local[name]
        kept = ("consumerGroup", "version", "sessionTimeout", "heartbeatInterval", "backOffDuration")
        mine, theirs = (values(each["Component", "todo-pubsub"]) for each in (local, other))
        assert [mine[name] for name in kept] == [theirs[name] for name in kept]


def compose() -> dict:
    return yaml.safe_load(COMPOSE.read_text())


def test_compose_fits_the_specification():
    told = subprocess.run([parts.go(), "mod", "download", "-json", COMPOSE_MODULE], check=True,
                          capture_output=True, text=True, cwd="/")
    schema = pathlib.Path(json.loads(told.stdout)["Dir"]) / "schema" / "compose-spec.json"
    jsonschema.Draft202012Validator(json.loads(schema.read_text())).validate(compose())


def test_compose_names_only_what_it_has():
    services = compose()["services"]
    for name, service in services.items():
        needed = service.get("depends_on", {})
        assert set(needed) <= set(services), name
        if isinstance(needed, dict):
            for other, how in needed.items():
                if how["condition"] == "service_healthy":
                    assert "healthcheck" in services[other], f"{name} waits for {other}'s health"
        mode = service.get("network_mode", "")
        assert not mode or mode.removeprefix("service:") in services
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith("."):
                path = (COMPOSE.parent / source).resolve()
                assert path.exists() or path == DEPLOY / "grafana", f"{name}: {source}"
            else:
                assert source in compose()["volumes"]
    topics = " ".join(services["topics"]["entrypoint"])
    assert all(topic in topics for topic in TOPICS + DEAD_TOPICS)
    tokens = [services[name]["environment"] for name in ("server-1", "sidecar-1")]
    for token in ("DAPR_API_TOKEN", "APP_API_TOKEN"):
        assert tokens[0][token] == tokens[1][token]
