"""ci and deploy, run step by step by act on this machine: their own steps are real, foreign actions and the
programs that reach out are stand-ins."""
import json
import os
import pathlib
import re
import subprocess

import pytest
import tools_at
import yaml
from harness.server import Server
from kit import HERE, ROOT

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SECRETS = {"DIGITALOCEAN_ACCESS_TOKEN": "t" * 32, "DATABASE_URL": "postgres://todo@db.example.com/todo",
           "JWT_SECRET": "j" * 32, "AUDIT_KEY": "a" * 32, "GITHUB_TOKEN": "g" * 32}
PROGRAMS = ("doctl", "kubectl", "helm", "curl", "docker", "gh")
SECONDS_MAX = 1200


class Runner:
    """A machine of GitHub's, so to say: its own home, stand-ins first in PATH."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.state = folder / "state"
        programs = folder / "bin"
        for new in (self.state, programs, folder / "home"):
            new.mkdir()
        (self.state / "calls").touch()
        for name in PROGRAMS:
            (programs / name).symlink_to(HERE / "stubs" / "stand_in.py")
        self.env = {**os.environ, "HOME": str(folder / "home"), "STAND_IN": str(self.state),
                    "PATH": f"{programs}:{os.environ['PATH']}", "XDG_CACHE_HOME": str(folder / "cache")}

    def action(self, uses: str) -> list:
        """A stand-in for a foreign action. The checkout puts this checkout where the workflow expects one."""
        folder = self.folder / re.sub(r"\W", "-", uses)
        folder.mkdir(exist_ok=True)
        run = f'echo "stand-in: {uses}"'
        if uses.startswith("actions/checkout@"):
            # act made an empty folder there.
            run = f'cd / && rmdir "$GITHUB_WORKSPACE" && ln -s "{ROOT}" "$GITHUB_WORKSPACE"'
        (folder / "action.yml").write_text(yaml.safe_dump({
            "name": uses, "description": "stand-in",
            "runs": {"using": "composite", "steps": [{"run": run, "shell": "bash"}]}}))
        # act reads actions from repositories.
        return ["--local-repository", f"{uses}={folder}"]

    def act(self, event: str, workflow: dict, payload: dict, *arguments: str) -> subprocess.CompletedProcess:
        file = self.folder / "workflow.yml"
        file.write_text(yaml.safe_dump(workflow, sort_keys=False))
        (self.folder / "event.json").write_text(json.dumps(payload))
        used = {step["uses"] for job in workflow["jobs"].values() for step in job["steps"]
                if "uses" in step}
        stand_ins = [argument for uses in sorted(used) for argument in self.action(uses)]
        secrets = [argument for name, value in SECRETS.items() for argument in ("-s", f"{name}={value}")]
        command = [tools_at.tool("act"), event, "-W", file, "-e", self.folder / "event.json", "-P",
                   "ubuntu-24.04=-self-hosted", "--no-cache-server", "--no-skip-checkout", "--var",
                   "HOST=todo.test", "-C", ROOT, *secrets, *stand_ins, *arguments]
        return subprocess.run(list(map(str, command)), env=self.env, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS_MAX)

    def calls(self, *start: str) -> list:
        lines = (self.state / "calls").read_text().splitlines()
        return [call for call in map(json.loads, lines) if tuple(call[:len(start)]) == start]


def workflow(name: str) -> dict:
    text = (ROOT / ".github" / "workflows" / f"{name}.yml").read_text()
    # YAML 1.1 takes the key `on` for a truth.
    return {"on" if key is True else key: value for key, value in yaml.safe_load(text).items()}


@pytest.fixture
def runner(tmp_path):
    return Runner(tmp_path)


@pytest.fixture
def live(runner):
    """One whose deployments find a server that answers."""
    server = Server(runner.folder / "server").start()
    (runner.state / "port").write_text(str(server.port))
    (runner.state / "revision").write_text("7")
    yield runner
    server.stop()


def test_ci_runs_the_unit_tests_and_tries_the_image(runner):
    ci = workflow("ci")
    job = ci["jobs"]["test"]
    del job["container"]  # there is no engine; this machine stands for it
    job["strategy"]["matrix"]["suites"] = ["unit"]
    done = runner.act("push", ci, {"ref": "refs/heads/main"})
    assert done.returncode == 0, done.stdout[-6000:]
    assert re.search(r"unit: [1-9]\d* passed, 0 failed", done.stdout)
    assert "todo-backend:ci is healthy" in done.stdout
    assert "stand-in: anchore/scan-action@v6" in done.stdout


def event(conclusion: str) -> dict:
    return {"workflow_run": {"conclusion": conclusion, "event": "push", "head_sha": COMMIT}}


def test_deploy_goes_through_staging_to_production_and_tells(live):
    done = live.act("workflow_run", workflow("deploy"), event("success"))
    assert done.returncode == 0, done.stdout[-6000:]
    upgrades = live.calls("helm", "upgrade")
    assert [call[call.index("--namespace") + 1] for call in upgrades] == ["todo-staging",
                                                                          "todo-production"]
    for call in upgrades:
        assert f"image.tag={COMMIT}" in call and "--atomic" in call
    assert done.stdout.count("smoke: all is well") == 2
    (told,) = live.calls("gh", "api")
    assert "state=success" in told
    assert "description=image success, staging success, production success" in told
    for secret in SECRETS.values():
        assert secret not in done.stdout
        assert secret not in (live.state / "calls").read_text()


def test_a_staging_that_is_not_well_keeps_production_as_it_is(live):
    (live.state / "unwell").touch()
    done = live.act("workflow_run", workflow("deploy"), event("success"))
    assert done.returncode != 0
    assert len(live.calls("helm", "upgrade")) == 1
    assert live.calls("helm", "-n", "todo-staging", "rollback") != []
    (told,) = live.calls("gh", "api")
    assert "state=failure" in told
    assert "description=image success, staging failure, production skipped" in told


def test_nothing_is_deployed_when_ci_has_failed(live):
    live.act("workflow_run", workflow("deploy"), event("failure"))
    assert live.calls() == []
