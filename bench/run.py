#!/usr/bin/python3
"""run.py [NAME...]: what `./dev bench` runs: the program beside what it could be at best.

Each figure is taken together with what it is compared with, in turns, on the same disk; the load
average stands beside it. Nothing counts while events wait in the outbox. The table goes to
standard output, everything measured to build/bench.json.
"""
import argparse
import contextlib
import http.client
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "release"
DATA = ROOT / "build" / "bench-data"  # on the disk that the program would use
RESULT = ROOT / "build" / "bench.json"
RESULT_POSTGRES = ROOT / "build" / "bench-postgres.json"

CLIENTS = 64
LIST_USERS, TASKS_EACH = 100, 1_000
AUDIT_ENTRIES = 1_000_000
OCCURRENCES = 300
SOCKETS, SOCKET_USERS, SOCKET_ROUNDS = 10_000, 100, 5
PAGES = 300
STARTS = 9
PASSWORD = "correct horse battery"  # bench/seed.cpp has the same
START_SECONDS = 60
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


# --- processes ------------------------------------------------------------------------------------


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def memory_mib(pid: int) -> float:
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024


def tool(name: str) -> str:
    return str(BUILD / "bin" / f"bench_{name}")


class Server:
    """The program on a data directory, as it comes; its log goes to a file."""

    def __init__(self, folder: pathlib.Path, **settings):
        self.folder = folder
        self.settings = settings
        self.database = folder / "todo.db"
        self.process = None

    def env(self) -> dict:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(DATA),
            "DATA_DIR": str(self.folder),
            "PORT": "0",
            "METRICS_PORT": "0",
            "RATE_LIMITS": "off",
        } | self.settings

    def start(self) -> "Server":
        """Returns when it says that it is ready; `start_ms`: how long that took from its fork."""
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.folder.with_suffix(".log")
        with log.open("wb") as output, log.open("rb") as reader:
            began = time.monotonic()
            self.process = subprocess.Popen(
                [BUILD / "todo-backend", "serve"],
                env=self.env(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
            text = b""
            while b'"message":"ready"' not in text or not text.endswith(b"\n"):
                text += reader.read()
                if self.process.poll() is not None or time.monotonic() - began > START_SECONDS:
                    raise RuntimeError(f"it does not start: {text.decode()[-500:]}")
                time.sleep(0.0005)
            self.start_ms = (time.monotonic() - began) * 1000
        ready = next(line for line in text.splitlines() if b'"message":"ready"' in line)
        self.port = int(json.loads(ready)["url"].rpartition(":")[2])
        self.pid = self.process.pid
        return self

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)
            self.process = None

    def run(self, *arguments) -> str:
        return subprocess.run(
            [BUILD / "todo-backend", *arguments],
            env=self.env(),
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def drained(self) -> float:
        """Waits until the outbox is empty; when that was."""
        deadline = time.monotonic() + 60
        uri = f"file:{self.database}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=10)) as connection:
            while connection.execute("SELECT EXISTS (SELECT 1 FROM outbox)").fetchone()[0]:
                if time.monotonic() > deadline:
                    raise RuntimeError("the outbox does not drain")
                time.sleep(0.002)
        return time.monotonic()

    def request(self, connection, method: str, path: str, token: str, body=None) -> dict:
        headers = {"Authorization": f"Bearer {token}"}
        data = None
        if body is not None:
            data, headers["Content-Type"] = json.dumps(body), "application/json"
        connection.request(method, "/api/v1" + path, body=data, headers=headers)
        response = connection.getresponse()
        text = response.read()
        if response.status >= 300:
            raise RuntimeError(f"{method} {path}: {response.status} {text[:200]}")
        return json.loads(text)

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)


@contextlib.contextmanager
def serving(folder: pathlib.Path, **settings):
    server = Server(folder, **settings).start()
    try:
        yield server
    finally:
        server.stop()


class Person:
    def __init__(self, line: str):
        self.email, self.id, self.token = line.split()


def seed(name: str, *arguments) -> tuple[pathlib.Path, list]:
    """A data directory that bench_seed filled, and who is in it. Made once in a run."""
    folder = DATA / name
    people = DATA / f"{name}.people"
    if not people.exists():
        say(f"  filling {name} …")
        output = subprocess.run(
            [tool("seed"), folder, *map(str, arguments)], check=True, capture_output=True, text=True
        ).stdout
        people.write_text(output)
    return folder, [Person(line) for line in people.read_text().splitlines()]


# --- load -----------------------------------------------------------------------------------------


def raw(method: str, path: str, token: str | None = None, body=None) -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n"
    if token:
        head += f"Authorization: Bearer {token}\r\n"
    data = json.dumps(body).encode() if body is not None else b""
    if body is not None:
        head += f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n"
    return head.encode() + b"\r\n" + data


def plan(connections: list) -> bytes:
    """What bench_load reads: for each connection the requests that it goes round."""
    out = [b"%d\n" % len(connections)]
    for requests in connections:
        out.append(b"%d\n" % len(requests))
        out += [b"%d\n%s" % (len(request), request) for request in requests]
    return b"".join(out)


def start_load(port: int, seconds: float, connections: list, pause_ms: int = 0) -> subprocess.Popen:
    process = subprocess.Popen(
        [tool("load"), str(port), str(seconds), str(pause_ms)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    process.stdin.write(plan(connections))
    process.stdin.close()
    return process


def end_load(process: subprocess.Popen) -> dict:
    output = process.stdout.read()
    if process.wait() != 0:
        raise RuntimeError("bench_load failed")
    result = json.loads(output)
    if result["failed"]:
        raise RuntimeError(f"{result['failed']} requests failed")
    return result


def load(port: int, seconds: float, connections: list, pause_ms: int = 0) -> dict:
    return end_load(start_load(port, seconds, connections, pause_ms))


def measured(
    pid: int, port: int, seconds: float, connections: list, settled=time.monotonic
) -> dict:
    """Load, until `settled` returns: all its work is done. Answers a second, CPU an answer."""
    cpu, began = cpu_seconds(pid), time.monotonic()
    result = load(port, seconds, connections)
    took = settled() - began
    result["rate"] = result["answers"] / took
    result["cpu_ms"] = (cpu_seconds(pid) - cpu) / result["answers"] * 1000
    return result


# --- the table ------------------------------------------------------------------------------------

rows = []


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def row(
    measure: str,
    figure: float,
    unit: str,
    floor: float,
    aim: float,
    details: str,
    higher: bool = False,
) -> None:
    reached = lambda bound: figure >= bound if higher else figure <= bound
    verdict = "aim" if reached(aim) else "floor" if reached(floor) else "BELOW"
    rows.append(
        {
            "measure": measure,
            "figure": figure,
            "unit": unit,
            "floor": floor,
            "aim": aim,
            "verdict": verdict,
            "details": details,
            "load_average": os.getloadavg()[0],
        }
    )
    sign = "≥" if higher else "≤"
    say(f"  {measure}: {figure:.4g}{unit} ({sign} {floor:g}, aim {aim:g}): {verdict}; {details}")


def show_table() -> None:
    cells = [("measure", "figure", "floor", "aim", "", "load", "details")]
    for r in rows:
        cells.append(
            (
                r["measure"],
                f"{r['figure']:.4g}{r['unit']}",
                f"{r['floor']:g}",
                f"{r['aim']:g}",
                r["verdict"],
                f"{r['load_average']:.1f}",
                r["details"],
            )
        )
    widths = [max(len(cell[i]) for cell in cells) for i in range(len(cells[0]))]
    for cell in cells:
        print("  ".join(text.ljust(width) for text, width in zip(cell, widths)).rstrip())


def mean(values) -> float:
    return statistics.fmean(values)


# --- what is measured -----------------------------------------------------------------------------


def creates() -> None:
    """Durable creates, their audit entries written, beside what SQLite does at best."""
    folder, people = seed("creates", "users", CLIENTS, 0)
    connections = [
        [raw("POST", "/api/v1/tasks", person.token, {"title": "Buy milk"})] for person in people
    ]
    bare, ours = [], []
    with serving(folder) as server:
        load(server.port, 1, connections)
        for turn in range(3):
            file = DATA / f"bare{turn}.db"
            bare.append(
                json.loads(
                    subprocess.run(
                        [tool("bare_loop"), file, "3"], check=True, capture_output=True, text=True
                    ).stdout
                )
            )
            file.unlink()
            ours.append(measured(server.pid, server.port, 4, connections, server.drained))
    bare_rate = mean([b["creates"] / b["seconds"] for b in bare])
    bare_cpu = sum(b["cpu_seconds"] for b in bare) / sum(b["creates"] for b in bare) * 1000
    rate, cpu = mean([o["rate"] for o in ours]), mean([o["cpu_ms"] for o in ours])
    row(
        "creates / bare loop",
        rate / bare_rate,
        "",
        0.4,
        0.7,
        f"{rate:.0f}/s of {bare_rate:.0f}/s, p99 {max(o['p99_ms'] for o in ours):.0f} ms",
        higher=True,
    )
    row("CPU a create", cpu, " ms", 0.3, 0.18, f"the bare loop {bare_cpu:.3f} ms")


def lists() -> None:
    """A list of 50 tasks, beside one that only sends the same bytes; then memory under load."""
    folder, people = seed("tasks", "users", LIST_USERS, TASKS_EACH)
    asked = [raw("GET", "/api/v1/tasks?limit=50", person.token) for person in people]
    connections = [asked[i % LIST_USERS :] + asked[: i % LIST_USERS] for i in range(CLIENTS)]
    bare, ours = [], []
    with serving(folder) as server:
        answer = DATA / "answer"
        with contextlib.closing(server.connect()) as connection:
            connection.request(
                "GET",
                "/api/v1/tasks?limit=50",
                headers={"Authorization": f"Bearer {people[0].token}"},
            )
            response = connection.getresponse()
            fields = [
                f"{name}: {value}\n"
                for name, value in response.getheaders()
                if name.lower() != "content-length"
            ]
            answer.write_bytes("".join(fields).encode() + b"\n" + response.read())
        responder = subprocess.Popen(
            [tool("bare_responder"), answer],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            port = int(responder.stdout.readline())
            load(server.port, 1, connections)
            for _ in range(3):
                bare.append(measured(responder.pid, port, 2, connections))
                ours.append(measured(server.pid, server.port, 3, connections, server.drained))
        finally:
            responder.stdin.close()
            responder.wait(10)
        busy_memory(server, people)
    bare_rate, bare_cpu = mean([b["rate"] for b in bare]), mean([b["cpu_ms"] for b in bare])
    rate, cpu = mean([o["rate"] for o in ours]), mean([o["cpu_ms"] for o in ours])
    size = ours[0]["bytes"] / ours[0]["answers"]
    row(
        "lists / bare responder",
        rate / bare_rate,
        "",
        0.25,
        0.4,
        f"{rate:.0f}/s of {bare_rate:.0f}/s, {size / 1024:.1f} KiB each",
        higher=True,
    )
    row("CPU a list", cpu, " ms", 0.25, 0.14, f"the bare responder {bare_cpu:.3f} ms")


def busy_memory(server: Server, people: list) -> None:
    connections = [
        [
            raw("GET", "/api/v1/tasks?limit=50", person.token),
            raw("GET", "/api/v1/tasks?sort=due_date&q=sentence&limit=50", person.token),
            raw("POST", "/api/v1/tasks", person.token, {"title": "Buy milk"}),
        ]
        for person in people[:CLIENTS]
    ]
    process = start_load(server.port, 4, connections)
    memory = 0.0
    while process.poll() is None:
        memory = max(memory, memory_mib(server.pid))
        time.sleep(0.05)
    end_load(process)
    server.drained()
    row(
        "memory, busy",
        memory,
        " MiB",
        150,
        90,
        f"{LIST_USERS * TASKS_EACH} tasks, {CLIENTS} clients that list, search and create",
    )


def next_occurrence() -> None:
    """From the answer to `complete` to the next occurrence being listed, one at a time."""
    folder, people = seed("next", "users", 1, 0)
    token, seconds = people[0].token, []
    with serving(folder) as server, contextlib.closing(server.connect()) as connection:
        cpu = cpu_seconds(server.pid)
        for i in range(OCCURRENCES):
            task = server.request(
                connection,
                "POST",
                "/tasks",
                token,
                {
                    "title": f"Water the plants {i}",
                    "due_date": "2030-02-10T09:00:00Z",
                    "recurrence_rule": "weekly",
                },
            )
            done = server.request(connection, "POST", f"/tasks/{task['id']}/complete", token)
            began, wanted = time.monotonic(), done["next_occurrence"]["id"]
            while wanted not in [
                t["id"] for t in server.request(connection, "GET", "/tasks?limit=5", token)
            ]:
                if time.monotonic() - began > 30:
                    raise RuntimeError("the next occurrence is not made")
            seconds.append(time.monotonic() - began)
        server.drained()
        cpu = (cpu_seconds(server.pid) - cpu) / OCCURRENCES * 1000
    seconds.sort()
    p99 = seconds[int(0.99 * (len(seconds) - 1))] * 1000
    row(
        "complete → next listed, p99",
        p99,
        " ms",
        30,
        5,
        f"median {statistics.median(seconds) * 1000:.1f} ms, {OCCURRENCES} times, "
        f"CPU {cpu:.2f} ms each",
    )


def audit() -> None:
    """A chain of a million entries: its pages, its verification, and a start with it."""
    folder, people = seed("audit", "audit", AUDIT_ENTRIES)
    with serving(folder) as server:
        pages(server, people[0].token)
        began, cpu = time.monotonic(), cpu_seconds(server.pid)
        server.run("audit", "verify")
        beside, cpu = time.monotonic() - began, cpu_seconds(server.pid) - cpu
    began = time.monotonic()
    said = server.run("audit", "verify")
    alone = time.monotonic() - began
    if f"{AUDIT_ENTRIES} entries" not in said:
        raise RuntimeError(f"audit verify: {said}")
    row(
        "audit verify",
        AUDIT_ENTRIES / alone / 1000,
        " k/s",
        200,
        500,
        f"beside the server {AUDIT_ENTRIES / beside / 1000:.0f} k/s, "
        f"CPU {cpu / AUDIT_ENTRIES * 1000:.4f} ms an entry",
        higher=True,
    )
    row(
        "start, 1,000,000 entries",
        median_start([folder] * 5),
        " ms",
        500,
        120,
        "median of 5, from fork to ready",
    )


def pages(server: Server, token: str) -> None:
    """The first page of 50 beside the deepest one, in turns."""
    with contextlib.closing(server.connect()) as connection:
        cursors, path = [], "/audit?limit=100"
        tail = re.compile(rb'"next_cursor":"([^"]+)"')
        while path:
            connection.request(
                "GET", "/api/v1" + path, headers={"Authorization": f"Bearer {token}"}
            )
            found = tail.search(connection.getresponse().read()[-2_000:])
            path = f"/audit?limit=100&cursor={found.group(1).decode()}" if found else None
            if found:
                cursors.append(found.group(1).decode())
        times = {"first": [], "deepest": []}
        for _ in range(PAGES):
            for name, query in (("first", ""), ("deepest", f"&cursor={cursors[-1]}")):
                began = time.monotonic()
                page = server.request(connection, "GET", "/audit?limit=50" + query, token)
                times[name].append(time.monotonic() - began)
                if len(page["entries"]) != 50:
                    raise RuntimeError(f"the {name} page has {len(page['entries'])} entries")
    first, deepest = (statistics.median(times[name]) * 1000 for name in ("first", "deepest"))
    row(
        "audit page, deepest / first",
        deepest / first,
        "",
        1.5,
        1.1,
        f"{deepest:.2f} ms / {first:.2f} ms, medians, page {len(cursors) + 1} of 100",
    )


def median_start(folders: list) -> float:
    times = []
    for folder in folders:
        with serving(folder) as server:
            times.append(server.start_ms)
    return statistics.median(times)


def start() -> None:
    """A start with nothing there, and what the process takes then."""
    folders = [DATA / f"empty{i}" for i in range(STARTS)]
    row(
        "start, empty",
        median_start(folders),
        " ms",
        300,
        80,
        f"median of {STARTS}, from fork to ready",
    )
    with serving(DATA / "idle") as server:
        time.sleep(1)
        row(
            "memory, idle", memory_mib(server.pid), " MiB", 40, 20, "a second after its first start"
        )


def logins() -> None:
    """Others' requests while 64 clients log in, beside the quiet."""
    folder, people = seed("tasks", "users", LIST_USERS, TASKS_EACH)
    others = [
        [
            raw("GET", "/api/v1/tasks?limit=50", person.token),
            raw("POST", "/api/v1/tasks", person.token, {"title": "Buy milk"}),
        ]
        for person in people[CLIENTS : CLIENTS + 8]
    ]
    entering = [
        [raw("POST", "/api/v1/auth/login", None, {"email": person.email, "password": PASSWORD})]
        for person in people[:CLIENTS]
    ]
    quiet, busy, entered = [], [], []
    with serving(folder) as server:
        load(server.port, 1, others, 20)
        for _ in range(3):
            quiet.append(load(server.port, 3, others, 20))
            cpu = cpu_seconds(server.pid)
            process = start_load(server.port, 5, entering)
            time.sleep(0.5)
            busy.append(load(server.port, 3.5, others, 20))
            entered.append(end_load(process) | {"cpu": cpu_seconds(server.pid) - cpu})
        server.drained()
    calm, crowded = mean([q["p99_ms"] for q in quiet]), mean([b["p99_ms"] for b in busy])
    rate = mean([e["answers"] / e["seconds"] for e in entered])
    cpu = sum(e["cpu"] for e in entered) / sum(e["answers"] for e in entered) * 1000
    row(
        "p99 of others during logins",
        crowded / calm,
        "",
        3,
        1.5,
        f"{crowded:.1f} ms / {calm:.1f} ms (medians {mean([b['p50_ms'] for b in busy]):.1f} / "
        f"{mean([q['p50_ms'] for q in quiet]):.1f}), {rate:.0f} logins/s, CPU {cpu:.0f} ms each",
    )


def open_file_limit(files: int) -> None:
    """For the programs that are started here; the rest is said where it is too low."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in (max(hard, files), hard):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
            break
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < files:
        say(f"  RLIMIT_NOFILE is {hard}, and {files} would be needed: fewer sockets are opened")


def sockets() -> None:
    """WebSockets that are open and quiet, and one change per user at once."""
    open_file_limit(SOCKETS + 1_024)
    room = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 1_024
    count = min(SOCKETS, room // SOCKET_USERS * SOCKET_USERS)
    folder, people = seed("sockets", "users", SOCKET_USERS, 1)
    limits = {"SOCKETS_MAX": str(count), "SOCKETS_PER_USER_MAX": str(count // SOCKET_USERS)}
    with serving(folder, **limits) as server:
        load(server.port, 1, [[raw("GET", "/api/v1/tasks", person.token)] for person in people])
        before = memory_mib(server.pid)
        listener = subprocess.Popen(
            [tool("sockets"), str(server.port), str(count), str(SOCKET_ROUNDS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            listener.stdin.write("".join(f"{person.token}\n" for person in people) + "\n")
            listener.stdin.flush()
            if listener.stdout.readline() != "open\n":
                raise RuntimeError("the sockets could not be opened")
            each = (memory_mib(server.pid) - before) * 1024 / count
            cpu = cpu_seconds(server.pid)
            output, _ = listener.communicate("go\n", timeout=120)
            cpu = (cpu_seconds(server.pid) - cpu) / SOCKET_ROUNDS
        finally:
            listener.kill()
            listener.wait()
        result = json.loads(output)
        after = memory_mib(server.pid)
    row(
        "memory of a WebSocket",
        each,
        "KiB",
        16,
        6,
        f"{count} of {SOCKET_USERS} users, {before:.0f} MiB without; {after:.0f} MiB after the changes",
    )
    row(
        f"{count} deliveries of a change per user, p99",
        result["p99_ms"],
        "ms",
        500,
        100,
        f"median {result['p50_ms']:.0f} ms, last {result['max_ms']:.0f} ms, {SOCKET_ROUNDS} rounds, "
        f"CPU of the server {cpu * 1000:.0f} ms a round",
    )


def pipeline() -> None:
    """Several replicas, with their sidecars and a broker."""
    import pipeline as rows_of_it  # its parts are those of the tests

    rows_of_it.pipeline()


BENCHES = {
    "start": start,
    "next": next_occurrence,
    "creates": creates,
    "lists": lists,
    "logins": logins,
    "audit": audit,
    "sockets": sockets,
    "pipeline": pipeline,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev bench", description="Runs the benchmarks.")
    parser.add_argument("names", nargs="*", metavar="name",
                        help=f"{' '.join(BENCHES)}; with --postgres: creates lists next idle audit")
    parser.add_argument("--postgres", action="store_true", help="the program on PostgreSQL")
    parser.add_argument("--entries", type=int, default=10_000_000, metavar="N",
                        help="audit entries of --postgres (default: %(default)s, 30 GB of disk)")
    options = parser.parse_args()
    names, benches, result_file = options.names, BENCHES, RESULT
    if options.postgres:
        import postgres  # its packages are those of the tests

        benches, result_file = postgres.benches(options.entries), RESULT_POSTGRES
    unknown = [name for name in names if name not in benches]
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}; there are {' '.join(benches)}")
    shutil.rmtree(DATA, ignore_errors=True)
    DATA.mkdir(parents=True)
    began, failed = time.monotonic(), []
    try:
        for name in names or benches:
            say(f"== {name} (load average {os.getloadavg()[0]:.1f})")
            try:
                benches[name]()
            except (RuntimeError, OSError, subprocess.SubprocessError) as error:
                failed.append(name)
                say(f"  FAILED: {error}")
    finally:
        shutil.rmtree(DATA, ignore_errors=True)
    result_file.write_text(
        json.dumps(
            {"rows": rows, "failed": failed, "cores": os.cpu_count()}, indent=2, ensure_ascii=False
        )
        + "\n"
    )
    show_table()
    print(
        f"{len(rows)} figures in {time.monotonic() - began:.0f} s, "
        f"also in {result_file.relative_to(ROOT)}" + (f"; failed: {' '.join(failed)}" if failed else "")
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.modules["run"] = sys.modules["__main__"]  # the other files here add to the same table
    sys.exit(main())
