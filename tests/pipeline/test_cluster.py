"""What `./dev cluster` runs: everything is there behind one address, and gone after Ctrl-C."""
import json
import pathlib
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request

from harness.server import eventually

ROOT = pathlib.Path(__file__).resolve().parents[2]
START_SECONDS, STOP_SECONDS = 120, 60
EMAIL, PASSWORD = "ann@example.com", "correct horse battery staple"


def ask(method: str, url: str, body=None, token: str | None = None):
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), headers, method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def is_away(url: str) -> bool:
    try:
        urllib.request.urlopen(f"{url}/healthz", timeout=5).close()
        return False
    except urllib.error.URLError:
        return True


def test_two_replicas_serve_behind_one_address_until_ctrl_c():
    cluster = subprocess.Popen([sys.executable, "-u", ROOT / "tools" / "run_cluster.py"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(cluster.stdout), daemon=True)
    reader.start()
    try:
        eventually(lambda: any("Ctrl-C" in line for line in lines) or cluster.poll() is not None, START_SECONDS)
        text = "".join(lines)
        assert cluster.poll() is None, text
        urls = re.findall(r"http://127\.0\.0\.1:\d+", text)
        proxy, replicas = urls[0], re.findall(r"replica \d  (\S+)", text)
        assert len(replicas) == 2, text
        ask("POST", f"{proxy}/api/v1/auth/register", {"email": EMAIL, "password": PASSWORD})
        token = ask("POST", f"{proxy}/api/v1/auth/login", {"email": EMAIL, "password": PASSWORD})["access_token"]
        task = ask("POST", f"{proxy}/api/v1/tasks", {"title": "Buy milk"}, token)
        for url in (proxy, proxy, *replicas):
            assert [each["id"] for each in ask("GET", f"{url}/api/v1/tasks", None, token)] == [task["id"]]
        # By the outbox, a sidecar, the broker, and a sidecar again.
        eventually(lambda: ask("GET", f"{proxy}/api/v1/audit", None, token)["entries"], 60)
    finally:
        cluster.send_signal(signal.SIGINT)
        code = cluster.wait(STOP_SECONDS)
        reader.join(STOP_SECONDS)
    assert code == 0, "".join(lines)
    assert all(is_away(url) for url in (proxy, *replicas))
