"""The scripts that spend, install, upgrade and destroy, with stand-ins for doctl, kubectl and helm that
write down what they are told. What the scripts may say to them is listed here: it cannot be tried."""
import base64
import json
import os
import pathlib
import re
import subprocess

import pytest
import yaml
from kit import HERE, ROOT, tracked
from harness.server import Server

DOKS = ROOT / "deploy" / "doks"
# Commands of doctl that the scripts use, with the options that its reference has for them.
DOCTL = {
    "kubernetes cluster get": {"--format", "--no-header"},
    "kubernetes cluster create": {"--region", "--auto-upgrade", "--surge-upgrade", "--maintenance-window",
                                  "--node-pool", "--wait", "--ha", "--version"},
    "kubernetes cluster delete": {"--dangerous", "--force"},
    "kubernetes cluster registry add": set(),
    "kubernetes cluster kubeconfig save": set(),
    "registry get": {"--format", "--no-header"},
    "registry create": {"--subscription-tier", "--region"},
    "registry delete": {"--force"},
}
INSTALL = {"HOST": "todo.test", "EMAIL": "ann@example.com", "TAG": "abc123",
           "DATABASE_URL": "postgres://todo@db.example.com/todo?sslmode=require"}
KEYS = {"JWT_SECRET": "j" * 32, "AUDIT_KEY": "a" * 32}


class Desk:
    """A machine with stand-ins, and what they have been told."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.state = folder / "state"
        programs = folder / "bin"
        for new in (self.state, programs):
            new.mkdir()
        (self.state / "calls").touch()
        for name in ("doctl", "kubectl", "helm", "curl"):
            (programs / name).symlink_to(HERE / "stubs" / "stand_in.py")
        self.env = {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(folder),
                    "STAND_IN": str(self.state)}

    def run(self, script: pathlib.Path, *arguments: str, answer: str = "", status: int = 0,
            **settings: str) -> str:
        done = subprocess.run([script, *arguments], env={**self.env, **settings}, input=answer,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
        assert done.returncode == status, done.stdout
        return done.stdout

    def calls(self, *start: str) -> list:
        """What was asked for, of those commands that begin so."""
        lines = (self.state / "calls").read_text().splitlines()
        return [call for call in map(json.loads, lines) if tuple(call[:len(start)]) == start]

    def forget(self) -> None:
        (self.state / "calls").write_text("")

    def changes(self) -> list:
        """The calls that are not mere looks."""
        looks = {("get",), ("config", "current-context"), ("kubernetes", "cluster", "get"),
                 ("registry", "get")}
        return [call for call in self.calls()
                if not any(tuple(call[1:1 + len(look)]) == look for look in looks)
                and "get" not in call[3:4] and "list" not in call]


@pytest.fixture
def desk(tmp_path) -> Desk:
    return Desk(tmp_path)


@pytest.mark.parametrize("script", ["create", "install", "status", "destroy"])
def test_help_says_what_it_does_and_does_nothing(desk, script):
    assert desk.run(DOKS / script, "--help").startswith(f"{script} [--dry-run]")
    assert desk.calls() == []
    assert "there is no option --dryrun" in desk.run(DOKS / script, "--dryrun", status=1)


def test_a_dry_run_changes_nothing_and_says_what_it_would_do(desk):
    told = desk.run(DOKS / "create", "--dry-run")
    assert "would run: doctl kubernetes cluster create todo-cluster --region nyc1" in told
    told = desk.run(DOKS / "install", "--dry-run", **INSTALL)
    assert "would run: helm upgrade --install dapr" in told and "would make it" in told
    for name in ("cluster", "registry"):
        (desk.state / name).write_text("todo-registry")
    told = desk.run(DOKS / "destroy", "--dry-run")
    assert "would run: doctl kubernetes cluster delete" in told
    assert desk.changes() == []


def test_create_says_what_it_costs_and_asks(desk):
    told = desk.run(DOKS / "create", answer="no\n", status=1)
    assert "$24 a month" in told and "$5 a month" in told and "nothing was done" in told
    assert desk.changes() == []
    # A script that is started without a terminal gets no answer, and spends nothing.
    assert "nothing was done" in desk.run(DOKS / "create", status=1)
    assert desk.changes() == []


def test_create_makes_the_cluster_that_was_designed(desk):
    desk.run(DOKS / "create", answer="yes\n")
    (call,) = desk.calls("doctl", "kubernetes", "cluster", "create")
    assert call[4:7] == ["todo-cluster", "--region", "nyc1"]
    assert {"--auto-upgrade", "--surge-upgrade"} <= set(call)
    assert call[call.index("--node-pool") + 1] == (
        "name=todo;size=s-2vcpu-4gb;count=2;auto-scale=true;min-nodes=2;max-nodes=4")
    assert desk.calls("doctl", "registry", "create")[0][3] == "todo-registry"
    assert len(desk.calls("doctl", "kubernetes", "cluster", "registry", "add")) == 1


def test_create_twice_makes_one(desk):
    desk.run(DOKS / "create", "--yes")
    desk.forget()
    told = desk.run(DOKS / "create")  # nothing to pay for, so nothing to ask
    assert told.count("It is there.") == 2
    assert desk.calls("doctl", "kubernetes", "cluster", "create") == []
    assert desk.calls("doctl", "registry", "create") == []


def test_create_goes_on_after_a_failure_midway(desk):
    (desk.state / "fail").write_text("doctl kubernetes cluster create")
    desk.run(DOKS / "create", "--yes", status=1)
    assert (desk.state / "registry").exists() and not (desk.state / "cluster").exists()
    (desk.state / "fail").unlink()
    desk.forget()
    told = desk.run(DOKS / "create", answer="yes\n")
    assert "$24 a month" in told and "$5 a month" not in told
    assert desk.calls("doctl", "registry", "create") == []
    assert len(desk.calls("doctl", "kubernetes", "cluster", "create")) == 1


def test_install_puts_everything_in_its_order(desk):
    desk.run(DOKS / "install", "--yes", **INSTALL)
    order = [call[3] for call in desk.calls("helm", "upgrade", "--install")]
    assert order == ["metrics-server", "dapr", "ingress-nginx", "cert-manager", "strimzi-kafka-operator",
                     "todo-app"]
    dapr = next(call for call in desk.calls("helm") if call[3] == "dapr")
    assert "global.ha.enabled=true" in dapr
    app = next(call for call in desk.calls("helm") if call[3] == "todo-app")
    assert {"--atomic", "--wait", "image.tag=abc123"} <= set(app)
    # The topics are ready before the application starts.
    calls = desk.calls()
    topics = next(i for i, call in enumerate(calls) if "kafkatopic" in call and "wait" in call)
    assert topics < calls.index(app)
    assert ["kubectl", "label", "namespace", "todo-production",
            "pod-security.kubernetes.io/enforce=restricted", "--overwrite"] in calls


def test_install_makes_the_secret_once_and_tells_it_to_nobody(desk):
    told = desk.run(DOKS / "install", "--yes", **INSTALL)
    secret = yaml.safe_load((desk.state / "secret").read_text())
    values = {name: base64.b64decode(value).decode() for name, value in secret["data"].items()}
    assert values["DATABASE_URL"] == INSTALL["DATABASE_URL"]
    assert set(values) == {"DATABASE_URL", "JWT_SECRET", "AUDIT_KEY"}
    assert len(values["JWT_SECRET"]) >= 32 and values["JWT_SECRET"] != values["AUDIT_KEY"]
    for value in values.values():
        assert value not in told
        assert value not in (desk.state / "calls").read_text()
    before = (desk.state / "secret").read_text()
    assert "It is there, and stays as it is." in desk.run(DOKS / "install", "--yes", **INSTALL)
    assert (desk.state / "secret").read_text() == before


def test_install_goes_on_after_a_failure_midway(desk):
    (desk.state / "fail").write_text("helm upgrade --install cert-manager")
    desk.run(DOKS / "install", "--yes", status=1, **INSTALL)
    assert desk.calls("helm", "upgrade", "--install", "todo-app") == []
    (desk.state / "fail").unlink()
    desk.run(DOKS / "install", "--yes", **INSTALL)
    assert len(desk.calls("helm", "upgrade", "--install", "todo-app")) == 1
    assert len(desk.calls("kubectl", "create", "namespace", "todo-production")) == 1


@pytest.mark.parametrize("missing", ["HOST", "EMAIL", "TAG"])
def test_install_says_what_it_lacks(desk, missing):
    settings = {name: value for name, value in INSTALL.items() if name != missing}
    assert f"{missing} is not set" in desk.run(DOKS / "install", "--yes", status=1, **settings)
    assert desk.changes() == []


def test_destroy_wants_the_name(desk):
    desk.run(DOKS / "create", "--yes")
    desk.forget()
    told = desk.run(DOKS / "destroy", answer="yes\n", status=1)
    assert "for good" in told and "nothing was done" in told
    assert desk.changes() == []
    desk.run(DOKS / "destroy", answer="todo-cluster\n")
    assert not (desk.state / "cluster").exists() and not (desk.state / "registry").exists()
    (call,) = desk.calls("doctl", "kubernetes", "cluster", "delete")
    # Load balancers and volumes would go on costing.
    assert "--dangerous" in call
    assert "nothing to destroy" in desk.run(DOKS / "destroy")


def test_status_changes_nothing(desk):
    assert "It is not there" in desk.run(DOKS / "status", status=1)
    desk.run(DOKS / "create", "--yes")
    desk.forget()
    desk.run(DOKS / "status")
    assert [call for call in desk.calls() if {"create", "apply", "delete", "upgrade"} & set(call)] == []


def test_doctl_is_only_asked_what_it_knows(desk):
    desk.run(DOKS / "create", "--yes")
    desk.run(DOKS / "status")
    desk.run(DOKS / "destroy", "--yes")
    calls = desk.calls("doctl")
    assert len(calls) > 10
    for call in calls:
        words = " ".join(call[1:])
        command = max((known for known in DOCTL if words.startswith(known)), key=len)
        assert {word for word in call if word.startswith("--")} <= DOCTL[command], words


# --- upgrade and rollback -------------------------------------------------------------------------


@pytest.fixture
def live(desk, tmp_path):
    """A desk whose curl reaches a real server, as smoke tries it."""
    server = Server(tmp_path / "server").start()
    (desk.state / "port").write_text(str(server.port))
    yield desk
    server.stop()


def test_an_upgrade_is_tried(live):
    (live.state / "revision").write_text("3")
    told = live.run(ROOT / "deploy" / "upgrade", "staging", "abc123", HOST="todo.test", **KEYS,
                    DATABASE_URL=INSTALL["DATABASE_URL"])
    assert "smoke: all is well" in told and "staging runs abc123" in told
    (call,) = live.calls("helm", "upgrade")
    assert {"--atomic", "--wait", "image.tag=abc123", "todo-staging"} <= set(call)
    assert live.calls("helm", "-n", "todo-staging", "rollback") == []
    for value in (*KEYS.values(), INSTALL["DATABASE_URL"]):
        assert value not in told and value not in (live.state / "calls").read_text()
        assert base64.b64encode(value.encode()).decode() in (live.state / "secret").read_text()


def test_an_upgrade_that_is_not_well_goes_back_by_itself(live):
    (live.state / "revision").write_text("3")
    (live.state / "unwell").touch()
    told = live.run(ROOT / "deploy" / "upgrade", "production", "abc123", status=1, HOST="todo.test")
    (call,) = live.calls("helm", "-n", "todo-production", "rollback")
    assert call[4:6] == ["todo-app", "3"]
    assert "abc123 was not well; revision 3 runs again" in told
    assert not (live.state / "secret").exists()


def test_an_upgrade_that_does_not_become_ready_is_helm_s_to_put_back(live):
    (live.state / "revision").write_text("3")
    (live.state / "fail").write_text("helm upgrade")
    told = live.run(ROOT / "deploy" / "upgrade", "staging", "abc123", status=1, HOST="todo.test")
    assert "Helm has put revision 3 back" in told
    assert live.calls("helm", "-n", "todo-staging", "rollback") == []


def test_a_rollback_is_tried(live):
    told = live.run(ROOT / "deploy" / "rollback", "production", "5", HOST="todo.test")
    (call,) = live.calls("helm", "-n", "todo-production", "rollback")
    assert call[4:6] == ["todo-app", "5"] and "--wait" in call
    assert "smoke: 200 /readyz" in told
    live.run(ROOT / "deploy" / "rollback", "production", "five", status=1, HOST="todo.test")


def test_smoke_sees_a_server_that_is_not_there(desk):
    (desk.state / "port").write_text("1")
    assert "/healthz: no answer" in desk.run(ROOT / "deploy" / "smoke", "https://todo.test", status=1)


# --- workflows ------------------------------------------------------------------------------------


def workflows() -> dict:
    return {pathlib.Path(name).stem: yaml.safe_load((ROOT / name).read_text())
            for name in tracked(".github/workflows/*.yml")}


def test_every_suite_of_tests_is_run_by_ci():
    listed = (ROOT / "tools" / "run_tests.py").read_text()
    names = re.search(r"^SUITES = \{$(.*?)^\}$", listed, flags=re.M | re.S)[1]
    suites = set(re.findall(r'^    "(\w+)":', names, flags=re.M)) - {"deploy"}
    matrix = workflows()["ci"]["jobs"]["test"]["strategy"]["matrix"]["suites"]
    run = [name for entry in matrix for name in entry.split()]
    assert sorted(run) == sorted(suites)


def test_workflows_may_do_no_more_than_they_need():
    for name, workflow in workflows().items():
        assert workflow["permissions"] == {"contents": "read"}, name
        for job in workflow["jobs"].values():
            assert set(job.get("permissions", {})) <= {"contents", "id-token", "attestations",
                                                       "statuses"}
            assert job["timeout-minutes"] <= 90


def test_actions_have_a_version_that_dependabot_raises():
    ecosystems = {entry["package-ecosystem"] for entry in
                  yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())["updates"]}
    assert "github-actions" in ecosystems
    for name, workflow in workflows().items():
        for job in workflow["jobs"].values():
            for step in job["steps"]:
                if "uses" in step:
                    assert re.fullmatch(r"[\w-]+/[\w-]+@(v\d+|[0-9a-f]{40})", step["uses"]), name


def test_production_waits_for_staging_and_for_a_person():
    jobs = workflows()["deploy"]["jobs"]
    assert jobs["staging"]["needs"] == "image" and jobs["production"]["needs"] == "staging"
    assert jobs["production"]["environment"]["name"] == "production"
    assert "conclusion == 'success'" in jobs["image"]["if"]
    for job in (jobs["staging"], jobs["production"], workflows()["rollback"]):
        assert job["concurrency"]["cancel-in-progress"] is False


def test_secrets_are_given_to_the_steps_that_need_them_alone():
    text = "\n".join((ROOT / name).read_text() for name in tracked(".github/workflows/*.yml"))
    used = set(re.findall(r"secrets\.(\w+)", text))
    assert used == {"DIGITALOCEAN_ACCESS_TOKEN", "DATABASE_URL", "DATABASE_DIRECT_URL", "JWT_SECRET",
                    "AUDIT_KEY", "OPENAI_API_KEY"}
    for workflow in workflows().values():
        assert "secrets." not in str(workflow.get("env", {}))
        for job in workflow["jobs"].values():
            assert "secrets." not in str(job.get("env", {}))
            for step in job["steps"]:
                # In a script's text a secret would be seen by whoever reads the log of commands.
                assert "secrets." not in step.get("run", "")
