"""docs/operations.md says what the program says of its settings, subcommands, metrics and keys."""
import http.client
import pathlib
import re
import secrets

from harness import postgres
from harness.ports import free_port
from harness.server import Server
from harness.store import PostgresStore
from program_help import show_help, subcommands

TEXT = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "operations.md").read_text()


def rows(heading: str) -> list:
    """The cells of the first table of a section."""
    section = re.split(r"^## ", TEXT.split(f"\n## {heading}\n", 1)[1], flags=re.M)[0]
    table = re.search(r"(?:^\|.*\n)+", section, flags=re.M)[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def code(cell: str) -> str:
    return cell.strip("`")


def test_every_setting_is_documented_with_its_flag_and_default():
    told = re.findall(r"^  (--[\w-]+) VALUE\s.*\[(\w+), default: (.*)\]$", show_help(), flags=re.M)
    assert len(told) > 20
    documented = [(code(flag), code(variable), default)
                  for variable, flag, default, _ in rows("Settings")]
    assert sorted(documented) == sorted(told)


def test_every_subcommand_is_documented():
    assert [code(command) for command, _ in rows("Subcommands")] == subcommands()


def documented_metrics(heading: str) -> set:
    return {(code(name), kind) for name, kind, _ in rows(heading)}


def metrics_of(server) -> set:
    server.user().task()  # so that requests have been counted
    connection = http.client.HTTPConnection("127.0.0.1", server.metrics_port, timeout=10)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return set(re.findall(r"^# TYPE (\w+) (\w+)$", text, flags=re.M))


def test_every_metric_is_documented_with_its_type(server):
    assert documented_metrics("Metrics") == metrics_of(server)


def test_every_metric_on_postgresql_is_documented_with_its_type(tmp_path):
    with postgres.Cluster() as cluster:
        server = Server(tmp_path, store=PostgresStore(cluster.new_database())).start()
        try:
            told = metrics_of(server)
        finally:
            server.stop()
    documented = documented_metrics("Metrics") | documented_metrics("Metrics on PostgreSQL")
    of_sqlite = {("todo_storage_checkpoints_total", "counter"), ("todo_storage_wal_bytes", "gauge")}
    once_it_happens = {("todo_storage_retries_total", "counter")}
    assert told | once_it_happens == documented - of_sqlite


def test_every_metric_with_dapr_is_documented_with_its_type(tmp_path):
    server = Server(tmp_path, EVENT_BUS="dapr", APP_PORT=free_port(), DAPR_HTTP_PORT=free_port(),
                    OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{free_port()}").start()
    try:
        told = metrics_of(server)
    finally:
        server.stop()
    assert told == documented_metrics("Metrics") | documented_metrics("Metrics with Dapr")


def test_keys_change_without_ending_sessions_or_breaking_chains(place):
    server = place("server").start()
    user = server.user()
    task = user.task()
    server.stop()
    for variable, file in (("JWT_SECRET", "jwt.key"), ("AUDIT_KEY", "audit.key")):
        old_key = (server.data / file).read_text().strip()
        server.settings[variable] = f"{secrets.token_urlsafe(36)},{old_key}"
    server.start()
    user.edit(task, title="Buy oat milk")
    assert user.get("/audit/verify").json()["verified"]
    server.stop()
    # The old keys left out: the session is over, and the first entry has no key.
    for variable in ("JWT_SECRET", "AUDIT_KEY"):
        server.settings[variable] = server.settings[variable].split(",")[0]
    server.start()
    user.get("/tasks").expect(401)
    verified = server.run("audit", "verify", check=False)
    assert verified.returncode == 1 and "AUDIT_KEY" in verified.stdout


def test_a_backup_with_both_keys_goes_on_in_another_folder(place, tmp_path):
    old = place("old").start()
    user = old.user()
    task = user.task()
    old.run("backup", str(tmp_path / "copy.db"))
    old.stop()
    new = place("new")
    new.data.mkdir(mode=0o700)
    for key in ("jwt.key", "audit.key"):
        (new.data / key).write_bytes((old.data / key).read_bytes())
    new.run("restore", str(tmp_path / "copy.db"))
    new.start()
    user.server = new
    assert user.read(task)["title"] == task["title"]  # with the session of before
    assert user.edit(task, title="Buy oat milk")["version"] == 2
    assert new.run("audit", "verify").stdout == "verified: 1 chain, 2 entries\n"
