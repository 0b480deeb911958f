"""What the tests of the deployment share: programs from the cache, rendered charts, scraped metrics."""
import pathlib
import re
import subprocess

import tools_at
import yaml

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent

CHART = ROOT / "deploy" / "helm" / "todo-app"
# A chart's variants: the files of values given, besides the defaults.
VARIANTS = {
    "defaults": [],
    "local": ["local"],
    "staging": ["staging"],
    "production": ["production"],
    "production on Redpanda": ["production", "redpanda"],
    "staging on Redpanda Cloud": ["staging", "redpanda-cloud"],
}
EVERYTHING = ["--set", "backup.enabled=true,monitoring.serviceMonitor.enabled=true,"
                       "monitoring.prometheusRule.enabled=true,monitoring.dashboard.enabled=true"]


def call(*command, **options) -> subprocess.CompletedProcess:
    """Runs a program that ends soon; its name is looked up among the tools first."""
    name, *rest = [str(part) for part in command]
    if name in tools_at.FOLDERS:
        name = tools_at.tool(name)
    options = {"cwd": ROOT, "timeout": 300, **options}
    return subprocess.run([name, *rest], capture_output=True, text=True, **options)


def must(*command, **options) -> str:
    """The output of a program that has to do well."""
    done = call(*command, **options)
    assert done.returncode == 0, f"{' '.join(map(str, command[:6]))}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def values_of(variant: str) -> list:
    return [argument for name in VARIANTS[variant]
            for argument in ("-f", CHART / f"values-{name}.yaml")]


def render(variant: str, *arguments, chart: pathlib.Path = CHART) -> str:
    return must("helm", "template", "todo-app", chart, "--namespace", "todo", *values_of(variant),
                *arguments)


def objects(text: str) -> list:
    return [thing for thing in yaml.load_all(text, yaml.CSafeLoader) if thing]


def tracked(*patterns: str) -> list:
    """The repository's files, those not yet committed too."""
    listed = must("git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns)
    return sorted(name for name in set(listed.splitlines()) if (ROOT / name).is_file())


def shell_scripts() -> list:
    def is_shell(name: str) -> bool:
        with open(ROOT / name, "rb") as file:
            return re.match(rb"#!(/bin/sh|/usr/bin/env bash|/bin/bash)\b", file.readline()) is not None

    return [name for name in tracked() if "." not in name.rsplit("/", 1)[-1] or name.endswith(".sh")
            if is_shell(name)]


# Where a block of commands in the documents runs: its first line says so.
HERE_MARK, PLANE_MARK, CLUSTER_MARK = "# here", "# control plane", "# real cluster"


def blocks(document: str, mark: str | None = None) -> list:
    """The blocks of commands of a document, those with a mark alone if one is given."""
    text = (ROOT / "docs" / document).read_text()
    found = re.findall(r"^```bash\n(.*?)^```$", text, flags=re.M | re.S)
    return [block for block in found if mark is None or block.startswith(f"{mark}\n")]
