"""Alerts and dashboard: they parse, they fire when they should, and they name what the program tells."""
import http.client
import json
import pathlib
import re

import pytest
import yaml
from kit import ROOT, call, must
from harness import postgres
from harness.ports import free_port
from harness.server import Server
from harness.store import PostgresStore

PROMETHEUS = ROOT / "deploy" / "prometheus"
DASHBOARD = ROOT / "deploy" / "grafana" / "todo-app.json"
OPERATIONS = ROOT / "docs" / "operations.md"
# Counters by a label whose values come with the events.
ONCE_IT_HAPPENS = {"todo_storage_retries_total"}
CHART_FILES = ROOT / "deploy" / "helm" / "todo-app" / "files"


def alerts() -> list:
    groups = yaml.safe_load((PROMETHEUS / "alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list:
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def expressions() -> list:
    """Of alerts and panels, with Grafana's variables filled in."""
    shown = [target["expr"] for panel in panels() for target in panel["targets"]]
    filled = [text.replace("$__rate_interval", "5m").replace("$namespace", ".*") for text in shown]
    return filled + [rule["expr"] for rule in alerts()]


def scrape(server) -> str:
    server.user().task()
    connection = http.client.HTTPConnection("127.0.0.1", server.metrics_port, timeout=10)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return text


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> dict:
    """Every metric that a server on PostgreSQL tells, and one beside a sidecar, with its labels. Of
    ONCE_IT_HAPPENS, which a quiet server does not show, as docs/operations.md has them."""
    with postgres.Cluster() as cluster:
        text = tell(Server(tmp_path_factory.mktemp("server"),
                           store=PostgresStore(cluster.new_database())))
    # Nobody listens where the sidecar should be.
    text += tell(Server(tmp_path_factory.mktemp("dapr"), EVENT_BUS="dapr", APP_PORT=free_port(),
                        DAPR_HTTP_PORT=free_port()))
    rows = re.findall(r"^\| `(todo_\w+)` \| \w+ \| (.*) \|$", OPERATIONS.read_text(), flags=re.M)
    series = {name: set(re.findall(r"`(\w+)`", meaning)) for name, meaning in rows
              if f"# TYPE {name} " in text or name in ONCE_IT_HAPPENS}
    for name, labels in re.findall(r"^(\w+)(\{.*?\})? ", text, flags=re.M):
        series.setdefault(name, set()).update(re.findall(r"(\w+)=", labels))
    return series


def tell(server) -> str:
    server.start()
    try:
        return scrape(server)
    finally:
        server.stop()


def test_the_rules_parse():
    must("promtool", "check", "rules", PROMETHEUS / "alerts.yaml")


def test_each_alert_fires_when_it_should_and_not_otherwise():
    must("promtool", "test", "rules", PROMETHEUS / "alerts_test.yaml")
    tested = set(re.findall(r"alertname: (\w+)", (PROMETHEUS / "alerts_test.yaml").read_text()))
    assert tested == {rule["alert"] for rule in alerts() if "alert" in rule}


def test_every_expression_parses(tmp_path):
    rules = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(expressions())]
    file = pathlib.Path(tmp_path / "panels.yaml")
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    must("promtool", "check", "rules", "--lint=none", file)
    rules.append({"record": "wrong", "expr": "sum(rate(todo_http_requests_total[5m])"})
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    assert call("promtool", "check", "rules", "--lint=none", file).returncode != 0


# Of Prometheus itself, and of Kubernetes' scraping: labels that a server does not know of.
ADDED_LABELS = {"namespace", "pod", "instance", "job"}


def test_every_metric_and_label_is_one_that_the_program_tells(told):
    for text in expressions():
        for name, selector in re.findall(r"\b(todo_\w+)(\{[^}]*\})?", text):
            assert name in told, text
            for label in re.findall(r"(\w+)(?:=~|!=|!~|=)\"", selector):
                assert label in told[name] | ADDED_LABELS, text
        for group in re.findall(r"\bby \(([^)]*)\)", text):
            labels = {label.strip() for label in group.split(",")}
            known = set().union(*(told[name] for name in re.findall(r"\btodo_\w+", text)))
            assert labels <= known | ADDED_LABELS, text


def test_what_operators_must_see_is_on_the_dashboard():
    shown = " ".join(panel["title"].lower() for panel in panels())
    for word in ("requests", "errors", "latency", "event lag", "outbox", "reminder", "dead letters",
                 "transaction", "outbox age", "sidecar", "sockets", "lateness"):
        assert word in shown


def test_each_alert_leads_to_a_chapter_of_the_runbook():
    text = (ROOT / "docs" / "runbook.md").read_text()
    headings = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
                for heading in re.findall(r"^#+ (.*)$", text, flags=re.M)}
    for rule in alerts():
        if "alert" in rule:
            file, anchor = rule["annotations"]["runbook_url"].split("#")
            assert (file, anchor in headings) == ("docs/runbook.md", True), rule["alert"]


def test_the_chart_has_the_same_alerts_and_dashboard():
    """Helm reads nothing outside of a chart, so it has copies."""
    assert (CHART_FILES / "alerts.yaml").read_text() == (PROMETHEUS / "alerts.yaml").read_text()
    assert (CHART_FILES / "dashboard.json").read_text() == DASHBOARD.read_text()
