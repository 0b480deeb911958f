#!/usr/bin/python3
"""run_on_postgres.py PROGRAM [ARGUMENT...]: what `./dev run --postgres` runs.

A PostgreSQL of its own stands in DATA_DIR/postgres, with the keys that the program then needs, and is
kept from run to run. It is started on a free port of 127.0.0.1, and stopped when the program ends; a
second run beside the first, such as a subcommand, uses the one that is there.
"""
import contextlib
import os
import pathlib
import secrets
import signal
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tests"))
from harness import postgres  # noqa: E402

DATABASE = "todo"
KEYS = {"JWT_SECRET": "jwt.key", "AUDIT_KEY": "audit.key"}
# For root, whose home PostgreSQL's account cannot look into.
SYSTEM_DATA_DIR = pathlib.Path("/var/lib/todo-app")


def say(text: str) -> None:
    print(f"dev: {text}", file=sys.stderr, flush=True)


def data_dir(arguments: list[str]) -> pathlib.Path:
    """As the program chooses it, but where root's own would not do."""
    for number, argument in enumerate(arguments):
        if argument == "--data-dir" and number + 1 < len(arguments):
            return pathlib.Path(arguments[number + 1])
        if argument.startswith("--data-dir="):
            return pathlib.Path(argument.partition("=")[2])
    if given := os.environ.get("DATA_DIR"):
        return pathlib.Path(given)
    if os.geteuid() == 0:
        return SYSTEM_DATA_DIR
    home = os.environ.get("XDG_DATA_HOME", "")
    if not home.startswith("/"):
        home = os.path.expanduser("~/.local/share")
    return pathlib.Path(home) / "todo-app"


def kept_key(path: pathlib.Path) -> str:
    """Made with the first run."""
    if not path.exists():
        new = path.with_suffix(".new")
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        new.rename(path)
    return path.read_text().strip()


@contextlib.contextmanager
def serving(folder: pathlib.Path):
    """The PostgreSQL in the folder, which runs already or is started."""
    if port := postgres.running_port(folder):
        say(f"using the PostgreSQL on port {port} that another run started")
        yield postgres.Postgres(port)
        return
    say(f"starting PostgreSQL {postgres.version()} in {folder}")
    with postgres.Cluster(folder) as cluster:
        say(f"it runs on port {cluster.port}; look into it with: psql {cluster.url(DATABASE)}")
        yield cluster
        say("stopping PostgreSQL")


def run(program: list[str], environment: dict) -> int:
    """The program's exit status. Ctrl-C reaches it by the terminal, another signal through us."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    process = subprocess.Popen(program, env=os.environ | environment, preexec_fn=lambda: signal.signal(
        signal.SIGINT, signal.SIG_DFL))
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda each, _: process.send_signal(each))
    status = process.wait()
    return status if status >= 0 else 128 - status


def main(program: list[str]) -> int:
    if os.environ.get("DATABASE_URL"):
        say("--postgres brings a database of its own: leave DATABASE_URL out")
        return 2
    place = data_dir(program[1:])
    folder = place.absolute() / "postgres"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not postgres.reachable(folder.parent):
        say(f"PostgreSQL runs as {postgres.account().pw_name} and cannot look into {place}: "
            "choose another DATA_DIR, or run this as somebody else than root")
        return 2
    environment = {"DATA_DIR": str(place)}
    try:
        with serving(folder) as cluster:
            if not cluster.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)):
                cluster.execute(f"CREATE DATABASE {DATABASE} TEMPLATE template0")
            for name in ("DATABASE_URL", "DATABASE_DIRECT_URL"):
                environment[name] = cluster.url(DATABASE)
            for name, file in KEYS.items():
                environment[name] = os.environ.get(name) or kept_key(folder / file)
            return run(program, environment)
    except postgres.PostgresError as error:
        say(str(error))
        return 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
