#!/usr/bin/python3
"""torture.py [--postgres] N [--seed S] [--keep]: kills servers N times; nothing may be lost.

The server is killed (SIGKILL) at random moments while clients work with it, sometimes again while
it starts, and then serves the same data again. With --postgres there are one or three servers on a
database, sometimes behind a pooler, and any of them is killed, or all, or PostgreSQL. What must hold afterwards is in
checker.py. Without --seed one is chosen and printed; the same seed asks for the same things and
waits as long before each kill.
"""
import argparse
import contextlib
import os
import pathlib
import random
import shutil
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from crash.campaign import CLUSTER_SETTINGS, PostgresCampaign, SqliteCampaign
from harness.postgres import Cluster

KILLS_PER_CAMPAIGN = 40  # then with new data, so that checking stays cheap
PROBLEMS_SHOWN = 20


def new_campaign(cluster, folder: pathlib.Path, seed: str):
    if cluster is None:
        return SqliteCampaign(folder, seed)
    chosen = random.Random(seed)
    processes, listening = chosen.choice((1, 3)), chosen.random() < 0.5
    pooled = chosen.random() < 0.25
    return PostgresCampaign(cluster, folder, seed, processes, listening, pooled)


def torture(options: argparse.Namespace, seed: int, cluster) -> int:
    started, done, campaigns = time.monotonic(), 0, 0
    while done < options.kills:
        folder = pathlib.Path(tempfile.mkdtemp(prefix="todo-torture-"))
        campaign = new_campaign(cluster, folder, f"{seed}/{campaigns}")
        print(f"  {campaign.what}", flush=True)
        try:
            problems = campaign.run(
                min(KILLS_PER_CAMPAIGN, options.kills - done),
                lambda text: print(
                    f"  {time.monotonic() - started:4.0f} s: {done} + {text}", flush=True
                ),
            )
        finally:
            campaign.close()
        done, campaigns = done + campaign.kills, campaigns + 1
        if problems:
            print(f"FAILED after {done} kills; the data is in {campaign.keep(folder)}")
            for problem in problems[:PROBLEMS_SHOWN]:
                print(f"  {problem}")
            if len(problems) > PROBLEMS_SHOWN:
                print(f"  … and {len(problems) - PROBLEMS_SHOWN} more")
            return 1
        if options.keep:
            print(f"  the data is in {campaign.keep(folder)}")
        else:
            shutil.rmtree(folder)
            campaign.drop()
    print(
        f"passed: {done} kills in {time.monotonic() - started:.0f} s, "
        "nothing lost, nothing done twice"
    )
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="./dev torture", description="Kills servers under load."
    )
    parser.add_argument("kills", type=int, metavar="N", help="how many kills")
    parser.add_argument(
        "--postgres", action="store_true", help="one or three servers on PostgreSQL, and that too"
    )
    parser.add_argument("--seed", type=int, help="of an earlier run, to ask for the same again")
    parser.add_argument("--keep", action="store_true", help="keep the data")
    options = parser.parse_args()
    if options.kills < 1:
        parser.error("N is at least 1")
    seed = options.seed if options.seed is not None else int.from_bytes(os.urandom(4))
    how = "--postgres " if options.postgres else ""
    again = f"./dev torture {how}{options.kills} --seed {seed}"
    print(f"seed {seed}: {options.kills} kills (again: {again})", flush=True)
    with contextlib.ExitStack() as stack:
        cluster = None
        if options.postgres:
            cluster = stack.enter_context(Cluster(durable=True, settings=CLUSTER_SETTINGS))
        return torture(options, seed, cluster)


if __name__ == "__main__":
    sys.exit(main())
