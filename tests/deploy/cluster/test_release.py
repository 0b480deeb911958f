"""The chart on a real control plane: what an operator does with a release, and what goes wrong with one.

Every test has a namespace of its own, in which Pod Security `restricted` is enforced.
"""
import base64
import json
import time
import uuid

import pytest
from control_plane import NODES, wait_until
from kit import CHART, VARIANTS, call, values_of

RELEASE_SECONDS_MAX = 300  # what an upgrade and a rollback may take in production


class Release:
    def __init__(self, plane):
        self.plane = plane
        self.namespace = f"todo-{uuid.uuid4().hex[:8]}"
        plane.namespace(self.namespace)

    def arguments(self, tag: str, *settings: str) -> list:
        # There is no cloud here that would give a load balancer its address.
        values = ",".join(["service.type=ClusterIP", "migrations.backoffLimit=0", *settings])
        return ["upgrade", "--install", "todo-app", CHART, "-n", self.namespace, "--atomic", "--wait",
                "--timeout", "2m", "--set", values, "--set-string", f"image.tag={tag}"]

    def upgrade(self, tag: str, *settings: str) -> float:
        """How long it took, in seconds."""
        started = time.monotonic()
        self.plane.helm(*self.arguments(tag, *settings), timeout=RELEASE_SECONDS_MAX)
        return time.monotonic() - started

    def kubectl(self, *arguments, **options) -> str:
        return self.plane.kubectl("-n", self.namespace, *arguments, **options)

    def get(self, *what: str) -> dict:
        return json.loads(self.kubectl("get", *what, "-o", "json"))

    def pods(self) -> list:
        return [pod for pod in self.get("pods", "-l", "app.kubernetes.io/component=server")["items"]
                if "deletionTimestamp" not in pod["metadata"]]

    def versions(self) -> set:
        return {pod["metadata"]["labels"]["app.kubernetes.io/version"] for pod in self.pods()}

    def ready(self) -> int:
        return self.get("deployment", "todo-app")["status"].get("readyReplicas", 0)

    def secrets(self) -> dict:
        return {secret["metadata"]["name"]: secret["data"] for secret in self.get("secrets")["items"]
                if secret["type"] == "Opaque"}

    def history(self) -> list:
        told = self.plane.helm("-n", self.namespace, "history", "todo-app", "-o", "json")
        return [(entry["revision"], entry["status"]) for entry in json.loads(told)]


@pytest.fixture
def release(plane):
    made = Release(plane)
    yield made
    plane.kubectl("delete", "namespace", made.namespace, "--wait=false")


def test_an_install_runs_two_pods_on_two_nodes(release):
    assert release.upgrade("one") < RELEASE_SECONDS_MAX
    assert release.ready() == 2
    assert {pod["spec"]["nodeName"] for pod in release.pods()} == set(NODES)
    # The hook's job has done well, and is gone.
    assert release.get("jobs")["items"] == []


def test_an_upgrade_keeps_the_keys_and_what_the_autoscaler_decided(release):
    release.upgrade("one")
    keys = release.secrets()
    assert len(base64.b64decode(keys["todo-app-keys"]["JWT_SECRET"])) >= 32
    release.kubectl("scale", "deployment/todo-app", "--replicas=3")
    assert release.upgrade("two") < RELEASE_SECONDS_MAX
    assert release.secrets() == keys
    assert release.versions() == {"two"} and release.ready() == 3
    # The migration runs again, and finds nothing to do.
    release.upgrade("two")
    assert [status for _, status in release.history()] == ["superseded", "superseded", "deployed"]


def test_a_broken_upgrade_goes_back_by_itself(release):
    release.upgrade("one")
    arguments = release.arguments("broken")
    arguments[arguments.index("--timeout") + 1] = "10s"
    started = time.monotonic()
    done = release.plane.try_helm(*arguments)
    assert done.returncode != 0 and "rolled back due to atomic being set" in done.stderr
    assert time.monotonic() - started < RELEASE_SECONDS_MAX
    assert release.versions() == {"one"} and release.ready() == 2
    assert release.history()[-1] == (3, "deployed")


def test_while_an_upgrade_hangs_the_old_pods_go_on(release):
    release.upgrade("one")
    release.kubectl("set", "image", "deployment/todo-app", "todo-backend=todo-backend:two")
    release.kubectl("patch", "deployment", "todo-app", "--type=merge", "-p", json.dumps(
        {"spec": {"template": {"metadata": {"labels": {"app.kubernetes.io/version": "broken"}}}}}))
    wait_until("a new pod that does not become ready", lambda: "broken" in release.versions(), 30)
    assert release.ready() == 2


def test_a_migration_that_fails_stops_the_upgrade_before_any_pod(release):
    release.upgrade("one")
    before = release.get("deployment", "todo-app")["metadata"]["generation"]
    done = release.plane.try_helm(*release.arguments("unmigratable"))
    assert done.returncode != 0 and "pre-upgrade hooks failed" in done.stderr
    assert release.versions() == {"one"} and release.ready() == 2
    # The rollback puts the same pods there again: nothing was replaced.
    assert release.get("deployment", "todo-app")["metadata"]["generation"] == before
    # The failed job stays to be looked at; the next upgrade replaces it.
    (job,) = release.get("jobs")["items"]
    assert job["metadata"]["name"] == "todo-app-migrate" and job["status"]["failed"] == 1
    release.upgrade("two")
    assert release.versions() == {"two"} and release.get("jobs")["items"] == []


def test_an_install_whose_migration_fails_leaves_nothing(release):
    done = release.plane.try_helm(*release.arguments("unmigratable"))
    assert done.returncode != 0 and "pre-install" in done.stderr
    assert release.get("deployments")["items"] == []
    assert set(release.secrets()) == {"todo-app-database"}


def test_a_rollback_takes_less_than_five_minutes(release):
    release.upgrade("one")
    release.upgrade("two")
    started = time.monotonic()
    release.plane.helm("-n", release.namespace, "rollback", "todo-app", "1", "--wait", "--timeout", "5m")
    seconds = time.monotonic() - started
    assert seconds < RELEASE_SECONDS_MAX
    assert release.versions() == {"one"} and release.ready() == 2
    print(f"a rollback took {seconds:.1f} s")


def test_a_drain_is_held_by_the_budget(release):
    release.upgrade("one")
    plane = release.plane

    def drain(node: str, seconds: int):
        return call("kubectl", "drain", node, "--ignore-daemonsets", "--delete-emptydir-data",
                    f"--timeout={seconds}s", "--pod-selector",
                    f"app.kubernetes.io/component=server,test={release.namespace}", env=plane.env)

    release.upgrade("two", f"podLabels.test={release.namespace}")
    plane.kubectl("cordon", *NODES)  # so that nothing takes the place of what goes
    try:
        assert drain(NODES[0], 60).returncode == 0
        wait_until("one pod less", lambda: release.ready() == 1, 30)
        held = drain(NODES[1], 5)
        assert held.returncode != 0
        assert "would violate the pod's disruption budget" in held.stdout + held.stderr
        assert release.ready() == 1
        plane.kubectl("uncordon", NODES[0])
        wait_until("both pods", lambda: release.ready() == 2, 60)
        assert drain(NODES[1], 60).returncode == 0
    finally:
        plane.kubectl("uncordon", *NODES)


def test_nothing_runs_with_privileges(release):
    """That the chart's own pods do run there, every other test shows."""
    done = call("kubectl", "-n", release.namespace, "run", "wrong", "--image=debian:bookworm",
                env=release.plane.env)
    assert done.returncode != 0 and 'violates PodSecurity "restricted' in done.stderr


def test_an_uninstall_leaves_no_secret_and_takes_no_data(release):
    # There is nobody here who would make a volume for the claim.
    release.plane.kubectl("create", "-f", "-", input=json.dumps({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": release.namespace},
        "spec": {"capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteOnce"],
                 "hostPath": {"path": "/nowhere"},
                 "claimRef": {"namespace": release.namespace, "name": "todo-app-backup"}}}))
    release.upgrade("one", "backup.enabled=true")
    assert len(release.secrets()) == 4
    release.plane.helm("uninstall", "todo-app", "-n", release.namespace, "--wait", "--timeout", "2m")
    # The operator's own Secret, and the volume of the backups.
    assert set(release.secrets()) == {"todo-app-database"}
    assert [claim["metadata"]["name"] for claim in release.get("pvc")["items"]] == ["todo-app-backup"]
    wait_until("no pod is left", lambda: release.get("pods")["items"] == [], 60)
    # It can be installed again, on the same volume.
    release.upgrade("two", "backup.enabled=true")


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_is_taken_by_the_api_server(release, variant):
    release.plane.helm("install", "todo-app", CHART, "-n", release.namespace, "--dry-run=server",
                       *values_of(variant))
    text = release.plane.helm("template", "todo-app", CHART, "-n", release.namespace, *values_of(variant))
    release.kubectl("apply", "--dry-run=server", "-f", "-", input=text)


def test_strimzi_s_objects_are_taken_by_the_api_server(release):
    folder = CHART.parent.parent / "strimzi"
    for path in sorted(folder.glob("*.yaml")):
        release.kubectl("apply", "--dry-run=server", "-f", path)
