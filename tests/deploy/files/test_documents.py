"""The commands of docs/deploy.md and docs/runbook.md that can run here, run; the backup's job and a restore
among them."""
import os
import secrets
import subprocess

import pytest
from harness import postgres
from harness.server import PASSWORD, Server
from harness.store import PostgresStore
from kit import CLUSTER_MARK, HERE_MARK, PLANE_MARK, ROOT, blocks

import tools_at

DOCUMENTS = ("deploy.md", "runbook.md")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_block_says_where_it_runs(document):
    marks = [block.split("\n", 1)[0] for block in blocks(document)]
    assert len(marks) > 5
    assert set(marks) <= {HERE_MARK, PLANE_MARK, CLUSTER_MARK}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_block_is_shell(document):
    for block in blocks(document):
        done = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True)
        assert done.returncode == 0, f"{block}{done.stderr}"


def run(block: str, **env: str) -> str:
    """As somebody would type it; `todo` is the program itself where the document has it in a pod."""
    script = f'set -euo pipefail\ntodo() {{ "$TODO_BACKEND" "$@"; }}\n{block}'
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, env={**os.environ, **env}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
    assert done.returncode == 0, f"{block}{done.stdout}"
    return done.stdout


def test_the_checks_of_deploy_md():
    programs = ":".join({str(tools_at.FOLDERS[name]()) for name in ("helm", "promtool")})
    found = blocks("deploy.md", HERE_MARK)
    assert found
    for block in found:
        run(block, PATH=f"{programs}:{os.environ['PATH']}")


@pytest.fixture(scope="module")
def cluster():
    with postgres.Cluster() as started:
        yield started


@pytest.fixture
def live(cluster, tmp_path):
    """A server on PostgreSQL, ann's account with some tasks, and what the runbook's words stand for."""
    store = PostgresStore(cluster.new_database())
    server = Server(tmp_path / "server", store=store).start()
    ann = server.user("ann@example.com")
    for number in range(3):
        ann.complete(ann.task(f"Task {number}", due_date="2030-01-31T09:00:00Z",
                              recurrence_rule="monthly"))
    folder = tmp_path / "backups"
    folder.mkdir()
    new = cluster.new_database()
    server.words = {**store.settings, "url": server.url, "database": store.settings["DATABASE_URL"],
                    "folder": str(folder), "new_database": new.url, "HOME": str(tmp_path),
                    "PATH": f"{postgres.binaries()}:{os.environ['PATH']}"}
    server.new = new
    yield server
    server.stop()


def test_the_runbook_from_its_first_word_to_its_last(live):
    """In the order in which they stand there."""
    told = ""
    for block in blocks("runbook.md", HERE_MARK):
        told += run(block, **live.words)
    # ann was locked out, let in again with another password, and erased at last.
    login = {"email": "ann@example.com", "password": "a new long password"}
    live.request("POST", "/auth/login", login).expect(401)
    assert "0 dead letters" in told
    assert PASSWORD not in told


def test_a_restored_backup_has_everything_and_its_chains_hold(live):
    ann = live.request("POST", "/auth/login", {"email": "ann@example.com", "password": PASSWORD})
    token = ann.expect(200).json()["access_token"]
    before = live.request("GET", "/tasks?limit=500", headers={"Authorization": f"Bearer {token}"}).json()
    assert len(before) == 6
    backup, restore = (next(block for block in blocks("runbook.md", HERE_MARK) if word in block)
                       for word in ("backup.sh", "pg_restore"))
    run(backup, **live.words)
    # What comes after the dump is not in it.
    live.request("POST", "/tasks", {"title": "Later"}, {"Authorization": f"Bearer {token}"}).expect(201)
    assert "chain" in run(restore, **live.words)
    restored = Server(live.folder / "restored", store=PostgresStore(live.new))
    restored.settings |= {name: live.words[name] for name in ("JWT_SECRET", "AUDIT_KEY")}
    restored.start()
    try:
        after = restored.request("GET", "/tasks?limit=500", headers={"Authorization": f"Bearer {token}"})
        assert after.expect(200).json() == before
    finally:
        restored.stop()


def dumps(folder: str) -> list:
    return sorted(name for name in os.listdir(folder) if name.endswith(".dump"))


def test_the_job_keeps_the_newest_dumps_and_no_half_ones(live):
    folder = live.words["folder"]
    for day in ("01", "02", "03"):
        with open(f"{folder}/todo-2020-01-{day}T000000Z.dump", "w") as file:
            file.write("old")
    script = ["sh", str(ROOT / "deploy/helm/todo-app/files/backup.sh"), folder, "2"]
    done = subprocess.run(script, env={**os.environ, **live.words}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(dumps(folder)) == 2 and dumps(folder)[0] == "todo-2020-01-03T000000Z.dump"
    # A database that is not there: nothing is called a dump, nothing old is removed, and it is told.
    before = dumps(folder)
    wrong = {**os.environ, **live.words, "DATABASE_URL": f"{live.words['database']}-{secrets.token_hex(4)}"}
    done = subprocess.run(script, env=wrong, capture_output=True, text=True)
    assert done.returncode != 0 and "does not exist" in done.stderr
    assert dumps(folder) == before and len(os.listdir(folder)) == len(before)
