#!/usr/bin/python3
"""Fails on an #include in src/ that points up, or on a library used outside its folders.

The layers stand in docs/architecture.md: app → http, dapr, realtime, pipeline → service →
storage, events → domain → base; http, dapr and realtime use net; observability is for all but base,
domain and events. The CMake targets link by the same rule; this reads the include lines, because
static libraries alone would not notice.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SRC = ROOT / "src"

DOMAIN = {"base", "domain"}
EVENTS = DOMAIN | {"events"}
STORAGE = EVENTS | {"storage"}
SERVICE = STORAGE | {"service", "observability"}
EDGE = SERVICE | {"net", "embedded"}
# Folder → folders whose headers it may include, besides its own.
MAY_INCLUDE = {
    "base": {"base"},
    "domain": DOMAIN,
    "events": EVENTS,
    "observability": {"base"},
    "storage": STORAGE,
    "storage/sqlite": STORAGE | {"observability"},
    "storage/postgres": STORAGE | {"observability"},
    "service": SERVICE,
    "pipeline": SERVICE,
    "net": {"base", "observability"},
    "http": EDGE,
    "dapr": EDGE,
    "realtime": EDGE,
    "app": None,  # the composition root: everything
    "main.cpp": None,
}
# Library headers → the folders that may include them.
LIBRARIES = {
    re.compile(r"sqlite3"): {"storage/sqlite"},
    re.compile(r"libpq-fe\.h|pg_config"): {"storage/postgres"},
    re.compile(r"boost/(asio|beast)[/.]"): {"net", "http", "dapr", "realtime", "app"},
    re.compile(r"CLI/"): {"app", "main.cpp"},
    re.compile(r"prometheus/"): {"observability"},
    re.compile(r"absl/"): {"domain"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')


def folder_of(path: str) -> str:
    """The folder with a layer of its own that a path below src/ belongs to."""
    parts = path.split("/")
    two = "/".join(parts[:2])
    return two if two in MAY_INCLUDE else parts[0]


def errors_in(file: pathlib.Path) -> list[str]:
    """One line for each include of the file that is not allowed."""
    own = folder_of(file.relative_to(SRC).as_posix())
    if own not in MAY_INCLUDE:
        return [f"{file.relative_to(ROOT)}: {own}/ has no layer: give it one in tools/check_layers.py"]
    allowed = MAY_INCLUDE[own]
    errors = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if match is None:
            continue
        where = f"{file.relative_to(ROOT)}:{number}"
        quoted, header = match.group(1) == '"', match.group(2)
        for library, folders in LIBRARIES.items():
            if library.match(header) and own not in folders:
                errors.append(f"{where}: {own} may not include <{header}>; "
                              f"only {', '.join(sorted(folders))} may")
        if not quoted:
            continue
        other = folder_of(header)
        if "/" not in header:
            errors.append(f'{where}: write "{header}" with its folder, from src/')
        elif allowed is not None and other != own and other not in allowed:
            errors.append(f'{where}: {own} may not include "{header}"; it may include '
                          f"{', '.join(sorted(allowed))}")
    return errors


def main() -> None:
    files = sorted(file for ending in ("*.h", "*.cpp") for file in SRC.rglob(ending))
    errors = [error for file in files for error in errors_in(file)]
    if errors:
        sys.exit("\n".join(errors))


if __name__ == "__main__":
    main()
