#!/usr/bin/python3
"""Stands in for doctl, kubectl, helm, docker, gh and curl: writes down each call, and answers from a folder of state.

The name it is called by is the program it plays. STAND_IN names the folder: `calls` gets a line of JSON a
call, every other file is something that is there (`cluster`, `registry`, `secret`, `revision`), and `fail`
holds the beginning of the command that fails. curl is passed on to a server on loopback.
"""
import json
import os
import pathlib
import subprocess
import sys

STATE = pathlib.Path(os.environ["STAND_IN"])


def there(name: str) -> bool:
    return (STATE / name).exists()


def answer(ok: bool, text: str = "") -> None:
    if text:
        print(text)
    sys.exit(0 if ok else 1)


def doctl(words: list) -> None:
    match words[:3]:
        case ["kubernetes", "cluster", "get"]:
            answer(there("cluster"), "id" if there("cluster") else "")
        case ["kubernetes", "cluster", "create"]:
            (STATE / "cluster").touch()
        case ["kubernetes", "cluster", "delete"]:
            (STATE / "cluster").unlink()
        case ["registry", "get", *_]:
            answer(there("registry"), (STATE / "registry").read_text() if there("registry") else "")
        case ["registry", "create", *_]:
            (STATE / "registry").write_text(words[2])
        case ["registry", "delete", *_]:
            (STATE / "registry").unlink()


def kubectl(words: list) -> None:
    if words[:2] == ["config", "current-context"]:
        answer(True, "do-nyc1-todo-cluster")
    if words[:2] == ["get", "namespace"]:
        answer(there(f"namespace-{words[2]}"))
    if words[:2] == ["create", "namespace"]:
        (STATE / f"namespace-{words[2]}").touch()
    if "get" in words and "todo-backend" in words:
        answer(there("secret"))
    if "-f" in words and words[-1] == "-":
        text = sys.stdin.read()
        if "todo-backend" in text:
            (STATE / "secret").write_text(text)


def helm(words: list) -> None:
    revision = STATE / "revision"
    number = int(revision.read_text()) if revision.exists() else 0
    if "list" in words:
        answer(True, json.dumps([{"name": "todo-app", "revision": str(number)}] if number else []))
    if words[:1] == ["upgrade"] or "rollback" in words:
        revision.write_text(str(number + 1))


def curl(words: list) -> None:
    if there("unwell") and "rollback" not in (STATE / "calls").read_text():
        answer(False)
    port = (STATE / "port").read_text()
    sys.exit(subprocess.run(["/usr/bin/curl", *(word.replace("https://todo.test", f"http://127.0.0.1:{port}")
                                                for word in words)]).returncode)


def docker(words: list) -> None:
    """A container that is healthy, has no shell, and stops when it is told to."""
    match words:
        case ["run", *_]:
            answer(True, "container")
        case ["exec", _, "/bin/sh", *_]:
            answer(False)
        case ["inspect", "--format", "{{.Config.User}}", _]:
            answer(True, "65532:65532")
        case ["inspect", "--format", "{{.State.ExitCode}}", _]:
            answer(True, "0")
        case ["image", "inspect", *_]:
            answer(True, "50000000")


def main() -> None:
    name, words = pathlib.Path(sys.argv[0]).name, sys.argv[1:]
    if name != "curl":
        with open(STATE / "calls", "a") as file:
            file.write(json.dumps([name, *words]) + "\n")
    if there("fail") and " ".join([name, *words]).startswith((STATE / "fail").read_text()):
        print("stand-in: told to fail", file=sys.stderr)
        sys.exit(1)
    programs = {"doctl": doctl, "kubectl": kubectl, "helm": helm, "curl": curl, "docker": docker}
    programs.get(name, lambda _: None)(words)


if __name__ == "__main__":
    main()
