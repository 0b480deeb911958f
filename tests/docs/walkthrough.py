"""Runs the commands of a Markdown document, in order and in one bash, and compares what they print
with what the document shows.

A block fenced as `sh` is run as it stands. When it prints something, the next block must show it:
`json` for JSON values, whatever their layout, `text` for lines. A comment
`<!-- clock: 2027-03-01T08:00:00Z -->` says what the server's clock shows from there on, with
`, after a restart` when the server was stopped meanwhile; `<!-- not run -->` stands before a block
that is not for this shell.

What differs from run to run is matched by its kind: an id, a hash or a token stands for another,
and the same id always for the same; an instant with a fraction stands for one within ten minutes.
All else, instants without a fraction included, must be equal to the letter.
"""
import dataclasses
import datetime
import json
import re
import subprocess
import threading
import uuid

FENCE = re.compile(r"^(?:<!-- (?P<comment>.*?) -->|```(?P<language>\w*))\s*$")
CHANGING = re.compile(
    r"(?P<id>\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b)"
    r"|(?P<hash>\b[0-9a-f]{64}\b)"
    r"|(?P<instant>\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?Z)"
    r"|(?P<token>\b(?:eyJ|todo_)[\w-]{20,}(?:\.[\w-]+)*)")
INSTANTS_APART = datetime.timedelta(minutes=10)
COMMAND_SECONDS = 120


@dataclasses.dataclass
class Step:
    """A block of commands and what it is said to print."""
    line: int
    commands: str
    shown: str | None = None
    language: str = ""
    clock: datetime.datetime | None = None
    after_restart: bool = False


def parse_instant(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def read_steps(text: str) -> list[Step]:
    steps, fresh, clock, run_next = [], None, "", True
    lines = enumerate(text.splitlines(), 1)
    for number, line in lines:
        match = FENCE.match(line)
        if match is None:
            continue
        if comment := match["comment"]:
            if comment.startswith("clock: "):
                clock = comment.removeprefix("clock: ")
            run_next = run_next and comment != "not run"
            continue
        block = []
        for _, inner in lines:
            if inner.startswith("```"):
                break
            block.append(inner)
        body = "\n".join(block)
        if match["language"] == "sh" and run_next:
            fresh = Step(number, body)
            if clock:
                moment, _, restart = clock.partition(", ")
                fresh.clock = parse_instant(moment)
                fresh.after_restart = restart == "after a restart"
            steps.append(fresh)
            clock = ""
        elif match["language"] in ("json", "text") and fresh is not None:
            fresh.shown, fresh.language = body, match["language"]
            fresh = None
        run_next = True
    return steps


class Shell:
    """A bash that runs block after block and keeps its variables and functions between them."""

    def __init__(self, folder, environment: dict):
        self.process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"], cwd=folder, env=environment, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.run("set -o pipefail; trap 'failed=1' ERR")

    def run(self, commands: str) -> tuple[bool, str]:
        """Whether every command of the block went well, and what it printed."""
        mark = f"== {uuid.uuid4()} "
        self.process.stdin.write(f"failed=0\n{commands}\nprintf '%s%s\\n' '{mark}' $failed\n")
        self.process.stdin.flush()
        deadline = threading.Timer(COMMAND_SECONDS, self.process.kill)
        deadline.start()
        try:
            printed = []
            for line in self.process.stdout:
                text, found, status = line.partition(mark)
                printed.append(text)
                if found:
                    return status.strip() == "0", "".join(printed)
            raise AssertionError("bash ended, or took too long:\n" + "".join(printed))
        finally:
            deadline.cancel()

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(COMMAND_SECONDS)
        self.process.stdout.close()


def json_values(text: str) -> str:
    """A stream of JSON values, laid out in one way."""
    decoder, values, rest = json.JSONDecoder(), [], text.strip()
    while rest:
        value, end = decoder.raw_decode(rest)
        values.append(json.dumps(value, indent=1, ensure_ascii=False))
        rest = rest[end:].strip()
    return "\n".join(values)


class Comparison:
    """Holds which id of the document stands for which of this run."""

    def __init__(self):
        self.stands_for = {}

    def difference(self, language: str, shown: str, printed: str) -> str | None:
        """None, or what differs first."""
        if language == "json":
            try:
                shown, printed = json_values(shown), json_values(printed)
            except json.JSONDecodeError as error:
                return f"not JSON: {error}"
        shown_lines = [line.rstrip() for line in shown.strip().splitlines()]
        printed_lines = [line.rstrip() for line in printed.strip().splitlines()]
        for shown_line, printed_line in zip(shown_lines, printed_lines):
            if not self._same_line(shown_line, printed_line):
                return f"shown {shown_line!r}, printed {printed_line!r}"
        if len(shown_lines) != len(printed_lines):
            return f"{len(shown_lines)} lines are shown, {len(printed_lines)} were printed"
        return None

    def _same_line(self, shown: str, printed: str) -> bool:
        if CHANGING.sub("·", shown) != CHANGING.sub("·", printed):
            return False
        pairs = zip(CHANGING.finditer(shown), CHANGING.finditer(printed))
        return all(self._same_part(one, other) for one, other in pairs)

    def _same_part(self, shown: re.Match, printed: re.Match) -> bool:
        if shown.lastgroup != printed.lastgroup:
            return False
        if shown.lastgroup == "token":
            return True
        if shown.lastgroup == "instant":
            if "." not in shown[0]:
                return shown[0] == printed[0]
            return abs(parse_instant(shown[0]) - parse_instant(printed[0])) <= INSTANTS_APART
        both_ways = (self.stands_for.setdefault(shown[0], printed[0]),
                     self.stands_for.setdefault(("printed", printed[0]), shown[0]))
        return both_ways == (printed[0], shown[0])
