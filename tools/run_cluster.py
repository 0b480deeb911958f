#!/usr/bin/python3
"""run_cluster.py [--replicas N]: what `./dev cluster` runs. PostgreSQL, a Kafka broker, and replicas of
the server, each with a Dapr sidecar, behind a round-robin proxy, on free ports of 127.0.0.1. Everything
is in a temporary folder and ends with Ctrl-C."""
import argparse
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tests"))
from harness import broker, daprd, parts  # noqa: E402
from harness.ports import free_port  # noqa: E402
from harness.proxy_server import RoundRobin  # noqa: E402
from harness.replicas import Replicas  # noqa: E402

REPLICAS_MAX = 8


def say(text: str) -> None:
    print(text, flush=True)


def show(cluster: Replicas, proxy: RoundRobin) -> None:
    say(f"\nReady: {proxy.url}  (API documentation: {proxy.url}/api/docs)\n")
    for replica in cluster.replicas:
        say(f"  replica {replica.number}  {replica.server.url}  metrics "
            f"http://127.0.0.1:{replica.server.metrics_port}/metrics  sidecar "
            f"http://127.0.0.1:{replica.sidecar.http_port}")
    say(f"  PostgreSQL {cluster.database.url}\n  broker     {cluster.broker.address}"
        f"  (kcat -b {cluster.broker.address} -C -t todo.audit)\n  logs       {cluster.folder}\n")
    say("Ctrl-C ends it all.")


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev cluster", description=__doc__)
    parser.add_argument("--replicas", type=int, default=2, choices=range(1, REPLICAS_MAX + 1),
                        metavar="N", help="how many servers, 2 by default")
    options = parser.parse_args()
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    folder = pathlib.Path(tempfile.mkdtemp(prefix="todo-cluster-"))
    port = free_port()
    try:
        broker.jars()
        daprd.program()
        say("Starting PostgreSQL, the broker, servers and sidecars …")
        with Replicas(folder, options.replicas, PUBLIC_URL=f"http://127.0.0.1:{port}",
                      TRUSTED_PROXIES="127.0.0.1",
                      RATE_LIMITS="on") as cluster:
            ports = [replica.server.port for replica in cluster.replicas]
            with RoundRobin(folder / "proxy", ports, port) as proxy:
                show(cluster, proxy)
                ended.wait()
                say("Ending …")
    except parts.PartError as error:
        say(str(error))
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
