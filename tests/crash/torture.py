#!/usr/bin/python3
"""torture.py N [--seed S] [--keep]: kills the server N times under load; nothing may be lost.

The server is killed (SIGKILL) at random moments while clients work with it, sometimes again while
it starts, and then serves the same data again. What must hold afterwards is in checker.py. Without
--seed one is chosen and printed; the same seed asks for the same things and waits as long before
each kill.
"""
import argparse
import os
import pathlib
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from crash.checker import check
from crash.load import Load
from harness.server import Server, eventually, program

KILLS_PER_CAMPAIGN = 40  # then with new data, so that checking stays cheap
CHECK_EVERY = 10
LIFE_SECONDS = (0.02, 0.9)  # of the server, from ready to killed
START_LIFE_SECONDS = (0.0, 0.06)  # of one that is killed while it starts
PROBLEMS_SHOWN = 20


def start_and_kill(server: Server, seconds: float) -> None:
    """Kills a server that may not be ready yet."""
    process = subprocess.Popen(
        [program(), "serve"],
        env=server.environment(),
        cwd=server.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        pass
    process.kill()
    code = process.wait()
    assert code == -signal.SIGKILL, f"it ended by itself with {code} while it started"


def outbox_rows(server: Server) -> int:
    with sqlite3.connect(
        f"file:{server.data / 'todo.db'}?mode=ro", uri=True, timeout=10
    ) as database:
        count = database.execute("SELECT count(*) FROM outbox").fetchone()[0]
    database.close()
    return count


class Campaign:
    """One data directory, its server, and those who use it."""

    def __init__(self, folder: pathlib.Path, seed: str):
        self.random = random.Random(seed)
        self.server = Server(folder)
        self.server.start()
        self.load = Load(self.server, seed)
        self.kills = 0
        self.problems = []

    def run(self, kills: int, tell=lambda text: None) -> list:
        self.load.begin(self.server.port)
        while self.kills < kills and not self.problems:
            self.kill_once(kills)
            if self.kills % CHECK_EVERY == 0 or self.kills >= kills:
                tell(
                    f"{self.kills} kills, {len(self.load.ops)} requests, "
                    f"{self.load.lost} answers lost"
                )
            self.problems += self.complaints()
        self.load.end()
        return self.finish()

    def kill_once(self, kills: int) -> None:
        time.sleep(
            self.random.uniform(*LIFE_SECONDS)
        )  # the moment of the kill, nothing is waited for
        self.load.gate.close()
        self.server.kill()
        self.kills += 1
        while self.kills < kills and self.random.random() < 0.3:
            start_and_kill(self.server, self.random.uniform(*START_LIFE_SECONDS))
            self.kills += 1
        self.server.start()
        self.load.gate.open(self.server.port)

    def complaints(self) -> list:
        return [line for line in self.server.log if '"level":"error"' in line]

    def finish(self) -> list:
        """Everything is checked, beside the server and without it."""
        server = self.server
        eventually(lambda: outbox_rows(server) == 0, 30)
        eventually(lambda: not self.reminders_due(), 10)
        self.verify_audit("beside the server")
        self.problems += check(server.data / "todo.db", self.load.ops, self.load.user_ids)
        code = server.stop()
        if code != 0:
            self.problems.append(f"the server stopped with {code}")
        self.problems += self.complaints()
        self.verify_audit("without a server")
        self.problems += check(server.data / "todo.db", self.load.ops, self.load.user_ids, 0)
        return self.problems

    def reminders_due(self) -> int:
        """Reminders that the timer is about to claim, within the next second too."""
        with sqlite3.connect(
            f"file:{self.server.data / 'todo.db'}?mode=ro", uri=True, timeout=10
        ) as database:
            soon = int((time.time() + 1) * 1000)
            count = database.execute(
                "SELECT count(*) FROM tasks WHERE remind_at < ?", [soon]
            ).fetchone()[0]
            count += database.execute("SELECT count(*) FROM outbox").fetchone()[0]
        database.close()
        return count

    def verify_audit(self, where: str) -> None:
        done = self.server.run("audit", "verify", check=False)
        if done.returncode != 0:
            self.problems.append(f"audit verify {where}: {done.stdout}{done.stderr}")


def torture(kills: int, seed: int, keep: bool) -> int:
    print(f"seed {seed}: {kills} kills (again: ./dev torture {kills} --seed {seed})", flush=True)
    started, done, campaigns = time.monotonic(), 0, 0
    while done < kills:
        folder = pathlib.Path(tempfile.mkdtemp(prefix="todo-torture-"))
        campaign = Campaign(folder, f"{seed}/{campaigns}")
        try:
            problems = campaign.run(
                min(KILLS_PER_CAMPAIGN, kills - done),
                lambda text: print(
                    f"  {time.monotonic() - started:4.0f} s: {done} + {text}", flush=True
                ),
            )
        finally:
            if campaign.server.process is not None:
                campaign.server.kill()
        done, campaigns = done + campaign.kills, campaigns + 1
        if problems:
            print(f"FAILED after {done} kills; the data is in {folder}")
            for problem in problems[:PROBLEMS_SHOWN]:
                print(f"  {problem}")
            if len(problems) > PROBLEMS_SHOWN:
                print(f"  … and {len(problems) - PROBLEMS_SHOWN} more")
            return 1
        if keep:
            print(f"  the data is in {folder}")
        else:
            shutil.rmtree(folder)
    print(
        f"passed: {done} kills in {time.monotonic() - started:.0f} s, "
        "nothing lost, nothing done twice"
    )
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="./dev torture", description="Kills the server under load."
    )
    parser.add_argument("kills", type=int, metavar="N", help="how many kills")
    parser.add_argument("--seed", type=int, help="of an earlier run, to ask for the same again")
    parser.add_argument("--keep", action="store_true", help="keep the data")
    options = parser.parse_args()
    if options.kills < 1:
        parser.error("N is at least 1")
    seed = options.seed if options.seed is not None else int.from_bytes(os.urandom(4))
    return torture(options.kills, seed, options.keep)


if __name__ == "__main__":
    sys.exit(main())
