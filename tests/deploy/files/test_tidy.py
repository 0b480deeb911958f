"""The files as each language's own tool sees them."""
import os
import pathlib

import pytest
from kit import HERE, ROOT, call, must, shell_scripts, tracked

import tools_at

WORKFLOWS = tracked(".github/workflows/*.yml", ".github/workflows/*.yaml")


def test_shellcheck():
    assert {"dev", "deploy/docker/collect"} <= set(shell_scripts())
    must("shellcheck", "-x", *shell_scripts(), *tracked("deploy/doks/*.sh"))


def test_shfmt():
    scripts = [*shell_scripts(), *tracked("deploy/doks/*.sh")]
    assert must("shfmt", "-d", "-i", "2", "-ci", *scripts) == ""


def test_hadolint():
    must("hadolint", *tracked("deploy/docker/Dockerfile"))


def test_yamllint():
    must("yamllint", "--strict", "-c", ROOT / ".yamllint.yaml", *tracked("*.yaml", "*.yml"))


@pytest.mark.skipif(not WORKFLOWS, reason="there are no workflows")
def test_actionlint():
    shellcheck = tools_at.tool("shellcheck")
    must("actionlint", "-shellcheck", shellcheck, "-pyflakes", "", *WORKFLOWS)


def test_redocly():
    node = f"{tools_at.node_folder()}:{os.environ['PATH']}"
    must("redocly", "lint", "--config", HERE / "redocly" / "redocly.yaml", "docs/api/openapi.yaml",
         env={**os.environ, "PATH": node, "REDOCLY_TELEMETRY": "off",
              "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"})


@pytest.mark.parametrize("name, wrong", [
    ("shellcheck", "#!/bin/sh\nrm $1\n"), ("hadolint", "FROM debian\nRUN cd /\n"),
    ("yamllint", "a: 1\na: 2\n"), ("actionlint", "on: push\njobs: {a: {steps: []}}\n")])
def test_the_tool_sees_what_is_wrong(name, wrong, tmp_path):
    file = pathlib.Path(tmp_path / "wrong.yaml")
    file.write_text(wrong)
    assert call(name, file).returncode != 0
