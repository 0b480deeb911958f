"""The commands of docs/quickstart.md and of the README's first steps print what is shown there."""
import os
import pathlib
import time

import pytest

from harness.server import Server, eventually, program
from walkthrough import Comparison, Shell, read_steps

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENTED_URL = "http://127.0.0.1:8080"


@pytest.fixture
def timed(tmp_path):
    server = Server(tmp_path / "server", faketime=True, RATE_LIMITS="on")
    yield server
    server.stop()


def open_shell(server, folder) -> Shell:
    """As a reader has it: a checkout with the built program, and the server's settings."""
    (folder / "build").mkdir(parents=True)
    (folder / "build" / "release").symlink_to(pathlib.Path(program()).parent)
    clock = ("LD_PRELOAD", "FAKETIME", "DONT_FAKE")
    environment = {name: value for name, value in {**os.environ, **server.environment()}.items()
                   if not name.startswith(clock)}
    return Shell(folder, environment | {"PORT": str(server.port), "LC_ALL": "C.UTF-8"})


def set_clock(server, step) -> None:
    if step.after_restart:
        server.settings["PORT"] = server.port
        server.stop()
    server.set_clock_offset(step.clock.timestamp() - time.time())
    if server.process is None:
        server.start()
        eventually(lambda: any('"message":"audit heads"' in line for line in server.log))
    server.run("reminders", "run")  # as its timer did meanwhile


def test_the_quickstart_does_what_it_says(timed, tmp_path):
    steps = read_steps((ROOT / "docs" / "quickstart.md").read_text())
    assert len(steps) > 40
    timed.set_clock_offset(steps[0].clock.timestamp() - time.time())
    timed.start()
    shell, comparison = open_shell(timed, tmp_path / "checkout"), Comparison()
    for step in steps:
        where = f"docs/quickstart.md:{step.line}:\n{step.commands}\n"
        if step.clock:
            set_clock(timed, step)
        succeeded, printed = shell.run(step.commands.replace(DOCUMENTED_URL, timed.url))
        assert succeeded, f"{where}a command failed; printed:\n{printed}"
        if step.shown is None:
            assert printed == "", f"{where}prints what is not shown:\n{printed}"
        else:
            difference = comparison.difference(step.language, step.shown, printed)
            assert difference is None, f"{where}{difference}\nprinted:\n{printed}"
    shell.close()


def test_the_readme_s_first_steps_lead_where_they_say(timed, tmp_path):
    text = (ROOT / "README.md").read_text()
    step = next(step for step in read_steps(text) if "/auth/register" in step.commands)
    timed.start()
    shell = open_shell(timed, tmp_path / "checkout")
    succeeded, printed = shell.run(step.commands.replace(DOCUMENTED_URL, timed.url))
    shell.close()
    assert succeeded, printed
    last = printed.splitlines()[-1]
    assert last == '"2027-02-28"' and f"prints `{last}`" in text


ID, OTHER = "01a4001a-7d48-7400-9aea-928d5a08f341", "01a4001a-7f21-7414-bde6-85e6b291b243"


@pytest.mark.parametrize("language, shown, printed", [
    ("json", '{"title": "a"}', '{"title": "b"}'),
    ("json", '{"title": "a"}', '{"title": "a", "version": 1}'),
    ("json", "[1]\n[2]", "[1]"),
    ("json", f'["{ID}", "{ID}"]', f'["{ID}", "{OTHER}"]'),
    ("json", f'["{ID}", "{OTHER}"]', f'["{ID}", "{ID}"]'),
    ("json", f'["{ID}"]', "[null]"),
    ("json", '"2027-03-31T21:59:59Z"', '"2027-03-31T22:59:59Z"'),
    ("json", '"2027-03-31T08:00:00.120Z"', '"2027-03-31T09:00:00.120Z"'),
    ("json", "[]", "curl: (7) Failed to connect"),
    ("text", "0 dead letters", "1 dead letter"),
    ("text", "one", "one\ntwo"),
])
def test_what_a_document_shows_wrongly_is_noticed(language, shown, printed):
    assert Comparison().difference(language, shown, printed)


def test_ids_and_the_time_of_the_run_may_differ():
    comparison = Comparison()
    assert comparison.difference("json", f'{{"id": "{ID}", "at": "2027-03-01T08:00:00.165Z"}}',
                                 f'{{"id":"{OTHER}","at":"2027-03-01T08:00:07Z"}}') is None
    assert comparison.difference("text", f"user {ID}", f"user {OTHER}") is None
    assert comparison.difference("text", f"user {ID}", f"user {ID}")


def test_a_block_without_its_output_is_read_as_one_that_prints_nothing():
    one, two = read_steps("<!-- not run -->\n```sh\na\n```\n<!-- clock: 2027-03-01T08:00:00Z -->\n"
                          "```sh\nb\n```\n```text\nc\n```\n```sh\nd\n```\n")
    assert (one.commands, one.shown, one.clock.hour) == ("b", "c", 8)
    assert (two.commands, two.shown, two.clock) == ("d", None, None)
