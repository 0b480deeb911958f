"""No secret is in a rendered manifest, in the files or in the history; Secrets are only referred to."""
import base64
import json
import re

import pytest
from harness import postgres
from harness.server import PASSWORD, Server
from harness.store import PostgresStore
from kit import EVERYTHING, ROOT, VARIANTS, call, must, objects, render, tracked

SECRET_NAMES = ("DATABASE_URL", "DATABASE_DIRECT_URL", "JWT_SECRET", "AUDIT_KEY", "OPENAI_API_KEY",
                "DAPR_API_TOKEN", "APP_API_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN")
# A password inside a URL; documents and tests show one with words that say so.
URL_WITH_PASSWORD = re.compile(r"\b[a-z]+://[^\s:/@'\"]+:([^\s:/@'\"]+)@")
SHOWN = re.compile(r"^(\$.*|…|password|PASSWORD|secret|postgres|todo|x+|\*+|<.*>|\{.*)$")


@pytest.mark.parametrize("variant", VARIANTS)
def test_manifests_only_refer_to_secrets(variant):
    text = render(variant, *EVERYTHING)
    for thing in objects(text):
        if thing["kind"] == "Secret":
            continue
        for container in containers(thing):
            for entry in container.get("env", []):
                if entry["name"] in SECRET_NAMES:
                    assert set(entry) == {"name", "valueFrom"}
    # What the chart makes is in its Secrets, and nowhere else.
    made = [base64.b64decode(value).decode() for thing in objects(text) if thing["kind"] == "Secret"
            for value in thing["data"].values()]
    assert all(len(secret) >= 32 for secret in made)
    for secret in made:
        assert text.count(secret) == 0
        assert text.count(base64.b64encode(secret.encode()).decode()) == 1


def containers(thing) -> list:
    if isinstance(thing, dict):
        found = thing.get("containers", []) if isinstance(thing.get("containers"), list) else []
        return found + [c for value in thing.values() for c in containers(value)]
    if isinstance(thing, list):
        return [c for value in thing for c in containers(value)]
    return []


def test_secrets_that_are_made_are_new_each_time():
    def keys() -> set:
        return {value for thing in objects(render("defaults")) if thing["kind"] == "Secret"
                for value in thing["data"].values()}

    assert len(keys()) == 4
    assert keys() & keys() == set()


def test_no_address_in_the_files_has_a_password():
    for name in tracked():
        try:
            text = (ROOT / name).read_text()
        except UnicodeDecodeError:
            continue
        told = [password for password in URL_WITH_PASSWORD.findall(text) if not SHOWN.match(password)]
        if not name.startswith(("tests/", "src/")):
            assert told == [], name


def test_gitleaks_finds_nothing(tmp_path):
    """In the files as they are, and in every commit there is here."""
    for command in (["dir", ROOT / "deploy"], ["git", ROOT]):
        report = tmp_path / "report.json"
        done = call("gitleaks", *command, "--no-banner", "--redact", "--exit-code", "3", "-c",
                    ROOT / ".gitleaks.toml", "-r", report)
        found = json.loads(report.read_text() or "[]")
        assert (done.returncode, [(leak["File"], leak["StartLine"], leak["RuleID"])
                                  for leak in found]) == (0, []), done.stderr


def test_gitleaks_would_find_one(tmp_path):
    # Put together here, so that this file holds none.
    token = "dop_v1_" + "0123456789abcdef" * 4
    (tmp_path / "values.yaml").write_text(f"token: {token}\n")
    done = call("gitleaks", "dir", tmp_path, "--no-banner", "--redact", "--exit-code", "3", "-c",
                ROOT / ".gitleaks.toml")
    assert done.returncode == 3


def test_the_image_is_sent_no_more_than_it_needs():
    rules = (ROOT / "deploy" / "docker" / "Dockerfile.dockerignore").read_text().splitlines()
    assert "*" in rules
    assert not any(rule.startswith("!.") for rule in rules)
    assert must("git", "check-ignore", ".cache/") != ""


def test_no_secret_is_in_the_log(tmp_path):
    """Of a start, of people signing in, and of a start that fails."""
    with postgres.Cluster() as cluster:
        store = PostgresStore(cluster.new_database())
        server = Server(tmp_path, store=store, LOG_LEVEL="trace", OPENAI_API_KEY="o" * 40).start()
        user = server.user()
        user.task()
        server.stop()
        log = "\n".join(server.log)
        wrong = {**server.settings, "DATABASE_URL": store.settings["DATABASE_URL"].replace(
            "//", "//somebody:pass-of-somebody@", 1).replace("postgres@", "")}
        server.settings = wrong
        log += server.run("check-config", check=False).stdout
    assert '"message":"ready"' in log and "JWT_SECRET=" in log
    for secret in (store.settings["JWT_SECRET"], store.settings["AUDIT_KEY"], "o" * 40, user.token, PASSWORD,
                   "pass-of-somebody"):
        assert secret not in log
