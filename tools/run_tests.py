#!/usr/bin/python3
"""run_tests.py [SUITE...] [--all] [--filter PATTERN]: what `./dev test` runs.

Each suite prints a header, what failed, its duration and counts. The last line of all is
"N passed, M failed"; the exit status is 0 when M is 0. A suite whose programs cannot be built counts as
one failure; a folder without tests counts as none.
"""
import argparse
import concurrent.futures
import contextlib
import dataclasses
import functools
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tests"))
from harness import broker, daprd, parts, postgres  # noqa: E402

CACHE = pathlib.Path(os.environ.get("TODO_CACHE") or ROOT / ".cache")  # set by ./dev
RESULTS = ROOT / "build" / "test-results"
JOBS = int(os.environ.get("TODO_JOBS") or os.cpu_count() or 1)

# What the integration tests run on; "pooler" is PostgreSQL behind PgBouncer.
DATABASES = ("sqlite", "postgres", "pooler")
# By way of a pooler those where most statements are.
POOLED_FILES = tuple(f"test_{name}.py" for name in (
    "accounts", "audit", "notifications", "recurrence", "reminders", "tasks"))

GTEST_TIMEOUT_S = 900
PYTEST_TIMEOUT_S = 1500
WEB_TIMEOUT_S = 1500
FUZZ_SECONDS = 20
FUZZ_SECONDS_ALL = 600
TIDY_SECONDS = 240
LINES_SHOWN_MAX = 120
REASONS_SHOWN_MAX = 20
REASON_CHARACTERS_MAX = 300

SANITIZER_ENV = {
    "asan": {
        "ASAN_OPTIONS": "detect_stack_use_after_return=1:check_initialization_order=1:"
                        "strict_string_checks=1:abort_on_error=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "ASAN_SYMBOLIZER_PATH": "/usr/bin/llvm-symbolizer-19",
        "UBSAN_SYMBOLIZER_PATH": "/usr/bin/llvm-symbolizer-19",
    },
    "tsan": {
        "TSAN_OPTIONS": "exitcode=66:history_size=4:second_deadlock_stack=1:"
                        "external_symbolizer_path=/usr/bin/llvm-symbolizer-19",
    },
}


@dataclasses.dataclass
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    reasons: list[str] = dataclasses.field(default_factory=list)  # which test failed, and why

    def add(self, other: "Counts") -> None:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.reasons += other.reasons


def show(text: str) -> None:
    print(text, flush=True)


def show_tail(text: str) -> None:
    """The end of a log, indented; the part that names the failure is there."""
    lines = text.rstrip().splitlines()
    if len(lines) > LINES_SHOWN_MAX:
        show(f"    … {len(lines) - LINES_SHOWN_MAX} lines before")
    for line in lines[-LINES_SHOWN_MAX:]:
        show(f"    {line}")


running = set()  # what run() waits for
at_end = contextlib.ExitStack()


def stop(number: int, _frame) -> None:
    """Ctrl-C and the like end what runs, which has sessions of its own."""
    for process in list(running):
        os.killpg(process.pid, signal.SIGKILL)
    at_end.close()
    os._exit(128 + number)


def run(command: list, timeout_s: float, env: dict | None = None) -> tuple[int, str]:
    """Exit status and output; a command that takes too long is ended with its children."""
    process = subprocess.Popen(
        [str(part) for part in command], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, env={**os.environ, **(env or {})}, start_new_session=True)
    running.add(process)
    try:
        output, _ = process.communicate(timeout=timeout_s)
        return process.returncode, output.decode(errors="replace")
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        return 124, output.decode(errors="replace") + f"\nended: it took more than {timeout_s:.0f} s"
    finally:
        running.discard(process)


def build(preset: str, *targets: str) -> bool:
    """Builds with `./dev build`, showing how far it is; False, and the compiler's words, on failure."""
    command = ["./dev", "build", "--preset", preset, *targets]
    # Its progress is taken from Ninja's "[done/total]" lines.
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, errors="replace")
    started = shown = time.monotonic()
    lines, step = [], ""
    for line in process.stdout:
        lines.append(line)
        if match := re.match(r"\[(\d+/\d+)\] ", line):
            step = match.group(1)
        if time.monotonic() - shown > 30:
            shown = time.monotonic()
            show(f"  building {preset}: {step}, {shown - started:.0f} s")
    log = RESULTS / f"build-{preset}.log"
    log.write_text("".join(lines))
    if process.wait() == 0:
        if time.monotonic() - started > 5:
            show(f"  built {preset} in {time.monotonic() - started:.0f} s")
        return True
    show(f"  build {preset} failed ({log.relative_to(ROOT)}):")
    # From the first failed step on; lines of steps that went well say nothing.
    first = next((i for i, line in enumerate(lines) if line.startswith("FAILED:")), 0)
    told = [line for line in lines[first:] if not re.match(r"\[\d+/\d+\] ", line)]
    for line in told[:LINES_SHOWN_MAX]:
        show(f"    {line.rstrip()[:400]}")
    return False


@functools.cache
def postgres_env() -> dict:
    """Names the PostgreSQL of this run, which the first suite that may want it starts."""
    started = time.monotonic()
    cluster = at_end.enter_context(postgres.Cluster())
    show(f"  PostgreSQL {postgres.version()} on port {cluster.port} "
         f"({time.monotonic() - started:.1f} s)")
    return {postgres.VARIABLE: cluster.url()}


def has_sources(folder: str, pattern: str) -> bool:
    return next((ROOT / folder).rglob(pattern), None) is not None


# --- GoogleTest -----------------------------------------------------------------------------------


def gtest_counts(report: pathlib.Path, output: str, status: int) -> tuple[Counts, list[str]]:
    """Counts and the names of failed tests, from the JSON report or, after a crash, from the output."""
    counts, failures = Counts(), []
    if report.exists():
        for suite in json.loads(report.read_text())["testsuites"]:
            for test in suite["testsuite"]:
                name = f'{suite["name"]}.{test["name"]}'
                if "failures" in test:
                    counts.failed += 1
                    failures.append(name)
                elif test["result"] == "SKIPPED":
                    counts.skipped += 1
                elif test["result"] == "COMPLETED":
                    counts.passed += 1
    else:
        counts.passed = len(re.findall(r"^\[       OK \]", output, re.M))
        failures = re.findall(r"^\[  FAILED  \] (\S+) \(", output, re.M)
        counts.failed = len(failures)
    if status != 0 and counts.failed == 0:
        counts.failed = 1
        how = f"signal {-status}" if status < 0 else f"status {status}"
        # With a report every test ended well, and a sanitizer spoke; without one, the last test begun
        # took the program with it.
        started = [] if report.exists() else re.findall(r"^\[ RUN      \] (\S+)", output, re.M)
        failures.append(f"ended with {how}" + (f" in {started[-1]}" if started else ""))
    return counts, failures


def interesting(output: str) -> str:
    """GoogleTest's output without what went well."""
    return "\n".join(line for line in output.splitlines()
                     if not re.match(r"\[( RUN      |       OK |-{10}|={10})\]", line) and line)


def run_gtest(preset: str, program: pathlib.Path, pattern: str | None, env: dict) -> Counts:
    name = f"{preset}-{program.name}"
    report = RESULTS / f"{name}.json"
    report.unlink(missing_ok=True)
    command = [program, f"--gtest_output=json:{report}", "--gtest_brief=0"]
    if pattern:
        command.append(f"--gtest_filter={pattern}")
    started = time.monotonic()
    status, output = run(command, GTEST_TIMEOUT_S, {**SANITIZER_ENV.get(preset, {}), **env})
    (RESULTS / f"{name}.log").write_text(output)
    counts, failures = gtest_counts(report, output, status)
    line = f"  {program.name}: {counts.passed} passed, {counts.failed} failed"
    if counts.skipped:
        line += f", {counts.skipped} skipped"
    text = [f"{line} ({time.monotonic() - started:.1f} s)"]
    counts.reasons = [f"{program.name} {failure}" for failure in failures]
    text += [f"  FAILED {reason}" for reason in counts.reasons]
    show("\n".join(text))
    if failures:
        show_tail(interesting(output))
    return counts


def gtests(preset: str, targets: list[str], options: argparse.Namespace, env: dict | None = None,
           jobs: int = JOBS) -> Counts:
    """Builds the targets and runs their programs, a core each."""
    programs = [target for target in targets if target is not None]
    if not programs:
        return Counts()
    if not build(preset, *programs):
        return Counts(failed=1)
    env = {**postgres_env(), **(env or {})}
    total = Counts()
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        paths = [ROOT / "build" / preset / "bin" / program for program in programs]
        for counts in pool.map(lambda path: run_gtest(preset, path, options.filter, env), paths):
            total.add(counts)
    return total


def unit_programs(*folders: str) -> list[str]:
    """The programs of tests/unit, all or those of the folders that have tests."""
    unit = ROOT / "tests" / "unit"
    names = folders or sorted(path.name for path in unit.glob("*") if path.is_dir())
    return [f"unit_{name}" for name in names if has_sources(f"tests/unit/{name}", "*_test.cpp")]


def one_program(folder: str, name: str) -> list[str]:
    return [name] if has_sources(f"tests/{folder}", "*.cpp") else []


def property_env(options: argparse.Namespace) -> dict:
    return {"RC_PARAMS": "max_success=2000"} if options.all else {}


def unit(options: argparse.Namespace) -> Counts:
    return gtests("release", unit_programs(), options)


def conformance(options: argparse.Namespace) -> Counts:
    return gtests("release", one_program("storage_conformance", "storage_conformance"), options)


def properties(options: argparse.Namespace) -> Counts:
    env = {"RC_PARAMS": "max_success=1000", **property_env(options)}
    counts = gtests("release", one_program("property", "property"), options, env)
    # Python's own arithmetic asks bin/recurrence_cases, which is built with the program above.
    counts.add(pytest("property-oracle", "tests/property", options))
    return counts


# --- pytest ---------------------------------------------------------------------------------------


def junit_counts(report: pathlib.Path) -> Counts:
    counts = Counts()
    if report.exists():
        for suite in xml.etree.ElementTree.parse(report).getroot().iter("testsuite"):
            numbers = {key: int(suite.get(key, 0)) for key in ("tests", "failures", "errors", "skipped")}
            bad = numbers["failures"] + numbers["errors"]
            counts.add(Counts(numbers["tests"] - bad - numbers["skipped"], bad, numbers["skipped"],
                              [junit_reason(test, why) for test in suite.iter("testcase")
                               for why in [*test.findall("failure"), *test.findall("error")]]))
    return counts


def junit_reason(test: xml.etree.ElementTree.Element, why: xml.etree.ElementTree.Element) -> str:
    """The message, and of what a fixture threw, which says less there, the end."""
    text = why.get("message", "")
    if why.tag == "error" and why.text:
        text = next((line for line in reversed(why.text.splitlines()) if line.startswith("E ")), text)
    return f"{test.get('classname')} {test.get('name')}: {' '.join(text.split())[:REASON_CHARACTERS_MAX]}"


def pytest(name: str, folder: str, options: argparse.Namespace, *arguments: str,
           preset: str = "release", files: tuple = ()) -> Counts:
    """Runs a folder's tests, or those files of it, against the program of the preset, which
    TODO_BACKEND names."""
    if not has_sources(folder, "test_*.py"):
        return Counts()
    if (ROOT / "src" / "main.cpp").exists() and not build(preset, "todo-backend"):
        return Counts(failed=1)
    report = RESULTS / f"{name}.xml"
    report.unlink(missing_ok=True)
    paths = [f"{folder}/{file}" for file in files] or [folder]
    command = ["/usr/bin/python3", "-m", "pytest", *paths, "-q", "--tb=short", "-rfE",
               "-p", "no:cacheprovider", f"--junitxml={report}", *arguments]
    if options.filter:
        command += ["-k", options.filter]
    env = {"TODO_BACKEND": str(ROOT / "build" / preset / "todo-backend"),
           "PYTHONDONTWRITEBYTECODE": "1", **postgres_env(), **SANITIZER_ENV.get(preset, {})}
    status, output = run(command, PYTEST_TIMEOUT_S, env)
    (RESULTS / f"{name}.log").write_text(output)
    counts = junit_counts(report)
    if status not in (0, 5) and counts.failed == 0:  # 5: no test was selected
        counts.failed = 1
    if counts.failed:
        show_tail(output)
    return counts


def on_databases(name: str, options: argparse.Namespace, *arguments: str,
                 preset: str = "release") -> Counts:
    """The integration tests on each database, at the same time where there are cores for it."""
    if options.all:
        arguments = (*arguments, "--long")

    def run_on(database: str) -> Counts:
        files, where = (), (f"--database={database}",)
        if database == "pooler":
            files, where = POOLED_FILES, ("--database=postgres", "--pooler")
        counts = pytest(f"{name}-{database}", "tests/integration", options, *where, *arguments,
                        preset=preset, files=files)
        show(f"  on {database}: {counts.passed} passed, {counts.failed} failed")
        return counts

    total = Counts()
    with concurrent.futures.ThreadPoolExecutor(min(JOBS, len(DATABASES))) as pool:
        for counts in pool.map(run_on, DATABASES):
            total.add(counts)
    return total


def integration(options: argparse.Namespace) -> Counts:
    return on_databases("integration", options)


def docs(options: argparse.Namespace) -> Counts:
    return pytest("docs", "tests/docs", options)


def crash(options: argparse.Namespace) -> Counts:
    return pytest("crash", "tests/crash", options)


def pipeline(options: argparse.Namespace) -> Counts:
    """On a broker, sidecars and a PostgreSQL of its own; their parts are fetched and built once."""
    try:
        broker.jars()
        daprd.program()
    except parts.PartError as error:
        show_tail(str(error))
        return Counts(failed=1)
    counts = pytest("pipeline", "tests/pipeline", options, *(["--every"] if options.all else []))
    log = RESULTS / "pipeline.log"
    shown = re.search(r"^scenario .*(?:\n.+)*", log.read_text(), flags=re.M) if log.exists() else None
    if shown:
        show(shown.group())
    return counts


# --- the web interface ----------------------------------------------------------------------------


def web_step(name: str, *command: str) -> Counts:
    """Runs it in web/; one that writes no report counts as one test."""
    report = RESULTS / f"web-{name}.xml"
    report.unlink(missing_ok=True)
    if command[0] == "vitest":
        command = ("npx", *command, "--reporter=default", "--reporter=junit",
                   f"--outputFile.junit={report}")
    started = time.monotonic()
    env = {"TODO_BACKEND": str(ROOT / "build" / "release" / "todo-backend"), "NO_COLOR": "1"}
    status, output = run(["/usr/bin/python3", "tools/web.py", "run", *command], WEB_TIMEOUT_S, env)
    (RESULTS / f"web-{name}.log").write_text(output)
    counts = junit_counts(report)
    if status != 0 and counts.failed == 0:
        counts.failed = 1
    if status == 0 and not report.exists():
        counts.passed = 1
    show(f"  {name}: {counts.passed} passed, {counts.failed} failed "
         f"({time.monotonic() - started:.0f} s)")
    if counts.failed:
        show_tail(output)
    return counts


def web(options: argparse.Namespace) -> Counts:
    """Types and style, what needs no browser, what it weighs, and the journeys in a browser against
    the program itself."""
    if not build("release", "todo-backend"):
        return Counts(failed=1)
    only = [f"--testNamePattern={options.filter}"] if options.filter else []
    steps = [("unit", "vitest", "run", "--config", "vitest.config.ts", *only),
             ("journeys", "vitest", "run", "--config", "vitest.e2e.config.ts", *only)]
    if not only:
        steps = [("check", "npm", "run", "--silent", "check"), steps[0],
                 ("budget", "npm", "run", "--silent", "budget"), steps[1]]
    total = Counts()
    for step in steps:
        total.add(web_step(*step))
    return total


# --- the deployment -------------------------------------------------------------------------------


def with_tools(what: str, folders: tuple, options: argparse.Namespace) -> Counts:
    """Tests of the deployment, once the programs that they drive are there: those of the installer's set."""
    command = ["/usr/bin/python3", "-u", "tests/deploy/install.py", what]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, start_new_session=True)
    running.add(process)
    # What the others need may be there all the same.
    total = Counts(failed=int(process.wait() != 0))
    running.discard(process)
    for folder in folders:
        started = time.monotonic()
        counts = pytest(f"deploy-{folder}", f"tests/deploy/{folder}", options)
        show(f"  {folder}: {counts.passed} passed, {counts.failed} failed "
             f"({time.monotonic() - started:.0f} s)")
        total.add(counts)
    return total


def deploy_files(options: argparse.Namespace) -> Counts:
    return with_tools("files", ("files",), options)


def deploy(options: argparse.Namespace) -> Counts:
    """A control plane with fake nodes, a rolling upgrade, the image, the workflows."""
    return with_tools("all", ("cluster", "rolling", "image", "workflows"), options)


# --- sanitizers and fuzzing -----------------------------------------------------------------------


def asan(options: argparse.Namespace) -> Counts:
    counts = gtests("asan", unit_programs() + one_program("storage_conformance", "storage_conformance")
                    + one_program("property", "property"), options)
    # The tests marked `smoke` drive the whole program once more under the sanitizers.
    if has_sources("tests/integration", "test_*.py"):
        counts.add(on_databases("asan-integration", options, "-m", "smoke", preset="asan"))
    return counts


def tsan(options: argparse.Namespace) -> Counts:
    """Where threads meet: the executors and queues of storage, pipeline, net and realtime."""
    return gtests("tsan", unit_programs("base", "storage", "pipeline", "net", "realtime")
                  + one_program("storage_conformance", "storage_conformance"), options, jobs=1)


def run_fuzz(target: str, seconds: int) -> Counts:
    corpus = ROOT / "tests" / "fuzz" / "corpus" / target
    found = CACHE / "fuzz" / target  # what earlier runs found interesting
    artifacts = RESULTS / "fuzz" / target
    for folder in (found, artifacts):
        folder.mkdir(parents=True, exist_ok=True)
    command = [ROOT / "build" / "asan" / "bin" / f"fuzz_{target}", f"-max_total_time={seconds}",
               "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1",
               f"-artifact_prefix={artifacts}/", found]
    if corpus.is_dir():
        command.append(corpus)
    dictionary = ROOT / "tests" / "fuzz" / f"{target}.dict"
    if dictionary.exists():
        command.append(f"-dict={dictionary}")
    status, output = run(command, seconds + 120, SANITIZER_ENV["asan"])
    (RESULTS / f"fuzz-{target}.log").write_text(output)
    runs = re.search(r"stat::number_of_executed_units:\s*(\d+)", output)
    if status == 0:
        show(f"  fuzz_{target}: {runs.group(1) if runs else '?'} inputs in {seconds} s")
        return Counts(passed=1)
    show(f"  FAILED fuzz_{target}; the input is below {artifacts.relative_to(ROOT)}")
    show_tail(output)
    return Counts(failed=1)


def fuzz(options: argparse.Namespace) -> Counts:
    targets = sorted(path.name.removesuffix("_fuzz.cpp")
                     for path in (ROOT / "tests" / "fuzz").glob("*_fuzz.cpp"))
    if options.filter:
        targets = [target for target in targets if re.search(options.filter.strip("*"), target)]
    if not targets:
        return Counts()
    if not build("asan", *(f"fuzz_{target}" for target in targets)):
        return Counts(failed=1)
    total = Counts()
    seconds = FUZZ_SECONDS_ALL if options.all else FUZZ_SECONDS
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        for counts in pool.map(lambda target: run_fuzz(target, seconds), targets):
            total.add(counts)
    return total


# --- checks of the sources ------------------------------------------------------------------------


def check(name: str, *command: str) -> Counts:
    """A script that prints what is wrong and ends with "N passed, M failed"."""
    status, output = run(["/usr/bin/python3", *command], 3600)
    (RESULTS / f"{name}.log").write_text(output)
    *text, last = output.rstrip().splitlines() or [""]
    match = re.fullmatch(r"(\d+) passed, (\d+) failed", last)
    if match is None:
        show_tail(output)
        return Counts(failed=1)
    for line in text:
        show(f"  {line}")
    counts = Counts(int(match.group(1)), int(match.group(2)))
    if status != 0 and counts.failed == 0:
        counts.failed = 1
    return counts


def formatting(_options: argparse.Namespace) -> Counts:
    return check("format", "tools/format.py", "--check")


def lint(options: argparse.Namespace) -> Counts:
    limit = [] if options.all else [f"--seconds={TIDY_SECONDS}"]
    return check("lint", "tools/lint.py", *limit)


# In this order: what is quick and what most often fails comes first.
SUITES = {
    "format": formatting,
    "unit": unit,
    "conformance": conformance,
    "property": properties,
    "integration": integration,
    "docs": docs,
    "web": web,
    "deploy_files": deploy_files,
    "crash": crash,
    "pipeline": pipeline,
    "lint": lint,
    "asan": asan,
    "tsan": tsan,
    "fuzz": fuzz,
}
# Only when they are named: it takes ten minutes, and forty the first time.
ON_REQUEST = {"deploy": deploy}


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev test", description="Runs the tests.")
    parser.add_argument("suites", nargs="*", metavar="suite", help=" ".join([*SUITES, *ON_REQUEST]))
    parser.add_argument("--all", action="store_true",
                        help="clang-tidy on every file, long fuzzing, more properties, "
                             "every scenario of the pipeline")
    parser.add_argument("--filter", metavar="PATTERN", help="GoogleTest's filter, or pytest's -k")
    options = parser.parse_args()
    known = SUITES | ON_REQUEST
    unknown = [name for name in options.suites if name not in known]
    if unknown:
        parser.error(f"there is no suite {', '.join(unknown)}; there are {' '.join(known)}")

    RESULTS.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    total, summary = Counts(), []
    for name in options.suites or SUITES:
        show(f"== {name}")
        begun = time.monotonic()
        counts = known[name](options)
        total.add(counts)
        skipped = f", {counts.skipped} skipped" if counts.skipped else ""
        line = (f"{name}: {counts.passed} passed, {counts.failed} failed{skipped} "
                f"({time.monotonic() - begun:.0f} s)")
        show(f"-- {line}")
        summary.append(line)
    if len(summary) > 1:
        show(f"\nIn {time.monotonic() - started:.0f} s; logs in {RESULTS.relative_to(ROOT)}:")
        for line in summary:
            show(f"  {line}")
        if total.reasons:
            show("Failed:")
        for reason in total.reasons[:REASONS_SHOWN_MAX]:
            show(f"  {reason}")
    show(f"{total.passed} passed, {total.failed} failed")
    return 1 if total.failed else 0


if __name__ == "__main__":
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    with at_end:
        sys.exit(main())
