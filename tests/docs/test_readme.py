"""What the README gives to copy is sound."""
import pathlib
import re
import shutil
import subprocess

import pytest

from harness.server import program
from program_help import subcommands

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEXT = (ROOT / "README.md").read_text()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_the_service_unit_is_one_that_systemd_takes(tmp_path):
    unit = re.search(r"^```ini\n(.*?)^```$", TEXT, flags=re.M | re.S)[1]
    path = tmp_path / "todo-app.service"
    path.write_text(unit.replace("/usr/local/bin/todo-backend", program()))
    checked = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("document", [
    "README.md", "docs/quickstart.md", "docs/operations.md", "docs/architecture.md"])
def test_the_commands_that_a_document_names_exist(document):
    known = subcommands()
    named = re.findall(r"todo-backend ((?:[a-z][a-z-]*\b ?)+)", (ROOT / document).read_text())
    unknown = [words for words in named
               if not any(f"{words} ".startswith(f"{name} ") for name in known)]
    assert unknown == []
