"""A PgBouncer of the test's own before a PostgreSQL of its own: what Neon's pooled URLs are."""
import pathlib
import shutil
import signal
import socket
import subprocess
import time
import urllib.parse

from harness import postgres
from harness.ports import free_port

PROGRAM = "/usr/sbin/pgbouncer"
START_SECONDS = 20
STOP_SECONDS = 20
POLL_SECONDS = 0.005

# Nothing is taken on faith: a start-up parameter that it does not know is an error here. Where it
# could not log in to PostgreSQL, it lets nobody try for `server_login_retry` seconds.
CONFIGURATION = """\
[databases]
* = host=127.0.0.1 port={target_port}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users
pool_mode = {pool_mode}
default_pool_size = {pool_size}
max_client_conn = 500
server_login_retry = 0.1
logfile = {folder}/log
"""


class PgBouncer:
    """Takes clients in transaction mode, `pool_size` server connections for each database. Runs from
    its making to close()."""

    def __init__(self, target_port: int, pool_mode: str = "transaction", pool_size: int = 8):
        self.folder = postgres.temporary_folder()
        self.port = free_port()
        (self.folder / "users").write_text('"postgres" ""\n')
        (self.folder / "pgbouncer.ini").write_text(CONFIGURATION.format(
            target_port=target_port, port=self.port, folder=self.folder, pool_mode=pool_mode,
            pool_size=pool_size))
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "PgBouncer":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def url(self, url: str) -> str:
        """The URL of a database behind it, by way of it."""
        parts = urllib.parse.urlsplit(url)
        return parts._replace(netloc=f"postgres@127.0.0.1:{self.port}").geturl()

    def start(self) -> None:
        """Again on the same port after stop()."""
        # It refuses root as PostgreSQL does.
        self.process = subprocess.Popen(
            [PROGRAM, "-q", self.folder / "pgbouncer.ini"], cwd="/", stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **postgres.as_account())
        self._await_start()

    def stop(self) -> None:
        """At once, with all its connections."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(STOP_SECONDS)

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def _await_start(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(POLL_SECONDS)
        log = pathlib.Path(self.folder / "log")
        raise AssertionError("pgbouncer did not start: " + (log.read_text() if log.exists() else ""))
