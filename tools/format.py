#!/usr/bin/python3
"""format.py [--check] [FILE...]: clang-format over the C++ sources; with --check also shellcheck.

Without files it takes all. --check changes nothing, names the files that are not in shape, and ends with
"N passed, M failed".
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ("src", "tests", "bench")
SCRIPT_FOLDERS = (".ci", "tools", "tests", "deploy")


def sources() -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for folder in FOLDERS
                  for path in (ROOT / folder).rglob("*") if path.suffix in (".h", ".cpp"))


def is_shell_script(path: pathlib.Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return re.match(rb"#!.*\b(ba)?sh\b", file.readline(100)) is not None


def shell_scripts() -> list[str]:
    paths = [ROOT / "dev"] + [path for folder in SCRIPT_FOLDERS for path in (ROOT / folder).rglob("*")]
    return sorted(str(path.relative_to(ROOT)) for path in paths if is_shell_script(path))


def check(files: list[str]) -> int:
    result = subprocess.run(["clang-format-19", "--dry-run", "--ferror-limit=0", *files], cwd=ROOT,
                            capture_output=True, text=True, check=False) if files else None
    bad = sorted(set(re.findall(r"^(.+?):\d+:\d+: ", result.stderr, re.M))) if result else []
    if result is not None and result.returncode != 0:
        print(result.stderr)
        bad = bad or ["clang-format-19"]
    for file in bad:
        print(f"not formatted: {file} (./dev format {file})")
    scripts = shell_scripts()
    bad_scripts = []
    for script in scripts:
        result = subprocess.run(["shellcheck", "-x", script], cwd=ROOT, capture_output=True, text=True,
                                check=False)
        if result.returncode != 0:
            bad_scripts.append(script)
            print(result.stdout + result.stderr)
    failed = len(bad) + len(bad_scripts)
    print(f"{len(files) + len(scripts) - failed} passed, {failed} failed")
    return 1 if failed else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev format")
    parser.add_argument("--check", action="store_true", help="change nothing, name what is not in shape")
    parser.add_argument("files", nargs="*")
    options = parser.parse_args()
    os.chdir(ROOT)
    files = options.files or sources()
    if options.check:
        return check(files)
    if files:
        subprocess.run(["clang-format-19", "-i", *files], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
