"""The chart in all its variants: it lints, holds to strict schemas, refuses what is wrong, and says nothing
but what the program and its README know."""
import json
import os
import pathlib
import re

import pytest
import yaml
from kit import CHART, EVERYTHING, ROOT, VARIANTS, call, must, objects, render, tracked, values_of

import tools_at

SCHEMA = "{{.ResourceKind}}{{.KindSuffix}}.json"
ALL = pytest.mark.parametrize("variant", VARIANTS)


def against_schemas(folder: pathlib.Path, texts: dict):
    """One run for all of them: to read a schema takes longer than to check with it."""
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)
    return call("kubeconform", "-strict", "-summary", "-schema-location",
                f"{tools_at.schemas()}/{SCHEMA}", folder)


def pod_specs(thing: dict) -> list:
    template = {"Deployment": ("template",), "Job": ("template",),
                "CronJob": ("jobTemplate", "spec", "template")}.get(thing["kind"])
    if template is None:
        return []
    part = thing["spec"]
    for name in template:
        part = part[name]
    return [part["spec"]]


@ALL
def test_it_lints(variant):
    must("helm", "lint", "--strict", CHART, *values_of(variant))


def test_everything_holds_to_strict_schemas(tmp_path):
    """All variants, with every option and without; Strimzi's kinds; what the cluster gets besides."""
    texts = {variant: render(variant) for variant in VARIANTS}
    texts |= {f"{variant} with everything": render(variant, *EVERYTHING) for variant in VARIANTS}
    texts |= {name.replace("/", " "): (ROOT / name).read_text()
              for name in tracked("deploy/strimzi/*.yaml", "deploy/doks/*.yaml")
              if "values" not in name}
    done = against_schemas(tmp_path, texts)
    assert done.returncode == 0 and "Skipped: 0" in done.stdout, done.stdout


def test_a_wrong_member_would_be_seen(tmp_path):
    """Strictness is what the test above rests on, for Kubernetes' kinds and for others."""
    wrong = [thing for thing in objects(render("defaults"))
             if thing["kind"] in ("PodDisruptionBudget", "Subscription")]
    for thing in wrong:
        thing["spec"]["unheard"] = 1
    done = against_schemas(tmp_path, {"wrong": yaml.safe_dump_all(wrong)})
    assert f"Valid: 0, Invalid: {len(wrong)}" in done.stdout, done.stdout


def test_the_units_of_the_chart():
    must("helm-unittest", CHART)


@pytest.mark.parametrize("setting, words", [
    ("replicaCount=0", "/replicaCount': minimum: got 0, want 1"),
    ("replicas=3", "additional properties 'replicas' not allowed"),
    ("settings.publicUrl=todo.example.com", "/settings/publicUrl'"),
    ("settings.shutdownDelay=20s", "/settings/shutdownDelay'"),
    ("kafka.auth.mechanism=PLAIN", "value must be one of 'SHA-256', 'SHA-512'"),
    ("terminationGracePeriodSeconds=10", "minimum: got 10, want 30"),
    ("image.digest=latest", "/image/digest'"),
    ("secrets.jwtSecret=abc", "additional properties 'jwtSecret' not allowed"),
])
def test_a_wrong_value_is_refused_with_a_clear_line(setting, words):
    done = call("helm", "template", "todo-app", CHART, "--set", setting)
    assert done.returncode != 0
    assert words in done.stderr


def flat(values: dict, path: str = "") -> dict:
    out = {}
    for name, value in values.items():
        here = f"{path}.{name}" if path else name
        out |= flat(value, here) if isinstance(value, dict) and value else {here: value}
    return out


def test_the_readme_has_every_value_with_its_default():
    values = flat(yaml.safe_load((CHART / "values.yaml").read_text()))
    rows = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \| .+ \|$", (CHART / "README.md").read_text(),
                      flags=re.M)
    assert {name: json.loads(default) for name, default in rows} == values
    assert len(rows) == len(values)


def test_the_schema_knows_every_value_and_no_other():
    schema = json.loads((CHART / "values.schema.json").read_text())

    def names(part: dict, path: str = "") -> set:
        out = set()
        for name, member in part["properties"].items():
            here = f"{path}.{name}" if path else name
            out |= names(member, here) if "properties" in member else {here}
        return out

    values = yaml.safe_load((CHART / "values.yaml").read_text())
    known = names(schema) - {"global"}
    told = set(flat(values))
    # What the schema leaves open ends there: a map of labels, the resources.
    assert {name for name in told if name not in known
            and not any(name.startswith(f"{open_}.") for open_ in known)} == set()
    assert {name for name in known if name not in told
            and not any(deep.startswith(f"{name}.") for deep in told)} == set()


@ALL
def test_every_variable_is_a_setting_of_the_program(variant, help_text):
    settings = set(re.findall(r"\[(\w+), default: ", help_text))
    for thing in objects(render(variant)):
        for spec in pod_specs(thing):
            names = {entry["name"] for container in spec["containers"]
                     for entry in container.get("env", [])}
            assert names and names <= settings


@ALL
def test_the_program_takes_its_settings(variant):
    """What the chart says to it is what it understands, values included."""
    text = render(variant, "--set", "dapr.tracing.otlpEndpoint=collector:4318")
    deployment = next(thing for thing in objects(text) if thing["kind"] == "Deployment")
    entries = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    given = {entry["name"]: entry.get("value", "x" * 40) for entry in entries}
    given |= {"DATABASE_URL": "postgres://todo@db.example.com/todo", "DATABASE_DIRECT_URL": ""}
    must(os.environ["TODO_BACKEND"], "check-config", env=given)


@ALL
def test_every_pod_is_restricted(variant):
    specs = [spec for thing in objects(render(variant, *EVERYTHING)) for spec in pod_specs(thing)]
    assert len(specs) == 3
    for spec in specs:
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


@ALL
def test_a_pod_is_killed_only_after_everybody_has_had_their_time(variant):
    """The program stops in 20 s, its delay besides; the sidecar waits for it and then for itself."""
    deployment = next(thing for thing in objects(render(variant)) if thing["kind"] == "Deployment")
    pod = deployment["spec"]["template"]
    grace = pod["spec"]["terminationGracePeriodSeconds"]
    env = {entry["name"]: entry.get("value") for entry in pod["spec"]["containers"][0]["env"]}
    assert grace > seconds(env["SHUTDOWN_DELAY"]) + 20
    notes = pod["metadata"]["annotations"]
    if notes["dapr.io/enabled"] == "true":
        blocked = seconds(notes["dapr.io/block-shutdown-duration"])
        assert blocked >= seconds(env["SHUTDOWN_DELAY"]) + 20
        assert grace > blocked + int(notes["dapr.io/graceful-shutdown-seconds"])


def test_a_retried_delivery_outlasts_the_detection_of_an_app_that_is_away():
    things = {(thing["kind"], thing["metadata"]["name"]): thing for thing in objects(render("defaults"))}
    notes = things["Deployment", "todo-app"]["spec"]["template"]["metadata"]["annotations"]
    probe = int(notes["dapr.io/app-health-probe-interval"])
    timeout = int(notes["dapr.io/app-health-probe-timeout"]) / 1000
    detection = (probe + timeout) * int(notes["dapr.io/app-health-threshold"])
    retry = things["Resiliency", "todo-app"]["spec"]["policies"]["retries"]["deliver"]
    assert retry["maxRetries"] * seconds(retry["duration"]) > 2 * detection


def test_nobody_may_reach_the_app_port():
    for variant in VARIANTS:
        for thing in objects(render(variant)):
            if thing["kind"] in ("Service", "NetworkPolicy", "Ingress"):
                ports = re.findall(r"ort\w*'?: '?(\d+)", str(thing["spec"].get("ingress", ""))
                                   + str(thing["spec"].get("ports", "")))
                assert "8000" not in ports


def test_topics_and_their_dead_letters_are_there():
    topics = {thing["metadata"]["name"]: thing["spec"]
              for thing in objects((ROOT / "deploy" / "strimzi" / "topics.yaml").read_text())}
    day = 24 * 3600 * 1000
    subscribed = [thing["spec"] for thing in objects(render("defaults"))
                  if thing["kind"] == "Subscription"]
    assert sorted(topics) == sorted(spec["topic"] for spec in subscribed)
    assert {spec["deadLetterTopic"] for spec in subscribed if "deadLetterTopic" in spec} < set(topics)
    for name, spec in topics.items():
        days = 14 if name.endswith(".dlq") else 7
        assert spec["config"]["retention.ms"] == days * day
        assert spec["replicas"] == 3


def test_the_user_reads_and_writes_what_is_there():
    user = objects((ROOT / "deploy" / "strimzi" / "user.yaml").read_text())[0]
    component = next(thing for thing in objects(render("defaults"))
                     if thing["kind"] == "Component" and thing["metadata"]["name"] == "todo-pubsub")
    metadata = {entry["name"]: entry.get("value", entry.get("secretKeyRef"))
                for entry in component["spec"]["metadata"]}
    assert metadata["saslUsername"] == user["metadata"]["name"]
    assert metadata["saslPassword"] == {"name": user["metadata"]["name"], "key": "password"}
    acls = {(acl["resource"]["type"], acl["resource"]["name"]): acl["operations"]
            for acl in user["spec"]["authorization"]["acls"]}
    assert acls["group", metadata["consumerGroup"]] == ["Describe", "Read"]
    assert set(acls["topic", "todo."]) == {"Describe", "Read", "Write"}
