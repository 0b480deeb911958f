#!/usr/bin/python3
"""lint.py [--seconds N] [FILE...]: the layers, and clang-tidy on every source that is not known clean.

A source that was clean is remembered by its content: its own text and that of every header of ours it
reaches, the compiler's arguments, .clang-tidy, and clang-tidy's version. So a fresh clone checks only
what nobody checked before. --seconds bounds the time: no file is begun after it; those left are named
and neither passed nor failed. The last line is "N passed, M failed".
"""
import argparse
import concurrent.futures
import functools
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("TODO_CACHE") or ROOT / ".cache")  # set by ./dev
CLEAN = CACHE / "tidy"
BUILD = ROOT / "build" / "release"
FOLDERS = ("src/", "tests/support/")
JOBS = int(os.environ.get("TODO_JOBS") or os.cpu_count() or 1)
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
CLEAN_AGE_MAX_S = 60 * 24 * 3600


@functools.cache
def text_of(path: pathlib.Path) -> bytes:
    return path.read_bytes()


@functools.cache
def includes_of(path: pathlib.Path, roots: tuple[pathlib.Path, ...]) -> tuple[pathlib.Path, ...]:
    """The headers of ours that a file names, as it would find them."""
    found = []
    for name in INCLUDE.findall(text_of(path).decode(errors="replace")):
        for root in (path.parent, *roots):
            if (root / name).is_file():
                found.append((root / name).resolve())
                break
    return tuple(found)


def key_of(source: pathlib.Path, arguments: list[str], version: str) -> str:
    """Names a result: equal keys mean that clang-tidy would say the same."""
    roots = tuple(pathlib.Path(argument[2:]) for argument in arguments if argument.startswith("-I"))
    reached, open_files = {source}, [source]
    while open_files:
        for header in includes_of(open_files.pop(), roots):
            if header not in reached:
                reached.add(header)
                open_files.append(header)
    digest = hashlib.sha256()
    flags = [argument.replace(str(ROOT), ".") for argument in arguments
             if re.match(r"-(std|D|f|O|W)", argument)]
    digest.update(json.dumps([version, sorted(flags)]).encode())
    digest.update(text_of(ROOT / ".clang-tidy"))
    for path in sorted(reached):
        digest.update(f"{path.relative_to(ROOT)}\0".encode())
        digest.update(hashlib.sha256(text_of(path)).digest())
    return digest.hexdigest()


def changed_files() -> set[str]:
    """What the work tree and the last commit changed: what deserves the time first."""
    names: set[str] = set()
    for revision in ("HEAD", "HEAD~1"):
        result = subprocess.run(["git", "diff", "--name-only", revision], cwd=ROOT, check=False,
                                capture_output=True, text=True)
        names.update(result.stdout.split())
    return names


def tidy(source: pathlib.Path, key: str, deadline: float) -> tuple[str, str]:
    """clean, dirty or left; and what clang-tidy said."""
    if time.monotonic() > deadline:
        return "left", ""
    started = time.monotonic()
    result = subprocess.run(
        ["clang-tidy-19", "--quiet", "-p", BUILD, source], cwd=ROOT, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    print(f"clang-tidy {source.relative_to(ROOT)}: {time.monotonic() - started:.0f} s", file=sys.stderr,
          flush=True)
    if result.returncode == 0:
        (CLEAN / key).touch()
        return "clean", ""
    return "dirty", result.stdout or result.stderr


def findings(text: str) -> list[str]:
    """clang-tidy's output in its findings, each with its notes."""
    return [part.replace(f"{ROOT}/", "").rstrip()
            for part in re.split(r"^(?=\S+:\d+:\d+: (?:error|warning): )", text, flags=re.M) if part.strip()]


def commands(only: list[str]) -> list[tuple[pathlib.Path, list[str]]]:
    """The sources to check, with their compilers' arguments."""
    wanted = {(ROOT / name).resolve() for name in only}
    found = []
    for entry in json.loads((BUILD / "compile_commands.json").read_text()):
        path = pathlib.Path(entry["file"])
        if not path.is_file() or not path.is_relative_to(ROOT):
            continue
        if wanted and path not in wanted:
            continue
        if wanted or str(path.relative_to(ROOT)).startswith(FOLDERS):
            found.append((path, entry["command"].split()))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev lint")
    parser.add_argument("--seconds", type=float, help="begin no file after this time")
    parser.add_argument("files", nargs="*")
    options = parser.parse_args()
    deadline = time.monotonic() + (options.seconds or float("inf"))

    layers = subprocess.run(["/usr/bin/python3", "tools/check_layers.py"], cwd=ROOT, check=False,
                            capture_output=True, text=True)
    print(layers.stdout + layers.stderr, end="")
    passed, failed = (1, 0) if layers.returncode == 0 else (0, 1)

    build = subprocess.run(["./dev", "build", "--preset", "release", "todo_generated"], cwd=ROOT,
                           check=False, capture_output=True, text=True)
    if build.returncode != 0:
        print(build.stdout + build.stderr)
        print(f"{passed} passed, {failed + 1} failed")
        return 1

    CLEAN.mkdir(parents=True, exist_ok=True)
    for old in CLEAN.iterdir():
        if time.time() - old.stat().st_mtime > CLEAN_AGE_MAX_S:
            old.unlink(missing_ok=True)
    version = subprocess.run(["clang-tidy-19", "--version"], check=True, capture_output=True,
                             text=True).stdout
    work, known = [], 0
    for source, arguments in commands(options.files):
        key = key_of(source, arguments, version)
        if (CLEAN / key).exists():
            (CLEAN / key).touch()
            known += 1
        else:
            work.append((source, key))
    changed = changed_files()
    work.sort(key=lambda item: (str(item[0].relative_to(ROOT)) not in changed, item[0]))

    results = {"clean": 0, "dirty": 0, "left": 0}
    left, shown = [], set()
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        outcomes = pool.map(lambda item: tidy(*item, deadline), work)
        for (source, _), (outcome, text) in zip(work, outcomes):
            results[outcome] += 1
            if outcome == "left":
                left.append(str(source.relative_to(ROOT)))
            elif outcome == "dirty":
                # What is wrong in a header comes up in every file that includes it.
                new = [finding for finding in findings(text) if finding not in shown]
                shown.update(new)
                print("\n".join(new or [f"{source.relative_to(ROOT)}: as above"]))
    print(f"clang-tidy: {known} known to be clean, {results['clean']} found clean, "
          f"{results['dirty']} with findings, {results['left']} left")
    if left:
        print(f"not checked in the time there is; `./dev lint` checks them: {' '.join(left)}")
    passed += known + results["clean"]
    failed += results["dirty"]
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
